"""The commands as one: wrong usage is told in one line."""

from __future__ import annotations

import re

import pytest

from nai_trio.cli import main


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
