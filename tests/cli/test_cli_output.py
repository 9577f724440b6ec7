"""What is said: JSON records, clean lines, plain progress."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.display import PlainDisplay, QuietDisplay, sigma_text
from nai_trio.cli.records import chunk_record
from nai_trio.cli.streams import Streams, one_line
from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk

if TYPE_CHECKING:
    from pathlib import Path

JPEG = b"\xff\xd8\xff\xe0rest"


def preview(step_ix: int, samp_ix: int = 0, steps: int = 8) -> IntermediateChunk:
    return IntermediateChunk(samp_ix=samp_ix, step_ix=step_ix, steps=steps, gen_id=5, sigma=113.9, image=JPEG)


def test_a_preview_becomes_a_record_without_its_picture(tmp_path: Path) -> None:
    assert chunk_record(preview(1), tmp_path / "s00_001.jpg") == {
        "event_type": "intermediate",
        "samp_ix": 0,
        "step_ix": 1,
        "steps": 8,
        "sigma": 113.9,
        "gen_id": 5,
        "progress": 0.25,
        "image_format": "jpeg",
        "bytes": 8,
        "path": str(tmp_path / "s00_001.jpg"),
    }


def test_only_a_final_has_full_progress() -> None:
    final = FinalChunk(samp_ix=1, gen_id=None, image=b"\x89PNG\r\n\x1a\n", extra={"seed": 3})
    assert chunk_record(final, None, seed=2**32 - 1) == {
        "event_type": "final",
        "samp_ix": 1,
        "gen_id": None,
        "progress": 1.0,
        "seed": 0,
        "image_format": "png",
        "bytes": 8,
        "path": None,
        "extra": {"seed": 3},
    }
    assert all(chunk_record(preview(step), None)["progress"] < 1 for step in range(7))


def test_notices_and_unknown_events_are_passed_on() -> None:
    assert chunk_record(RetryChunk(message="again"), None) == {"event_type": "retry", "message": "again"}
    fields = {"event_type": "usage", "left": 4, "image": b"123", "text": "x" * 5000, "deep": [{"n": float("nan")}]}
    assert chunk_record(UnknownChunk(event_type="usage", fields=fields), None) == {
        "event_type": "usage",
        "fields": {
            "event_type": "usage",
            "left": 4,
            "image": "<3 bytes>",
            "text": "<5000 characters>",
            "deep": [{"n": "nan"}],
        },
    }


members = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), members, max_size=4))
def test_any_unknown_event_is_one_line_of_strict_json(fields: dict[str, object]) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        Streams().record(chunk_record(UnknownChunk(event_type="odd", fields=fields), None))
    line = out.buffer.getvalue().decode("ascii")
    assert line.endswith("\n")
    assert line.count("\n") == 1
    json.loads(line, parse_constant=pytest.fail)


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


def test_plain_progress_is_a_line_per_quarter_and_sample(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(Streams(), labels=["a_0.png", "a_1.png"], steps=28)
    with display:
        for step in range(27):
            display.step(preview(step, 0, 28))
        display.step(preview(6, 1, 28))
        display.notice("once\nmore")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "nai-trio: a_0.png: step 7/28, sigma 113.9",
        "nai-trio: a_0.png: step 14/28, sigma 113.9",
        "nai-trio: a_0.png: step 21/28, sigma 113.9",
        "nai-trio: a_1.png: step 7/28, sigma 113.9",
        "nai-trio: once more",
    ]


def test_plain_progress_bears_steps_beyond_those_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(Streams(), labels=["a.png"], steps=1)
    display.step(preview(40, 0, 1))
    assert "a.png: step 41/1" in capsys.readouterr().err


def test_quiet_progress_shows_notices_alone(capsys: pytest.CaptureFixture[str]) -> None:
    display = QuietDisplay(Streams())
    display.step(preview(3))
    display.done(0)
    display.notice("starts over")
    assert capsys.readouterr() == ("", "nai-trio: starts over\n")


@pytest.mark.parametrize(("sigma", "text"), [(20000.0, "20000"), (113.89996, "113.9"), (0.3121, "0.3121"), (0, "0")])
def test_sigmas_are_shown_as_people_read_them(sigma: float, text: str) -> None:
    assert sigma_text(sigma) == text
