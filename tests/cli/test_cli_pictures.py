"""What goes with a request, all the way: sources, references, vibes and their files, the picture of `--like`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emulator_thread import KEY, Served, emulator_on_a_port
from PIL import Image, ImageChops, ImageDraw

from nai_trio.cli import main
from nai_trio.params import EncodedVibe
from nai_trio.params.vibe_files import VibeFile, write_vibes

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with emulator_on_a_port() as served:
        yield served


class Told:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Told:
        code = main([str(each) for each in arguments])
        return Told(code, *capfd.readouterr())

    return run


@pytest.fixture
def run_online(run: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As `run`, with the served emulator as the service."""
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    monkeypatch.setenv("NOVELAI_IMAGE_BASE", served.url)
    return run


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
