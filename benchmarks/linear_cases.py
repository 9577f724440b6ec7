"""The inputs of linear.py: what is parsed, how large it is to begin with, and how it is cut."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import work

from nai_trio.params import ImageParams
from nai_trio.protocol import ImageExchange, MsgpackDecoder, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FRAMINGS", "Case", "decoders", "feeds", "finals"]

READ = 64 * 1024
FEEDS: dict[int | None, int] = {1: 20_000, 64: 500_000, 4096: 4_000_000, READ: 4_000_000, None: 4_000_000}
"""Bytes per call, None for all at once, and of the final that is fed so; it is doubled then."""

FRAMINGS: tuple[work.Framing, ...] = ("sse", "msgpack")
FINALS = (100_000, 1_000_000, 10_000_000, 30_000_000)
PREVIEWS = 200
LEAST, PREVIEW = 3_000, 5_000
SLOW, TINY, LARGE = 20_000, 120_000, 8_000_000
"""Bytes of streams that are fed byte by byte; of tiny parts, where each byte is dear; and of what is fed in large."""


@attrs.frozen
class Case:
    """A way to make inputs of any size, and to parse them.

    Attributes:
        kind, name: what it is.
        feed: bytes per call; None: all at once.
        size: of which an input is made, and its double.
        least: of which a small one is made.
        make: makes the bytes, from a size; and what parsing them must end with.
        parse: takes the bytes as they are fed; ends with the pictures, or with how many events there were.
    """

    kind: str
    name: str
    feed: int | None
    size: int
    least: int
    make: Callable[[int], tuple[bytes, Any]]
    parse: Callable[[list[bytes]], Any]


def final_of(size: int, framing: work.Framing) -> tuple[bytes, Any]:
    """A response with one preview, and a final of `size` bytes."""
    return made(work.Variant(preview=PREVIEW, previews=1, final=size), framing)


def previews_of(count: int, framing: work.Framing) -> tuple[bytes, Any]:
    """A response with `count` previews, and a small final."""
    return made(work.Variant(preview=PREVIEW, previews=count, final=20_000), framing)


def made(variant: work.Variant, framing: work.Framing) -> tuple[bytes, Any]:
    return work.response(variant, framing), [event.image for event in work.events(variant)]


def parser(framing: work.Framing) -> Callable[[list[bytes]], Any]:
    params = ImageParams("x", size=(64, 64), steps=work.STEPS)

    def parse(reads: list[bytes]) -> list[bytes]:
        exchange = ImageExchange(params, api_key="pst-not-a-real-key", host="localhost", stream=framing, body=b"{}")
        exchange.data_to_send()
        return [chunk.image for read in reads for chunk in exchange.receive_data(read)]

    return parse


def feeds(framing: work.Framing, *, quick: bool) -> Iterator[Case]:
    """Every feed of one framing."""
    kind, make, parse = f"ImageExchange, {framing}, by feed", partial(final_of, framing=framing), parser(framing)
    for feed, size in FEEDS.items():
        name = "all at once" if feed is None else f"{feed:,} bytes per call" if feed > 1 else "1 byte per call"
        yield Case(kind, name, feed, size // 3 if quick else size, LEAST, make, parse)


def finals(*, quick: bool) -> Iterator[Case]:
    """Growing finals, and more and more previews."""
    for framing in FRAMINGS:
        kind, parse = f"ImageExchange, {framing}, 64 KiB per call", parser(framing)
        make = partial(final_of, framing=framing)
        for size in FINALS[:-2] if quick else FINALS:
            yield Case(kind, f"a final of {size / 1e6:g} and {size / 5e5:g} MB", READ, size, LEAST, make, parse)
        make, name = partial(previews_of, framing=framing), f"{PREVIEWS} and {2 * PREVIEWS} previews"
        yield Case(kind, name, READ, PREVIEWS, 1, make, parse)


@attrs.frozen
class Hostile:
    """Bytes that are chosen to hurt a decoder: `start`, then `part` again and again.

    Attributes:
        decoder: what is fed.
        name: what it is.
        feed: bytes per call; None: all at once.
        size: bytes, in the smaller of two inputs.
        part: what is repeated.
        events: how many each part is.
        start: what comes first.
    """

    decoder: type[Any]
    name: str
    feed: int | None
    size: int
    part: bytes
    events: int = 0
    start: bytes = b""

    def make(self, size: int) -> tuple[bytes, Any]:
        count = size // len(self.part)
        return self.start + self.part * count, count * self.events

    def parse(self, reads: list[bytes]) -> int:
        decoder = self.decoder()
        return sum(len(decoder.feed(read)) for read in reads)


KB = b"x" * 1000
FRAME = b"\x03\xff\0\0"
"""The length of a frame of 67 MB, as much as the limits allow."""

MAP = b"\x81\xa1a\xc6" + FRAME
"""The beginning of a map without a length before it, with one member of 67 MB."""

SSE = (
    Hostile(SSEDecoder, "a line that never ends", READ, LARGE, KB, start=b"data: "),
    Hostile(SSEDecoder, "a line that never ends, in 64 bytes", 64, LARGE // 8, KB, start=b"data: "),
    Hostile(SSEDecoder, "a line that never ends, byte by byte", 1, SLOW, b"x", start=b"data: "),
    Hostile(SSEDecoder, "a comment that never ends", READ, LARGE, KB, start=b":"),
    Hostile(SSEDecoder, "lines of 5 kB that end with LF and CR in turns", READ, LARGE, KB * 5 + b"\n" + KB * 5 + b"\r"),
    Hostile(SSEDecoder, "blank lines", READ, TINY, b"\n"),
    Hostile(SSEDecoder, "lines of an unknown field", READ, TINY, b"a:b\n"),
    Hostile(SSEDecoder, "an event of one-byte lines", READ, TINY, b"data:x\n"),
    Hostile(SSEDecoder, "an event of one-byte lines, byte by byte", 1, SLOW, b"data:x\n"),
    Hostile(SSEDecoder, "events of one byte, all at once", None, TINY, b"data:x\n\n", events=1),
    Hostile(SSEDecoder, "events whose lines end with CR", READ, TINY, b"data:x\r\r", events=1),
    Hostile(SSEDecoder, "events whose lines end with CRLF, byte by byte", 1, SLOW, b"data:x\r\n\r\n", events=1),
)
MSGPACK = (
    Hostile(MsgpackDecoder, "a frame that is never whole", READ, LARGE, KB, start=FRAME),
    Hostile(MsgpackDecoder, "a frame that is never whole, byte by byte", 1, SLOW, b"x", start=FRAME),
    Hostile(MsgpackDecoder, "empty frames, all at once", None, TINY, b"\0\0\0\1\x80", events=1),
    Hostile(MsgpackDecoder, "empty frames, byte by byte", 1, SLOW, b"\0\0\0\1\x80", events=1),
    Hostile(MsgpackDecoder, "a map without a length, never whole", READ, LARGE, KB, start=MAP),
    Hostile(MsgpackDecoder, "the same, byte by byte", 1, SLOW, b"x", start=MAP),
    Hostile(MsgpackDecoder, "empty maps without a length, all at once", None, SLOW, b"\x80", events=1),
    Hostile(MsgpackDecoder, "small maps without a length", READ, TINY, b"\x81\xa1a\x01", events=1),
)


def decoders(*, quick: bool) -> Iterator[Case]:
    """The decoders alone, on what is chosen to hurt them."""
    for hostile in (*SSE, *MSGPACK)[:: 2 if quick else 1]:
        size = hostile.size // 2 if quick else hostile.size
        kind = f"{hostile.decoder.__name__} alone"
        yield Case(kind, hostile.name, hostile.feed, size, size // 20, hostile.make, hostile.parse)
