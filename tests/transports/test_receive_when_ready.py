"""`receive_when_ready` and `receive_nowait` of the streams that have them: sockets, and TLS on anything.

One buffer serves many streams.
"""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from nai_trio.transport import Origin
from nai_trio.transports import TCPTransport, UnixTransport
from nai_trio.transports.memory_stream import memory_stream_pair
from nai_trio.transports.tls_stream import TLSStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from conftest import Certificates


class Shared:
    """A buffer that counts how often it was asked for."""

    def __init__(self, size: int = 100) -> None:
        self.memory = bytearray(size)
        self.asked = 0

    def __call__(self) -> memoryview:
        self.asked += 1
        return memoryview(self.memory)

    def first(self, count: int) -> bytes:
        return bytes(self.memory[:count])


KINDS = ["tcp", "unix", "tls on tcp", "tls on memory"]
SOCKETS = ["tcp", "unix"]


@asynccontextmanager
async def connected(kind: str, tmp_path: Path, certificates: Certificates) -> AsyncIterator[tuple[Any, Any]]:
    """A stream of ours and the peer's end, which is ours too under TLS."""
    if kind == "tls on memory":
        async with secured(*memory_stream_pair(), certificates) as pair:
            yield pair
        return
    family, address = (socket.AF_UNIX, str(tmp_path / "s")) if kind == "unix" else (socket.AF_INET, ("127.0.0.1", 0))
    with trio.socket.socket(family) as listener:
        await listener.bind(address)
        listener.listen()
        port = listener.getsockname()[1] if kind != "unix" else 1
        transport = UnixTransport(tmp_path / "s") if kind == "unix" else TCPTransport()
        ours = await transport.connect(Origin("http", "127.0.0.1", port))
        theirs = trio.SocketStream((await listener.accept())[0])
        async with ours, theirs:
            if kind != "tls on tcp":
                yield ours, theirs
                return
            async with secured(ours, theirs, certificates) as pair:
                yield pair


@asynccontextmanager
async def secured(ours: Any, theirs: Any, certificates: Certificates) -> AsyncIterator[tuple[TLSStream, TLSStream]]:
    client = TLSStream(ours, certificates.client(), server_hostname="service.example")
    server = TLSStream(theirs, certificates.server(), server_side=True)
    async with client, server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.do_handshake)
            nursery.start_soon(server.do_handshake)
        yield client, server


@pytest.mark.parametrize("kind", KINDS)
async def test_it_reads_into_the_buffer_and_tells_the_end(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        buffer = Shared()
        await theirs.send_all(b"abc")
        with trio.testing.assert_checkpoints():
            assert await ours.receive_when_ready(buffer) == 3
        assert buffer.first(4) == b"abc\0"
        await theirs.aclose()
        assert await ours.receive_when_ready(buffer) == 0
        with trio.testing.assert_checkpoints():
            assert await ours.receive_when_ready(buffer) == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_waits_asks_for_no_buffer_and_loses_nothing_when_cancelled(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        buffer = Shared()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.receive_when_ready, buffer)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert buffer.asked == 0
        await theirs.send_all(b"xyz")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.receive_when_ready(buffer)
        assert scope.cancelled_caught
        assert await ours.receive_when_ready(buffer) == 3
        assert buffer.first(3) == b"xyz"


@pytest.mark.parametrize("kind", KINDS)
async def test_many_streams_share_one_buffer_and_none_sees_the_others_bytes(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    shared, streams, told = Shared(1000), 8, 40

    async def read(ours: Any, mark: int) -> None:
        total = 0
        while count := await ours.receive_when_ready(shared):
            assert set(shared.first(count)) == {mark}
            total += count
        assert total == sum(range(1, told))

    async def send(theirs: Any, mark: int) -> None:
        for size in range(1, told):
            await theirs.send_all(bytes([mark]) * size)
            if size % 3 == mark % 3:
                await trio.testing.wait_all_tasks_blocked()
        await theirs.aclose()

    async def run(mark: int) -> None:
        folder = tmp_path / str(mark)
        folder.mkdir()
        async with connected(kind, folder, certificates) as (ours, theirs), trio.open_nursery() as nursery:
            nursery.start_soon(read, ours, mark)
            nursery.start_soon(send, theirs, mark)

    async with trio.open_nursery() as nursery:
        for mark in range(1, streams + 1):
            nursery.start_soon(run, mark)


@pytest.mark.parametrize("kind", KINDS)
async def test_more_than_the_buffer_takes_stays_for_the_next_call(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        buffer, got = Shared(7), b""
        sent = bytes(range(256))
        await theirs.send_all(sent)
        while len(got) < len(sent):
            count = await ours.receive_when_ready(buffer)
            assert 1 <= count <= 7
            got += buffer.first(count)
        assert got == sent


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_reader_is_refused(kind: str, tmp_path: Path, certificates: Certificates) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, _), trio.open_nursery() as nursery:
        nursery.start_soon(ours.receive_when_ready, Shared())
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await ours.receive_when_ready(Shared())
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_ends_a_wait_and_all_that_come_later(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, _):

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_when_ready(Shared())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await ours.aclose()
        await receive()


def reset(fd: int, buffers: list[memoryview]) -> int:
    raise ConnectionResetError(104, "reset by peer")


@pytest.mark.parametrize("kind", SOCKETS)
async def test_what_broke_is_named(
    kind: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        await theirs.send_all(b"abc")
        monkeypatch.setattr(os, "readv", reset)
        with pytest.raises(trio.BrokenResourceError, match="reset by peer") as caught:
            await ours.receive_when_ready(Shared())
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_a_socket_that_was_not_ready_after_all_is_waited_for_again(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected("tcp", tmp_path, certificates) as (ours, theirs):
        readv, calls = os.readv, []

        def late(fd: int, buffers: list[memoryview]) -> int:
            calls.append(fd)
            if len(calls) < 3:
                raise BlockingIOError
            return readv(fd, buffers)

        await theirs.send_all(b"abc")
        monkeypatch.setattr(os, "readv", late)
        assert await ours.receive_when_ready(Shared()) == 3
        assert len(calls) == 3


ON_SOCKETS = ["tcp", "unix", "tls on tcp"]


@pytest.mark.parametrize("kind", ON_SOCKETS)
async def test_what_is_there_is_had_at_once_and_nothing_is_told_so(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        buffer = bytearray(4)
        with pytest.raises(trio.WouldBlock):
            ours.receive_nowait(buffer)
        await theirs.send_all(b"abcdef")
        assert ours.receive_nowait(buffer) == 4
        assert bytes(buffer) == b"abcd"
        assert ours.receive_nowait(memoryview(buffer)) == 2
        assert bytes(buffer) == b"efcd"
        with pytest.raises(trio.WouldBlock):
            ours.receive_nowait(buffer)


@pytest.mark.parametrize("kind", SOCKETS)
async def test_the_end_is_had_at_once_from_a_socket(kind: str, tmp_path: Path, certificates: Certificates) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        await theirs.aclose()
        assert ours.receive_nowait(bytearray(1)) == 0


@pytest.mark.parametrize("kind", ["tls on tcp", "tls on memory"])
async def test_the_end_of_tls_is_told_by_who_may_wait(kind: str, tmp_path: Path, certificates: Certificates) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, theirs):
        await theirs.aclose()
        for _ in range(2):
            with pytest.raises(trio.WouldBlock):
                ours.receive_nowait(bytearray(1))
        assert await ours.receive_when_ready(Shared()) == 0
        with pytest.raises(trio.WouldBlock):
            ours.receive_nowait(bytearray(1))


async def test_a_fault_of_tls_is_told_by_who_may_wait(tmp_path: Path, certificates: Certificates) -> None:
    async with connected("tcp", tmp_path, certificates) as (ours, theirs):
        async with secured(ours, theirs, certificates) as (client, _):
            await theirs.send_all(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that does not verify
            for _ in range(2):
                with pytest.raises(trio.WouldBlock):
                    client.receive_nowait(bytearray(1))
            with pytest.raises(trio.BrokenResourceError, match="TLS failed"):
                await client.receive_when_ready(Shared())


async def test_tls_on_a_stream_that_cannot_tell_has_at_once_what_it_decrypted(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with connected("tls on memory", tmp_path, certificates) as (ours, theirs):
        await theirs.send_all(b"abcdef")
        buffer = bytearray(3)
        with pytest.raises(trio.WouldBlock):
            ours.receive_nowait(buffer)
        assert await ours.receive_into(buffer) == 3
        assert ours.receive_nowait(buffer) == 3
        assert bytes(buffer) == b"def"


@pytest.mark.parametrize("kind", KINDS)
async def test_at_once_is_refused_to_a_second_reader_and_on_a_closed_stream(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.receive_when_ready, Shared())
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                ours.receive_nowait(bytearray(1))
            nursery.cancel_scope.cancel()
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            ours.receive_nowait(bytearray(1))


@pytest.mark.parametrize("kind", ON_SOCKETS)
async def test_what_broke_is_named_at_once(
    kind: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(kind, tmp_path, certificates) as (ours, _):
        with monkeypatch.context() as patch, pytest.raises(trio.BrokenResourceError, match="reset by peer"):
            patch.setattr(os, "readv", reset)
            ours.receive_nowait(bytearray(1))
