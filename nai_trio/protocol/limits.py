"""How much of anything the core accepts from a peer: every buffer's bound, in one record.

The defaults leave room for what the service sends (wire document, section 10: a final of 1.0 to 1.7 MB, 5.8 MB after
upscaling) many times over, and stay far below what would hurt a small machine.
"""

from __future__ import annotations

import attrs

from nai_trio.errors import InvalidParamsError

__all__ = ["DEFAULT_MAX_EVENT_SIZE", "DEFAULT_MAX_FRAME_SIZE", "Limits"]

KIB = 1024
MIB = 1024 * KIB

DEFAULT_MAX_EVENT_SIZE = 96 * MIB
"""An SSE event carries its picture as base64, 4/3 of a frame's size."""

DEFAULT_MAX_FRAME_SIZE = 64 * MIB
"""What the strictest peer allows (wire document, section 4.3)."""


def _positive(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidParamsError.for_field(attribute.name, value, "an integer of at least 1")


def _limit(default: int) -> int:
    field: int = attrs.field(default=default, validator=_positive)
    return field


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on what one response may hold; exceeding one raises `LimitExceeded`. Sizes are in bytes.

    Attributes:
        max_head_size: status line and headers, trailers included.
        max_event_size: one server-sent event, its field names included.
        max_frame_size: one msgpack frame without its length prefix.
        max_body_size: the whole response body, its transfer coding removed.
        max_error_size: how much of an error body is read; the rest is left, not an error.
        max_image_size: one picture out of a ZIP, unpacked, or out of a JSON answer, decoded; all of them together may
            be as large as a body.
        max_images: pictures in a ZIP or a JSON answer.
        max_call_size: the answer of a short call: a vibe (49 kB in a capture), the account.
        max_idle_connections: how many finished connections a client keeps for reuse; 1 or more.
    """

    max_head_size: int = _limit(64 * KIB)
    max_event_size: int = _limit(DEFAULT_MAX_EVENT_SIZE)
    max_frame_size: int = _limit(DEFAULT_MAX_FRAME_SIZE)
    max_body_size: int = _limit(1024 * MIB)
    max_error_size: int = _limit(64 * KIB)
    max_image_size: int = _limit(64 * MIB)
    max_images: int = _limit(64)
    max_call_size: int = _limit(16 * MIB)
    max_idle_connections: int = _limit(4)
