"""How a response's body is marked off on the wire (RFC 9112, section 6.3): chunks, a length, or the connection's end.

Each framing hands the body's bytes on as views of what came: nothing is copied here. h11's body reader makes a piece of
its own of each chunk, which takes four to five times as long, that one copy included (benchmarks/tricks.py).

At least as strict as h11's, which tests/conformance holds it against after every byte. What is not content is bounded:
each chunk header and the trailers by `max_head_size`, all of it by `max_framing_size`; else a peer may send megabytes
of them for each byte of body.
"""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING, Final, TypeAlias

from nai_trio.errors import LimitExceeded, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.protocol.limits import Limits

__all__ = ["ChunkedFraming", "CloseFraming", "Framing", "LengthFraming", "Write"]

Write: TypeAlias = "Callable[[memoryview], object]"
"""Takes a piece of the body, which it may look at until it returns."""

_USUAL_HEADER: Final = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,7})\r\n")
_BETWEEN_CHUNKS: Final = re.compile(rb"\r\n" + _USUAL_HEADER.pattern)
"""What nearly always stands between two chunks."""

_USUAL: Final = {"chunk header": _USUAL_HEADER, "chunk end": _BETWEEN_CHUNKS}
"""What a usual chunk begins with, by what is awaited."""

_LONGEST_USUAL: Final = 10
"""Bytes of the longest such chunk header."""

_CHUNK_HEADER: Final = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;.*)?[ \t]*\r\n")
"""RFC 9112, section 7.1; extensions are passed over. Twenty digits, as in h11."""

_TRAILERS_END: Final = re.compile(rb"\A\r?\n|\n\r?\n")

_STEP: Final = 256
"""Bytes of framing looked at in one go, which bounds what is copied in vain for a short one."""


class Framing(abc.ABC):
    """A body being marked off.

    Attributes:
        ended: whether its end was met.
        trailers: the bytes behind the last chunk, the blank line included.
    """

    def __init__(self, limits: Limits) -> None:
        self.ended = False
        self.trailers = b""
        self._limits = limits
        self._room = limits.max_body_size

    @abc.abstractmethod
    def read(self, data: memoryview, write: Write) -> int:
        """Hand the body's bytes to `write`.

        Returns:
            How many of the bytes belong to the message.

        Raises:
            ProtocolError: they are not what they must be; what came before the fault was handed on.
            LimitExceeded: the body, or what marks it off, is larger than allowed.
        """

    def _hand_on(self, content: memoryview, write: Write) -> None:
        room = self._room
        if len(content) > room:
            if room:
                write(content[:room])
            raise LimitExceeded.of("max_body_size", self._limits.max_body_size, "a longer response body")
        self._room = room - len(content)
        write(content)


class CloseFraming(Framing):
    """A body that ends with the connection."""

    def read(self, data: memoryview, write: Write) -> int:
        """See `Framing.read`."""
        self._hand_on(data, write)
        return len(data)


class LengthFraming(Framing):
    """A body of a known length.

    Args:
        length: of at least 1 byte.
        limits: `max_body_size` is used here.
    """

    def __init__(self, length: int, limits: Limits) -> None:
        super().__init__(limits)
        self._left = length

    def read(self, data: memoryview, write: Write) -> int:
        """See `Framing.read`."""
        content = data[: self._left]
        self._left -= len(content)
        self._hand_on(content, write)
        self.ended = not self._left
        return len(content)


class ChunkedFraming(Framing):
    """A body in chunks (RFC 9112, section 7.1).

    Args:
        limits: `max_body_size`, `max_head_size` and `max_framing_size` are used here.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._left = 0  # of the chunk that is being read
        self._framing_room = limits.max_framing_size
        self._awaited = "chunk header"
        self._held = bytearray()  # of what is awaited

    def read(self, data: memoryview, write: Write) -> int:
        """See `Framing.read`."""
        place, size = 0, len(data)
        no_limit_near = size <= min(self._room, self._framing_room) and self._limits.max_head_size >= _LONGEST_USUAL
        while place < size and not self.ended:
            start = place
            if no_limit_near and not self._held:
                place = self._read_usual(data, place, write)
            if place == start:
                place += self._read_any(data, place, write)
        return place

    def _read_any(self, data: memoryview, place: int, write: Write) -> int:
        """Read some bytes, whatever they are; returns how many."""
        if not self._left:
            return self._pass_any(data[place : place + _STEP])
        content = data[place : place + self._left]
        self._left -= len(content)
        self._hand_on(content, write)
        return len(content)

    def _read_usual(self, data: memoryview, place: int, write: Write) -> int:
        """Read on from `place` while all that is no content is here and plain; returns where that ends.

        In a third of the time that the general way takes, in a quarter where chunks are as small as 4 KiB; and an event
        that comes alone, as a chunk of its own, is there sooner.
        """
        size, start, left, content_size = len(data), place, self._left, 0
        if not left:
            opening = _USUAL.get(self._awaited)
            found = opening.match(data, place) if opening else None
            if found is None:
                return place
            self._awaited = "chunk end"
            place, left = found.end(), int(found[1], 16)
        before, chunk_size = b"\r\n1\r\n", 1  # the last chunk's header, nearly always the next one's, too; at first any
        while True:
            end = place + left
            if place < size:
                write(data[place:end])
            if data[end : end + len(before)] == before:
                content_size += left
                place, left = end + len(before), chunk_size
                continue
            found = _BETWEEN_CHUNKS.match(data, end) if end < size else None
            if found is None:
                break
            content_size += left
            before, chunk_size = found[0], int(found[1], 16)
            place, left = found.end(), chunk_size
        here = min(end, size)
        self._left = end - here
        content_size += here - place
        if data[here : here + 3].tobytes() == b"\r\n":  # and nothing behind it
            self._awaited = "chunk header"
            here = size
        self._room -= content_size
        self._framing_room -= here - start - content_size
        return here

    def _pass_any(self, data: memoryview) -> int:
        """Pass over bytes that are no content, cut anywhere; returns how many."""
        limit, room = self._nearest_limit()
        if not room:
            part = "chunk header or trailer"
            raise LimitExceeded.of(limit, getattr(self._limits, limit), f"a longer {part}")
        before = len(self._held)
        self._held += data[:room]
        end = self._end_of_awaited(max(0, before - 2))
        count = (len(self._held) if end is None else end) - before
        self._framing_room -= count
        if end is not None:
            found = bytes(self._held[:end])
            self._held.clear()
            self._take(found)
        return count

    def _nearest_limit(self) -> tuple[str, int]:
        """How much more of what is awaited there may be, by the limit that is nearest."""
        part = self._limits.max_head_size - (0 if self._awaited == "chunk end" else len(self._held))
        total = self._framing_room
        return ("max_head_size", part) if part <= total else ("max_framing_size", total)

    def _end_of_awaited(self, start: int) -> int | None:
        """Where in `_held` the awaited part ends; what is before `start` was looked at."""
        if self._awaited == "chunk end":
            if not b"\r\n".startswith(self._held[:2]):
                raise self._wrong("CRLF behind a chunk", self._held[: 2 if self._held[0] == ord("\r") else 1])
            return 2 if len(self._held) >= 2 else None
        if self._awaited == "chunk header":
            found = self._held.find(b"\r\n", start)
            return None if found < 0 else found + 2
        end = _TRAILERS_END.search(self._held, start)
        return None if end is None else end.end()

    def _take(self, part: bytes) -> None:
        """Understand a part that is no content."""
        if self._awaited == "chunk end":
            self._awaited = "chunk header"
        elif self._awaited == "chunk header":
            header = _CHUNK_HEADER.fullmatch(part)
            if header is None:
                raise self._wrong("a chunk header", part)
            self._left = int(header[1], 16)
            self._awaited = "chunk end" if self._left else "trailers"
        else:
            self.trailers = part
            self.ended = True

    def _wrong(self, expected: str, received: bytes | bytearray) -> ProtocolError:
        what = f"a valid HTTP/1.1 body framing ({expected})"
        return ProtocolError.mismatch(expected=what, received=repr(bytes(received[:60])))
