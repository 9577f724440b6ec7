"""The bounded in-process stream: trio's contract, back-pressure, what cancellation leaves, how a failure is met."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Readable
from nai_trio.transports import MemoryStream, memory_stream_pair

BUFFER = 1000


async def make_pair() -> tuple[MemoryStream, MemoryStream]:
    return memory_stream_pair(buffer_size=BUFFER)


async def make_clogged() -> tuple[MemoryStream, MemoryStream]:
    one, other = await make_pair()
    await one.send_all(bytes(BUFFER))
    await other.send_all(bytes(BUFFER))
    return one, other


async def read_all(stream: MemoryStream) -> bytes:
    return b"".join([bytes(chunk) async for chunk in stream])


async def test_it_is_a_half_closeable_stream(autojump_clock: trio.testing.MockClock) -> None:
    await trio.testing.check_half_closeable_stream(make_pair, make_clogged)


async def test_it_is_one_with_room_for_a_single_byte(autojump_clock: trio.testing.MockClock) -> None:
    async def tiny() -> tuple[MemoryStream, MemoryStream]:
        return memory_stream_pair(buffer_size=1)

    async with trio.open_nursery() as nursery:
        one, other = await tiny()
        nursery.start_soon(one.send_all, b"hello")
        assert [await other.receive_some() for _ in range(5)] == [b"h", b"e", b"l", b"l", b"o"]


async def test_ten_megabytes_go_through_and_never_more_than_the_buffer_is_unread(
    autojump_clock: trio.testing.MockClock,
) -> None:
    one, other = memory_stream_pair()
    data = random.Random(1).randbytes(10_000_000)

    async def send() -> None:
        await one.send_all(data)
        await one.send_eof()

    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        async for chunk in other:
            assert len(chunk) <= 65536
            received += chunk
    assert received == data


async def test_send_all_waits_until_its_last_byte_fits(autojump_clock: trio.testing.MockClock) -> None:
    one, other = await make_pair()
    done = trio.Event()

    async def send() -> None:
        await one.send_all(bytes(BUFFER + 1))
        done.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not done.is_set()
        assert await other.receive_some(1) == b"\0"
        await trio.testing.wait_all_tasks_blocked()
        assert done.is_set()


async def test_a_cancelled_send_has_sent_whole_buffers_of_its_data(autojump_clock: trio.testing.MockClock) -> None:
    one, other = await make_pair()
    data = random.Random(2).randbytes(5 * BUFFER)
    with trio.move_on_after(1):
        await one.send_all(data)
    await one.send_eof()
    assert await read_all(other) == data[:BUFFER]


async def test_a_send_that_is_cancelled_before_it_starts_has_sent_nothing() -> None:
    one, other = await make_pair()
    with trio.CancelScope() as scope:
        scope.cancel()
        await one.send_all(b"never")
    await one.aclose()
    assert await other.receive_some() == b""


@pytest.mark.parametrize("into", [False, True])
async def test_a_cancelled_receive_loses_nothing(into: bool) -> None:
    one, other = await make_pair()
    await one.send_all(b"kept")
    with trio.CancelScope() as scope:
        scope.cancel()
        await (other.receive_into(bytearray(10)) if into else other.receive_some())
    assert scope.cancelled_caught
    assert await other.receive_some() == b"kept"


async def test_bytes_that_arrive_together_with_the_cancellation_are_not_lost() -> None:
    one, other = await make_pair()
    got = []
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def receive() -> None:
                got.append(await other.receive_some())

            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await one.send_all(b"x")
            scope.cancel()
    await one.aclose()
    assert b"".join([*got, await read_all(other)]) == b"x"


async def test_receive_into_fills_the_buffer_it_is_given() -> None:
    one, other = await make_pair()
    await one.send_all(b"abcdef")
    buffer = bytearray(b"........")
    assert await other.receive_into(memoryview(buffer)[1:5]) == 4
    assert buffer == b".abcd..."
    assert await other.receive_into(buffer) == 2
    await one.send_eof()
    assert await other.receive_into(buffer) == 0
    buffer.clear()  # no view of it is held


async def test_receive_into_refuses_a_buffer_without_room_or_that_is_read_only() -> None:
    one, other = await make_pair()
    with pytest.raises(ValueError, match="at least 1 byte"):
        await other.receive_into(bytearray())
    await one.send_all(b"x")
    with pytest.raises(TypeError, match="read-only"):
        await other.receive_into(memoryview(b"read-only"))
    assert await other.receive_some() == b"x"


async def test_a_second_reader_is_refused_and_the_first_unharmed() -> None:
    one, other = await make_pair()
    got = []

    async def receive() -> None:
        got.append(await other.receive_some())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="receiving"):
            await other.receive_into(bytearray(1))
        with pytest.raises(trio.BusyResourceError, match="receiving"):
            await other.receive_some()
        await one.send_all(b"for the first")
    assert got == [b"for the first"]


async def test_readable_tells_bytes_end_and_closing() -> None:
    one, other = await make_pair()
    assert isinstance(other, Readable)
    assert not other.readable()
    await one.send_all(b"x")
    assert other.readable()
    await other.receive_some()
    assert not other.readable()
    await one.send_eof()
    assert other.readable()
    assert not one.readable()
    await one.aclose()
    assert one.readable()


async def test_readable_tells_a_failure() -> None:
    one, other = await make_pair()
    one.fail(ValueError())
    assert other.readable()


async def test_what_was_sent_is_read_before_the_end() -> None:
    one, other = await make_pair()
    await one.send_all(b"last words")
    await one.aclose()
    assert await other.receive_some(4) == b"last"
    assert await read_all(other) == b" words"
    assert await other.receive_some() == b""


async def test_what_was_sent_is_read_before_the_failure_which_then_stays() -> None:
    one, other = await make_pair()
    error = ValueError("why")
    await one.send_all(b"last words")
    one.fail(error)
    assert await other.receive_some() == b"last words"
    assert not one.failure_seen()
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError) as caught:
            await other.receive_some()
        assert caught.value.__cause__ is error
    assert one.failure_seen()
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some()


async def test_a_failure_is_met_by_send_at_once() -> None:
    one, other = await make_pair()
    await one.send_all(b"unread")
    error = ValueError("why")
    one.fail(error)
    with pytest.raises(trio.BrokenResourceError) as caught:
        await other.send_all(b"x")
    assert caught.value.__cause__ is error
    with pytest.raises(trio.BrokenResourceError):
        await other.wait_send_all_might_not_block()


async def test_a_failure_wakes_a_waiting_reader_and_a_waiting_writer() -> None:
    one, other = await make_pair()
    causes = []

    async def expect_broken(wait: object) -> None:
        with pytest.raises(trio.BrokenResourceError) as caught:
            await wait  # type: ignore[misc]
        causes.append(caught.value.__cause__)

    error = ValueError("why")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_broken, other.receive_some())
        nursery.start_soon(expect_broken, other.send_all(bytes(BUFFER + 1)))
        await trio.testing.wait_all_tasks_blocked()
        one.fail(error)
    assert causes == [error, error]


async def test_a_failure_after_closing_is_met_too() -> None:
    one, other = await make_pair()
    await one.aclose()
    error = ValueError("while closing")
    one.fail(error)
    with pytest.raises(trio.BrokenResourceError) as caught:
        await other.receive_some()
    assert caught.value.__cause__ is error


async def test_a_closed_reader_drops_what_it_did_not_read_and_breaks_the_writer() -> None:
    one, other = await make_clogged()
    await other.aclose()
    with pytest.raises(trio.BrokenResourceError, match="other end"):
        await one.send_all(b"x")
    assert await read_all(one) == bytes(BUFFER)


async def test_send_eof_on_a_closed_stream_says_so() -> None:
    one, _ = await make_pair()
    await one.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await one.send_eof()


async def test_every_call_is_a_checkpoint() -> None:
    one, other = await make_pair()
    with trio.testing.assert_checkpoints():
        await one.send_all(b"xy")
    with trio.testing.assert_checkpoints():
        await one.send_all(b"")
    with trio.testing.assert_checkpoints():
        await other.receive_some(1)
    with trio.testing.assert_checkpoints():
        await other.receive_into(bytearray(1))
    with trio.testing.assert_checkpoints():
        await one.wait_send_all_might_not_block()
    with trio.testing.assert_checkpoints():
        await one.send_eof()
    with trio.testing.assert_checkpoints():
        await one.aclose()
    with trio.testing.assert_checkpoints():
        await one.aclose()


async def test_wide_items_are_counted_in_bytes() -> None:
    one, other = memory_stream_pair(buffer_size=64)
    wide = memoryview(bytes(range(16))).cast("I")
    await one.send_all(wide)
    buffer = memoryview(bytearray(16)).cast("I")
    assert await other.receive_into(buffer) == 16
    assert buffer == wide


@pytest.mark.parametrize("size", [0, -1, 1.5, "64", True, None])
def test_a_wrong_buffer_size_is_named(size: object) -> None:
    with pytest.raises(InvalidParamsError, match="buffer_size: expected an integer of at least 1"):
        memory_stream_pair(buffer_size=size)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=300), max_size=12),
    reads=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    buffer_size=st.integers(1, 100),
)
def test_any_pieces_through_any_reads_are_the_same_bytes(
    pieces: list[bytes], reads: list[int], buffer_size: int
) -> None:
    async def main() -> bytes:
        one, other = memory_stream_pair(buffer_size=buffer_size)
        received = bytearray()

        async def send() -> None:
            for piece in pieces:
                await one.send_all(piece)
            await one.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            turn = 0
            while True:
                size = reads[turn % len(reads)]
                if turn % 2:
                    buffer = bytearray(size)
                    chunk = bytes(buffer[: await other.receive_into(buffer)])
                else:
                    chunk = await other.receive_some(size)
                turn += 1
                if not chunk:
                    return bytes(received)
                assert len(chunk) <= min(size, buffer_size)
                received += chunk

    assert trio.run(main) == b"".join(pieces)
