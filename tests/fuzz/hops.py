"""What a hop says on the way to the service: what the targets of proxies and relays share.

Each check is one trio run on a virtual clock, in which the hop is a transcript (fake_hop.py).
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio
import trio.testing
from fake_hop import TranscriptTransport
from invariants import Pieces, same_however_cut

from nai_trio.closing import close_now
from nai_trio.errors import ConnectError
from nai_trio.transport import Origin, Transport

ORIGIN = Origin("https", "image.novelai.net", 443)
NAME, WORD = "planted-name", "planted-word"


@attrs.frozen
class Opened:
    """How a way was opened, or was not.

    Attributes:
        rest: what came through it, None where it was not opened.
        error: the error's class, or None.
        words: its text.
        heard: what the hop was told.
    """

    rest: bytes | None = None
    error: type[Exception] | None = None
    words: str = ""
    heard: bytes = b""


def opened_through(data: bytes, make: Callable[[Transport], Transport]) -> Opened:
    """Try a transport on what its hop says, cut in some ways; say what comes of it, the same for all.

    A `ConnectError` and a way that is open are the only ends; whatever the hop repeats, no secret is in the error, and
    where the way is not open the stream is closed.
    """

    def run(pieces: Pieces) -> Opened:
        return trio.run(_connect, pieces, make, clock=trio.testing.MockClock(autojump_threshold=0))

    return same_however_cut(data, run)


async def _connect(pieces: Pieces, make: Callable[[Transport], Transport]) -> Opened:
    ends = [sum(map(len, pieces[:count])) for count in range(1, len(pieces))]
    hop = TranscriptTransport(b"".join(pieces), cuts=ends)
    async with make(hop) as transport:
        try:
            stream = await transport.connect(ORIGIN)
        except ConnectError as error:
            assert hop.stream.closed
            words = str(error)
            assert NAME not in words
            assert WORD not in words
            assert words.isprintable()
            assert len(words) < 800
            return Opened(None, type(error), words, hop.stream.heard)
        heard = hop.stream.heard
        rest = await _rest_of(stream)
        await close_now(stream)
        return Opened(rest, heard=heard)


async def _rest_of(stream: trio.abc.Stream) -> bytes:
    """All that comes through, to the end or until it breaks."""
    received = b""
    try:
        while data := await stream.receive_some():
            received += data
    except trio.BrokenResourceError:
        pass
    return received
