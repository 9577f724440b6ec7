"""Options: everything `ImageParams` has can be given, what each reads, and how mistakes in them are told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import click
import pytest
from PIL import Image

from nai_trio.cli import main
from nai_trio.cli.emulate import emulate
from nai_trio.cli.exit_codes import EXIT_CODES
from nai_trio.cli.generate import generate
from nai_trio.cli.naming import usage_text
from nai_trio.cli.options import FLAGS, OPTIONS, RECORDS
from nai_trio.cli.wishes import read_request
from nai_trio.emulator import parse_fault
from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, SIZES, ImageParams

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = {
    "model": "nai-diffusion-5-full", "size": (128, 64), "steps": 9, "scale": 3.5, "sampler": "k_euler",
    "noise_schedule": "karras", "seed": 7, "negative_prompt": "hat", "n_samples": 2, "quality": "light",
    "uc_preset": "light", "image_format": "webp", "cfg_rescale": 0.5, "decrisper": True,
    "auto_smea": True, "legacy_uc": True, "transparent_background": True, "straight_alpha": False,
}  # fmt: skip
ON_V3 = {"model": "nai-diffusion-3", "variety_boost": True, "smea": True, "smea_dyn": True}


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "source.png"
    Image.new("RGB", (128, 64), "red").save(path)
    return str(path)


def params_of(*arguments: object) -> ImageParams:
    """The parameters that a command line asks for."""
    with generate.make_context("generate", [str(each) for each in arguments]) as context:
        return read_request(context.params, output=context.params["output"]).params


def words_for(field: str, value: Any) -> list[str]:
    flag = FLAGS[field]
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    return [flag, "x".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def test_everything_that_parameters_have_has_an_option() -> None:
    fields = {field.name for field in attrs.fields(ImageParams)} - {"prompt"}
    assert {place.partition(".")[0] for place in FLAGS} == fields
    for name, record in RECORDS.items():
        inner = {place.partition(".")[2] for place in FLAGS if place.startswith(f"{name}.")}
        assert inner == {field.name for field in attrs.fields(record.kind)}
    declared = {option for parameter in generate.params for option in parameter.opts}
    assert set(FLAGS.values()) <= declared


@pytest.mark.parametrize("given", [GIVEN, ON_V3])
def test_what_is_given_arrives_and_what_is_not_keeps_its_default(given: dict[str, Any]) -> None:
    params = params_of("1girl", *(word for field, value in given.items() for word in words_for(field, value)))
    for field, value in given.items():
        assert getattr(params, field) == value
    assert params.variety_boost is (given is ON_V3)


def test_every_scalar_option_was_tried() -> None:
    scalar = {place for place in FLAGS if "." not in place} - {"characters", "character_references"}
    assert scalar == set(GIVEN) | set(ON_V3)


def test_a_source_with_everything(picture: str) -> None:
    params = params_of("x", "--i2i", picture, "--strength", 0.25, "--noise", 0.5, "--noise-seed", 3, "--fit", "crop")
    assert params.i2i is not None
    assert params.size == (128, 64)
    assert params.inpaint is None
    assert attrs.asdict(params.i2i, recurse=False, filter=attrs.filters.exclude("image")) == {
        "strength": 0.25, "noise": 0.5, "seed": 3, "fit": "crop",
    }  # fmt: skip


def test_inpainting_with_everything(picture: str) -> None:
    params = params_of(
        "x", "--inpaint", picture, "--mask", picture, "--strength", 0.25, "--noise-seed", 3, "--fit", "letterbox",
        "--add-original-image",
    )  # fmt: skip
    assert params.inpaint is not None
    assert params.i2i is None
    assert attrs.asdict(params.inpaint, recurse=False, filter=attrs.filters.exclude("image", "mask")) == {
        "strength": 0.25, "seed": 3, "fit": "letterbox", "add_original_image": True,
    }  # fmt: skip


def test_characters_vibes_and_references_come_in_their_order(picture: str) -> None:
    params = params_of(
        "x", "--character", "girl, red hair @ b3 ! hat", "--character", "boy @ 0.25,1", "--character", "?"
    )
    assert [(each.prompt, each.negative_prompt, each.position) for each in params.characters] == [
        ("girl, red hair", "hat", "B3"), ("boy", "", (0.25, 1.0)), ("?", "", None),
    ]  # fmt: skip
    params = params_of(
        "x", "--vibe", f"{picture},strength=-0.5,extracted=0.25", "--vibe", picture, "--vibe-strength", 0.5,
        "--no-normalize-vibes",
    )  # fmt: skip
    assert params.controlnet is not None
    assert [(each.strength, each.information_extracted) for each in params.controlnet.images] == [
        (-0.5, 0.25),
        (0.6, 0.7),
    ]
    assert (params.controlnet.strength, params.controlnet.normalize) == (0.5, False)
    params = params_of("x", "--reference", picture, "--reference", f"{picture},type=style,fidelity=0.25,strength=0.5")
    assert [(each.type, each.fidelity, each.strength) for each in params.character_references] == [
        ("character&style", 1, 1), ("style", 0.25, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [("64x64", (64, 64)), ("128X64", (128, 64)), ("64×128", (64, 128)), ("large-portrait", "large_portrait")],
)
def test_a_size_is_two_sides_or_a_name(text: str, size: object) -> None:
    assert params_of("x", "--size", text).size == size


@pytest.mark.parametrize("text", ["64x65", "64", "x", "64x64x64", "-64x64", "9999999x64", "huge", ""])
def test_another_size_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(click.ClickException, match=r"^--size: expected "):
        params_of("x", "--size", text)


@pytest.mark.parametrize(
    ("output", "asked", "image_format"),
    [
        ("o.png", None, "png"), ("o.webp", None, "webp"), ("o.WEBP", None, "webp"), ("o", None, "png"),
        ("o.jpg", None, "png"), ("o.webp", "png", "png"), ("o.png", "webp", "webp"),
    ],
)  # fmt: skip
def test_the_output_files_ending_asks_for_a_format(output: str, asked: str | None, image_format: str) -> None:
    more = [] if asked is None else ["--image-format", asked]
    assert params_of("x", "-o", output, *more).image_format == image_format


def test_errors_name_the_option_not_the_field() -> None:
    for field, flag in {"prompt": "PROMPT", "stream": "--stream", "vibe_cache": "--vibe-cache", **FLAGS}.items():
        error = InvalidParamsError.for_field(field, "bad", "good")
        assert usage_text(error) == f"{flag}: expected good, got 'bad'"
    assert usage_text(InvalidParamsError("several at once")) == "several at once"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), None),
        (("paint",), "No such command 'paint'"),
        (("--loud",), "No such option:? '?--loud"),
        (("generate", "x"), "'-o' / '--output'"),
        (("generate", "x", "-o", "o.png", "--opus"), "--opus needs --estimate"),
        (("generate", "-o", "o.png"), r"no PROMPT: give one, or a file that has one \(--params, --like\)"),
        (("generate", "x", "-o", "o.png", "--steps", "many"), "'--steps': 'many' is not a valid integer"),
        (("generate", "x", "-o", "o.png", "--steps", "51"), "--steps: expected an integer from 1 to 50, got 51"),
        (
            ("generate", "x", "-o", "o.png", "--model", "nai-diffusion-2"),
            "--model: .*mean 'nai-diffusion-3'",
        ),
        (("generate", "x", "-o", "o.png", "--n-samples", "9"), "--n-samples: expected"),
        (("generate", "x", "-o", "o.png", "--image-format", "gif"), "--image-format: expected one of png, webp"),
        (("generate", " ", "-o", "o.png"), "PROMPT: expected text that is not empty"),
        (("generate", "x", "-o", "-"), "--output: expected a file's path"),
        (("generate", "x", "-o", ".."), "--output: expected a file's path"),
        (("generate", "x", "-o", "o.png", "--pace", "1"), "--pace needs --emulator"),
        (("generate", "x", "-o", "o.png", "--timeout", "0"), "--timeout"),
        (("generate", "x", "-o", "o.png", "--stream", "ndjson"), "--stream"),
        (("generate", "x", "-o", "o.png", "--emulator", "--image-base", "http://localhost"), "exclude each other"),
        (("generate", "x", "-o", "o.png", "--model", "nai-diffusion-3", "--stream", "sse"), "--stream: expected None"),
        (("generate", "x", "-o", "o.png", "--image-base", "ftp://x"), r"--image-base \(NOVELAI_IMAGE_BASE\): expected"),
        (("generate", "x", "-o", "o.png", "--image-base", "http://192.0.2.1"), "--allow-plain-http"),
        (("generate", "x", "-o", "o.png", "--emulator", "--vibe-cache", "v"), "exclude each other"),
        (("generate", "x", "-o", "o.png", "--previews", "p", "--stream", "zip"), "--previews needs a stream"),
        (("generate", "x", "-o", "o.png", "--previews", "p", "--stream", "json"), "--previews needs a stream"),
        (("account", "x"), "unexpected extra argument"),
        (("account", "--emulator", "--image-base", "http://localhost"), "exclude each other"),
        (("emulate",), "'--port'"),
        (("emulate", "--port", "65536"), "--port"),
        (("emulate", "--port", "0", "--host", "0.0.0.0"), "--allow-remote"),
        (("emulate", "--port", "0", "--fault", "fire"), "--fault: .*cut=BYTES"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], words: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", "pst-not-a-real-key")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    if words is None:
        assert err.startswith("Usage: nai-trio ")
        return
    assert err.startswith("nai-trio: error: ")
    assert err.count("\n") == 1
    assert re.search(words, err), err


@pytest.mark.parametrize(
    ("key", "words"),
    [(None, "set NOVELAI_API_KEY"), ("", "set NOVELAI_API_KEY"), ("a b", "NOVELAI_API_KEY holds no API key")],
)
def test_without_a_usable_key_nothing_starts(
    key: str | None, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOVELAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("NOVELAI_API_KEY", key)
    assert main(["generate", "x", "-o", "o.png"]) == 3
    err = capsys.readouterr().err
    assert words in err
    assert "a b" not in err


def test_help_has_every_option_model_size_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--help"]) == 0
    text = capsys.readouterr().out.replace("--[no-]", "--")
    for word in [*FLAGS.values(), *MODELS, *SIZES, "--previews", "--json", "--emulator", "--image-base", "--timeout"]:
        assert re.search(rf"(?<!\S){word}(?!\S)", text), word
    for section in [
        *OPTIONS,
        "Examples",
        "Output",
        "Parameters from files",
        "Cost",
        "Service",
        "Several values in one",
    ]:
        assert f"\n{section}" in text
    for code, meaning, _ in EXIT_CODES:
        assert f"  {code} " in text
        assert meaning.split()[0] in text
    assert "NOVELAI_API_KEY" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_the_terminal_and_has_no_wall_of_text(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["generate", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < columns
    for option in re.split(r"\n(?=  \S)", "\n".join(lines).split("Output:")[1].split("Several values")[0]):
        assert len(option.splitlines()) <= 5, option


def test_the_examples_in_the_help_are_commands(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for example in generate.examples:
        program, command, *words = re.findall(r'"[^"]*"|\S+', example)
        assert (program, command) == ("nai-trio", "generate")
        generate.make_context("generate", [word.strip('"') for word in words]).close()


def test_there_is_no_option_for_the_key() -> None:
    options = {option for parameter in generate.params for option in parameter.opts}
    assert not {option for option in options if "key" in option}


def test_every_fault_in_the_help_is_one_the_emulator_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "--help"]) == 0
    assert "cut=BYTES" in capsys.readouterr().out
    values = {"BYTES": "5", "STATUS": "500", "KIND": "html", "NAME": "sigma"}
    (rows,) = emulate.tables.values()
    named = set()
    for spelling, _ in rows:
        name, _, value = spelling.split("[", 1)[0].partition("=")
        parse_fault(f"{name}={values[value]}" if value else name)
        named.add(name)
    with pytest.raises(ValueError, match="expected one of") as caught:
        parse_fault("?")
    assert all(name in str(caught.value) for name in named)
