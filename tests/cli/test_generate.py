"""`nai-trio generate` as people and scripts run it: a process of its own, with the emulator inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--emulator", "--pace", 0, "--size", "64x64", "--steps", 4)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_pictures(folder: Path, size: tuple[int, int] = (64, 64)) -> None:
    for path in folder.rglob("*.*"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == size


def test_pictures_previews_and_paths(command: Any, tmp_path: Path) -> None:
    run = command(
        "generate", "1girl, cat ears", *FAST, "-o", tmp_path / "out.png", "--n-samples", 2, "--seed", 7,
        "--previews", tmp_path / "steps", key=None, NOVELAI_IMAGE_BASE="http://127.0.0.1:9",
    )  # fmt: skip
    assert run.code == 0
    assert run.out.split() == [str(tmp_path / "out_0.png"), str(tmp_path / "out_1.png")]
    assert names_in(tmp_path) == ["out_0.png", "out_1.png", "steps"]
    assert names_in(tmp_path / "steps") == [f"s0{sample}_00{step}.jpg" for sample in (0, 1) for step in (0, 1, 2)]
    check_pictures(tmp_path)
    assert "\x1b" not in run.err
    assert run.err.splitlines()[0] == "nai-trio: out_0.png: step 1/4, sigma 20000"
    assert "saved out_0.png, out_1.png (64x64, seed 7)" in run.err.splitlines()[-1]


def test_json_lines_tell_every_chunk_without_its_bytes(command: Any, tmp_path: Path) -> None:
    run = command(
        "generate",
        "1girl",
        *FAST,
        "--seed",
        7,
        "--json",
        "-o",
        tmp_path / "out.webp",
        "--previews",
        tmp_path,
        "--stream",
        "msgpack",
    )
    assert run.code == 0
    records = [json.loads(line) for line in run.out.splitlines()]
    assert [record["event_type"] for record in records] == ["intermediate"] * 3 + ["final"]
    assert [record["progress"] for record in records[:4]] == [0.25, 0.5, 0.75, 1.0]
    assert records[0]["sigma"] == 20000
    assert [record["path"] for record in records[:3]] == [str(tmp_path / f"s00_00{step}.jpg") for step in range(3)]
    assert records[3]["image_format"] == "webp"
    assert records[3]["bytes"] == (tmp_path / "out.webp").stat().st_size
    assert records[3]["path"] == str(tmp_path / "out.webp")
    assert records[3]["seed"] == 7
    assert len(run.out) < 2000
    assert len(run.err.splitlines()) == 1
    with Image.open(tmp_path / "out.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (64, 64))


def test_the_same_seed_gives_the_same_file_in_both_framings(command: Any, tmp_path: Path) -> None:
    for stream in ("sse", "msgpack"):
        arguments = ("-o", tmp_path / f"{stream}.png", "--stream", stream, "--seed", 3)
        assert command("generate", "1girl", *FAST, *arguments).code == 0

    def pixels(name: str) -> bytes:
        with Image.open(tmp_path / name) as picture:
            return picture.tobytes()

    assert pixels("sse.png") == pixels("msgpack.png")


def test_a_model_without_streaming_still_gives_its_picture(command: Any, tmp_path: Path) -> None:
    run = command("generate", "1girl", *FAST, "-o", tmp_path / "out.jpg", "--model", "nai-diffusion-3")
    assert run.code == 0
    assert names_in(tmp_path) == ["out.png"]
    assert run.err.splitlines()[:2] == [
        "nai-trio: nai-diffusion-3 does not stream: there are no previews",
        "nai-trio: out.png: named so because the picture is png",
    ]


def test_targets_that_cannot_be_written_are_refused_before_anything_is_sent(command: Any, tmp_path: Path) -> None:
    # Nothing listens on port 9: had anything been sent, the code would be 7.
    run = command("generate", "x", "-o", tmp_path / "missing/out.png", "--image-base", "http://127.0.0.1:9")
    assert run.code == 9
    assert run.err == f"nai-trio: error: no such folder: {tmp_path / 'missing'}\n"
    assert names_in(tmp_path) == []
    run = command("generate", "x", "-o", tmp_path / "out.png", "--image-base", "http://127.0.0.1:9")
    assert run.code == 7
    assert run.err.splitlines()[-1].startswith("nai-trio: error: connect via tcp to http://127.0.0.1:9: refused")
    assert names_in(tmp_path) == []
