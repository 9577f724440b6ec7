"""Signals: the first one stops and keeps what arrived, the second one ends at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


FAST = ("--emulator", "--pace", 0, "--size", "64x64", "--steps", 4)
SLOW = ("--emulator", "--pace", 0.5, "--size", "64x64", "--steps", 40, "--json")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_pictures(folder: Path, size: tuple[int, int] = (64, 64)) -> None:
    for path in folder.rglob("*.*"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == size


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_stops_and_keeps_the_last_preview(start: Any, tmp_path: Path, name: str, code: int) -> None:
    process = start("generate", "1girl", *SLOW, "-o", tmp_path / "out.png", "--n-samples", 2)
    first = json.loads(process.line())
    process.send(signal.Signals[name])
    run = process.finish()
    assert run.code == code
    kept = tmp_path / "out_0.preview.jpg"
    assert kept.stat().st_size == first["bytes"]
    assert set(names_in(tmp_path)) <= {"out_0.preview.jpg", "out_1.preview.jpg"}
    check_pictures(tmp_path)
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith(f"nai-trio: stopped by {name}, connection closed; kept {kept}")


def full_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    return read, write


def wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def test_a_second_signal_ends_a_process_whose_reader_stalls_and_keeps_what_arrived(spawn: Any, tmp_path: Path) -> None:
    """Nobody reads stdout, so whatever is written to it blocks; a first signal cannot be acted upon."""
    read, write = full_pipe()
    arguments = ("generate", "x", *FAST, "--json", "-o", tmp_path / "out.png", "--previews", tmp_path)
    process = spawn(*arguments, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    wait_for(tmp_path / "s00_000.jpg")  # written before its line: the command is up, and about to block
    err = b""
    for _ in range(60):
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, err = process.communicate(timeout=1.5)  # longer than the last words take
            break
        process.send_signal(signal.SIGINT)
    os.close(read)
    assert process.returncode == 130
    kept = tmp_path / "out.preview.jpg"
    assert err.decode() == f"nai-trio: stopped at once; kept {kept}\n"
    assert kept.read_bytes() == (tmp_path / "s00_000.jpg").read_bytes()
    assert names_in(tmp_path) == ["out.preview.jpg", "s00_000.jpg"]
