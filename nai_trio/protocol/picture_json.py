"""JSON with a picture in it, read where it gathered: the picture is decoded in place, the small rest is parsed.

A JSON parser makes a text of the whole event and another one of the picture, before base64 makes bytes of that: for all
events of a generation that takes five times as long (benchmarks/tricks.py).

The rule that makes it right for any event: the picture's string is cut out, and in its place goes a token that no JSON
has. If what is left is an object whose `image` is what the parser made of just that token, then the string was the
value of just that member, wherever in the object it stood. All else is None: two pictures, an `image` inside of another
object or of a text, escapes in the string, what is not base64, text beyond ASCII. It goes the general way.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from nai_trio.protocol import _base64

if TYPE_CHECKING:
    from nai_trio.protocol.limits import Limits

__all__ = ["fields_with_picture"]

_KINDS: Final = ("intermediate", "final")
"""Events with a picture; what else they may carry stays text."""

_PICTURE_START: Final = re.compile(rb'"image" ?: ?"')
_MOST_BEFORE: Final = 512
_MOST_BEHIND: Final = 4096
_TOKEN: Final = b"NaN"
"""Not JSON (RFC 8259, section 6), but Python's parser knows it and asks what to make of it."""


class _Picture:
    """What stands for the picture."""


_PICTURE: Final = _Picture()


def _of_constant(name: str) -> _Picture:
    if name != "NaN":
        raise ValueError(f"{name} is not JSON")
    return _PICTURE


_PARSER: Final = json.JSONDecoder(parse_constant=_of_constant)


def fields_with_picture(memory: bytearray, start: int, end: int, *, limits: Limits) -> dict[str, Any] | None:
    """Read an event's JSON object, its `image` as decoded bytes; None where that takes the general way.

    Args:
        memory: the JSON text is `memory[start:end]`.
        start: see `memory`.
        end: see `memory`.
        limits: bounds on what the object may hold.
    """
    opening = _PICTURE_START.search(memory, start, start + _MOST_BEFORE)
    if opening is None:
        return None
    first = opening.end()
    last = memory.find(b'"', first, end)
    if last <= first or end - last > _MOST_BEHIND:  # -1, or behind the end of the text: none is there
        return None
    rest = memory[start : first - 1] + _TOKEN + memory[last + 1 : end]
    try:
        fields = _rest_of_fields(rest, limits)
        if fields is not None:
            with memoryview(memory) as view:
                fields["image"] = _base64.decode(view[first:last])
    except ValueError:  # judged by the general way, which sees all of it
        return None
    return fields


def _rest_of_fields(rest: bytearray, limits: Limits) -> dict[str, Any] | None:
    """The object, if it is flat, and the token in it is the picture of one of our events."""
    if rest.count(b"{") > 1 or b"[" in rest or rest.count(b",") >= limits.max_members or rest.count(_TOKEN) > 1:
        return None
    text = rest.decode("ascii")
    fields, end = _PARSER.raw_decode(text)
    usual = isinstance(fields, dict) and fields.get("image") is _PICTURE and fields.get("event_type") in _KINDS
    return fields if usual and end == len(text) else None
