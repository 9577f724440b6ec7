"""A stream with bytes that were read before it was handed out: they come first, and then nothing is different."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.transport import Readable
from nai_trio.transports import memory_stream_pair
from nai_trio.transports.leftover import with_leftover


class Plain(trio.abc.Stream):
    """A stream that can do no more than it must; what it is asked to send comes back."""

    def __init__(self) -> None:
        self.held = b""
        self.closed = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.held += bytes(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError("this stream is closed")
        data, self.held = self.held[:max_bytes], b"" if max_bytes is None else self.held[max_bytes:]
        return data

    async def aclose(self) -> None:
        self.closed += 1
        await trio.lowlevel.checkpoint()


def test_a_stream_without_any_is_left_as_it_is() -> None:
    stream = Plain()
    assert with_leftover(stream, b"") is stream


async def test_the_bytes_come_first_and_then_the_streams_own() -> None:
    stream = with_leftover(Plain(), b"first")
    await stream.wait_send_all_might_not_block()
    await stream.send_all(b"second")
    assert [await stream.receive_some(), await stream.receive_some(3), await stream.receive_some()] == [
        b"first",
        b"sec",
        b"ond",
    ]


@given(st.binary(min_size=1, max_size=20), st.integers(1, 25))
def test_any_size_of_reads_brings_all_bytes_in_order(data: bytes, size: int) -> None:
    async def main() -> None:
        stream = with_leftover(Plain(), data)
        pieces = []
        while piece := await stream.receive_some(size):
            assert len(piece) <= size
            pieces.append(piece)
        assert b"".join(pieces) == data

    trio.run(main)


@pytest.mark.parametrize("size", [0, -1])
async def test_a_read_of_nothing_is_refused(size: int) -> None:
    stream = with_leftover(Plain(), b"first")
    with pytest.raises(ValueError, match="max_bytes: expected at least 1, or None"):
        await stream.receive_some(size)
    with pytest.raises(TypeError):
        await stream.receive_some(1.5)  # type: ignore[arg-type]
    assert await stream.receive_some() == b"first"


def test_it_can_do_what_the_stream_below_can_and_no_more() -> None:
    plain = with_leftover(Plain(), b"x")
    assert not isinstance(plain, Readable | trio.abc.HalfCloseableStream)
    assert not hasattr(plain, "receive_into")
    able = with_leftover(memory_stream_pair()[0], b"x")
    assert isinstance(able, Readable)
    assert isinstance(able, trio.abc.HalfCloseableStream)
    assert hasattr(able, "receive_into")


async def test_reading_into_a_buffer_and_asking_whether_a_read_would_wait() -> None:
    near, far = memory_stream_pair()
    stream = with_leftover(near, b"abc")
    buffer = bytearray(2)
    assert stream.readable()
    with pytest.raises(ValueError, match="a buffer of at least 1 byte"):
        await stream.receive_into(bytearray())
    assert [await stream.receive_into(buffer), bytes(buffer)] == [2, b"ab"]
    assert [await stream.receive_into(memoryview(buffer)), bytes(buffer)] == [1, b"cb"]
    assert not stream.readable()
    await far.send_all(b"de")
    assert stream.readable()
    assert [await stream.receive_into(buffer), bytes(buffer)] == [2, b"de"]
    await near.aclose()
    await far.aclose()


async def test_the_end_of_sending_is_passed_on() -> None:
    near, far = memory_stream_pair()
    stream = with_leftover(near, b"abc")
    await stream.send_eof()
    assert await far.receive_some() == b""
    assert await stream.receive_some() == b"abc"
    await stream.aclose()
    await far.aclose()


async def test_closing_closes_the_stream_and_drops_what_was_left() -> None:
    plain = Plain()
    stream = with_leftover(plain, b"first")
    await stream.aclose()
    assert plain.closed == 1
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()


async def test_closing_under_a_reader_ends_it() -> None:
    stream = with_leftover(Plain(), b"first")

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError, match="this stream is closed"):
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(stream.aclose)


async def test_a_second_reader_is_told_so_and_the_first_is_unharmed() -> None:
    near, far = memory_stream_pair()
    stream = with_leftover(near, b"x")
    assert await stream.receive_some() == b"x"
    got = []

    async def read() -> None:
        got.append(await stream.receive_some())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="another task is receiving"):
            await stream.receive_some()
        await far.send_all(b"y")
    assert got == [b"y"]
    await near.aclose()
    await far.aclose()
