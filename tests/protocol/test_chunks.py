"""The records that come out: values, derived views, and that they are plain data."""

from __future__ import annotations

import base64
import copy
import pickle

import attrs
import pytest

from nai_trio.protocol import Chunk, FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
from nai_trio.protocol.chunks import image_format

JPEG = b"\xff\xd8\xff\xe0" + b"j" * 50
PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 50
WEBP = b"RIFF\x24\0\0\0WEBPVP8X"

PREVIEW = IntermediateChunk(samp_ix=0, step_ix=3, steps=23, gen_id=7, sigma=57.875, image=JPEG)
FINAL = FinalChunk(samp_ix=0, gen_id=7, image=PNG, extra={"seed": 1})
CHUNKS = [PREVIEW, FINAL, RetryChunk(message="again"), UnknownChunk(event_type="queue", fields={"event_type": "queue"})]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (JPEG, "jpeg"),
        (PNG, "png"),
        (WEBP, "webp"),
        (b"\xff\xd8", "unknown"),
        (PNG[:7], "unknown"),
        (b"\x89PNG\n\x1a\n\0", "unknown"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "unknown"),
        (WEBP[:11], "unknown"),
        (b"", "unknown"),
        (b"GIF89a", "unknown"),
    ],
)
def test_a_format_is_told_by_the_first_bytes(image: bytes, expected: str) -> None:
    assert image_format(image) == expected
    assert FinalChunk(samp_ix=0, gen_id=None, image=image).image_format == expected
    assert attrs.evolve(PREVIEW, image=image).image_format == expected


@pytest.mark.parametrize("chunk", [PREVIEW, FINAL], ids=["preview", "final"])
def test_base64_is_the_standard_padded_text(chunk: IntermediateChunk | FinalChunk) -> None:
    assert isinstance(chunk.image_base64, str)
    assert base64.b64decode(chunk.image_base64, validate=True) == chunk.image


def test_progress_rises_with_each_preview_and_only_the_final_fills_it() -> None:
    bar = [attrs.evolve(PREVIEW, step_ix=step).progress for step in range(22)]  # 23 steps: 22 previews and the final
    assert bar == sorted(set(bar))
    assert bar[0] == 1 / 23
    assert bar[-1] == 22 / 23


@pytest.mark.parametrize("step_ix", [1, 2, 10**300])
def test_progress_never_passes_one(step_ix: int) -> None:
    assert attrs.evolve(PREVIEW, steps=2, step_ix=step_ix).progress == 1.0


def test_event_types_are_told_apart_by_name() -> None:
    assert [chunk.event_type for chunk in CHUNKS] == ["intermediate", "final", "retry", "queue"]


@pytest.mark.parametrize("chunk", CHUNKS, ids=lambda chunk: chunk.event_type)
def test_chunks_are_frozen_values(chunk: Chunk) -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        chunk.event_type = "other"  # type: ignore[misc, assignment]
    for same in (copy.copy(chunk), copy.deepcopy(chunk), pickle.loads(pickle.dumps(chunk))):
        assert same == chunk
        assert hash(same) == hash(chunk)


def test_chunks_differ_by_every_value() -> None:
    changed = {"samp_ix": 1, "step_ix": 4, "steps": 24, "gen_id": 8, "sigma": 1.0, "image": PNG, "extra": {"a": 1}}
    for name, value in changed.items():
        assert attrs.evolve(PREVIEW, **{name: value}) != PREVIEW
    assert FINAL != PREVIEW


def test_a_repr_names_a_picture_instead_of_showing_it() -> None:
    assert "<jpeg, 54 bytes>" in repr(PREVIEW)
    assert "<png, 58 bytes>" in repr(FINAL)
    assert len(repr(attrs.evolve(FINAL, image=PNG * 100_000))) < 200


def test_extra_is_each_chunks_own() -> None:
    one, two = RetryChunk(message=""), RetryChunk(message="")
    assert one.extra == {}
    assert one.extra is not two.extra
