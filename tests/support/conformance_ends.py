"""The far ends of routes: small servers of the tests' own, which do what a proxy, a SOCKS server or a relay does.

They are written from the RFCs and share no code with the transports. Each keeps what it was told, so that a test can
look for what should not have been said to it.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import h11
import trio
import trio.testing
import trio_websocket
from delegating import DelegatingStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    Handler: TypeAlias = Callable[[trio.abc.Stream], Awaitable[None]]

LOOPBACK = "127.0.0.1"
RELAY_SIZE = 128 * 1024
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, EOFError)


@attrs.define
class Door:
    """A listening server.

    Attributes:
        port: where it listens; 0 where that is no port.
        alive: how many connections it serves now.
        served: how many there were in all.
        heard: what its clients said to it, and not to who is behind it.
    """

    port: int = 0
    alive: int = 0
    served: int = 0
    heard: list[str] = attrs.field(factory=list, repr=False)  # with secrets, which locals in tracebacks would show

    async def serve(self, handler: Handler, context: ssl.SSLContext | None, stream: trio.abc.Stream) -> None:
        """Serve one connection, and close it."""
        self.alive += 1
        self.served += 1
        try:
            if context is not None:
                stream = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
                await stream.do_handshake()
            await handler(stream)
        except GONE:
            pass  # the client left, which tests do on purpose
        finally:
            await trio.aclose_forcefully(stream)
            self.alive -= 1


async def listen(nursery: trio.Nursery, handler: Handler, *, context: ssl.SSLContext | None = None) -> Door:
    """Listen on a free port; with a context, for TLS."""
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    door = Door(listener.socket.getsockname()[1])
    nursery.start_soon(trio.serve_listeners, partial(door.serve, handler, context), [listener])
    return door


async def listen_unix(
    nursery: trio.Nursery, path: str, handler: Handler, *, context: ssl.SSLContext | None = None
) -> Door:
    """Listen on a Unix socket."""
    listening = trio.socket.socket(socket.AF_UNIX)
    await listening.bind(path)
    listening.listen()
    door = Door()
    nursery.start_soon(trio.serve_listeners, partial(door.serve, handler, context), [trio.SocketListener(listening)])
    return door


async def silent(stream: trio.abc.Stream) -> None:
    """Take everything and say nothing, until the client leaves."""
    while await stream.receive_some():
        pass


async def echo(stream: trio.abc.Stream) -> None:
    """Say everything back."""
    while data := await stream.receive_some():
        await stream.send_all(data)


def reset(stream: trio.abc.Stream) -> None:
    """Make closing this stream a reset (where there is a TCP socket below): the peer sees the connection vanish."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream) and stream.socket.family != socket.AF_UNIX:
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def relay(one: trio.abc.Stream, other: trio.abc.Stream) -> None:
    """Pass bytes and ends on in both directions; what breaks one way, or cannot end one way alone, ends both."""

    async def pump(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
        try:
            while data := await source.receive_some(RELAY_SIZE):
                await sink.send_all(data)
            if isinstance(sink, trio.abc.HalfCloseableStream):
                await sink.send_eof()
                return
        except GONE:
            pass
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump, one, other)
        nursery.start_soon(pump, other, one)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT alone (RFC 9110, 9.3.6).

    Args:
        credentials: "user:password" that it wants, or None.
    """

    def __init__(self, credentials: str | None = None) -> None:
        self.heard: list[str] = []
        self._wanted = None if credentials is None else "Basic " + base64.b64encode(credentials.encode()).decode()

    async def __call__(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        request = await self._request(connection, stream)
        headers = {name.decode(): value.decode() for name, value in request.headers}
        if request.method != b"CONNECT":
            await stream.send_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
        elif self._wanted not in {None, headers.get("proxy-authorization")}:
            await stream.send_all(
                b'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="tests"\r\n'
                b"content-length: 0\r\n\r\n"
            )
        else:
            await self._connect(stream, request.target.decode(), connection.trailing_data[0])

    async def _request(self, connection: h11.Connection, stream: trio.abc.Stream) -> h11.Request:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        if not isinstance(event, h11.Request):
            raise EOFError  # noqa: TRY004 - the client left
        self.heard.append(f"{event.method!r} {event.target!r} {list(event.headers)!r}")
        return event

    async def _connect(self, stream: trio.abc.Stream, target: str, early: bytes) -> None:
        host, _, port = target.rpartition(":")
        try:
            upstream = await trio.open_tcp_stream(host.strip("[]"), int(port))
        except OSError:
            await stream.send_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            return
        async with upstream:
            await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await upstream.send_all(early)
            await relay(stream, upstream)


class SOCKSServer:
    """SOCKS5, CONNECT alone (RFC 1928), with a user name and password (RFC 1929) or without.

    Args:
        credentials: "user:password" that it wants, or None.
    """

    def __init__(self, credentials: str | None = None) -> None:
        self.heard: list[str] = []
        self._wanted = credentials

    async def __call__(self, stream: trio.abc.Stream) -> None:
        version, count = await _exactly(stream, 2)
        offered = await _exactly(stream, count)
        method = 0 if self._wanted is None else 2
        if version != 5 or method not in offered:
            await stream.send_all(b"\x05\xff")
            return
        await stream.send_all(bytes([5, method]))
        if method == 2 and not await self._authenticated(stream):
            return
        await self._connect(stream)

    async def _authenticated(self, stream: trio.abc.Stream) -> bool:
        _, length = await _exactly(stream, 2)
        user = await _exactly(stream, length)
        (length,) = await _exactly(stream, 1)
        password = await _exactly(stream, length)
        good = f"{user.decode()}:{password.decode()}" == self._wanted
        await stream.send_all(b"\x01\x00" if good else b"\x01\x01")
        return good

    async def _connect(self, stream: trio.abc.Stream) -> None:
        _, command, _, kind = await _exactly(stream, 4)
        if kind == 3:
            (length,) = await _exactly(stream, 1)
            host = (await _exactly(stream, length)).decode()
        else:
            size, family = (4, socket.AF_INET) if kind == 1 else (16, socket.AF_INET6)
            host = socket.inet_ntop(family, await _exactly(stream, size))
        port = int.from_bytes(await _exactly(stream, 2), "big")
        self.heard.append(f"command {command}, address type {kind}: {host} port {port}")
        try:
            upstream = await trio.open_tcp_stream(host, port)
        except OSError:
            await stream.send_all(b"\x05\x05\x00\x01" + bytes(6))
            return
        async with upstream:
            await stream.send_all(b"\x05\x00\x00\x01" + bytes(6))
            await relay(stream, upstream)


async def _exactly(stream: trio.abc.Stream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class WebSocketRelay:
    """The other end of a WebSocket tunnel: relays binary messages to one port.

    Args:
        port: where the bytes go, on this machine.
        token: the bearer token it wants, or None.
    """

    def __init__(self, port: int, token: str | None = None) -> None:
        self.heard: list[str] = []
        self._port = port
        self._token = token

    async def __call__(self, stream: trio.abc.Stream) -> None:
        watched = _Watched(stream)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watched.cancel_at_the_end, nursery.cancel_scope)
                request = await trio_websocket.wrap_server_stream(nursery, watched)  # type: ignore[arg-type]
                await self._answer(request)
                nursery.cancel_scope.cancel()
        except* (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError, *GONE):
            pass  # the client left

    async def _answer(self, request: trio_websocket.WebSocketRequest) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in request.headers}
        self.heard.append(f"{request.path} {request.proposed_subprotocols} {headers}")
        if self._token is not None and headers.get("authorization") != f"Bearer {self._token}":
            await request.reject(401, body=b"no")
            return
        try:
            upstream = await trio.open_tcp_stream(LOOPBACK, self._port)
        except OSError:
            await request.reject(502, body=b"nobody there")
            return
        async with upstream, await request.accept(subprotocol="binary") as socket_:
            await _relay_messages(socket_, upstream)


class _Watched(DelegatingStream):
    """What trio-websocket does not notice: a client that leaves before it has said what it wants."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self._ended = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await super().receive_some(max_bytes)
        if not data:
            self._ended.set()
        return data

    async def cancel_at_the_end(self, scope: trio.CancelScope) -> None:
        await self._ended.wait()
        await trio.testing.wait_all_tasks_blocked()  # what had come is dealt with
        scope.cancel()


async def _relay_messages(messages: trio_websocket.WebSocketConnection, upstream: trio.SocketStream) -> None:
    async def to_upstream() -> None:
        with contextlib.suppress(trio_websocket.ConnectionClosed, *GONE):
            while True:
                data = await messages.get_message()
                assert isinstance(data, bytes)
                await upstream.send_all(data)
        nursery.cancel_scope.cancel()

    async def to_messages() -> None:
        with contextlib.suppress(trio_websocket.ConnectionClosed, *GONE):
            while data := await upstream.receive_some(RELAY_SIZE):
                await messages.send_message(data)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(to_upstream)
        nursery.start_soon(to_messages)


def open_descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/dev/fd").iterdir()))
