"""Options: every field has one, what they read, and how mistakes in them are told."""

from __future__ import annotations

import re

import attrs
import pytest

from nai_trio.cli import main
from nai_trio.cli.emulate import emulate
from nai_trio.cli.exit_codes import EXIT_CODES
from nai_trio.cli.generate import generate
from nai_trio.cli.options import FLAGS, params_from_options, usage_text
from nai_trio.emulator import parse_fault
from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, SIZES, ImageParams

NOT_OPTIONS = {"prompt", "characters"}
"""The argument, and what is no scalar."""

GIVEN = {
    "model": "nai-diffusion-5-full", "size": "128x64", "steps": 9, "scale": 3.5, "sampler": "k_euler",
    "noise_schedule": "karras", "seed": 7, "negative_prompt": "hat", "n_samples": 2, "quality": "light",
    "uc_preset": "light", "image_format": "webp", "cfg_rescale": 0.5, "variety_boost": None, "decrisper": True,
    "smea": None, "smea_dyn": None, "auto_smea": True, "legacy_uc": True, "transparent_background": True,
    "straight_alpha": False,
}  # fmt: skip


def test_every_scalar_parameter_has_an_option() -> None:
    fields = {field.name for field in attrs.fields(ImageParams)}
    assert set(FLAGS) == fields - NOT_OPTIONS
    assert set(FLAGS) <= {parameter.name for parameter in generate.params}
    declared = {option for parameter in generate.params for option in parameter.opts}
    assert set(FLAGS.values()) <= declared


def test_what_is_given_arrives_and_what_is_not_keeps_its_default() -> None:
    params = params_from_options("1girl", GIVEN)
    for field, value in GIVEN.items():
        if field == "size":
            assert params.size == (128, 64)
        elif value is not None:
            assert getattr(params, field) == value
    assert params.variety_boost is False


@pytest.mark.parametrize(
    ("text", "size"),
    [("64x64", (64, 64)), ("128X64", (128, 64)), ("64×128", (64, 128)), ("large-portrait", "large_portrait")],
)
def test_a_size_is_two_sides_or_a_name(text: str, size: object) -> None:
    assert params_from_options("x", {"size": text}).size == size


@pytest.mark.parametrize("text", ["64x65", "64", "x", "64x64x64", "-64x64", "9999999x64", "huge", ""])
def test_another_size_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        params_from_options("x", {"size": text})
    assert usage_text(caught.value).startswith("--size: expected ")


def test_errors_name_the_option_not_the_field() -> None:
    for field, flag in {**FLAGS, "prompt": "PROMPT", "stream": "--stream"}.items():
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
        (("generate", "-o", "o.png"), "PROMPT"),
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
    text = capsys.readouterr().out
    for word in [*FLAGS.values(), *MODELS, *SIZES, "--previews", "--json", "--emulator", "--image-base", "--timeout"]:
        assert word in text
    for code, meaning, _ in EXIT_CODES:
        assert f"  {code} " in text
        assert meaning.split()[0] in text
    assert "NOVELAI_API_KEY" in text


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
