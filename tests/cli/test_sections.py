"""The help: every option under its heading, in few lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nai_trio.cli import main
from nai_trio.cli.emulate import emulate
from nai_trio.cli.exit_codes import EXIT_CODES
from nai_trio.cli.generate import generate
from nai_trio.cli.options import FLAGS, OPTIONS
from nai_trio.emulator import parse_fault
from nai_trio.params import MODELS, SIZES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "source.png"
    Image.new("RGB", (128, 64), "red").save(path)
    return str(path)


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
