"""How much of anything the core accepts from a peer: every buffer's bound, in one record.

The defaults leave room for what the service sends (wire document, section 10: a final of 1.0 to 1.7 MB, 5.8 MB after
upscaling) many times over, and stay far below what would hurt a small machine.
"""

from __future__ import annotations

import attrs

from nai_trio.errors import InvalidParamsError

__all__ = [
    "DEFAULT_MAX_DEPTH",
    "DEFAULT_MAX_EVENT_SIZE",
    "DEFAULT_MAX_FIELD_SIZE",
    "DEFAULT_MAX_FRAME_SIZE",
    "DEFAULT_MAX_MEMBERS",
    "DEFAULT_MAX_TEXT_SIZE",
    "Limits",
]

KIB = 1024
MIB = 1024 * KIB

DEFAULT_MAX_EVENT_SIZE = 96 * MIB
"""An SSE event carries its picture as base64, 4/3 of a frame's size."""

DEFAULT_MAX_FRAME_SIZE = 64 * MIB
"""What the strictest peer allows (wire document, section 4.3)."""

DEFAULT_MAX_FIELD_SIZE = 64 * KIB

DEFAULT_MAX_TEXT_SIZE = 16 * MIB

DEFAULT_MAX_MEMBERS = 4096
"""The service's events have up to eight. A list that claims to be so long takes 32 KiB, before any of it has come."""

DEFAULT_MAX_DEPTH = 32
"""Far below where Python's own recursion ends, wherever in the caller's stack that is."""


def _positive(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidParamsError.for_field(attribute.name, value, "an integer of at least 1")


def _limit(default: int) -> int:
    field: int = attrs.field(default=default, validator=_positive)
    return field


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on what one response may hold; exceeding one raises `LimitExceeded`. Sizes are in bytes.

    Time is bounded by `Timeouts`: a service that sends something now and then for ever runs into `max_events`, or into
    `Timeouts.event`.

    Attributes:
        max_head_size: status line and headers, trailers included.
        max_framing_size: chunk headers and trailers of one response in all; what is no body.
        max_event_size: one server-sent event, its field names included.
        max_field_size: one line of an event that is not data, but its name or id.
        max_frame_size: one msgpack frame without its length prefix.
        max_text_size: the text of one event or answer, where Python may keep up to four bytes for each character: in
            msgpack all that is text, in JSON the whole unless it is ASCII alone, as base64 is.
        max_members: how many members all arrays and objects of one event or JSON answer have together.
        max_depth: how deep arrays and objects are nested in one event or JSON answer.
        max_events: events of one response, of any kind; 50 steps of 8 pictures are 400.
        max_body_size: the whole response body, its transfer coding removed.
        max_answer_size: an answer that is read whole before it means anything (a ZIP, JSON), and again what all of a
            ZIP unpacks to.
        max_error_size: how much of an error body is read; the rest is left, not an error.
        max_image_size: one picture out of a ZIP, unpacked, out of a JSON answer, decoded, or bare.
        max_images: pictures in a ZIP or a JSON answer.
        max_call_size: the answer of a short call: a vibe (49 kB in a capture), the account.
        max_idle_connections: how many finished connections a client keeps for reuse; 1 or more.
        max_concurrent_generations: how many generations of one key run at once in this process; further ones wait in
            order. The service locks an account to one.
    """

    max_head_size: int = _limit(64 * KIB)
    max_framing_size: int = _limit(16 * MIB)
    max_event_size: int = _limit(DEFAULT_MAX_EVENT_SIZE)
    max_field_size: int = _limit(DEFAULT_MAX_FIELD_SIZE)
    max_frame_size: int = _limit(DEFAULT_MAX_FRAME_SIZE)
    max_text_size: int = _limit(DEFAULT_MAX_TEXT_SIZE)
    max_members: int = _limit(DEFAULT_MAX_MEMBERS)
    max_depth: int = _limit(DEFAULT_MAX_DEPTH)
    max_events: int = _limit(10_000)
    max_body_size: int = _limit(1024 * MIB)
    max_answer_size: int = _limit(128 * MIB)
    max_error_size: int = _limit(64 * KIB)
    max_image_size: int = _limit(64 * MIB)
    max_images: int = _limit(64)
    max_call_size: int = _limit(16 * MIB)
    max_idle_connections: int = _limit(4)
    max_concurrent_generations: int = _limit(1)
