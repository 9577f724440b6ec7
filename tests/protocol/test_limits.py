"""The record of limits: its defaults, and what it refuses."""

from __future__ import annotations

import attrs
import pytest

from nai_trio.protocol import Limits, MsgpackDecoder, SSEDecoder
from nai_trio.protocol.limits import DEFAULT_MAX_EVENT_SIZE, DEFAULT_MAX_FRAME_SIZE

NAMES = [field.name for field in attrs.fields(Limits)]


def test_the_defaults_leave_room_for_what_the_service_sends() -> None:
    limits = Limits()
    largest = 5_770_000  # an upscaled picture (wire document, section 10)
    assert limits.max_frame_size == DEFAULT_MAX_FRAME_SIZE == 64 * 2**20
    assert limits.max_event_size == DEFAULT_MAX_EVENT_SIZE
    assert limits.max_event_size > limits.max_frame_size * 4 / 3  # the same picture as base64
    assert limits.max_image_size > 4 * largest
    assert limits.max_images >= 8
    assert limits.max_body_size > 8 * limits.max_frame_size


def test_the_decoders_defaults_are_the_limits_ones() -> None:
    claim = (DEFAULT_MAX_FRAME_SIZE).to_bytes(4, "big")
    assert MsgpackDecoder().feed(claim) == []
    assert SSEDecoder().feed(b"data:" + b"x" * 10_000_000 + b"\n\n")[0].data == b"x" * 10_000_000


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_is_an_integer_of_at_least_one(name: str) -> None:
    assert getattr(Limits(**{name: 1}), name) == 1
    for bad in (0, -1, True, 1.0, "1", None, float("inf")):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least 1, got"):
            Limits(**{name: bad})


def test_limits_are_frozen_and_by_keyword() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Limits().max_images = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        Limits(5)  # type: ignore[misc]
    assert attrs.evolve(Limits(), max_images=5) == Limits(max_images=5)
