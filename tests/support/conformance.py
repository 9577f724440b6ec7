"""Builds a route of the conformance suite (`conformance_rows`) on this machine.

`opened` starts the servers that the row needs, the far end itself being a
function of the test's, and gives what a user would have: a transport and an origin.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio
from conformance_ends import (
    LOOPBACK,
    ConnectProxy,
    Door,
    SOCKSServer,
    WebSocketRelay,
    listen,
    listen_unix,
    silent,
)
from conformance_rows import CREDENTIALS, IN_URL, KEY, TOKEN, Row

from nai_trio import NovelAI
from nai_trio.closing import reraise, unwrap_group
from nai_trio.transport import Origin, Transport
from nai_trio.transports import (
    HTTPProxyTransport,
    MemoryTransport,
    RecordingTransport,
    SOCKSTransport,
    TCPTransport,
    UnixTransport,
    WebSocketTransport,
    open_tls,
)
from nai_trio.transports.tunnel import Tunnel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import trustme
    from conformance_ends import Handler


class OverTLS(Transport):
    """What the client makes of a transport where the origin is https: for tests of the stream itself."""

    secure = True

    def __init__(self, inner: Transport, context: ssl.SSLContext) -> None:
        self._inner = inner
        self._context = context

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        return await open_tls(await self._inner.connect(origin), origin.host, context=self._context)


@attrs.define
class Opened:
    """A row that is built and entered.

    Attributes:
        row: which.
        transport: as a user would give it to the client.
        origin: where the far end is; https where the row ends in TLS.
        context: that trusts every server of the row.
        doors: the servers, from us to the far end.
        far: the far end's streams, as they came.
    """

    row: Row
    transport: Transport
    origin: Origin
    context: ssl.SSLContext
    doors: list[Door]
    far: trio.MemoryReceiveChannel[trio.abc.Stream]

    async def connect(self) -> trio.abc.Stream:
        """A stream to the far end, as the client would have it."""
        if self.origin.scheme == "http" or self.transport.secure:
            return await self.transport.connect(self.origin)
        return await OverTLS(self.transport, self.context).connect(self.origin)

    async def pair(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        """Our end of a new connection, and the far end's, which `kept` keeps."""
        ours = await self.connect()
        return ours, await self.far.receive()

    def client(self, **options: Any) -> NovelAI:
        """A client that goes this way; not entered, and the transport is entered already."""
        given: dict[str, Any] = {"image_base": str(self.origin), "transport": Entered(self.transport)}
        if not self.transport.secure:
            given["ssl_context"] = self.context
        return NovelAI(KEY, **{**given, **options})

    async def all_gone(self) -> None:
        """Wait until no server has a connection any more: ours are all closed.

        Raises:
            AssertionError: one stays.
        """
        with trio.move_on_after(5):
            while any(door.alive for door in self.doors):  # noqa: ASYNC110 - several doors, and none rings
                await trio.sleep(0.001)
        left = [door.alive for door in self.doors]
        assert not any(left), f"connections left open: {left}"


class Entered(Transport):
    """A transport that somebody else enters and leaves."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.secure = inner.secure

    def describe(self) -> str:
        return self._inner.describe()

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        return await self._inner.connect(origin)


@attrs.frozen
class Site:
    """What a row is built from.

    Attributes:
        authority: signs the servers' certificates.
        folder: for sockets and tapes.
    """

    authority: trustme.CA
    folder: Path

    def client_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT
        )  # the system's store, which takes long to read, trusts none of it
        self.authority.configure_trust(context)
        return context

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(LOOPBACK).configure_cert(context)
        return context


@asynccontextmanager
async def opened(
    row: Row,
    site: Site,
    handler: Handler | None = None,
    *,
    first_hop: Handler | None = None,
    closed: bool = False,
    credentials: str = CREDENTIALS,
    token: str = TOKEN,
    trusted: bool = True,
) -> AsyncIterator[Opened]:
    """Build a row, and enter its transport.

    Args:
        row: which.
        site: what it is built from.
        handler: the far end; None hands its streams to `Opened.pair`.
        first_hop: what is behind the first server's door instead of what belongs there, e.g. `silent`.
        closed: nobody listens where the origin should be.
        credentials: what the hops want; others than the transport gives are refused.
        token: the same for tokens.
        trusted: whether the client trusts who signed the origin's certificate.
    """
    sending, receiving = trio.open_memory_channel[trio.abc.Stream](64)

    async def kept(stream: trio.abc.Stream) -> None:
        await sending.send(stream)
        await trio.sleep_forever()

    try:
        async with trio.open_nursery() as nursery:
            builder = _Builder(
                row, site, nursery, credentials=credentials, token=token, first_hop=first_hop, trusted=trusted
            )
            await builder.far_end(handler or kept, closed=closed)
            for layer in reversed(row.hops):
                await builder.hop(layer)
            transport = builder.transport()
            async with transport:
                yield Opened(
                    row=row,
                    transport=transport,
                    origin=builder.origin(),
                    context=builder.trust(),
                    doors=builder.doors,
                    far=receiving,
                )
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        reraise(unwrap_group(group))


class _Builder:
    """Starts servers from the far end towards us, then stacks the transports from us to the far end."""

    def __init__(
        self,
        row: Row,
        site: Site,
        nursery: trio.Nursery,
        credentials: str,
        token: str,
        first_hop: Handler | None,
        trusted: bool,
    ) -> None:
        self.doors: list[Door] = []
        self.port = 443
        self._row = row
        self._site = site
        self._nursery = nursery
        self._credentials = credentials
        self._token = token
        self._first_hop = first_hop
        self._trusted = trusted
        self._next = 0
        self._hops: list[tuple[str, int]] = []
        self._handler: Handler = silent

    async def far_end(self, handler: Handler, *, closed: bool) -> None:
        context = self._site.server_context() if self._row.layers[-1] == "tls" else None
        if self._first_hop is not None and not self._row.hops:
            handler, context = self._first_hop, None
        if self._row.layers[0] == "memory":
            door = Door()
            self._handler = partial(door.serve, handler, context)
        elif self._row.layers[0] == "unix":
            path = str(self._site.folder / "far.sock")
            door = Door() if closed else await listen_unix(self._nursery, path, handler, context=context)
        else:
            door = Door(unused_port()) if closed else await listen(self._nursery, handler, context=context)
            self.port = self._next = door.port
        self.doors = [door]

    async def hop(self, layer: str) -> None:
        server = self._server(layer)
        context = self._site.server_context() if layer.split("+", maxsplit=1)[0] in {"https", "wss"} else None
        handler: Handler = server
        if self._first_hop is not None and len(self._hops) == len(self._row.hops) - 1:
            handler, context = self._first_hop, None
        door = await listen(self._nursery, handler, context=context)
        door.heard = getattr(server, "heard", [])
        self.doors.insert(0, door)
        self._hops.insert(0, (layer, door.port))
        self._next = door.port

    def _server(self, layer: str) -> Handler:
        kind, _, auth = layer.partition("+")
        if kind == "tunnel":
            return Tunnel([self.origin()], token=self._token).serve
        if kind in {"ws", "wss"}:
            return WebSocketRelay(self._next, self._token if auth else None)
        wanted = self._credentials if auth else None
        return SOCKSServer(wanted) if kind == "socks" else ConnectProxy(wanted)

    def transport(self) -> Transport:
        transport = self._base()
        for layer, port in self._hops:
            transport = self._stacked(layer, port, transport)
        if "tape" in self._row.layers:
            transport = RecordingTransport(transport, self._site.folder / "route.tape", ssl_context=self.trust())
        return transport

    def origin(self) -> Origin:
        """The far end, as the client is told of it."""
        return Origin("https" if self._row.layers[-1] == "tls" else "http", LOOPBACK, self.port)

    def trust(self) -> ssl.SSLContext:
        """What the origin's certificate is verified against."""
        return self._site.client_context() if self._trusted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def _base(self) -> Transport:
        if self._row.layers[0] == "memory":
            return MemoryTransport(self._handler, secure=False)
        if self._row.layers[0] == "unix":
            return UnixTransport(str(self._site.folder / "far.sock"))
        return TCPTransport()

    def _stacked(self, layer: str, port: int, inner: Transport) -> Transport:
        kind, _, auth = layer.partition("+")
        where = f"{LOOPBACK}:{port}"
        credentials = f"{IN_URL}@" if auth else ""
        context = self._site.client_context() if kind in {"https", "wss"} else None
        if kind in {"ws", "wss", "tunnel"}:
            url = f"{'wss' if kind == 'wss' else 'ws'}://{where}/tunnel"
            return WebSocketTransport(url, token=TOKEN if auth else None, inner=inner, ssl_context=context)
        if kind == "socks":
            return SOCKSTransport(f"socks5://{credentials}{where}", inner=inner)
        return HTTPProxyTransport(f"{kind}://{credentials}{where}", inner=inner, ssl_context=context)


def unused_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as once:
        once.bind((LOOPBACK, 0))
        port: int = once.getsockname()[1]
        return port
