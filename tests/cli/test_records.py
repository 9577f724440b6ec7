"""What is said: JSON records, clean lines, plain progress."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.records import chunk_record
from nai_trio.cli.streams import Streams
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
