"""How a request differs from the one on a tape, member by member.

Compared are method, target, the headers that decide about the answer, and the body: as JSON where it is JSON. Not
compared are headers that change from run to run or were struck out (`Authorization`, `User-Agent`, `Content-Length`
and what this library does not send), and of what was struck out of a body its length alone.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.transports.tape_requests import TapedRequest

__all__ = ["COMPARED_HEADERS", "differences"]

COMPARED_HEADERS: Final = ("host", "content-type", "accept", "accept-encoding")

_NOTHING: Final = object()
_LONGEST: Final = 60
_BEFORE: Final = 10
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
_DEEPEST: Final = 64


def differences(recorded: TapedRequest, asked: TapedRequest) -> list[str]:
    """What is different, one line each; empty when the requests match.

    Args:
        recorded: the request on the tape.
        asked: the one to compare with it.
    """
    try:
        return [_line(*found) for found in _compare(recorded, asked)]
    except RecursionError:  # nested as deeply as can be read, and no deeper
        return [_line("the body", recorded.body, asked.body)]


def _compare(recorded: TapedRequest, asked: TapedRequest) -> Iterator[tuple[str, object, object]]:
    if recorded.line != asked.line:
        yield "the request", recorded.line, asked.line
    for name in COMPARED_HEADERS:
        one, other = recorded.header(name), asked.header(name)
        if one != other:
            yield f"the header {name}", _NOTHING if one is None else one, _NOTHING if other is None else other
    if recorded.body == asked.body:
        return
    try:
        one, other = json.loads(recorded.body), json.loads(asked.body)
    except (ValueError, RecursionError):
        if not (recorded.masked and _same_masked(recorded.body, asked.body)):
            yield "the body", recorded.body, asked.body
        return
    yield from _members("", one, other, masked=recorded.masked, depth=0)


def _members(path: str, recorded: Any, asked: Any, *, masked: bool, depth: int) -> Iterator[tuple[str, object, object]]:
    if depth < _DEEPEST and isinstance(recorded, dict) and isinstance(asked, dict):
        for name in {**recorded, **asked}:
            one, other = recorded.get(name, _NOTHING), asked.get(name, _NOTHING)
            yield from _members(f"{path}.{name}" if path else name, one, other, masked=masked, depth=depth + 1)
    elif depth < _DEEPEST and isinstance(recorded, list) and isinstance(asked, list):
        for index in range(max(len(recorded), len(asked))):
            one, other = (each[index] if index < len(each) else _NOTHING for each in (recorded, asked))
            yield from _members(f"{path}[{index}]", one, other, masked=masked, depth=depth + 1)
    elif not _same(recorded, asked, masked=masked):
        yield path or "the body", recorded, asked


def _same(recorded: object, asked: object, *, masked: bool) -> bool:
    if isinstance(recorded, bool) or isinstance(asked, bool):  # True == 1, but true is no number in JSON
        return recorded is asked
    if masked and isinstance(recorded, str) and isinstance(asked, str):
        return _same_masked(recorded.encode("utf-8", "surrogatepass"), asked.encode("utf-8", "surrogatepass"))
    return recorded == asked


def _same_masked(recorded: bytes, asked: bytes) -> bool:
    return len(recorded) == len(asked) and all(one in (other, 0x2A) for one, other in zip(recorded, asked, strict=True))


def _line(where: str, recorded: object, asked: object) -> str:
    """One difference in words; of long texts from shortly before the place where they part."""
    if isinstance(recorded, str) and isinstance(asked, str) and max(len(recorded), len(asked)) > _LONGEST:
        pairs = zip(recorded, asked, strict=False)
        same = next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(recorded), len(asked)))
        start = max(0, same - _BEFORE)
        if start and not any(map(_BASE64.fullmatch, (recorded, asked))):
            where = f"{where} from character {start}"
            recorded, asked = recorded[start:], asked[start:]
    return f"{where}: expected {_shown(recorded)}, got {_shown(asked)}"


def _shown(value: object) -> str:
    """A value for a message: short, and a picture by its length."""
    if value is _NOTHING:
        return "nothing"
    if isinstance(value, str) and _BASE64.fullmatch(value):
        return f"<base64, {len(value)} characters, {value[:8]}...>"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
