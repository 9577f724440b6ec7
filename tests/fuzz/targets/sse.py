"""Server-sent events: the decoder against the standard's algorithm on whole bytes, the limits worked out beside it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from event_stream_reference import read_event_stream
from invariants import Outcome, decoded, same_however_cut
from real_bytes import short_events

from nai_trio.errors import LimitExceeded
from nai_trio.protocol import Buffers, SSEDecoder

MEASURED = ("nai_trio.protocol.sse",)
LONGEST = 1200
LIMIT = 160
FIELDS = (30, 70)
"""With the larger one, events as the service sends them are read in one step."""
WORDS = (b"data:", b"event: ", b"id: ", b"retry: 1000", b":ping", b"\r\n\r\n", b"\n\n", b"\r\r", b"\xef\xbb\xbf", b"\0")

_LINE_END = re.compile(rb"\r\n|\r|\n")


def check(data: bytes) -> None:
    """Any bytes are events, the same as the standard has them, or one error for an event that is too large."""
    field = FIELDS[zlib.crc32(data) % 2]

    def run(pieces: list[bytes]) -> tuple[Outcome, object]:
        decoder = SSEDecoder(max_event_size=LIMIT, max_field_size=field, buffers=Buffers())
        gathered = 2 * LIMIT + 2 * max(map(len, pieces), default=0)  # data, line; what came before the data, and now
        outcome = decoded(decoder, pieces, most=gathered * 5 // 4 + 2 * field)  # it grows by a quarter; type and id
        return outcome, outcome.error or (decoder.unfinished, decoder.retry)

    outcome, state = same_however_cut(data, run)
    end = first_too_large(data, field)
    expected = read_event_stream(data[:end])
    assert [(event.event, event.text, event.id) for event in outcome.items] == expected.events
    if end is not None:
        assert state is outcome.error is LimitExceeded
        return
    assert state == (_unfinished(data), expected.reconnection_time)
    for event in outcome.items:
        before = b"\n" if event.offset else b""  # a byte order mark is one at the very start alone
        alone = read_event_stream(before + data[event.offset :]).events
        assert alone[0][:2] == (event.event, event.text), "an event does not start where it says"


def first_too_large(data: bytes, most: int) -> int | None:
    """Where the line starts with which an event, its data lines and the line being read, or a field is too large."""
    kept = 0
    for start, line, whole in _lines(data):
        if kept + len(line) > LIMIT:
            return start
        name = _bare(start, line).partition(b":")[0]
        if whole and len(_bare(start, line)) > most and (name == b"event" or (name == b"id" and b"\0" not in line)):
            return start
        if name == b"data":
            kept += len(_bare(start, line))
        elif not _bare(start, line):
            kept = 0
    return None


def _unfinished(data: bytes) -> bool:
    """Whether an event has begun that no blank line has finished: with data, a type, or a line that is no comment."""
    has_data = has_type = begun = False
    for start, line, whole in _lines(data):
        bare = _bare(start, line)
        name, _, value = bare.partition(b":")
        if not whole:
            begun = bool(bare) and not bare.startswith(b":")
        elif not bare:
            has_data = has_type = False
        elif name == b"event":
            has_type = value not in (b"", b" ")
        else:
            has_data = has_data or name == b"data"
    return has_data or has_type or begun


def _bare(start: int, line: bytes) -> bytes:
    return line if start else line.removeprefix(b"\xef\xbb\xbf")


def _lines(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Where each line starts, the line, and whether its end has come."""
    start = 0
    for end in _LINE_END.finditer(data):
        yield start, data[start : end.start()], True
        start = end.end()
    yield start, data[start:], False


def seeds() -> Iterator[bytes]:
    yield from short_events("sse")
    yield b"\xef\xbb\xbfid: 7\r\nretry: 1000\r\nevent: intermediate\r\ndata: {\r\ndata: }\r\n\r\n:ping\r\n\r\n"
    yield b"data\rdata:\rdata:  x\r\revent\nid\0: 1\ndata: \xff\n\nunfinished"
    yield b"data: " + b"x" * LIMIT
    for size in (*range(22, 34), *FIELDS):
        yield b"event: " + b"x" * size + b"\ndata: y\n\n"
    yield b"id: " + b"x" * 26 + b"\ndata: y\n\nid: " + b"x" * 27 + b"\n"
    yield b"data: " + b"x" * 70 + b"\ndata: " + b"y" * 70 + b"\n\n"
