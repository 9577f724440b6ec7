"""The service of many.py: answers generations at once, or as a slow drip to many streams at staggered moments.

python benchmarks/drip_server.py

In a process of its own, so that its CPU time is not counted. It prints two ports, one for generations and one for
orders: a `Plan` as a line of JSON sets how the requests that follow are answered, and "go" lets the streams go on that
are held. Each order is confirmed by a line.

An event leaves when it is due and whole, in HTTP chunks of at most 16 KiB, as from a service that has no more to send.
"""

from __future__ import annotations

import functools
import json
import random
import resource
from typing import TYPE_CHECKING, cast

import attrs
import trio
import work

if TYPE_CHECKING:
    from work import Framing

__all__ = ["Plan", "allow_many_files", "wire"]

CHUNK = 16 * 1024
LAST_CHUNK = b"0\r\n\r\n"
BACKLOG = 4096
SEED = 6


@attrs.frozen
class Plan:
    """How requests are answered.

    Attributes:
        framing: how events are sent.
        streams: how many must have asked before the first event leaves; the next ones are one more such crowd.
        interval: seconds between two events of a stream; 0: everything at once.
        spread: seconds over which the streams are staggered, each at a moment of its own.
        held: after how many events every stream waits for "go"; 0: none waits.
    """

    framing: Framing
    streams: int = 1
    interval: float = 0.0
    spread: float = 0.0
    held: int = 0


@functools.cache
def wire(framing: Framing, variant: work.Variant = work.VARIANTS["service"]) -> tuple[bytes, ...]:
    """A response: its head, then each event in chunks of its own; the end comes with the last one."""
    head = work.response(variant, framing).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    pieces = [b"".join(map(_chunk, _cut(event))) for event in work.encoded(variant, framing)]
    pieces[-1] += LAST_CHUNK
    return head, *pieces


def allow_many_files() -> None:
    """Raise this process's limit on open files as far as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _cut(event: bytes) -> list[bytes]:
    return [event[start : start + CHUNK] for start in range(0, len(event), CHUNK)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Crowd:
    """The streams that are answered after one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._asked = 0
        self._all_asked = trio.Event()
        self._go = trio.Event()
        self._began = 0.0
        self._order = list(range(plan.streams))
        random.Random(SEED).shuffle(self._order)  # so that moments do not follow the order of connecting

    def go(self) -> None:
        self._go.set()
        self._began = trio.current_time()

    async def answer(self, stream: trio.abc.Stream) -> None:
        plan = self.plan
        head, *pieces = wire(plan.framing)
        delay = plan.spread * self._order[self._asked % plan.streams] / plan.streams
        self._asked += 1
        if not plan.interval:
            await stream.send_all(b"".join((head, *pieces)))
            return
        await stream.send_all(head)
        if self._asked % plan.streams == 0:
            self._began = trio.current_time()
            self._all_asked.set()
        await self._all_asked.wait()
        await self._drip(stream, pieces[: plan.held], delay)
        if plan.held:
            await self._go.wait()
        await self._drip(stream, pieces[plan.held :], delay)

    async def _drip(self, stream: trio.abc.Stream, pieces: list[bytes], delay: float) -> None:
        start = self._began + delay
        for number, piece in enumerate(pieces):
            await trio.sleep_until(start + number * self.plan.interval)
            await stream.send_all(piece)


class Service:
    def __init__(self) -> None:
        self._crowd = Crowd(Plan("sse"))

    async def generations(self, stream: trio.SocketStream) -> None:
        try:
            while await _request(stream):
                await self._crowd.answer(stream)
        except trio.BrokenResourceError:
            pass  # the client has left
        await stream.aclose()

    async def orders(self, stream: trio.SocketStream) -> None:
        received = b""
        async for data in stream:
            received += data
            while b"\n" in received:
                line, _, received = received.partition(b"\n")
                if line == b"go":
                    self._crowd.go()
                else:
                    self._crowd = Crowd(Plan(**json.loads(line)))
                await stream.send_all(b"done\n")


async def _request(stream: trio.abc.Stream) -> bool:
    """Read one request and throw it away; False at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some()
        if not data:
            return False
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) - len(body)
    while left > 0:
        data = await stream.receive_some()
        left -= len(data)
        if not data:
            return False
    return True


async def serve() -> None:
    service = Service()
    (generations,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=BACKLOG)
    (orders,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    wire("sse"), wire("msgpack")
    print(*(_port(listener) for listener in (generations, orders)), flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, service.generations, [generations])
        nursery.start_soon(trio.serve_listeners, service.orders, [orders])


def _port(listener: trio.SocketListener) -> int:
    return cast("int", listener.socket.getsockname()[1])


if __name__ == "__main__":
    allow_many_files()
    trio.run(serve)
