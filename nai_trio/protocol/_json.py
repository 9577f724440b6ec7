"""Strict JSON (RFC 8259): UTF-8, no NaN, no infinities, one kind of error, and bounds on what it would become.

Three bytes of JSON can become seventy of Python's (an empty list), and one character beyond ASCII makes a text of
megabytes four times as large. So the bytes are looked at before anything is built of them. For what the service sends
that takes a few searches for single bytes: base64 has no commas and no brackets. Only where there are many of those
the text is walked over, so that the ones inside of strings do not count.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn, TypeAlias

from nai_trio.errors import LimitExceeded
from nai_trio.protocol.limits import Limits

__all__ = ["checked_text", "parse", "parse_text"]

JSONBytes: TypeAlias = bytes | bytearray

_LIMITS: Final = Limits()
_STEP: Final = 1 << 20
_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{][ \t\n\r]*+[\]}]?|[\]},]', re.DOTALL)
"""A string, an array or object that begins (or is empty), one that ends, a comma."""


def parse(data: JSONBytes, *, limits: Limits = _LIMITS, offset: int | None = None) -> object:
    """Read a whole JSON text.

    Args:
        data: the text.
        limits: `max_text_size`, `max_members` and `max_depth` are used here.
        offset: where in the body it starts, for errors.

    Raises:
        ValueError: it is none.
        LimitExceeded: it has more of something than it may.
    """
    return parse_text(checked_text(data, limits=limits, offset=offset))


def checked_text(
    data: JSONBytes, start: int = 0, end: int | None = None, *, limits: Limits = _LIMITS, offset: int | None = None
) -> str:
    """The text of `data[start:end]`, when it is within bounds; the bytes are not copied. See `parse`."""
    end = len(data) if end is None else end
    if end - start > limits.max_text_size and not _is_ascii(data, start, end):
        received = f"{end - start} bytes of JSON that are not ASCII alone"
        raise LimitExceeded.of("max_text_size", limits.max_text_size, received, offset=offset)
    text = _decoded(data, start, end)
    openings = sum(_count(data, byte, start, end, limits) for byte in (b"[", b"{"))
    if openings > limits.max_depth or openings + _count(data, b",", start, end, limits) > limits.max_members:
        del text  # the error's traceback would keep it
        _walk(data, start, end, limits, offset)
        text = _decoded(data, start, end)
    return text


def _decoded(data: JSONBytes, start: int, end: int) -> str:
    with memoryview(data) as view, view[start:end] as part:
        return str(part, "utf-8-sig")


def _is_ascii(data: JSONBytes, start: int, end: int) -> bool:
    return all(data[place : min(place + _STEP, end)].isascii() for place in range(start, end, _STEP))


def parse_text(text: str) -> object:
    """Read what `checked_text` returned.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python can follow.
    """
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _count(data: JSONBytes, byte: bytes, start: int, end: int, limits: Limits) -> int:
    """How often a byte comes, counted until that is more than any limit allows."""
    most = max(limits.max_members, limits.max_depth)
    count, place = 0, data.find(byte, start, end)
    while place >= 0 and count <= most:
        count, place = count + 1, data.find(byte, place + 1, end)
    return count


def _walk(data: JSONBytes, start: int, end: int, limits: Limits, offset: int | None) -> None:
    """Count members and depth. Strings too: there are two for each member at most, and they need not be valid."""
    depth = members = strings = 0
    for token in _TOKENS.finditer(data, start, end):
        first, last = data[token.start()], data[token.end() - 1]
        if first == ord('"'):
            strings += 1
        elif first == ord(","):
            members += 1
        elif first in b"]}":
            depth -= 1
        else:
            _check("max_depth", depth + 1, limits, offset)
            if last not in b"]}":
                depth, members = depth + 1, members + 1
        _check("max_members", max(members, (strings - 1) // 2), limits, offset)


def _check(limit: str, count: int, limits: Limits, offset: int | None) -> None:
    allowed = getattr(limits, limit)
    if count > allowed:
        raise LimitExceeded.of(limit, allowed, f"{count} or more in one JSON text", offset=offset)
