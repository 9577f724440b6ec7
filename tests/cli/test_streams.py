"""stdout and stderr: readers that go away, disks that are full, text that must not reach a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.streams import Streams, one_line

if TYPE_CHECKING:
    from pathlib import Path

import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


FAST = ("--emulator", "--pace", 0, "--size", "64x64", "--steps", 4)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_that_goes_away_does_not_cost_the_picture(spawn: Any, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = spawn("generate", "x", *FAST, "--json", "-o", tmp_path / "out.png", stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err.count(b"\n") == 1
    assert b"saved out.png" in err
    assert names_in(tmp_path) == ["out.png"]


def test_a_full_stdout_is_told_and_the_picture_is_kept(spawn: Any, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        process = spawn("generate", "x", *FAST, "-o", tmp_path / "out.png", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 9
    assert err.splitlines()[-1] == b"nai-trio: error: cannot write to stdout: no space left on device"
    assert names_in(tmp_path) == ["out.png"]


@given(st.text())
def test_text_from_outside_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line == "" or line.isprintable()
    assert len(line) <= 600


def test_control_sequences_and_forged_lines_are_defused() -> None:
    assert one_line("bad\n\x1b[2Jnai-trio: saved\u202e") == "bad ?[2Jnai-trio: saved?"


def test_a_made_up_key_of_a_few_letters_strikes_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    Streams(secret="o").record({"path": "zoo.png"})
    assert json.loads(capsys.readouterr().out) == {"path": "zoo.png"}


def test_the_secret_is_struck_out_wherever_it_would_show(capsys: pytest.CaptureFixture[str]) -> None:
    streams = Streams(secret="pst-not-a-real-key")
    streams.error("Unauthorized: pst-not-a-real-key")
    streams.record({"message": "token pst-not-a-real-key"})
    out, err = capsys.readouterr()
    assert err == "nai-trio: error: Unauthorized: ***\n"
    assert json.loads(out) == {"message": "token ***"}


def test_a_path_keeps_the_file_systems_bytes(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    Streams().path(tmp_path / "caf\udce9.png")
    assert capfdbinary.readouterr().out.endswith(b"/caf\xe9.png\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_missing_stream_is_no_error(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, stream, None)
    streams = Streams()
    streams.text("a")
    streams.note("b")
    assert streams.failure is None
