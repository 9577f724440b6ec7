"""Incremental parser of server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream").

Rules that shape the code:

- Lines end with LF, CR or CRLF and nowhere else: U+2028, U+0085, vertical tab and form feed are data. So lines are
  found in bytes, and text is decoded only after.
- A CR ends its line at once, since the LF that may follow can be a network packet away; one flag swallows that LF. So
  an event leaves with the chunk that completes it.
- Every byte is looked at once: an unfinished line is kept aside and only new bytes are searched; each of the two
  searches (LF, CR) remembers its next hit, so that a stream with one kind of line end is not scanned again per line.
- An event of megabytes stays bytes; `text` decodes on demand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from nai_trio.errors import LimitExceeded
from nai_trio.protocol.decoder import Buffer, Decoder
from nai_trio.protocol.limits import DEFAULT_MAX_EVENT_SIZE, DEFAULT_MAX_FIELD_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SSEDecoder", "ServerSentEvent"]

_LF = 0x0A
_BOM = b"\xef\xbb\xbf"
_RETRY_DIGITS = 15
"""A longer `retry` is no time (30 000 years in ms) and is ignored; it also bounds the cost of `int`."""


@attrs.frozen(kw_only=True)
class ServerSentEvent:
    """One dispatched event.

    Attributes:
        event: its type; "message" where the stream names none.
        data: its data lines joined by LF, as they came.
        id: the last event id seen so far, as the standard has it; "" before the first.
        offset: at which byte of the stream its first line starts, 0-based.
    """

    event: str = "message"
    data: bytes
    id: str = ""
    offset: int = 0

    @property
    def text(self) -> str:
        """The data as text: UTF-8, broken sequences replaced (the standard's "UTF-8 decode")."""
        return self.data.decode("utf-8", "replace")


class SSEDecoder(Decoder[ServerSentEvent]):
    """Turns the bytes of an event stream into events, however the bytes are cut.

    Args:
        max_event_size: the most bytes that one event may take: its data lines and the line being read.
        max_field_size: the most bytes of a line that names the event or its id, which outlives it.

    Attributes:
        retry: the last reconnection time the stream gave, in milliseconds, or None.
    """

    def __init__(
        self, *, max_event_size: int = DEFAULT_MAX_EVENT_SIZE, max_field_size: int = DEFAULT_MAX_FIELD_SIZE
    ) -> None:
        self.retry: int | None = None
        self._max_event_size = max_event_size
        self._max_field_size = max_field_size
        self._first_line = True
        self._skip_lf = False
        self._consumed = 0
        self._line = bytearray()
        self._line_offset = 0
        self._last_id = ""
        self._data: bytes | bytearray | None = None
        self._type = b""
        self._kept = 0
        self._event_offset: int | None = None

    @property
    def unfinished(self) -> bool:
        """Whether bytes of an event are held that no blank line has finished; the standard drops them at the end."""
        line = self._line.removeprefix(_BOM) if self._first_line else self._line
        in_comment = line.startswith(b":")
        return bool(self._data is not None or self._type or (line and not in_comment))

    def feed(self, data: Buffer) -> list[ServerSentEvent]:
        """Take bytes, cut anywhere, and return the events they complete.

        Raises:
            LimitExceeded: an event is larger than `max_event_size`, or its name or id than `max_field_size`; events
                before it were returned first.
        """
        return super().feed(data)

    def _parse(self, data: Buffer) -> Iterator[ServerSentEvent]:
        for line in self._lines(bytes(data)):
            if not line:
                if self._data is not None:
                    yield self._finish_event(self._data)
                self._start_event()
            else:
                self._take_field(line)
        self._check_size(self._line)

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        size = len(chunk)
        start = self._swallow_lf(chunk)
        self._line_offset += start
        lf = cr = start - 1
        while True:
            lf = _find(chunk, b"\n", start) if lf < start else lf
            cr = _find(chunk, b"\r", start) if cr < start else cr
            end = min(lf, cr)
            if end == size:
                break
            yield self._complete_line(chunk[start:end])
            start = end + 1
            if end == cr:
                self._skip_lf = True
                start += self._swallow_lf(chunk[start : start + 1])
            self._line_offset = self._consumed + start
        self._line += chunk[start:]
        self._consumed += size

    def _swallow_lf(self, chunk: bytes) -> int:
        """How many bytes (0 or 1) to skip because the line before them ended with CR."""
        if not (self._skip_lf and chunk):
            return 0
        self._skip_lf = False
        return int(chunk[0] == _LF)

    def _complete_line(self, tail: bytes) -> bytes:
        line = tail
        if self._line:
            self._line += tail
            line = bytes(self._line)
            self._line.clear()
        self._check_size(line)
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BOM)
        return line

    def _check_size(self, line: Buffer) -> None:
        if self._kept + len(line) > self._max_event_size:
            offset = self._event_offset_or_here
            raise LimitExceeded.of("max_event_size", self._max_event_size, "a larger event", offset=offset)

    @property
    def _event_offset_or_here(self) -> int:
        return self._line_offset if self._event_offset is None else self._event_offset

    def _take_field(self, line: bytes) -> None:
        colon = line.find(b":")
        name, start = (line, len(line)) if colon < 0 else (line[:colon], colon + 1)
        if line[start : start + 1] == b" ":
            start += 1
        if name and self._event_offset is None:  # a comment is a line without a name
            self._event_offset = self._line_offset
        if name == b"data":
            self._take_data(line[start:])
            self._kept += len(line)
        elif name == b"event":
            self._check_field(line)
            self._type = line[start:]
        elif name == b"id" and b"\0" not in line:
            self._check_field(line)
            self._last_id = line[start:].decode("utf-8", "replace")
        elif name == b"retry":
            self._take_retry(line[start:])

    def _check_field(self, line: bytes) -> None:
        if len(line) > self._max_field_size:
            received = f"a line of {len(line)}"
            raise LimitExceeded.of("max_field_size", self._max_field_size, received, offset=self._event_offset_or_here)

    def _take_data(self, value: bytes) -> None:
        """Keep a data line: the usual single one as it is, several joined, for each alone takes more than its bytes."""
        if self._data is None:
            self._data = value
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value

    def _take_retry(self, value: bytes) -> None:
        if value.isdigit() and len(value) <= _RETRY_DIGITS:  # bytes.isdigit: ASCII digits only
            self.retry = int(value)

    def _start_event(self) -> None:
        self._data = None
        self._type = b""
        self._kept = 0
        self._event_offset = None

    def _finish_event(self, data: bytes | bytearray) -> ServerSentEvent:
        return ServerSentEvent(
            event=self._type.decode("utf-8", "replace") or "message",
            data=bytes(data),
            id=self._last_id,
            offset=self._event_offset_or_here,
        )


def _find(chunk: bytes, byte: bytes, start: int) -> int:
    """The next place of `byte`, or the chunk's length where there is none."""
    found = chunk.find(byte, start)
    return len(chunk) if found < 0 else found
