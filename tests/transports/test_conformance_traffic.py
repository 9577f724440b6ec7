"""What every transport must do with traffic: much of it in flat memory, and generations, whole, cut and left.

The same routes as in test_conformance.py.
"""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Literal

import pytest
import trio
from conformance import Site, opened
from conformance_memory import MemoryUse
from conformance_rows import KEY, Row, every_row

from nai_trio import FinalChunk, ImageParams, NovelAI, StreamInterrupted
from nai_trio.emulator import Cut, Emulator, Stall

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Certificates

    from nai_trio.protocol import Chunk

PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])
MIB = 1024 * 1024


@pytest.fixture
def site(certificates: Certificates, tmp_path: Path) -> Site:
    return Site(certificates.authority, tmp_path)


async def generated(client: NovelAI, kind: Literal["sse", "msgpack"]) -> list[Chunk]:
    async with client.image.generate_stream(PARAMS, stream=kind) as stream:
        return [chunk async for chunk in stream]


class Flood:
    """Bytes without end that do not repeat soon, for one side to send and the other to check."""

    _block = random.Random(4).randbytes(MIB)
    _twice = _block * 2

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent = 0
        self.received = 0

    async def send(self, stream: trio.abc.Stream) -> None:
        """Send all of it, and close."""
        piece = 64 * 1024
        with memoryview(self._block) as view:
            while self.sent < self.total:
                start = self.sent % MIB
                await stream.send_all(view[start : start + piece])
                self.sent += piece
        await stream.aclose()

    def check(self, data: bytes | bytearray) -> None:
        """The next bytes are those that were sent."""
        start = self.received % MIB
        assert self._twice[start : start + len(data)] == data
        self.received += len(data)

    async def stalled(self) -> None:
        """Wait until no more can be sent."""
        quiet, last = 0, -1
        while quiet < 5:
            quiet, last = (quiet + 1 if self.sent == last else 0), self.sent
            await trio.sleep(0.01)


IN_BUFFERS = 24 * MIB
"""More than the system's buffers of a few connections in a row can hold, and far less than what is sent."""


@every_row
async def test_a_hundred_megabytes_pass_in_flat_memory_and_wait_for_a_slow_reader(row: Row, site: Site) -> None:
    flood = Flood(100 * MIB)
    async with opened(row, site, flood.send) as route:
        async with await route.connect() as stream:
            await flood.stalled()
            assert flood.sent < IN_BUFFERS, "it reads on although nobody takes what it has read"
            used = MemoryUse()
            while data := await stream.receive_some():
                flood.check(data)
                used.sample()
        assert flood.received == flood.total
        assert used.growth < 24 * MIB
        await route.all_gone()


@every_row
async def test_a_peer_that_does_not_read_stops_the_sender(row: Row, site: Site) -> None:
    flood = Flood(32 * MIB)
    reading = trio.Event()

    async def read_late(stream: trio.abc.Stream) -> None:
        await reading.wait()
        while data := await stream.receive_some():
            flood.check(data)

    async with opened(row, site, read_late) as route:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood.send, await route.connect())
            await flood.stalled()
            assert flood.sent < IN_BUFFERS, "it takes bytes that nobody reads"
            reading.set()
        await route.all_gone()
    assert flood.received == flood.total


# A generation.


@functools.cache
def direct(kind: Literal["sse", "msgpack"]) -> list[Chunk]:
    """What comes without anything between."""

    async def main() -> list[Chunk]:
        async with NovelAI(KEY, transport=Emulator().transport()) as client:
            return await generated(client, kind)

    return trio.run(main)


@BOTH
@every_row
def test_a_generation_arrives_as_it_does_directly(row: Row, site: Site, kind: Literal["sse", "msgpack"]) -> None:
    expected = direct(kind)

    async def main() -> list[Chunk]:
        async with opened(row, site, Emulator(api_keys={KEY}).serve) as route:
            async with route.client() as client:
                first = await generated(client, kind)
                assert await generated(client, kind) == first
            assert route.doors[0].served == 1  # the second went over the same connection
            await route.all_gone()
        return first

    assert trio.run(main) == expected


@BOTH
@every_row
async def test_a_cut_generation_is_interrupted_with_what_had_come(
    row: Row, site: Site, kind: Literal["sse", "msgpack"]
) -> None:
    emulator = Emulator()
    emulator.inject(Cut(after=3000))
    async with opened(row, site, emulator.serve) as route:
        async with route.client() as client:
            with pytest.raises(StreamInterrupted) as caught:
                await generated(client, kind)
            await route.all_gone()
            assert isinstance((await generated(client, kind))[-1], FinalChunk)  # the client goes on
        await route.all_gone()
    assert caught.value.previews
    assert caught.value.billing_unknown


@every_row
async def test_a_generation_that_is_left_is_seen_to_be_left(row: Row, site: Site) -> None:
    emulator = Emulator()
    emulator.inject(Stall(after=3000))
    async with opened(row, site, emulator.serve) as route, route.client() as client:
        async with client.image.generate_stream(PARAMS) as stream:
            await anext(stream)
        await route.all_gone()
        assert emulator.jobs[-1].state == "disconnected"
