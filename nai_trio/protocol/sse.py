"""Incremental parser of server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream").

Rules that shape the code:

- Lines end with LF, CR or CRLF and nowhere else: U+2028, U+0085, vertical tab and form feed are data. So lines are
  found in bytes, and text is decoded only after.
- A CR ends its line at once, since the LF that may follow can be a network packet away; one flag swallows that LF. So
  an event leaves with the chunk that completes it.
- Every byte is looked at once: of an unfinished line only new bytes are searched; each of the two searches (LF, CR)
  remembers its next hit, so that a stream with one kind of line end is not scanned again per line. Each looks for a
  single byte (memchr): a search for two, such as for the blank line, takes many times as long over megabytes.
- An event stays where it gathered until it is handed out: `read` lends it out there, `feed` copies it. What lies
  between its data and the line being read is dropped, so that comments do not pile up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from nai_trio.errors import LimitExceeded
from nai_trio.protocol.decoder import Buffer, Decoder, slices
from nai_trio.protocol.gather import SHARED, Buffers, Gather
from nai_trio.protocol.limits import DEFAULT_MAX_EVENT_SIZE, DEFAULT_MAX_FIELD_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["LentEvent", "SSEDecoder", "ServerSentEvent"]

_LF = 0x0A
_SPACE = 0x20
_LONGEST_NAME = len(b"event")
_BOM = b"\xef\xbb\xbf"
_USUAL_START = re.compile(rb"event: ?([^ \r\n][^\r\n]{0,31})\ndata: ?")
_LONGEST_USUAL = 64
"""More than that takes, data left out."""

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


@attrs.define
class LentEvent:
    """An event where it gathered; good until the next one is asked for.

    Attributes:
        event: its type, as in `ServerSentEvent`.
        memory: its data is `memory[start:end]`.
        start: see `memory`.
        end: see `memory`.
        offset: at which byte of the stream its first line starts.
    """

    event: str
    memory: bytearray
    start: int
    end: int
    offset: int

    def data(self) -> bytes:
        """A copy of its data."""
        with memoryview(self.memory) as view:
            return bytes(view[self.start : self.end])


class SSEDecoder(Decoder[ServerSentEvent]):
    """Turns the bytes of an event stream into events, however the bytes are cut.

    Args:
        max_event_size: the most bytes that one event may take: its data lines and the line being read.
        max_field_size: the most bytes of a line that names the event or its id, which outlives it.
        buffers: where memory for an unfinished event comes from; by default what all parsers of this process share.

    Attributes:
        retry: the last reconnection time the stream gave, in milliseconds, or None.
    """

    def __init__(
        self,
        *,
        max_event_size: int = DEFAULT_MAX_EVENT_SIZE,
        max_field_size: int = DEFAULT_MAX_FIELD_SIZE,
        buffers: Buffers | None = None,
    ) -> None:
        self.retry: int | None = None
        self._max_event_size = max_event_size
        self._max_field_size = max_field_size
        self._gather = Gather(buffers or SHARED)
        self._line_start = 0
        self._searched = 0  # no line end is between the line's start and there
        self._lf = self._cr = -1
        self._line_offset = 0
        self._first_line = True
        self._skip_lf = False
        self._last_id = ""
        self._event_offset: int | None = None
        self._data_start = 0
        self._data_end: int | None = None
        self._type = b""
        self._kept = 0

    @property
    def unfinished(self) -> bool:
        """Whether bytes of an event are held that no blank line has finished; the standard drops them at the end."""
        start = self._line_start
        if self._first_line and self._gather.memory.startswith(_BOM, start, self._gather.size):
            start += len(_BOM)
        in_comment = self._gather.memory.startswith(b":", start, self._gather.size)
        return self._data_end is not None or bool(self._type) or (start < self._gather.size and not in_comment)

    def feed(self, data: Buffer) -> list[ServerSentEvent]:
        """Take bytes, cut anywhere, and return the events they complete.

        Raises:
            LimitExceeded: an event is larger than `max_event_size`, or its name or id than `max_field_size`; events
                before it were returned first.
        """
        return super().feed(data)

    @property
    def sink(self) -> Callable[[memoryview], None]:
        """Takes bytes without looking at them; `read` does, and after it ask anew."""
        return self._gather.write

    def read(self) -> Iterator[LentEvent]:
        """Lend out the events that have come, one by one; to be run to its end.

        Raises:
            LimitExceeded: as `feed` does.
        """
        self._find_line_ends(self._searched)
        while (event := self._next_usual() or self._next()) is not None:
            yield event
        self._check_size(self._gather.size - self._line_start)
        self._drop_lines()

    def _parse(self, data: Buffer) -> Iterator[ServerSentEvent]:
        for piece in slices(data):
            self.sink(piece)
            for lent in self.read():
                yield ServerSentEvent(event=lent.event, data=lent.data(), id=self._last_id, offset=lent.offset)

    def _find_line_ends(self, start: int) -> None:
        """Find the next of each kind from `start` on, where the last one found is before that."""
        memory, size = self._gather.memory, self._gather.size
        if self._lf < start:
            found = memory.find(b"\n", start, size)
            self._lf = size if found < 0 else found
        if self._cr < start:
            found = memory.find(b"\r", start, size)
            self._cr = size if found < 0 else found

    def _go_on(self, line_start: int) -> None:
        self._line_offset += line_start - self._line_start
        self._line_start = line_start
        self._find_line_ends(line_start)

    def _next_usual(self) -> LentEvent | None:
        """The next event where it looks as those of the service do and is here whole: three lines in one step.

        With it all events of a generation are found in three quarters of the time; all else goes the general way.
        """
        start, memory, size = self._line_start, self._gather.memory, self._gather.size
        if self._event_offset is not None or self._skip_lf or self._max_field_size < _LONGEST_USUAL:
            return None
        opening = _USUAL_START.match(memory, start, size)
        if opening is None:
            return None
        value = opening.end()
        end = memory.find(b"\n", value, size - 1)
        if not value <= end <= min(self._cr, start + self._max_event_size) or memory[end + 1] != _LF:
            return None
        event = LentEvent(opening[1].decode("utf-8", "replace"), memory, value, end, self._line_offset)
        self._first_line = False
        self._line_offset += end + 2 - start
        self._line_start = end + 2
        return event

    def _next(self) -> LentEvent | None:
        """The next event, however it looks; None where there is none whole."""
        self._go_on(self._line_start + self._swallow_lf(self._line_start))
        while (end := min(self._lf, self._cr)) < self._gather.size:
            event = self._take_line(end)
            self._skip_lf = end == self._cr
            self._go_on(end + 1 + self._swallow_lf(end + 1))
            if event is not None:
                return event
        return None

    def _take_line(self, end: int) -> LentEvent | None:
        """Understand the line that ends at `end`; return the event that it completes."""
        self._check_size(end - self._line_start)
        start = self._without_bom(self._line_start, end)
        if start < end:
            self._take_field(start, end)
            return None
        event = None if self._data_end is None else self._lend(self._data_end)
        self._start_event()
        return event

    def _swallow_lf(self, place: int) -> int:
        """How many bytes (0 or 1) to skip because the line before them ended with CR."""
        if not (self._skip_lf and place < self._gather.size):
            return 0
        self._skip_lf = False
        return int(self._gather.memory[place] == _LF)

    def _without_bom(self, start: int, end: int) -> int:
        """Where a line's text starts; the stream's first line may have a byte order mark."""
        marked = self._first_line and self._gather.memory.startswith(_BOM, start, end)
        self._first_line = False
        return start + len(_BOM) if marked else start

    def _check_size(self, line_size: int) -> None:
        if self._kept + line_size > self._max_event_size:
            offset = self._event_offset_or_here
            raise LimitExceeded.of("max_event_size", self._max_event_size, "a larger event", offset=offset)

    @property
    def _event_offset_or_here(self) -> int:
        return self._line_offset if self._event_offset is None else self._event_offset

    def _take_field(self, start: int, end: int) -> None:
        memory = self._gather.memory
        colon = memory.find(b":", start, end)
        stop, value = (end, end) if colon < 0 else (colon, colon + 1)
        if value < end and memory[value] == _SPACE:
            value += 1
        name = memory[start:stop] if stop - start <= _LONGEST_NAME else b"(unknown)"
        if name and self._event_offset is None:  # a comment is a line without a name
            self._event_offset = self._line_offset
        if name == b"data":
            self._take_data(value, end)
            self._kept += end - start
        elif name == b"event":
            self._check_field(end - start)
            self._type = bytes(memory[value:end])
        elif name == b"id" and memory.find(b"\0", value, end) < 0:
            self._check_field(end - start)
            self._last_id = memory[value:end].decode("utf-8", "replace")
        elif name == b"retry" and end - value <= _RETRY_DIGITS:
            self._take_retry(memory[value:end])

    def _check_field(self, size: int) -> None:
        if size > self._max_field_size:
            received = f"a line of {size}"
            raise LimitExceeded.of("max_field_size", self._max_field_size, received, offset=self._event_offset_or_here)

    def _take_data(self, start: int, end: int) -> None:
        """Keep a data line: the usual single one where it is, a further one behind the others."""
        if self._data_end is None:
            self._data_start, self._data_end = start, end
            return
        with memoryview(self._gather.memory) as view:
            view[self._data_end] = _LF
            joined = self._data_end + 1
            self._data_end = joined + end - start
            view[joined : self._data_end] = view[start:end]

    def _take_retry(self, value: bytearray) -> None:
        if value.isdigit():  # bytes.isdigit: ASCII digits only
            self.retry = int(value)

    def _start_event(self) -> None:
        self._event_offset = self._data_end = None
        self._type = b""
        self._kept = 0

    def _lend(self, end: int) -> LentEvent:
        name = self._type.decode("utf-8", "replace") or "message"
        return LentEvent(name, self._gather.memory, self._data_start, end, self._event_offset_or_here)

    def _drop_lines(self) -> None:
        """Drop the lines that were understood; of an unfinished event all but its data and what a read had before."""
        kept = self._data_end or 0
        self._gather.remove(kept, self._line_start)
        self._line_start, self._searched = kept, self._gather.size
        self._lf = self._cr = -1
