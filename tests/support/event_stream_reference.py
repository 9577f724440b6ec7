"""The event stream of the HTML standard read as slowly and as literally as it can be: the oracle for `SSEDecoder`.

Three passes over the whole stream, one code point at a time and without anything that cuts, searches or decodes for
us: bytes to code points (Encoding standard, "UTF-8 decode"), code points to lines (HTML, 9.2.5), lines to events
(HTML, 9.2.6). One rule of ours besides: a `retry` of more than 15 digits is no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

LF, CR, SPACE, COLON, NULL, BOM, REPLACEMENT = "\n", "\r", " ", ":", "\0", "\ufeff", "\ufffd"
DIGITS = "0123456789"
MOST_RETRY_DIGITS = 15


@attrs.define
class EventStream:
    """The buffers of section 9.2.6 and what was dispatched out of them.

    Attributes:
        events: type, data and last event id of each event.
        reconnection_time: in milliseconds, or None.
    """

    events: list[tuple[str, str, str]] = attrs.field(factory=list)
    reconnection_time: int | None = None
    data: str = ""
    event_type: str = ""
    last_event_id: str = ""

    def process_line(self, line: str) -> None:
        if line == "":
            self.dispatch()
        elif line[0] == COLON:
            pass
        else:
            name, value = split_field(line)
            self.process_field(name, value)

    def process_field(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type = value
        elif name == "data":
            self.data = self.data + value + LF
        elif name == "id":
            if NULL not in value:
                self.last_event_id = value
        elif name == "retry":
            self.process_retry(value)

    def process_retry(self, value: str) -> None:
        number = 0
        for character in value:
            if character not in DIGITS:
                return
            number = 10 * number + DIGITS.index(character)
        if 0 < len(value) <= MOST_RETRY_DIGITS:
            self.reconnection_time = number

    def dispatch(self) -> None:
        if self.data == "":
            self.event_type = ""
            return
        self.events.append((self.event_type or "message", self.data[:-1], self.last_event_id))
        self.data = ""
        self.event_type = ""


def read_event_stream(stream: bytes) -> EventStream:
    result = EventStream()
    for line in lines_of(code_points(stream)):
        result.process_line(line)
    return result


def split_field(line: str) -> tuple[str, str]:
    """Field name and value; without a colon the whole line is the name."""
    name = ""
    for place, character in enumerate(line):
        if character == COLON:
            value = line[place + 1 :]
            return name, value[1:] if value != "" and value[0] == SPACE else value
        name += character
    return name, ""


def lines_of(characters: Iterator[str]) -> Iterator[str]:
    """The lines that have an end; what stands behind the last of them is dropped."""
    line, after_cr, at_start = "", False, True
    for character in characters:
        if (at_start and character == BOM) or (character == LF and after_cr):
            pass
        elif character in (LF, CR):
            yield line
            line = ""
        else:
            line += character
        after_cr = character == CR
        at_start = False


def code_points(stream: bytes) -> Iterator[str]:
    """The Encoding standard's UTF-8 decoder: a state machine over bytes, with one U+FFFD for each broken sequence."""
    needed, lower, upper, point = 0, 0x80, 0xBF, 0
    for byte in stream:
        if needed:
            if lower <= byte <= upper:
                point = point << 6 | byte & 0x3F
                needed, lower, upper = needed - 1, 0x80, 0xBF
                if not needed:
                    yield chr(point)
                continue
            yield REPLACEMENT  # and the byte is read anew, as a first one
        needed, lower, upper, point = first_byte(byte)
        if needed == 0:
            yield chr(byte) if byte < 0x80 else REPLACEMENT
    if needed:
        yield REPLACEMENT


def first_byte(byte: int) -> tuple[int, int, int, int]:
    """How many bytes follow, within which bounds the next of them lies, and the first bits of the code point."""
    if 0xC2 <= byte <= 0xDF:
        return 1, 0x80, 0xBF, byte & 0x1F
    if 0xE0 <= byte <= 0xEF:
        return 2, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF, byte & 0x0F
    if 0xF0 <= byte <= 0xF4:
        return 3, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF, byte & 0x07
    return 0, 0x80, 0xBF, 0
