"""The measured process of many.py: receives generations, one after another or all at once, and prints its figures.

python benchmarks/many_client.py GENERATIONS_PORT ORDERS_PORT JOB

The readers are ours (`ours`), and a trio stream whose bytes are thrown away (`bare`). CPU time is this process's, user
and system, without what it takes to compare pictures. Memory is what is resident, from /proc/self, so without what the
kernel holds for sockets.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import trio
import work
from drip_server import Plan, allow_many_files, wire

from nai_trio import ImageParams, Limits, NovelAI, Timeouts
from nai_trio.transports import TCPTransport

if TYPE_CHECKING:
    from work import Framing

__all__ = ["Job", "Reader"]

Reader = Literal["ours", "bare"]

RECEIVE = 256 * 1024
SETTLE_SECONDS = 0.3
SINGLE_INTERVAL = 0.02
"""Seconds between two events of a single stream that drips."""
WARM_UP = 2
REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


@attrs.frozen
class Job:
    """What a client does: one stream at a time, or many at once.

    Attributes:
        reader: by which client.
        framing: how events come.
        generations: how many of each kind of single stream that is not dripped.
        dripped: how many of a single stream that drips.
        crowd: many at once, instead.
    """

    reader: Reader
    framing: Framing
    generations: int = 0
    dripped: int = 0
    crowd: Plan | None = None


class Tally:
    """What has arrived in all streams, and what checking it took."""

    def __init__(self, framing: Framing, expected: int) -> None:
        self.images = [event.image for event in work.events(work.VARIANTS["service"])]
        self.framing: Framing = framing
        self.checking = 0.0
        self.all_there = trio.Event()
        self._expected = expected
        self._events = 0

    def event(self, number: int, image: bytes | None) -> None:
        """Count an event of a stream; its picture is compared where the reader has one."""
        began = time.process_time()
        if image is not None and image != self.images[number]:
            raise SystemExit(f"picture {number} of a generation is not the one that was sent")
        self._events += 1
        if self._events == self._expected:
            self.all_there.set()
        self.checking += time.process_time() - began

    def done(self, events: int) -> None:
        if events != len(self.images):
            raise SystemExit(f"a generation brought {events} events instead of {len(self.images)}")


class Ours:
    """A client of this library, and how a user reads with it."""

    def __init__(self, port: int, *, streams: int = 1, keep: bool = True) -> None:
        self._client = NovelAI(
            api_key="pst-not-a-real-key",
            image_base=f"http://127.0.0.1:{port}",
            transport=TCPTransport(),
            limits=Limits(max_concurrent_generations=streams, max_idle_connections=streams),
            timeouts=Timeouts(keep_alive=60.0 if keep else 1e-6),
        )
        self._params = ImageParams("1girl, cat ears", size=(832, 1216), steps=work.STEPS)

    async def __aenter__(self) -> None:
        await self._client.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(None, None, None)

    async def read(self, tally: Tally) -> None:
        number = 0
        async with self._client.image.generate_stream(self._params, stream=tally.framing) as stream:
            async for chunk in stream:
                tally.event(number, chunk.image)
                number += 1
        tally.done(number)


class Bare:
    """A trio stream: what it takes to have the bytes at all."""

    def __init__(self, port: int, *, streams: int = 1, keep: bool = True) -> None:
        self._port, self._most_idle = port, streams if keep else 0
        self._idle: list[trio.SocketStream] = []

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        for stream in self._idle:
            await stream.aclose()

    async def read(self, tally: Tally) -> None:
        stream = self._idle.pop() if self._idle else await trio.open_tcp_stream("127.0.0.1", self._port)
        await stream.send_all(REQUEST)
        head, *pieces = wire(tally.framing)
        received, due = 0, len(head)
        for number, piece in enumerate(pieces):
            due += len(piece)
            while received < due:
                received += len(await stream.receive_some(RECEIVE))
            tally.event(number, None)
        tally.done(len(pieces))
        if len(self._idle) < self._most_idle:
            self._idle.append(stream)
        else:
            await stream.aclose()


READERS: dict[Reader, type[Ours | Bare]] = {"ours": Ours, "bare": Bare}


class Orders:
    """The line on which the service is told what comes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))

    def give(self, order: str) -> None:
        self._socket.sendall(order.encode() + b"\n")
        if self._socket.recv(5) != b"done\n":
            raise SystemExit("the service has gone")

    def plan(self, plan: Plan) -> None:
        self.give(json.dumps(attrs.asdict(plan)))


def memory(field: str) -> int:
    """A figure of this process's memory in bytes: VmRSS, or VmHWM, its peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition(f"{field}:")[2].split()[0]) * 1024


async def warm_up(reader: Ours | Bare, framing: Framing) -> None:
    for _ in range(WARM_UP):
        await reader.read(Tally(framing, 0))


async def timed(reader: Ours | Bare, framing: Framing) -> float:
    """CPU time of one generation."""
    tally = Tally(framing, 0)
    gc.collect()
    began = time.process_time()
    await reader.read(tally)
    return time.process_time() - began - tally.checking


async def one_by_one(port: int, orders: Orders, job: Job) -> dict[str, list[float]]:
    """CPU time of each generation, by how it came."""
    framing = job.framing
    kept, not_kept = READERS[job.reader](port), READERS[job.reader](port, keep=False)
    async with kept, not_kept:
        orders.plan(Plan(framing))
        await warm_up(kept, framing)
        await warm_up(not_kept, framing)
        figures: dict[str, list[float]] = {"single": [], "single, new connection": [], "single, dripping": []}
        for _ in range(job.generations):
            figures["single"].append(await timed(kept, framing))
            figures["single, new connection"].append(await timed(not_kept, framing))
        orders.plan(Plan(framing, interval=SINGLE_INTERVAL))
        for _ in range(job.dripped):
            figures["single, dripping"].append(await timed(kept, framing))
    return figures


async def at_once(port: int, orders: Orders, job: Job, crowd: Plan) -> dict[str, float]:
    """Many streams; what is resident is looked at before they are opened, and while all of them wait."""
    tally = Tally(job.framing, crowd.streams * crowd.held)
    reader = READERS[job.reader](port, streams=crowd.streams)
    async with reader:
        orders.plan(Plan(job.framing))
        await warm_up(reader, job.framing)
        orders.plan(crowd)
        gc.collect()
        before, clock, began = memory("VmRSS"), time.monotonic(), time.process_time()
        async with trio.open_nursery() as nursery:
            for _ in range(crowd.streams):
                nursery.start_soon(reader.read, tally)
            await tally.all_there.wait()
            await trio.sleep(SETTLE_SECONDS)
            idle = memory("VmRSS")
            orders.give("go")
        cpu = (time.process_time() - began - tally.checking) / crowd.streams
        seconds = time.monotonic() - clock
    return {"cpu": cpu, "seconds": seconds, "before": before, "idle": idle, "peak": memory("VmHWM")}


def main() -> None:
    allow_many_files()
    port, orders, given = int(sys.argv[1]), Orders(int(sys.argv[2])), json.loads(sys.argv[3])
    crowd = given.pop("crowd")
    job = Job(**given)
    if crowd:
        print(json.dumps(trio.run(at_once, port, orders, job, Plan(**crowd))))
    else:
        print(json.dumps(trio.run(one_by_one, port, orders, job)))


if __name__ == "__main__":
    main()
