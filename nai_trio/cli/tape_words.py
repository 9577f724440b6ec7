"""Bodies in words: events one by one, JSON without its pictures, and of everything else what it is and how long."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from nai_trio.errors import NovelAIError
from nai_trio.pictures.header import read_header
from nai_trio.protocol.collected import words
from nai_trio.protocol.frames import MsgpackDecoder
from nai_trio.protocol.sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol.sse import ServerSentEvent

__all__ = ["Body", "json_lines", "short_value", "shortened"]

Told: TypeAlias = tuple[str, str, dict[str, Any]]
"""A mark, a text, and the same for programs."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{100,}={0,2}")
_LONGEST: Final = 400
_KEPT: Final = 64 * 1024
_DEEPEST: Final = 32


class Body:
    """The body of a response.

    Args:
        content_type: as its header says.
    """

    def __init__(self, content_type: str) -> None:
        self._type = content_type.partition(";")[0].strip().lower()
        self._sse = SSEDecoder() if self._type == "text/event-stream" else None
        self._frames = MsgpackDecoder() if self._type.endswith("msgpack") else None
        self._size = 0
        self._kept = bytearray()

    def feed(self, piece: bytes) -> Iterator[Told]:
        """Take some of it; what it completes."""
        self._size += len(piece)
        if self._sse is None and self._frames is None:
            self._kept += piece[: _KEPT - len(self._kept)]
            return
        try:
            if self._sse is not None:
                yield from map(_sse_event, self._sse.feed(piece))
                self._sse.raise_fault()
            elif self._frames is not None:
                yield from map(_event, self._frames.feed(piece))
                self._frames.raise_fault()
        except NovelAIError as error:
            self._sse = self._frames = None
            yield "!", f"the events cannot be shown any further: {error}", {"text": str(error)}

    def finish(self) -> tuple[str, list[str]] | None:
        """What is left to be said when it is over: a line, and lines below it."""
        if not self._kept:
            return None
        kept, text = bytes(self._kept), f"{self._size:,} bytes of {self._type or 'no type'}"
        if self._type in {"application/json", "text/html", "text/plain"}:
            return text, json_lines(kept) or [words(kept)]
        return f"{text}, beginning with {kept[:8]!r}", []


def json_lines(body: bytes) -> list[str]:
    """A JSON text, a member a line and its pictures by their size; nothing for what is no JSON."""
    value = shortened(body)
    if value is None or isinstance(value, bytes):
        return []
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()


def shortened(body: bytes) -> Any:
    """The value of a JSON text without what is long in it; None where it is none."""
    try:
        return short_value(json.loads(body))
    except (ValueError, RecursionError):
        return None


def short_value(value: object, depth: int = 0) -> Any:
    """A value as JSON can have it, without what is long in it."""
    if depth > _DEEPEST:
        return "..."
    match value:
        case dict():
            return {str(name): short_value(member, depth + 1) for name, member in value.items()}
        case list() | tuple():
            return [short_value(member, depth + 1) for member in value]
        case str():
            return _short_text(value)
        case bytes():
            return f"<{_picture(value)}>"
    plain = value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else repr(value)


def _short_text(text: str) -> str:
    if _BASE64.fullmatch(text):
        return f"<base64, {_measured(text)}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... <{len(text):,} characters>"


def _measured(text: str) -> str:
    try:
        return _picture(base64.b64decode(text))
    except (ValueError, binascii.Error):
        return f"{len(text):,} characters"


def _picture(data: bytes) -> str:
    size = f"{len(data):,} bytes"
    try:
        header = read_header(data)
    except ValueError:
        return size
    return f"{header.format} {header.width}x{header.height}, {size}"


def _sse_event(event: ServerSentEvent) -> Told:
    try:
        fields = json.loads(event.data)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return "<", f"{event.event}, {len(event.data):,} bytes that are no JSON object", {"event_type": event.event}
    return _event({"event_type": event.event, **fields})


def _event(fields: dict[str, Any]) -> Told:
    short = short_value(fields)
    text = " ".join([str(short.get("event_type", "event")), *_members(short)])
    return "<", text, short


def _members(fields: dict[str, Any]) -> list[str]:
    shown = {name: value for name, value in fields.items() if name != "event_type"}
    return [
        f"{name} {value[1:-1] if isinstance(value, str) and value.startswith('<') else value}"
        for name, value in shown.items()
    ]
