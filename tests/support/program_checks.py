"""What is checked of every route through a program of others: whole generations, cuts, and that nothing stays open."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest
import trio
from conformance_ends import LOOPBACK, Door, listen, open_descriptors
from emulator_thread import KEY, Served

from nai_trio import ConnectError, ImageParams, NovelAI, StreamInterrupted
from nai_trio.emulator import Cut, Stall
from nai_trio.transports import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    import trustme
    from programs import Running

    from nai_trio.protocol import Chunk
    from nai_trio.transport import Transport

Kind: TypeAlias = Literal["sse", "msgpack"]
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])
PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)
IN_THE_MIDDLE = 3000
"""Bytes of the body of `PARAMS` after which at least one preview has come, in both framings, and no final."""


async def generated(client: NovelAI, kind: Kind) -> list[Chunk]:
    async with client.image.generate_stream(PARAMS, stream=kind) as stream:
        return [chunk async for chunk in stream]


@functools.cache
def _direct(served: Served, kind: Kind) -> list[Chunk]:
    async def main() -> list[Chunk]:
        async with NovelAI(KEY, image_base=served.url) as client:
            return await generated(client, kind)

    return trio.run(main)


async def direct(served: Served, kind: Kind) -> list[Chunk]:
    """What comes with nothing between."""
    return await trio.to_thread.run_sync(_direct, served, kind)


@asynccontextmanager
async def nothing_left(served: Served) -> AsyncIterator[None]:
    """Check that the block leaves no socket and no task behind, here or, through the programs, at the emulator.

    Raises:
        trio.TooSlowError: it did.
    """
    descriptors, tasks = open_descriptors(), trio.lowlevel.current_statistics().tasks_living
    yield

    def left() -> bool:
        living = trio.lowlevel.current_statistics().tasks_living
        return bool(served.emulator.connections) or open_descriptors() > descriptors or living > tasks

    with trio.fail_after(10):
        while left():  # noqa: ASYNC110 - the programs tell nobody when they have hung up
            await trio.sleep(0.005)


async def check_whole(client: NovelAI, served: Served, kind: Kind) -> None:
    """A whole generation, and another over the same client, come byte for byte as they do directly."""
    expected = await direct(served, kind)
    async with nothing_left(served), client:
        assert await generated(client, kind) == expected
        assert await generated(client, kind) == expected


async def check_cut_at_the_far_end(client: NovelAI, served: Served, kind: Kind) -> None:
    """The service cuts the connection: that is what the error says, and the client goes on."""
    async with nothing_left(served), client:
        served.emulator.inject(Cut(after=IN_THE_MIDDLE))
        with pytest.raises(StreamInterrupted) as caught:
            await generated(client, kind)
        _check_evidence(caught.value)
        assert await generated(client, kind) == await direct(served, kind)


async def check_killed(client: NovelAI, served: Served, kind: Kind, program: Running) -> None:
    """The program is killed in the middle: an error with what had come, then one that says nobody is there."""
    async with nothing_left(served), client:
        served.emulator.inject(Stall(after=IN_THE_MIDDLE))
        with pytest.raises(StreamInterrupted) as caught:
            async with client.image.generate_stream(PARAMS, stream=kind) as stream:
                await anext(stream)
                program.kill()
                async for _ in stream:
                    pass
        _check_evidence(caught.value)
        with pytest.raises(ConnectError) as refused:
            await generated(client, kind)
        assert str(program.port) in str(refused.value)
        assert not refused.value.billing_unknown


def _check_evidence(error: StreamInterrupted) -> None:
    assert str(error)
    assert KEY not in str(error)
    assert error.previews
    assert error.billing_unknown


class Wiretap:
    """Stands in front of a program, and keeps what the client says to it.

    Attributes:
        port: where it listens.
        heard: all that came from the client.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.heard = bytearray()
        self._target = target

    async def listen(self, nursery: trio.Nursery) -> Door:
        door = await listen(nursery, self._serve)
        self.port = door.port
        return door

    async def _serve(self, stream: trio.abc.Stream) -> None:
        async def listening() -> None:
            while data := await stream.receive_some():
                self.heard += data
                await behind.send_all(data)
            nursery.cancel_scope.cancel()

        async with await trio.open_tcp_stream(LOOPBACK, self._target) as behind, trio.open_nursery() as nursery:
            nursery.start_soon(listening)
            while data := await behind.receive_some():
                await stream.send_all(data)
            nursery.cancel_scope.cancel()


class TLSFiles:
    """Certificates as files, for programs, and what trusts them.

    Attributes:
        certificate: a chain and its key, in one PEM file.
        client: the same for a client.
        authority: the certificate of who signed both.
    """

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self.certificate = folder / "server.pem"
        self.authority = folder / "authority.pem"
        self.client = folder / "client.pem"
        authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem.write_to_path(str(self.certificate))
        authority.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(self.client))
        authority.cert_pem.write_to_path(str(self.authority))

    def context(self) -> ssl.SSLContext:
        return tls_context(ca_file=self.authority)


def client_through(transport: Transport, served: Served, **options: Any) -> NovelAI:
    """A client that reaches the emulator through that transport."""
    return NovelAI(KEY, **{"image_base": served.url, "transport": transport, **options})
