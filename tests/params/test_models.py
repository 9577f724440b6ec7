"""The room itself: its walls, its table, its names."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import attrs
import pytest

import nai_trio.params
from nai_trio.params import (
    MODELS,
    SIZES,
    Character,
    CharacterReference,
    ControlNet,
    EncodedVibe,
    ImageFields,
    ImageParams,
    ImageToImage,
    Inpaint,
    ModelInfo,
    Vibe,
)

FORBIDDEN = {"trio", "socket", "ssl", "asyncio", "random", "time"}
SOURCES = sorted(Path(nai_trio.params.__file__).parent.glob("*.py"))

LOADS_NO_RUNTIME = """
import sys
import nai_trio.params
assert not sys.modules.keys() & {"trio", "ssl", "asyncio", "h11", "msgpack", "cattrs", "PIL"}
nai_trio.params.ImageParams("cat").to_json()
assert not sys.modules.keys() & {"trio", "ssl", "asyncio", "h11", "msgpack", "PIL"}
"""
LOADS_NOTHING_BEYOND_THE_ERRORS = """
import sys
import nai_trio.errors
before = set(sys.modules)
import nai_trio.params
nai_trio.params.ImageParams("cat").to_json()
assert not (sys.modules.keys() - before) & {"socket", "random", "trio", "ssl", "asyncio"}
"""


@pytest.mark.parametrize("probe", [LOADS_NO_RUNTIME, LOADS_NOTHING_BEYOND_THE_ERRORS])
def test_a_fresh_interpreter_loads_no_runtime_with_the_room(probe: str) -> None:
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_module_imports_what_the_room_may(source: Path) -> None:
    for name in imported(source):
        top = name.partition(".")[0]
        assert top not in FORBIDDEN
        assert top in sys.stdlib_module_names | {"attrs", "cattrs", "nai_trio"}
        ours = name.startswith(("nai_trio.params", "nai_trio.pictures"))
        assert top != "nai_trio" or ours or name in {"nai_trio.errors", "nai_trio._lazy"}


@pytest.mark.parametrize("info", MODELS.values(), ids=lambda info: info.id)
def test_a_row_of_the_table_is_consistent(info: ModelInfo) -> None:
    fields = {attribute.name for attribute in attrs.fields(ImageParams)}
    assert info.options <= fields
    assert ("variety_boost" in info.options) == (info.variety_sigma is not None)
    assert {"standard", "none"} <= set(info.quality_texts)
    assert {"heavy", "light", "none"} <= set(info.uc_texts)
    assert "karras" in info.noise_schedules
    assert info.streams == info.prompt_objects == (info.max_characters > 0) == (info.family != "V3")
    assert info.guards_nsfw == ("curated" not in info.id)
    assert (info.vibes == "encoded") == (info.vibe_encoding is not None)
    assert ("controlnet" in info.options) == (info.vibes is not None)
    assert info.for_inpainting.inpainting_id == info.inpainting_id


def test_encoded_vibes_are_told_apart_by_model() -> None:
    names = [info.vibe_encoding for info in MODELS.values() if info.vibe_encoding]
    assert sorted(names) == ["v4-5curated", "v4-5full", "v4curated", "v4full"]


def test_inpainting_ids_are_the_ones_the_service_takes() -> None:
    odd = {
        "nai-diffusion-5-curated": "nai-diffusion-4-5-curated-inpainting",
        "nai-diffusion-4-curated-preview": "nai-diffusion-4-curated-inpainting",
    }
    assert {info.id: info.inpainting_id for info in MODELS.values()} == {
        id_: odd.get(id_, f"{id_}-inpainting") for id_ in MODELS
    }


@pytest.mark.parametrize("table", [MODELS, SIZES, MODELS["nai-diffusion-3"].uc_texts])
def test_tables_cannot_be_changed(table: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        table["x"] = None


@pytest.mark.parametrize(
    "cls",
    [ImageParams, Character, ModelInfo, ImageToImage, Inpaint, ControlNet, Vibe, EncodedVibe, CharacterReference],
)
def test_annotations_resolve_and_every_field_is_documented(cls: type) -> None:
    hints = typing.get_type_hints(cls)
    for attribute in attrs.fields(cls):
        assert attribute.name in hints
        assert f"\n    {attribute.name}: " in (inspect.getdoc(cls) or "")


def test_only_the_prompt_is_positional() -> None:
    positional = [attribute.name for attribute in attrs.fields(ImageParams) if not attribute.kw_only]
    assert positional == ["prompt"]
    with pytest.raises(TypeError):
        ImageParams("cat", "nai-diffusion-3")


def test_public_names_exist() -> None:
    for name in nai_trio.params.__all__:
        assert hasattr(nai_trio.params, name)


def test_keyword_fields_are_those_of_the_record() -> None:
    assert set(ImageFields.__annotations__) == {attribute.name for attribute in attrs.fields(ImageParams)}
