"""The file of `--params`: what is read, where paths lead, and how a bad file is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.params_file import read_params_file

TOML = b"""
prompt = "1girl"
size = [64, 128]

[i2i]
image = "source.png"
strength = 0.5

[[characters]]
prompt = "girl"
position = [0.1, 0.5]

[controlnet]
images = [{ image = "vibe.png" }, { image = "/far/vibe.png", strength = 1 }]

[[character_references]]
image = "who.png"
type = "style"
"""


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(click.ClickException) as caught:
        read_params_file(path)
    return caught.value.format_message()


def test_toml_and_json_say_the_same_and_paths_are_the_files_own(tmp_path: Path) -> None:
    fields = read_params_file(write(tmp_path, "p.toml", TOML))
    assert fields == {
        "prompt": "1girl",
        "size": [64, 128],
        "i2i": {"image": str(tmp_path / "source.png"), "strength": 0.5},
        "characters": [{"prompt": "girl", "position": [0.1, 0.5]}],
        "controlnet": {
            "images": [{"image": str(tmp_path / "vibe.png")}, {"image": "/far/vibe.png", "strength": 1}],
        },
        "character_references": [{"image": str(tmp_path / "who.png"), "type": "style"}],
    }
    assert read_params_file(write(tmp_path, "p.JSON", json.dumps(fields))) == fields


def test_both_pictures_of_an_inpainting_are_the_files_own(tmp_path: Path) -> None:
    path = write(tmp_path, "p.json", '{"inpaint": {"image": "a.png", "mask": "b.png", "fit": "crop"}}')
    record = {"image": str(tmp_path / "a.png"), "mask": str(tmp_path / "b.png"), "fit": "crop"}
    assert read_params_file(path) == {"inpaint": record}


def test_what_is_no_path_stays_as_it_is(tmp_path: Path) -> None:
    fields = {
        "i2i": {"image": 5},
        "inpaint": "a.png",
        "controlnet": {"images": "a.png"},
        "character_references": [1, {}],
    }
    assert read_params_file(write(tmp_path, "p.json", json.dumps(fields))) == fields
    assert read_params_file(write(tmp_path, "q.json", '{"i2i": {"image": ""}}')) == {"i2i": {"image": ""}}


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    for name, text in (("p.json", '{"steps": 3}'), ("p.toml", "steps = 3")):
        assert read_params_file(write(tmp_path, name, b"\xef\xbb\xbf" + text.encode())) == {"steps": 3}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.toml", "steps 3", "expected TOML, got text that is none: Expected '=' .*line 1, column"),
        ("p.toml", "a = 1\na = 2\n", "expected TOML, got text that is none: Cannot overwrite a value .*line 2"),
        ("p.json", '{"steps": 3,\n "seed" 4}', r"expected JSON, got text that is none: .* \(at line 2, column 9\)"),
        ("p.json", "", r"expected JSON, .*line 1, column 1"),
        ("p.json", '{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice in one object"),
        ("p.json", '{"scale": NaN}', "NaN is no number of JSON"),
        ("p.json", '{"scale": -Infinity}', "-Infinity is no number of JSON"),
        ("p.json", '{"seed": ' + "9" * 5000 + "}", "expected JSON, got text that is none: .*digits"),
        ("p.json", "[" * 100_000, "it is nested too deeply"),
        ("p.json", "[1]", "expected an object of parameters, got list"),
        ("p.json", '"x"', "expected an object of parameters, got str"),
        ("p.json", '{"": 1}', "expected the name of a parameter, got ''"),
        ("p.json", b'{"a": "\xff"}', "expected text in UTF-8, got 0xff at byte 7"),
        ("p.toml", b" " * 1_048_577, "expected at most 1048576 bytes, got more"),
    ],
)
def test_a_bad_file_is_told_with_its_name_and_the_place(
    tmp_path: Path, name: str, content: bytes | str, words: str
) -> None:
    path = write(tmp_path, name, content)
    text = error_of(path)
    assert text.startswith(f"{path}: ")
    assert re.search(words, text), text


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert error_of(tmp_path / "no.toml") == f"--params: cannot read {tmp_path / 'no.toml'}: no such file or directory"
    assert error_of(tmp_path) == f"--params: cannot read {tmp_path}: is a directory"
    path = write(tmp_path, "p.yaml", "steps: 3")
    assert error_of(path) == f"--params: expected a file whose name ends with .toml or .json, got '{path}'"
    assert "null byte" in error_of(Path("a\0.toml"))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["toml", "json"]))
def test_any_bytes_are_fields_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), f"any.{ending}", content)
    try:
        fields: Any = read_params_file(path)
    except click.ClickException as error:
        assert str(path) in error.format_message()
        return
    assert isinstance(fields, dict)
