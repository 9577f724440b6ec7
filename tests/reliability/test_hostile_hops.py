"""What stands between the client and the service, and drips or floods: the TLS handshake, proxies, relays.

On virtual time over memory streams, and where the kernel's buffers are what matters over real sockets.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import recorded
import trio
import trustme
from scripted import ScriptedTransport, read_request

from nai_trio import ConnectError, LimitExceeded, Limits, NetworkError, NetworkTimeout, NovelAI, ProxyError, Timeouts
from nai_trio.transports import HTTPProxyTransport, SOCKSTransport, TCPTransport, WebSocketTransport
from nai_trio.transports.tls import TLSStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nai_trio.transport import Transport

KEY = "pst-not-a-real-key"
BASE = "https://service.example"
CONNECT = 15
"""The default of `Timeouts.connect`: the whole way, of however many hops."""


class Plain(ScriptedTransport):
    """Memory streams on which TLS is to be spoken."""

    secure = False


async def reached(
    transport: Transport, inner: Plain, first: bytes, drips: Iterable[bytes], every: float
) -> tuple[NetworkError, float]:
    """The error of a generation whose first hop drips, and how long it took."""

    async def drip() -> None:
        async with await inner.accept() as stream:
            try:
                await stream.send_all(first)
                for piece in drips:
                    await trio.sleep(every)
                    await stream.send_all(piece)
            except trio.BrokenResourceError:
                pass

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        async with NovelAI(KEY, image_base=BASE, transport=transport) as client:
            with pytest.raises(NetworkError) as caught:
                await client.image.generate(recorded.params())
        seconds = trio.current_time() - start
        nursery.cancel_scope.cancel()
    return caught.value, seconds


INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"

ROUTES: dict[str, tuple[Callable[[Plain], Transport], bytes, bytes]] = {
    "a byte of the TLS handshake": (lambda inner: inner, b"\x16\x03\x03\x40\x00\x02", b"\0"),
    "a byte of a proxy's answer": (
        lambda inner: HTTPProxyTransport("http://proxy.example:80", inner=inner),
        b"HTTP/1.1 200 OK\r\nx: ",
        b"x",
    ),
    "a proxy's interim answers": (
        lambda inner: HTTPProxyTransport("http://proxy.example:80", inner=inner),
        b"",
        INTERIM,
    ),
    "a byte of TLS behind a proxy": (
        lambda inner: HTTPProxyTransport("http://proxy.example:80", inner=inner),
        b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x40\x00\x02",
        b"\0",
    ),
    "a byte of TLS to a proxy": (
        lambda inner: HTTPProxyTransport("https://proxy.example:443", inner=inner),
        b"\x16\x03\x03\x40\x00\x02",
        b"\0",
    ),
    "a byte of a SOCKS answer": (
        lambda inner: SOCKSTransport("socks5://proxy.example:1080", inner=inner),
        b"\x05\0\x05\0\0\x03\xff",
        b"x",
    ),
    "a byte of a relay's answer": (
        lambda inner: WebSocketTransport("ws://relay.example/", inner=inner),
        b"HTTP/1.1 101 ",
        b"x",
    ),
    "a header of a relay's answer": (
        lambda inner: WebSocketTransport("ws://relay.example/", inner=inner),
        b"HTTP/1.1 101 x\r\n",
        b"a: b\r\n",
    ),
}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("every", [0.25, 4])
async def test_a_hop_that_drips_has_the_time_for_connecting_and_no_more(
    autojump_clock: object, name: str, every: float
) -> None:
    make, first, drip = ROUTES[name]
    inner = Plain()
    error, seconds = await reached(make(inner), inner, first, itertools.repeat(drip), every)
    assert isinstance(error, NetworkTimeout)
    assert (error.phase, error.seconds, seconds) == ("connect", CONNECT, pytest.approx(CONNECT))
    assert not error.billing_unknown


@pytest.mark.parametrize(
    ("make", "first", "flood"),
    [
        (ROUTES["a byte of a proxy's answer"][0], b"HTTP/1.1 200 OK\r\nx: ", b"x" * 1000),
        (ROUTES["a byte of a proxy's answer"][0], b"", INTERIM * 20),
        (ROUTES["a byte of a proxy's answer"][0], b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 100),
        (ROUTES["a byte of a relay's answer"][0], b"HTTP/1.1 101 OK\r\nx: ", b"x" * 1000),
        (ROUTES["a byte of a relay's answer"][0], b"HTTP/1.1 101 x\r\n", b"a: b\r\n" * 100),
        (ROUTES["a byte of the TLS handshake"][0], b"\x16\x03\x03\x40\x00\x02\xff\xff\xff", b"\0" * 1000),
    ],
    ids=["a header", "interim answers", "headers", "a relay's header", "a relay's headers", "a handshake message"],
)
async def test_a_hop_that_floods_is_cut_off_at_kilobytes(
    autojump_clock: object, make: Callable[[Plain], Transport], first: bytes, flood: bytes
) -> None:
    inner = Plain()
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += len(flood)
            yield flood

    error, seconds = await reached(make(inner), inner, first, pieces(), 0)
    assert isinstance(error, ConnectError)
    assert seconds < 3
    assert sent < 300_000


async def test_a_proxys_refusal_that_drips_is_that_refusal_in_seconds(autojump_clock: object) -> None:
    inner = Plain()
    first = b"HTTP/1.1 407 No\r\ncontent-type: text/plain\r\n\r\nWho are you?"
    error, seconds = await reached(
        HTTPProxyTransport("http://proxy.example:80", inner=inner), inner, first, itertools.repeat(b"x"), 0.5
    )
    assert isinstance(error, ProxyError)
    assert error.status == 407
    assert "Who are you?" in str(error)
    assert seconds <= 3


# Real sockets: what fills is the kernel's buffer.


class Listener:
    """A socket on loopback, and a thread that does with its first connection what the test says."""

    def __init__(self, act: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port: int = self._listener.getsockname()[1]
        self._act = act
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(10)
            with contextlib.suppress(OSError):  # the client has left
                self._act(connection)


async def test_a_socket_that_is_not_read_from_stops_the_request_in_time() -> None:
    def take_a_byte(connection: socket.socket) -> None:
        while not trickle.over.wait(0.02):
            connection.recv(1)

    with Listener(take_a_byte) as trickle:
        base = f"http://127.0.0.1:{trickle.port}"
        async with NovelAI(KEY, image_base=base, timeouts=Timeouts(send=0.3)) as client:
            with pytest.raises(NetworkTimeout) as caught:
                await client.image.encode_vibe(large_picture())
    assert caught.value.phase == "send"
    assert not caught.value.billing_unknown


def large_picture() -> bytes:
    """A PNG of 12 MB that nothing needs to decode: its header says all that is asked."""
    return recorded.picture("PNG", 1) + bytes(12 * 1024 * 1024)


async def test_a_tls_handshake_that_stalls_on_a_socket_ends_in_time() -> None:
    def stall(connection: socket.socket) -> None:
        connection.recv(10_000)
        for byte in itertools.chain(b"\x16\x03\x03\x40\x00\x02", itertools.repeat(0)):
            if listener.over.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with Listener(stall) as listener:
        base = f"https://127.0.0.1:{listener.port}"
        async with NovelAI(KEY, image_base=base, timeouts=Timeouts(connect=0.3)) as client:
            with pytest.raises(NetworkTimeout) as caught:
                await client.image.generate(recorded.params())
    assert caught.value.phase == "connect"
    assert not caught.value.billing_unknown


async def test_a_flood_over_tls_on_a_socket_stops_at_the_limit() -> None:
    """All of it decrypted in bulk, and still no byte more is kept than the limit says."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    def flood(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(100_000)
            tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ")
            while True:
                tls.sendall(b"x" * 65536)

    with Listener(flood) as listener:
        base = f"https://127.0.0.1:{listener.port}"
        limits = Limits(max_event_size=3_000_000)
        async with NovelAI(KEY, image_base=base, ssl_context=trust, limits=limits, transport=TCPTransport()) as client:
            with pytest.raises(LimitExceeded) as caught:
                await client.image.generate(recorded.params(), stream="sse")
    assert (caught.value.limit, caught.value.allowed) == ("max_event_size", 3_000_000)


async def test_a_connection_that_floods_while_it_is_kept_is_never_read() -> None:
    """Bytes for nobody stay with the kernel; the next request takes another connection."""
    connections = 0

    async def handler(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        try:
            await read_request(stream)
            await stream.send_all(recorded.stream_response("sse"))
            await stream.send_all(b"x" * 10**6)
        except (trio.BrokenResourceError, EOFError):
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handler, 0)
        port = listeners[0].socket.getsockname()[1]
        async with NovelAI(KEY, image_base=f"http://127.0.0.1:{port}") as client:
            for _ in range(3):
                assert await client.image.generate(recorded.params(), stream="sse")
        nursery.cancel_scope.cancel()
    assert connections == 3


async def test_tls_records_without_data_are_silence(autojump_clock: object) -> None:
    """Keys renewed over and over, tickets: bytes on the wire, and nothing for the reader."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("service.example").configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    inner = Plain()

    async def serve() -> None:
        below = await inner.accept()
        server = TLSStream(below, context, server_side=True)
        await server.do_handshake()
        await read_request(server)
        await server.send_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        try:
            for byte in itertools.cycle(b"\x17\x03\x03\x40\x00" + bytes(5)):
                await trio.sleep(10)
                await below.send_all(bytes([byte]))
        except trio.BrokenResourceError:
            pass

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with NovelAI(KEY, image_base=BASE, transport=inner, ssl_context=trust) as client:
            with pytest.raises(NetworkTimeout) as caught:
                await client.image.generate(recorded.params(), stream="sse")
        assert (caught.value.phase, trio.current_time() - start) == ("read", pytest.approx(60, abs=1))
        nursery.cancel_scope.cancel()
