"""The installed command, as a process of its own: see command_line.py; and in this one: see told.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from command_line import KEY, command, environment_of, spawn, start
from PIL import Image
from told import run, run_online, served, tell

from nai_trio.cli import main

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["base_environment", "command", "run", "run_online", "served", "spawn", "start", "tell"]


@pytest.fixture
def base_environment() -> dict[str, str]:
    """The environment that the commands get."""
    return environment_of(KEY, {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures that is not the working directory."""
    inner = tmp_path / "inner"
    inner.mkdir()
    for name in ("red", "blue"):
        Image.new("RGB", (64, 64), name).save(inner / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return inner


@pytest.fixture
def like(folder: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """A finished picture."""
    path = folder / "like.png"
    arguments = ["1girl, finished", "--size", "64x64", "--steps", "3", "--seed", "5", "--character", "girl @ B3 ! hat"]
    assert main(["generate", *arguments, "--emulator", "--pace", "0", "-o", str(path)]) == 0
    capfd.readouterr()
    return path
