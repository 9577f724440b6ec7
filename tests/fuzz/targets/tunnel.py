"""What a client says to `Tunnel`: a handshake and frames of any kind, or what is none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import trio
import trio.testing
from any_answers import KEY
from invariants import Pieces, same_however_cut

from nai_trio.transport import Origin
from nai_trio.transports import MemoryStream, MemoryTransport, memory_stream_pair
from nai_trio.transports.tunnel import Tunnel

MEASURED = ("nai_trio.transports.tunnel", "nai_trio.transports.tunnel_relay")
LONGEST = 700
ORIGIN = Origin("https", "image.novelai.net", 443)
UPGRADE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)
TOKEN = f"Authorization: Bearer {KEY}\r\n".encode()
WORDS = (
    UPGRADE % (b"", TOKEN), TOKEN, b"Sec-WebSocket-Protocol: binary\r\n", b"Origin: https://a\r\n", b"?to=https://",
    b"Sec-WebSocket-Version: 8\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"%00",
    b"\x82\x85abcdhello", b"\x88\x80abcd", b"\x88\x82abcdbi", b"\x89\x80abcd", b"\x81\x81abcda", b"\x00\x80abcd",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes are served or refused: the connection ends, nothing is raised, and the log says one line of it.

    What follows a blank line is said only when an answer has come, as clients must (RFC 6455, 4.1).
    """
    served, heard, answer = same_however_cut(data, _run)
    assert heard == b"" or data.startswith(b"GET "), "bytes reached the origin without a handshake"
    assert served is answer.startswith(b"HTTP/1.1 101 ")
    assert not served or KEY.encode() in data or b"basic " in data.lower(), "a stranger was let in"


def _run(pieces: Pieces) -> tuple[bool, bytes, bytes]:
    return trio.run(_serve, pieces, clock=trio.testing.MockClock(autojump_threshold=0))


async def _serve(pieces: Pieces) -> tuple[bool, bytes, bytes]:
    """Whether it led anywhere, what the origin heard, and the first line of the answer."""
    heard, log = bytearray(), list[str]()

    async def far_end(stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some():
            heard.extend(data)

    ours, theirs = memory_stream_pair()
    client = _Client(ours)
    async with MemoryTransport(far_end) as far, trio.open_nursery() as nursery:
        tunnel = Tunnel([ORIGIN], token=KEY, transport=far, log=log.append)
        nursery.start_soon(partial(tunnel.serve, theirs, peer="client"))
        nursery.start_soon(client.listen)
        await client.say(pieces)
    assert tunnel.connections == 0
    (line,) = log
    assert KEY not in line
    return line.startswith("client: to "), bytes(heard), bytes(client.heard).partition(b"\r\n")[0]


class _Client:
    """The other side of a tunnel."""

    def __init__(self, stream: MemoryStream) -> None:
        self.heard = bytearray()
        self._stream = stream
        self._answered = trio.Event()

    async def listen(self) -> None:
        while data := await self._stream.receive_some():
            self.heard.extend(data)
            self._answered.set()
        self._answered.set()

    async def say(self, pieces: Pieces) -> None:
        said = b""
        try:
            for piece in pieces:
                asked, blank, rest = (said + piece).partition(b"\r\n\r\n")
                if blank and b"\r\n\r\n" not in said:
                    await self._stream.send_all((asked + blank)[len(said) :])
                    await self._answer()
                    piece = rest  # noqa: PLW2901 - the part of it that is left
                said = asked + blank + rest
                await self._stream.send_all(piece)
            await self._answer()
            await self._stream.send_eof()
        except trio.BrokenResourceError:
            pass

    async def _answer(self) -> None:
        with trio.move_on_after(1):
            await self._answered.wait()


def seeds() -> Iterator[bytes]:
    hello, close = b"\x82\x85abcd\x09\x07\x0f\x08\x0e", b"\x88\x82abcdbj"
    good = UPGRADE % (b"", TOKEN)
    yield good + hello + close
    yield good + b"\x02\x81abcda\x89\x80abcd\x80\x81abcdb"
    yield good + b"\x81\x81abcda"
    yield good + hello[:-2]
    yield UPGRADE % (b"?to=https://image.novelai.net:443", TOKEN + b"Sec-WebSocket-Protocol: binary\r\n") + close
    yield UPGRADE % (b"?to=https://elsewhere:443", TOKEN)
    yield UPGRADE % (b"?to=a&to=b", TOKEN)
    yield UPGRADE % (b"", TOKEN + b"Sec-WebSocket-Protocol: other\r\n")
    yield UPGRADE % (b"", b"Authorization: Basic dXNlcjpwc3Qtbm90LWEtcmVhbC1rZXk=\r\n")
    yield UPGRADE % (b"", b"")
    yield b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    yield b"\x16\x03\x01\x02\x00"
