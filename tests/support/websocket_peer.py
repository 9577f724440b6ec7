"""A relay that the test plays, frame by frame, on wsproto's server side; and both ends of ours, connected in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
import trio_websocket
from scripted import ScriptedTransport
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Request
from wsproto.frame_protocol import FrameProtocol, Opcode

from nai_trio.closing import close_now, reraise, unwrap_group
from nai_trio.transport import Origin
from nai_trio.transports.websocket import WebSocketTransport
from nai_trio.transports.websocket_link import MAX_MESSAGE_SIZE, Link
from nai_trio.transports.websocket_stream import WebSocketStream
from nai_trio.transports.websocket_wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nai_trio.transports import MemoryStream

URL = "ws://relay.example:8080/tunnel"
ORIGIN = Origin("https", "image.novelai.net", 443)


class Peer:
    """The relay's side of one connection. It answers nothing by itself, pings neither.

    Attributes:
        stream: the relay's end, for bytes that wsproto would not send.
    """

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self._connection = WSConnection(ConnectionType.SERVER)
        self._events: list[Event] = []

    async def request(self) -> Request:
        """The client's handshake."""
        event = await self.event()
        assert isinstance(event, Request)
        return event

    async def accept(self, subprotocol: str | None = "binary") -> Request:
        """Answer the client's handshake."""
        request = await self.request()
        await self.say(AcceptConnection(subprotocol=subprotocol))
        return request

    async def say(self, *events: Event) -> None:
        """Send events, in one piece."""
        await self.stream.send_all(b"".join(self._connection.send(event) for event in events))

    async def say_message(self, data: bytes) -> None:
        await self.say(BytesMessage(data=data))

    async def event(self) -> Event:
        """What the client says next.

        Raises:
            EOFError: it left.
        """
        while not self._events:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError("the client left")
            self._connection.receive_data(data)
            self._events.extend(self._connection.events())
        return self._events.pop(0)

    async def message(self) -> bytes:
        """The client's next whole message."""
        data = b""
        while True:
            event = await self.event()
            assert isinstance(event, BytesMessage), event
            data += event.data
            if event.message_finished:
                return data

    async def closed(self) -> CloseConnection:
        """The client's close frame; what comes before it is dropped."""
        while not isinstance(event := await self.event(), CloseConnection):
            pass
        return event


def frame(payload: bytes, *, opcode: Opcode = Opcode.BINARY, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    protocol = FrameProtocol(client=False, extensions=[])
    return bytes(protocol._serialize_frame(opcode, payload, fin))


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[tuple[WebSocketStream, Peer]]:
    """An open stream of a `WebSocketTransport`, and the relay that the test plays."""
    inner = ScriptedTransport()
    try:
        async with WebSocketTransport(URL, inner=inner, **options) as transport, trio.open_nursery() as nursery:
            peers = []

            async def answer() -> None:
                peers.append(Peer(await inner.accept()))
                await peers[0].accept()

            nursery.start_soon(answer)
            stream = await transport.connect(ORIGIN)
            assert isinstance(stream, WebSocketStream)
            try:
                yield stream, peers[0]
            finally:
                await close_now(stream)
                await close_now(peers[0].stream)
    except BaseExceptionGroup as group:
        reraise(unwrap_group(group))


class Pairs:
    """Makes connected pairs, both ends ours; a nursery of the test's runs the second end's tasks."""

    def __init__(self, nursery: trio.Nursery, transport: WebSocketTransport, inner: ScriptedTransport) -> None:
        self._nursery = nursery
        self._transport = transport
        self._inner = inner

    async def make(self) -> tuple[trio.abc.Stream, trio.abc.Stream]:
        found: list[WebSocketStream] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve, found)
            ours = await self._transport.connect(ORIGIN)
        return ours, found[0]

    async def _serve(self, found: list[WebSocketStream]) -> None:
        wire = Wire(await self._inner.accept())
        link = Link[trio_websocket.WebSocketRequest](wire)
        wrap = partial(
            trio_websocket.wrap_server_stream,
            stream=wire,
            message_queue_size=0,
            max_message_size=MAX_MESSAGE_SIZE,
            receive_buffer_size=None,
        )
        self._nursery.start_soon(link.run, wrap)
        request = await link.opened()
        assert request is not None
        connection = await request.accept(subprotocol="binary")
        link.carry(connection, ping_interval=None, ping_timeout=1)
        found.append(WebSocketStream(link, connection))


@asynccontextmanager
async def pairs() -> AsyncIterator[Pairs]:
    """Both ends ours."""
    inner = ScriptedTransport()
    async with WebSocketTransport(URL, inner=inner) as transport, trio.open_nursery() as nursery:
        yield Pairs(nursery, transport, inner)
        nursery.cancel_scope.cancel()


class Tasks(trio.abc.Instrument):
    """Counts the tasks that are alive."""

    def __init__(self) -> None:
        self.alive = 0
        trio.lowlevel.add_instrument(self)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.alive += 1

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.alive -= 1


__all__ = ["ORIGIN", "URL", "Pairs", "Peer", "Tasks", "frame", "opened", "pairs"]
