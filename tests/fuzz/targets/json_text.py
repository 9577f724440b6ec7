"""Strict JSON within bounds: against the standard library's reader, whose values are measured afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from real_bytes import SUBSCRIPTION, json_pictures

from nai_trio.errors import LimitExceeded
from nai_trio.protocol import Limits, _json

MEASURED = ("nai_trio.protocol._json",)
LONGEST = 600
LIMITS = Limits(max_text_size=120, max_members=16, max_depth=4)
WORDS = (
    b'{"a":', b'"b":', b"[]", b"{}", b"[[[[", b"]]]]", b"[[[[[", b",,", b'"', b'\\"', b"\\\\", b"\\u00e9", b"\xc3\xa9",
    b"\xef\xbb\xbf", b"NaN", b"Infinity", b"-0", b"1e999", b"1" * 30, b"true", b"null", b'"[{,"', b" \n", b"0,0,0,0,0",
)  # fmt: skip


class Members(tuple[tuple[str, Any], ...]):
    """An object as it stands there: a name may come twice."""

    __slots__ = ()


def check(data: bytes) -> None:
    """Any bytes are a value, the same as json's, or a ValueError, or more than a limit allows, exactly where it is."""
    value = _by_json(data, None)
    try:
        found = _json.parse(data, limits=LIMITS)
    except LimitExceeded:
        assert value is _NONE or _too_much(data)
        return
    except ValueError:
        assert value is _NONE
        return
    assert value is not _NONE, "what is no JSON was read"
    assert repr(found) == repr(value)
    assert not _too_much(data), "a limit was passed over"


_NONE = object()


def _by_json(data: bytes, hook: Any) -> object:
    """What the standard library makes of it, `_NONE` where that is no strict JSON."""
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=hook)
    except (ValueError, RecursionError):
        return _NONE


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _too_much(data: bytes) -> bool:
    members, depth = _measured(_by_json(data, Members))
    too_long = len(data) > LIMITS.max_text_size and not data.isascii()
    return too_long or members > LIMITS.max_members or depth > LIMITS.max_depth


def _measured(value: object) -> tuple[int, int]:
    """Members, and depth of nesting."""
    if not isinstance(value, list | Members):
        return 0, 0
    found = [_measured(each[1] if isinstance(value, Members) else each) for each in value]
    return len(value) + sum(members for members, _ in found), 1 + max((depth for _, depth in found), default=0)


def seeds() -> Iterator[bytes]:
    yield json.dumps(SUBSCRIPTION["perks"]).encode()
    yield json_pictures({"image": "aGk=", "index": 0, "seed": 7})
    for count in (LIMITS.max_members, LIMITS.max_members + 1):
        yield json.dumps([0] * count).encode()
        yield json.dumps({str(number): "x,[{" for number in range(count)}).encode()
        yield json.dumps([[]] * count).encode()
    for depth in (LIMITS.max_depth, LIMITS.max_depth + 1):
        yield b"[" * depth + b"]" * depth
        yield b'{"a":' * depth + b"1" + b"}" * depth
    yield '"é"'.encode() + b" " * LIMITS.max_text_size
    yield b'["\\"[[[[[[", "\\\\", {"a\\\\\\"": [1, {"b": [true, null]}]}]'
    yield b"\xef\xbb\xbf[NaN, Infinity]"
    yield b'["' + b"[" * 20
    yield b"[" * 200
    yield b'{"a":1,"a":2}'
