"""Bars on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


FAST = ("--emulator", "--pace", 0, "--size", "64x64", "--steps", 4)


def read_terminal(terminal: int) -> str:
    """All that is shown until the other side closes."""
    shown = b""
    with contextlib.suppress(OSError):  # how Linux ends a terminal without another side
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    return shown.decode()


def test_on_a_terminal_each_sample_has_a_bar_that_only_its_picture_fills(spawn: Any, tmp_path: Path) -> None:
    terminal, child = pty.openpty()
    process = spawn(
        "generate", "1girl", "--emulator", "--pace", 0.05, *FAST[3:], "--n-samples", 2, "-o", tmp_path / "out.png",
        environment={"TERM": "xterm-256color", "COLUMNS": "100"}, stdout=subprocess.PIPE, stderr=child,
    )  # fmt: skip
    os.close(child)
    shown = read_terminal(terminal)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.decode().split() == [str(tmp_path / "out_0.png"), str(tmp_path / "out_1.png")]
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is back
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).rstrip())
    for name in ("out_0.png", "out_1.png"):
        bars = [line for line in lines if line.startswith(name)]
        assert re.search(r"━{30} step 4/4 saved +\d+\.\d s", bars[-1])
        moving = [bar for bar in bars if re.search(r"step [123]/4 sigma [\d.]+ +\d+\.\d s", bar)]
        assert moving
    assert lines[-1].startswith("nai-trio: saved out_0.png, out_1.png (64x64, seed ")
