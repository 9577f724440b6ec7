"""The clients of latency.py, each in a process of its own: run with the name of one, it does what it is told.

python benchmarks/latency_clients.py NAME

A line of standard input has what to measure, a port, and how often; the answer is a line of JSON with a time of
CLOCK_MONOTONIC in nanoseconds for each generation, and the digest of all that was received, so that it can be compared.
It is run with the peers' interpreter as well, where nothing of this project is installed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Literal

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    Images = AsyncIterator[bytes]
    Ask = Callable[[int], AbstractAsyncContextManager[Images]]

RECEIVE = 256 * 1024
REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
REST = 0.003
"""Seconds of rest before a cancellation, when the reader has come to wait, and after it: a scheduler may have put the
service's thread behind this process on its processor, and what this one does next would delay the service's look."""


@asynccontextmanager
async def ours(framing: Literal["sse", "msgpack"]) -> AsyncIterator[Ask]:
    from nai_trio import ImageParams, NovelAI  # noqa: PLC0415 - the peers' interpreter has it not
    from nai_trio.transports import TCPTransport  # noqa: PLC0415

    clients: dict[int, NovelAI] = {}
    params = ImageParams("1girl, cat ears", size=(832, 1216), steps=28)
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def ask(port: int) -> AsyncIterator[Images]:
            if port not in clients:
                address = f"http://127.0.0.1:{port}"
                client = NovelAI(api_key="pst-not-a-real-key", image_base=address, transport=TCPTransport())
                clients[port] = await stack.enter_async_context(client)
            async with clients[port].image.generate_stream(params, stream=framing) as stream:
                yield (chunk.image async for chunk in stream)

        yield ask


@asynccontextmanager
async def httpx_sse() -> AsyncIterator[Ask]:
    import httpx  # noqa: PLC0415 - only the peers' interpreter has it
    from httpx_sse import EventSource  # noqa: PLC0415

    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:

        @asynccontextmanager
        async def ask(port: int) -> AsyncIterator[Images]:
            async with client.stream("POST", f"http://127.0.0.1:{port}/", json={}) as response:
                events = EventSource(response).aiter_sse()
                yield (base64.b64decode(json.loads(event.data)["image"]) async for event in events)

        yield ask


@asynccontextmanager
async def bare() -> AsyncIterator[Ask]:
    """The bytes of a trio stream as they come, and no more: a piece ends where an HTTP chunk seems to."""
    kept: dict[int, trio.SocketStream] = {}

    async def pieces(stream: trio.SocketStream, received: bytes) -> Images:
        while True:
            while not received.endswith(b"\r\n"):
                received += await stream.receive_some(RECEIVE)
            yield received
            if received.endswith(b"\r\n0\r\n\r\n"):
                return
            received = b""

    @asynccontextmanager
    async def ask(port: int) -> AsyncIterator[Images]:
        stream = kept.pop(port, None) or await trio.open_tcp_stream("127.0.0.1", port)
        try:
            await stream.send_all(REQUEST)
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some(RECEIVE)
            yield pieces(stream, received.partition(b"\r\n\r\n")[2])
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        kept[port] = stream

    yield ask


CLIENTS: dict[str, Callable[[], AbstractAsyncContextManager[Ask]]] = {
    "trio, bytes of SSE": bare,
    "trio, bytes of msgpack": bare,
    "nai_trio, SSE": lambda: ours("sse"),
    "nai_trio, msgpack": lambda: ours("msgpack"),
    "httpx + httpx-sse": httpx_sse,
}


async def first(ask: Ask, port: int) -> tuple[int, bytes]:
    """When the first preview was there; and all pictures."""
    async with ask(port) as images:
        received = await anext(images)
        at = time.monotonic_ns()
        async for image in images:
            received += image
    return at, received


async def cancel(ask: Ask, port: int) -> tuple[int, bytes]:
    """When the reader was cancelled that waited for the second event; and the first one."""
    received, at = b"", 0

    async def read() -> None:
        nonlocal received
        async with ask(port) as images:
            received = await anext(images)
            got_first.set()
            await anext(images)

    got_first = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await got_first.wait()
        await trio.sleep(REST)
        at = time.monotonic_ns()
        nursery.cancel_scope.cancel()
    await trio.sleep(REST)
    return at, received


MEASURES = {"first": first, "cancel": cancel}


async def obey(name: str) -> None:
    async with CLIENTS[name]() as ask:
        for line in sys.stdin:  # blocks the whole loop: between generations there is nothing else to do
            what, port, count = json.loads(line)
            taken = [await MEASURES[what](ask, port) for _ in range(count)]
            digests = {hashlib.sha256(received).hexdigest() for _, received in taken}
            print(json.dumps({"at": [at for at, _ in taken], "digests": sorted(digests)}), flush=True)


if __name__ == "__main__":
    trio.run(obey, sys.argv[1])
