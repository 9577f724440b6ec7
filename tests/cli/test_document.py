"""docs/command.md: its examples run, in order and in one folder, against the emulator; its table is the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from nai_trio.cli import main
from nai_trio.cli.exit_codes import EXIT_CODES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command.md").read_text("utf-8")
FILE = re.compile(r"^`([\w.]+)`:\n\n```(?:toml|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINES = re.findall(r"^\$ nai-trio (.*)$", PAGE, re.MULTILINE)
SMALL = ("--pace", "0", "--size", "64x64", "--steps", "3")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOVELAI_API_KEY", raising=False)
    for name, content in FILE.findall(PAGE):
        (tmp_path / name).write_text(content, "utf-8")
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).rectangle((16, 16, 47, 47), fill=255)
    mask.save(tmp_path / "mask.png")
    return tmp_path


def test_every_line_runs_and_writes_what_it_says(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(LINES) >= 20
    for line in LINES:
        command, *words = shlex.split(line)
        small = SMALL if command == "generate" and "--estimate" not in words else ()
        service = () if command in {"replay", "tape"} else ("--emulator",)
        assert main([command, *words, *service, *small]) == 0, (line, capfd.readouterr().err)
        out, _ = capfd.readouterr()
        assert out, line
        if "-o" in words and "--json" not in words:
            written = [Path(name) for name in out.split()]
            stem = Path(words[words.index("-o") + 1]).stem
            assert all(path.name.startswith(stem) for path in written), line
            for path in written:
                with Image.open(folder / path) as picture:
                    assert picture.size == (64, 64)


def test_the_page_has_both_kinds_of_file() -> None:
    assert [name for name, _ in FILE.findall(PAGE)] == ["cat.toml", "night.json"]


def test_the_exit_codes_are_the_programs() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(str(code), meaning) for code, meaning, _ in EXIT_CODES]
