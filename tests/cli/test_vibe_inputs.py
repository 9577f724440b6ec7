"""Vibes on the command line: files, pictures, and what was paid for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulator_thread import Served
from PIL import Image, ImageDraw
from told import Told

from nai_trio.params import EncodedVibe
from nai_trio.params.vibe_files import VibeFile, write_vibes

if TYPE_CHECKING:
    from pathlib import Path


SMALL = ("--size", "64x64", "--steps", "3", "--seed", "5")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a picture and a mask."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "red").save("red.png")
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((16, 16, 47, 47), fill=255)
    mask.save("mask.png")
    return tmp_path


def parameters(served: Served) -> dict[str, Any]:
    """What the last request asked for, on the wire."""
    return dict(served.last_job.request["parameters"])


def test_a_vibe_is_encoded_once_where_there_is_a_cache(run_online: Any, folder: Path, served: Served) -> None:
    calls = len(served.emulator.jobs)
    for name in ("one.png", "two.png"):
        arguments = ("--vibe", "red.png,strength=0.5", "--vibe-cache", "vibes", *SMALL)
        told = run_online("generate", "x", *arguments, "-o", name)
        assert told.code == 0, told.err
    assert len(list((folder / "vibes").iterdir())) == 1
    paths = [job.path for job in served.emulator.jobs[calls:]]
    assert [path for path in paths if "generate" in path] == ["/ai/generate-image-stream"] * 2
    assert parameters(served)["reference_strength_multiple"] == [0.5]
    assert (folder / "one.png").read_bytes() == (folder / "two.png").read_bytes()


def encoded(encoding: str = "v4-5full", share: float = 0.7, token: bytes = b"token") -> EncodedVibe:
    return EncodedVibe(token=token, encoding=encoding, information_extracted=share)


@pytest.fixture
def vibe_files(folder: Path) -> Path:
    """Encodings alone; a picture alone; a bundle of both."""
    tokens = VibeFile.of(None, [encoded()])
    picture = VibeFile.of("red.png")
    (folder / "tokens.naiv4vibe").write_bytes(tokens.to_bytes())
    (folder / "picture.naiv4vibe").write_bytes(picture.to_bytes())
    (folder / "both.NAIV4VIBEBUNDLE").write_bytes(write_vibes([tokens, picture]))
    return folder


def cost_of(told: Told) -> int:
    assert told.code == 0, told.err
    record = json.loads(told.out)
    return int(record["vibe_encoding"])


def test_vibe_files_cost_nothing_where_they_hold_the_encoding(run: Any, vibe_files: Path) -> None:
    estimate = ("generate", "x", "--estimate", "--json", "--vibe")
    assert cost_of(run(*estimate, "red.png")) == 2
    assert cost_of(run(*estimate, "tokens.naiv4vibe")) == 0
    assert cost_of(run(*estimate, "picture.naiv4vibe")) == 2
    assert cost_of(run(*estimate, "both.NAIV4VIBEBUNDLE,strength=0.25", "--vibe", "mask.png")) == 4


def test_vibe_files_can_be_named_by_a_params_file(run: Any, vibe_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"prompt": "x", "controlnet": {"images": [{"image": "tokens.naiv4vibe", "strength": 1}]}}
    (vibe_files / "p.json").write_text(json.dumps(fields), "utf-8")
    (vibe_files / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert cost_of(run("generate", "--params", "../p.json", "--estimate", "--json")) == 0


def test_what_a_vibe_file_holds_is_sent(run_online: Any, vibe_files: Path, served: Served) -> None:
    told = run_online("generate", "x", "--vibe", "both.NAIV4VIBEBUNDLE,strength=0.25", *SMALL, "-o", "out.png")
    sent = parameters(served)
    assert sent["reference_strength_multiple"] == [0.25, 0.25], told.err
    assert len(sent["reference_image_multiple"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--vibe", "no.naiv4vibe"), "--vibe (the 1st): no.naiv4vibe: "),
        (("--vibe", "red.png", "--vibe", "bad.naiv4vibe"), "--vibe (the 2nd): bad.naiv4vibe: "),
        (
            ("--vibe", "tokens.naiv4vibe,strength=2"),
            "--vibe (the 1st): strength: expected a number from -1 to 1, got 2.0",
        ),
        (
            ("--vibe", "tokens.naiv4vibe,extracted=0.2"),
            "--vibe (the 1st): tokens.naiv4vibe: encodings: expected the pict",
        ),
        (("--vibe", "both.NAIV4VIBEBUNDLE", "--vibe", "no.png"), "--vibe (the 2nd): expected a PNG, JPEG or WebP"),
        (
            ("--vibe", "tokens.naiv4vibe", "--model", "nai-diffusion-5-full"),
            "--model: expected a model that takes vibes",
        ),
        (("--vibe", "tokens.naiv4vibe", "--model", "nai-diffusion-6"), "--model: expected "),
        (
            ("--vibe", "tokens.naiv4vibe", "--model", "nai-diffusion-4-full"),
            "--vibe (the 1st): tokens.naiv4vibe: encod",
        ),
        (("--params", "p.json"), "p.json: controlnet.images[1].weight: expected a field of Vibe"),
        (("--params", "q.json"), "q.json: controlnet.images[0].strength: expected a number from -1 to 1, got '1'"),
        (("--params", "r.json"), "r.json: controlnet.images[2].strength: expected a number from -1 to 1, got 3"),
    ],
)
def test_a_vibe_file_that_cannot_be_used_is_told(
    run: Any, vibe_files: Path, arguments: tuple[str, ...], words: str
) -> None:
    tokens = {"image": "tokens.naiv4vibe"}
    images = {
        "p.json": [tokens, {**tokens, "weight": 1}],
        "q.json": [{**tokens, "strength": "1"}],
        "r.json": [{"image": "both.NAIV4VIBEBUNDLE"}, tokens, {"image": "red.png", "strength": 3}],
    }
    for name, each in images.items():
        (vibe_files / name).write_text(json.dumps({"controlnet": {"images": each}}), "utf-8")
    (vibe_files / "bad.naiv4vibe").write_text("{}", "utf-8")
    told = run("generate", "x", *arguments, "--estimate")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"nai-trio: error: {words}")
    assert told.err.count("\n") == 1
