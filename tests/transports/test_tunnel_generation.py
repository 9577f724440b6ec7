"""A generation through both ends of the tunnel, on sockets of this machine, with TLS from the client to the service.

Time is real here; what is waited for is an event.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest
import trio
from websocket_peer import Tasks

from nai_trio import NovelAI
from nai_trio.closing import reraise, unwrap_group
from nai_trio.emulator import Cut, Emulator
from nai_trio.errors import ConnectError, ProxyAuthenticationError, ProxyError, StreamInterrupted
from nai_trio.params import ImageParams
from nai_trio.protocol.chunks import FinalChunk
from nai_trio.transport import Origin
from nai_trio.transports.tunnel import Tunnel
from nai_trio.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from conftest import Certificates

    from nai_trio.protocol.chunks import Chunk

KEY = "pst-planted-key-not-real"
TOKEN = "planted-token-not-real"
LOOPBACK = "127.0.0.1"
PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)
Kind = Literal["sse", "msgpack"]
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])


@attrs.frozen
class Site:
    """The service behind TLS, a tunnel to it, and a client on the other side."""

    client: NovelAI
    emulator: Emulator
    log: list[str]
    passed: list[bytes]
    scopes: list[trio.CancelScope]


async def listen(nursery: trio.Nursery, serve: Callable[[trio.SocketStream], Awaitable[object]]) -> int:
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    port: int = listener.socket.getsockname()[1]
    return port


async def serve_tls(emulator: Emulator, context: ssl.SSLContext, stream: trio.SocketStream) -> None:
    async with trio.SSLStream(stream, context, server_side=True, https_compatible=True) as encrypted:
        with contextlib.suppress(trio.BrokenResourceError):  # the client left
            await emulator.serve(encrypted)


class Tapped(trio.abc.Stream):
    """Keeps what passes."""

    def __init__(self, stream: trio.abc.Stream, passed: list[bytes]) -> None:
        self._stream = stream
        self._passed = passed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._passed.append(bytes(data))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self._passed.append(bytes(data))
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def site(
    certificates: Certificates, *, wss: bool = False, token: str = TOKEN, **emulated: Any
) -> AsyncIterator[Site]:
    emulator = Emulator(api_keys={KEY}, **emulated)
    server = certificates.server(LOOPBACK)
    log: list[str] = []
    passed: list[bytes] = []
    scopes: list[trio.CancelScope] = []
    try:
        async with trio.open_nursery() as nursery:
            port = await listen(nursery, partial(serve_tls, emulator, server))
            tunnel = Tunnel([Origin("https", LOOPBACK, port)], token=TOKEN, log=log.append)

            async def serve(stream: trio.abc.Stream) -> None:
                tapped: trio.abc.Stream = Tapped(stream, passed)
                if wss:
                    tapped = trio.SSLStream(tapped, server, server_side=True, https_compatible=True)
                scopes.append(trio.CancelScope())
                with scopes[-1]:
                    await tunnel.serve(tapped)

            where = f"{'wss' if wss else 'ws'}://{LOOPBACK}:{await listen(nursery, serve)}/tunnel"
            context = certificates.client()
            transport = WebSocketTransport(where, token=token, ssl_context=context if wss else None)
            base = f"https://{LOOPBACK}:{port}"
            async with NovelAI(KEY, image_base=base, transport=transport, ssl_context=context) as client:
                yield Site(client, emulator, log, passed, scopes)
            with trio.fail_after(10):
                while tunnel.connections or emulator.connections:  # noqa: ASYNC110 - there is no event for it
                    await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        reraise(unwrap_group(group))


async def generated(client: NovelAI, kind: Kind) -> list[Chunk]:
    async with client.image.generate_stream(PARAMS, stream=kind) as stream:
        return [chunk async for chunk in stream]


@functools.cache
def direct(kind: Kind) -> list[Chunk]:
    """What comes without anything between."""

    async def main() -> list[Chunk]:
        async with NovelAI(KEY, transport=Emulator().transport()) as client:
            return await generated(client, kind)

    return trio.run(main)


@BOTH
@pytest.mark.parametrize("wss", [False, True])
def test_a_generation_arrives_as_it_does_directly(certificates: Certificates, kind: Kind, wss: bool) -> None:
    expected = direct(kind)

    async def main() -> None:
        tasks = Tasks()
        async with site(certificates, wss=wss) as here:
            first = await generated(here.client, kind)
            assert await generated(here.client, kind) == first == expected
            assert here.log == []  # both over one connection
        assert tasks.alive == 0
        assert len(here.log) == 1
        assert "the client left" in here.log[0]

    trio.run(main)


async def test_the_tunnel_sees_neither_key_nor_prompt(certificates: Certificates) -> None:
    async with site(certificates) as here:
        await generated(here.client, "sse")
    seen = b"".join(here.passed)
    assert TOKEN.encode() in seen  # what is looked for would be found
    assert not any(secret in seen for secret in (KEY.encode(), b"cat ears", b"generate-image"))
    assert "planted" not in str(here.log)
    assert "planted" not in repr(here.client)


@BOTH
async def test_a_service_that_cuts_the_body_interrupts_with_what_had_come(
    certificates: Certificates, kind: Kind
) -> None:
    async with site(certificates) as here:
        here.emulator.inject(Cut(after=3000))
        with pytest.raises(StreamInterrupted) as caught:
            await generated(here.client, kind)
        assert caught.value.previews
        assert caught.value.billing_unknown
        assert isinstance((await generated(here.client, kind))[-1], FinalChunk)  # the client goes on


@BOTH
async def test_a_tunnel_that_is_stopped_in_the_middle_interrupts(certificates: Certificates, kind: Kind) -> None:
    tasks = Tasks()
    async with site(certificates, step_delay=0.05) as here:
        with pytest.raises(StreamInterrupted) as caught:
            async with here.client.image.generate_stream(PARAMS, stream=kind) as stream:
                await anext(stream)
                here.scopes[0].cancel()
                async for _ in stream:
                    pass
        assert caught.value.previews
        assert caught.value.finals == []
    assert tasks.alive == 0


@BOTH
async def test_leaving_in_the_middle_stops_the_job_at_the_service(certificates: Certificates, kind: Kind) -> None:
    async with site(certificates, step_delay=0.05) as here:
        async with here.client.image.generate_stream(PARAMS, stream=kind) as stream:
            await anext(stream)
        with trio.fail_after(10):
            await here.emulator.jobs[0].done.wait()
    assert here.emulator.jobs[0].state == "disconnected"


async def test_a_wrong_token_is_told_before_anything_was_sent(certificates: Certificates) -> None:
    async with site(certificates, token="planted-other-token") as here:
        with pytest.raises(ProxyAuthenticationError, match="401") as caught:
            await generated(here.client, "sse")
        assert not caught.value.billing_unknown
        assert "planted" not in str(caught.value)
    assert here.emulator.jobs == []


async def test_another_origin_is_told_before_anything_was_sent(certificates: Certificates) -> None:
    tunnel = Tunnel([Origin("https", "image.novelai.net", 443)])
    async with trio.open_nursery() as nursery:
        port = await listen(nursery, tunnel.serve)
        transport = WebSocketTransport(f"ws://{LOOPBACK}:{port}")
        async with NovelAI(KEY, image_base="https://other.example", transport=transport) as client:
            with pytest.raises(ProxyError, match="403 this origin is not served here"):
                await generated(client, "sse")
        nursery.cancel_scope.cancel()


async def test_a_service_that_is_not_there_is_told_as_the_tunnel_says_it() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    origin = Origin("https", LOOPBACK, listener.socket.getsockname()[1])
    await listener.aclose()
    tunnel = Tunnel([origin])
    async with trio.open_nursery() as nursery:
        port = await listen(nursery, tunnel.serve)
        async with NovelAI(
            KEY, image_base=str(origin), transport=WebSocketTransport(f"ws://{LOOPBACK}:{port}")
        ) as client:
            with pytest.raises(ConnectError, match=r"502 connect .*: refused") as caught:
                await generated(client, "sse")
        assert isinstance(caught.value, ProxyError)
        assert caught.value.status == 502
        nursery.cancel_scope.cancel()
