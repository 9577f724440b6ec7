"""What goes with a request, all the way: sources, references, vibes and their files, the picture of `--like`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulator_thread import KEY, Served
from PIL import Image, ImageChops, ImageDraw

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--size", "64x64", "--steps", "3", "--seed", "5")
OFFLINE = ("--emulator", "--pace", "0")


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("1girl, cat ears",),
        ("2girls", "--character", "girl @ B3 ! hat", "--character", "boy @ D3"),
        ("1girl", "--model", "nai-diffusion-5-full", "--character", "girl @ 0.25,0.6", "--transparent-background"),
        ("1girl", "--model", "nai-diffusion-3", "--smea", "--variety-boost", "--negative", "lowres, hat"),
        (
            "1girl",
            "--quality",
            "none",
            "--uc-preset",
            "light",
            "--scale",
            "3.5",
            "--cfg-rescale",
            "0.25",
            "--legacy-uc",
        ),
    ],
)
@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_a_picture_like_a_finished_one_is_the_same_picture(
    run: Any, folder: Path, arguments: tuple[str, ...], ending: str
) -> None:
    first = run("generate", *arguments, *SMALL, *OFFLINE, "-o", f"first{ending}")
    assert first.code == 0, first.err
    again = run("generate", "--like", f"first{ending}", *OFFLINE, "-o", f"again{ending}")
    assert again.code == 0, again.err
    assert (folder / f"again{ending}").read_bytes() == (folder / f"first{ending}").read_bytes()
    other = run("generate", "--like", f"first{ending}", "--seed", 7, *OFFLINE, "-o", f"other{ending}")
    assert "seed 7" in other.err
    assert (folder / f"other{ending}").read_bytes() != (folder / f"first{ending}").read_bytes()


def test_each_of_several_samples_comes_back_alone_by_its_own_seed(run: Any, folder: Path) -> None:
    assert run("generate", "1girl", *SMALL, "--n-samples", 2, *OFFLINE, "-o", "out.png").code == 0
    again = run("generate", "--like", "out_1.png", *OFFLINE, "-o", "again.png")
    assert again.out == "again.png\n"
    assert "seed 6" in again.err
    with Image.open(folder / "again.png") as one, Image.open(folder / "out_1.png") as other:
        assert one.tobytes() == other.tobytes()


def test_sources_and_their_settings_arrive_at_the_service(run_online: Any, folder: Path, served: Served) -> None:
    source = ("--i2i", "red.png", "--strength", 0.5, "--noise", 0.25, "--noise-seed", 9)
    assert run_online("generate", "x", *source, "--steps", 6, "-o", "out.png").code == 0
    sent = parameters(served)
    assert (sent["width"], sent["height"]) == (64, 64)
    assert (sent["strength"], sent["noise"], sent["extra_noise_seed"]) == (0.5, 0.25, 9)
    assert served.last_job.request["action"] == "img2img"


def test_inpainting_changes_the_masked_part_alone(run: Any, folder: Path) -> None:
    arguments = ("--inpaint", "red.png", "--mask", "mask.png", "--add-original-image")
    told = run("generate", "x", *arguments, *SMALL, *OFFLINE, "-o", "out.png")
    assert told.code == 0, told.err
    with Image.open(folder / "red.png") as before, Image.open(folder / "out.png") as after:
        box = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    assert box is not None
    assert box[0] >= 16
    assert box[2] <= 48


def test_a_source_that_cannot_be_decoded_is_told_by_its_option(run: Any, folder: Path) -> None:
    Image.effect_noise((96, 96), 64).save("noise.png")
    (folder / "cut.png").write_bytes((folder / "noise.png").read_bytes()[:600])
    for option in (("--i2i", "cut.png"), ("--inpaint", "cut.png", "--mask", "mask.png"), ("--reference", "cut.png")):
        told = run("generate", "x", *option, *SMALL, *OFFLINE, "-o", "out.png")
        assert told.code == 2
        name = option[0] + (" (the 1st)" if option[0] == "--reference" else "")
        assert told.err.splitlines()[-1].startswith(f"nai-trio: error: {name}: expected a picture that can be decoded")
        assert not (folder / "out.png").exists()
    (folder / "p.json").write_text('{"i2i": {"image": "cut.png"}}', "utf-8")
    told = run("generate", "x", "--params", "p.json", *SMALL, *OFFLINE, "-o", "out.png")
    assert told.err.startswith("nai-trio: error: p.json: i2i.image: expected a picture that can be decoded")


def test_a_mask_with_nothing_to_repaint_is_told(run: Any, folder: Path) -> None:
    Image.new("L", (64, 64)).save("black.png")
    told = run("generate", "x", "--inpaint", "red.png", "--mask", "black.png", *SMALL, *OFFLINE, "-o", "out.png")
    assert told.code == 2
    assert told.err.startswith("nai-trio: error: --mask: expected a mask with something white")


def test_a_cache_that_cannot_be_is_refused_before_anything_is_sent(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    arguments = ("generate", "x", "-o", "out.png", "--image-base", "http://127.0.0.1:9")
    told = run(*arguments, "--vibe-cache", "no/vibes")
    assert (told.code, told.err) == (9, "nai-trio: error: cannot make the folder no/vibes: no such file or directory\n")


def test_a_damaged_cache_is_told_in_one_line(run_online: Any, folder: Path) -> None:
    arguments = ("generate", "x", "--vibe", "red.png", "--vibe-cache", "vibes", *SMALL, "-o", "out.png")
    assert run_online(*arguments).code == 0
    (kept,) = (folder / "vibes").iterdir()
    kept.write_text("{}", "utf-8")
    told = run_online(*arguments)
    assert told.code == 0
    (note,) = [line for line in told.err.splitlines() if "set aside" in line]
    assert note.startswith("nai-trio: 'vibes/")


@pytest.mark.parametrize("stream", ["sse", "msgpack", "zip", "json"])
def test_the_same_picture_comes_whichever_way(run: Any, folder: Path, stream: str) -> None:
    told = run("generate", "1girl", *SMALL, *OFFLINE, "--stream", stream, "--json", "-o", "out.png")
    records = [json.loads(line) for line in told.out.splitlines()]
    previews = 2 if stream in {"sse", "msgpack"} else 0
    assert [record["event_type"] for record in records] == ["intermediate"] * previews + ["final"]
    assert records[-1]["seed"] == 5
    with Image.open(folder / "out.png") as picture:
        assert picture.size == (64, 64)


@pytest.mark.parametrize("stream", ["zip", "json"])
def test_a_model_that_does_not_stream_takes_the_plain_ways(run: Any, folder: Path, stream: str) -> None:
    model = ("--model", "nai-diffusion-3", "--stream", stream)
    assert run("generate", "1girl", *SMALL, *OFFLINE, *model, "-o", "out.png").code == 0
