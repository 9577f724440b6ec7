"""The stream over a WebSocket, against a relay that the test plays frame by frame (tests/support/websocket_peer.py)."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from streams import rest_of, waits
from sweep import cancelled_at_step
from websocket_peer import Tasks, frame, opened, pairs
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import Opcode

from nai_trio.closing import close_now
from nai_trio.transport import Readable
from nai_trio.transports import websocket, websocket_wire
from nai_trio.transports.websocket_link import CLOSE_SECONDS, MAX_MESSAGE_SIZE
from nai_trio.transports.websocket_stream import SEND_SIZE

MIB = 1024 * 1024


# A stream as trio wants one.


async def test_it_is_a_two_way_stream(autojump_clock: object) -> None:
    async with pairs() as both:
        await trio.testing.check_two_way_stream(both.make, None)


async def test_every_call_is_a_checkpoint(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        await peer.say_message(b"waits already")
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_checkpoints():
            await stream.receive_some(1)
        with trio.testing.assert_checkpoints():
            await stream.receive_into(bytearray(1))
        with trio.testing.assert_checkpoints():
            await stream.send_all(b"x")
        with trio.testing.assert_checkpoints():
            await stream.send_all(b"")
        with trio.testing.assert_checkpoints():
            await stream.wait_send_all_might_not_block()
        with trio.testing.assert_checkpoints():
            await stream.aclose()
        with trio.testing.assert_checkpoints():
            await stream.aclose()


async def test_a_second_task_in_one_direction_is_told_so_and_the_first_is_unharmed() -> None:
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        got = []

        async def read() -> None:
            got.append(await stream.receive_some())

        nursery.start_soon(read)
        nursery.start_soon(stream.send_all, bytes(MIB))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError, match="receiving from this WebSocket"):
            await stream.receive_some()
        with pytest.raises(trio.BusyResourceError, match="receiving from this WebSocket"):
            await stream.receive_into(bytearray(1))
        for call in (lambda: stream.send_all(b"x"), stream.wait_send_all_might_not_block):
            with pytest.raises(trio.BusyResourceError, match="sending on this WebSocket"):
                await call()
        await peer.say_message(b"for the first")
        for _ in range(MIB // SEND_SIZE):
            assert len(await peer.message()) == SEND_SIZE
    assert got == [b"for the first"]


async def test_a_wrong_size_takes_nothing() -> None:
    async with opened() as (stream, peer):
        await peer.say_message(b"kept")
        for size in (0, -1):
            with pytest.raises(ValueError, match="at least 1"):
                await stream.receive_some(size)
        with pytest.raises(TypeError):
            await stream.receive_some(1.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="at least 1 byte"):
            await stream.receive_into(bytearray())
        assert await stream.receive_some() == b"kept"


# Bytes in, bytes out, whatever the cuts.


def fragmented(message: bytes, size: int) -> bytes:
    """A message in frames of so many bytes, an unfinished empty one first."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)] or [b""]
    frames = [frame(b"", fin=False)]
    frames += [frame(piece, opcode=Opcode.CONTINUATION, fin=False) for piece in pieces[:-1]]
    return b"".join([*frames, frame(pieces[-1], opcode=Opcode.CONTINUATION)])


@given(
    messages=st.lists(st.binary(max_size=300), max_size=6),
    fragment=st.integers(1, 200),
    cut=st.integers(1, 100),
    sizes=st.lists(st.one_of(st.none(), st.integers(1, 400)), min_size=1, max_size=4),
)
def test_what_is_read_is_what_was_sent_however_it_was_cut(
    messages: list[bytes], fragment: int, cut: int, sizes: list[int | None]
) -> None:
    wire = b"".join(fragmented(message, fragment) for message in messages)

    async def main() -> bytes:
        async with opened() as (stream, peer), trio.open_nursery() as nursery:

            async def say() -> None:
                for start in range(0, len(wire), cut):
                    await peer.stream.send_all(wire[start : start + cut])
                await peer.say(CloseConnection(code=1000))

            nursery.start_soon(say)
            received, turn = b"", 0
            while data := await stream.receive_some(size := sizes[turn % len(sizes)]):
                assert size is None or len(data) <= size
                received, turn = received + data, turn + 1
            return received

    assert trio.run(main) == b"".join(messages)


@given(lengths=st.lists(st.integers(0, 3 * SEND_SIZE), max_size=4))
def test_what_is_sent_arrives_in_binary_messages_of_bounded_size(lengths: list[int]) -> None:
    blocks = [bytes([number]) * length for number, length in enumerate(lengths, 1)]

    async def main() -> list[bytes]:
        async with opened() as (stream, peer), trio.open_nursery() as nursery:

            async def say() -> None:
                for block in blocks:
                    await stream.send_all(memoryview(block))
                await close_now(stream)

            nursery.start_soon(say)
            messages = []
            with pytest.raises(EOFError):
                while True:
                    messages.append(await peer.message())
            return messages

    messages = trio.run(main)
    assert b"".join(messages) == b"".join(blocks)
    assert all(1 <= len(message) <= SEND_SIZE for message in messages)


async def test_an_empty_message_is_no_end() -> None:
    async with opened() as (stream, peer):
        await peer.say(*[BytesMessage(data=b"")] * 50, BytesMessage(data=b"x"), BytesMessage(data=b""))
        assert await stream.receive_some() == b"x"
        await trio.testing.wait_all_tasks_blocked()
        assert not stream.readable()


async def test_a_cancelled_read_loses_nothing() -> None:
    async with opened() as (stream, peer):
        received = b""
        await peer.say_message(b"0123456789")

        async def read() -> None:
            nonlocal received
            received += await stream.receive_some(3)

        step = 1
        while await cancelled_at_step(step, read):
            step += 1
        while len(received) < 10:
            await read()
        assert received == b"0123456789"


async def test_a_buffer_is_filled_as_far_as_there_are_bytes() -> None:
    async with opened() as (stream, peer):
        await peer.say(BytesMessage(data=b"abcdef"), CloseConnection(code=1000))
        buffer = bytearray(4)
        assert await stream.receive_into(buffer) == 4
        assert await stream.receive_into(memoryview(buffer)) == 2
        assert buffer == b"efcd"
        assert await stream.receive_into(buffer) == 0


async def test_it_tells_whether_a_read_would_wait() -> None:
    async with opened() as (stream, peer):
        assert isinstance(stream, Readable)
        assert not stream.readable()
        await peer.say_message(b"xy")
        assert stream.readable()  # not taken in yet
        await trio.testing.wait_all_tasks_blocked()
        assert stream.readable()
        await stream.receive_some(1)
        assert stream.readable()
        await stream.receive_some(1)
        assert not stream.readable()
        await peer.say(Ping(payload=b"p"))
        await trio.testing.wait_all_tasks_blocked()
        assert not stream.readable()
        await peer.say(CloseConnection(code=1000))
        await trio.testing.wait_all_tasks_blocked()
        assert stream.readable()
        await stream.aclose()
        assert stream.readable()


# Pings.


async def test_pings_of_the_peer_are_answered_also_between_fragments() -> None:
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"one ", fin=False))
        await peer.say(Ping(payload=b"are you there"))
        assert await peer.event() == Pong(payload=b"are you there")
        await peer.stream.send_all(frame(b"message", opcode=Opcode.CONTINUATION))
        await trio.testing.wait_all_tasks_blocked()
        assert await stream.receive_some() == b"one message"


async def test_pings_are_sent_through_silence(autojump_clock: object) -> None:
    async with opened(ping_interval=20) as (stream, peer):
        for number in range(1, 4):
            ping = await peer.event()
            assert isinstance(ping, Ping)
            assert trio.current_time() == 20 * number
            await peer.say(Pong(payload=bytes(ping.payload)))
        await trio.testing.wait_all_tasks_blocked()
        assert not stream.readable()


async def test_without_an_interval_there_are_no_pings(autojump_clock: object) -> None:
    async with opened(ping_interval=None) as (_stream, peer):
        with trio.move_on_after(1e6) as scope:
            await peer.event()
        assert scope.cancelled_caught


async def test_an_unanswered_ping_breaks_the_connection(autojump_clock: object) -> None:
    tasks = Tasks()
    async with opened(ping_interval=20, ping_timeout=7) as (stream, peer):
        with pytest.raises(trio.BrokenResourceError, match="no answer to a ping within 7 s"):
            await stream.receive_some()
        assert trio.current_time() == 27
        with pytest.raises(trio.BrokenResourceError, match="no answer to a ping within 7 s"):
            await stream.send_all(b"x")
        assert isinstance(await peer.event(), Ping)
        with pytest.raises(EOFError):
            await peer.event()
        await stream.aclose()
        assert trio.current_time() == 27
    assert tasks.alive == 0


async def test_any_byte_of_the_peer_is_an_answer(autojump_clock: object) -> None:
    async with opened(ping_interval=20, ping_timeout=7) as (stream, peer):
        for _ in range(20):
            await trio.sleep(6)
            await peer.say_message(b".")
            assert await stream.receive_some() == b"."
        with pytest.raises(trio.BrokenResourceError, match="no answer"):
            await stream.receive_some()
        assert trio.current_time() == 20 * 6 + 7


async def test_our_own_slow_reader_is_not_taken_for_the_peers_silence(autojump_clock: object) -> None:
    async with opened(ping_interval=20, ping_timeout=7) as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, frame(b"x" * 1000) * 3)
        await trio.sleep(1000)
        assert len(await stream.receive_some()) == 1000
        assert isinstance(await peer.event(), Ping)  # one, however long
        assert len(await stream.receive_some()) == 1000
        assert len(await stream.receive_some()) == 1000
        await peer.say_message(b"and on")
        assert await stream.receive_some() == b"and on"


async def test_a_peer_that_takes_nothing_for_long_is_not_taken_for_silent(autojump_clock: object) -> None:
    async with opened(ping_interval=20, ping_timeout=7) as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, bytes(MIB))
        await trio.sleep(1000)
        received, pings = 0, 0
        while received < MIB:
            event = await peer.event()
            if isinstance(event, Ping):
                pings += 1
                await peer.say(event.response())
            else:
                assert isinstance(event, BytesMessage)
                received += len(event.data)
        assert pings == 1
        await peer.say_message(b"thank you")
        assert await stream.receive_some() == b"thank you"


# What the peer must not send.


async def test_text_is_refused_with_words(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        await peer.say(BytesMessage(data=b"good"), TextMessage(data="bad"), BytesMessage(data=b"late"))
        assert await stream.receive_some() == b"good"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match="expected binary messages, got a text message"):
                await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        closed = await peer.closed()
        assert (closed.code, closed.reason) == (1003, "expected binary messages")


@pytest.mark.parametrize("size", [MAX_MESSAGE_SIZE, MAX_MESSAGE_SIZE + 1])
async def test_a_message_may_have_so_many_bytes_and_no_more(autojump_clock: object, size: int) -> None:
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.stream.send_all, fragmented(bytes(size), 100_000))
        if size == MAX_MESSAGE_SIZE:
            assert await stream.receive_some() == bytes(size)
        else:
            with pytest.raises(trio.BrokenResourceError, match=r"closed with 1009 \(message too big\): .*1048576"):
                await stream.receive_some()
            assert (await peer.closed()).code == 1009
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("code", [None, 1000, 1011])
async def test_a_close_right_behind_a_message_that_is_too_big_does_not_hide_it(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    monkeypatch.setattr(websocket, "MAX_MESSAGE_SIZE", 200)
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"good") + frame(bytes(201)) + close_frame(code))
        assert await stream.receive_some() == b"good"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match=r"closed with 1009 \(message too big\): .*200"):
                await stream.receive_some()


@pytest.mark.parametrize("before", [1, 3])
async def test_a_message_ends_within_so_many_bytes_on_the_wire(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """trio-websocket keeps each fragment and counts their bytes alone: empty ones would fill the memory."""
    monkeypatch.setattr(websocket_wire, "MAX_MESSAGE_ON_WIRE", 10_001)
    empty, end = frame(b"", opcode=Opcode.CONTINUATION, fin=False), frame(b"end", opcode=Opcode.CONTINUATION)
    fits = frame(b"", fin=False) + empty * 4997 + end
    assert len(fits) == 10_001
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        for _ in range(before):  # each message may take as much
            nursery.start_soon(peer.stream.send_all, fits)
            assert await stream.receive_some() == b"end"
        nursery.start_soon(peer.stream.send_all, fits[:2] + empty + fits[2:])
        with pytest.raises(trio.BrokenResourceError, match="expected a message within 10001 bytes, got none"):
            await stream.receive_some()
        nursery.cancel_scope.cancel()


GARBAGE = [
    (b"\x83\x00", "Invalid opcode"),
    (b"\xc2\x00", "Reserved bit"),
    (b"\x82\x81mask?", "masked"),
    (b"\x80\x00", "CONTINUATION"),
    (b"\x09\x00", "fragment control"),
    (b"\x89\x7e\x00\x80" + bytes(128), "Control frame"),
    (b"\x82\xff" + b"\xff" * 8, "MSB"),
    (b"\x88\x01x", "1 byte payload"),
    (b"\x88\x02\x03\xed", "local-only"),
    (b"\x88\x02\x00\x00", "invalid code"),
    (b"\x88\x04\x03\xe8\xff\xff", "reason"),
]


@pytest.mark.parametrize(("garbage", "words"), GARBAGE, ids=[words for _, words in GARBAGE])
async def test_what_is_no_websocket_breaks_the_stream_and_is_not_read_on(
    autojump_clock: object, garbage: bytes, words: str
) -> None:
    tasks = Tasks()
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"good") + garbage)
        assert await stream.receive_some() == b"good"
        with pytest.raises(trio.BrokenResourceError, match=rf"closed with 100[27] .*{words}"):
            await stream.receive_some()
        sent = 0
        with trio.move_on_after(1), pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.stream.send_all(bytes(1000))
                sent += 1000
        assert sent <= 128 * 1024
    assert tasks.alive == 0


@given(noise=st.binary(max_size=200), cut=st.integers(1, 20))
def test_any_bytes_at_all_give_bytes_an_end_or_an_error_of_the_stream(noise: bytes, cut: int) -> None:
    async def main() -> None:
        async with opened() as (stream, peer), trio.open_nursery() as nursery:

            async def say() -> None:
                for start in range(0, len(noise), cut):
                    await peer.stream.send_all(noise[start : start + cut])
                peer.stream.close()

            nursery.start_soon(say)
            with pytest.raises(trio.BrokenResourceError):
                await rest_of(stream)
                raise trio.BrokenResourceError("a clean end: the noise was a close frame")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# The end.


@pytest.mark.parametrize("code", [1000, 1001, None])
async def test_a_clean_close_is_the_end_of_file(code: int | None) -> None:
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"last words") + close_frame(code))
        assert await stream.receive_some() == b"last words"
        assert [await stream.receive_some(), await stream.receive_some()] == [b"", b""]
        assert (await peer.closed()).code == (code or 1005)  # it was answered
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.wait_send_all_might_not_block()


def close_frame(code: int | None, reason: str = "") -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return frame(payload, opcode=Opcode.CLOSE)


@pytest.mark.parametrize("code", [1000, 1001, None])
@pytest.mark.parametrize("opcode", [Opcode.BINARY, Opcode.TEXT])
async def test_a_close_in_the_middle_of_a_message_is_no_clean_end(code: int | None, opcode: Opcode) -> None:
    """The bytes of that message are lost, and the end of file says that none are."""
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"whole") + frame(b"begun", opcode=opcode, fin=False) + close_frame(code))
        assert await stream.receive_some() == b"whole"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match=rf"in the middle of a message \({code or 1005}\)"):
                await stream.receive_some()


CODES = [
    (1002, "protocol error"),
    (1003, "unsupported data"),
    (1007, "invalid text"),
    (1008, "policy violation"),
    (1009, "message too big"),
    (1010, "an extension is missing"),
    (1011, "internal error"),
    (1012, "the service restarts"),
    (1013, "try again later"),
    (3000, ""),
    (4999, ""),
]


@pytest.mark.parametrize(("code", "words"), CODES)
async def test_every_other_close_is_an_error_that_says_which(code: int, words: str) -> None:
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"last words") + close_frame(code, "no\nmore\x1b"))
        assert await stream.receive_some() == b"last words"
        expected = f"the WebSocket was closed with {code}{f' ({words})' if words else ''}: no?more?"
        for call in (stream.receive_some, stream.receive_some, lambda: stream.send_all(b"x")):
            with pytest.raises(trio.BrokenResourceError) as caught:
                await call()  # type: ignore[no-untyped-call]
            assert str(caught.value) == expected
        assert (await peer.closed()).code == code


async def test_a_cut_is_not_an_end() -> None:
    async with opened() as (stream, peer):
        await peer.stream.send_all(frame(b"whole") + frame(b"half a message")[:5])
        peer.stream.close()
        assert await stream.receive_some() == b"whole"
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError, match=r"cut the connection without closing .*\(1006\)"):
                await stream.receive_some()


async def test_a_broken_connection_says_why() -> None:
    async with opened() as (stream, peer):
        peer.stream.fail(OSError("the cable"))
        with pytest.raises(trio.BrokenResourceError, match="the WebSocket connection broke: ") as caught:
            await stream.receive_some()
        assert isinstance(caught.value.__cause__, trio.BrokenResourceError)
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_an_answer_that_was_under_way_when_sending_broke_can_still_be_read() -> None:
    """Most of it still unread below: it must not be lost because nobody reads on the other side."""
    answer = [b"%d" % number * 1000 for number in range(5)]
    async with opened() as (stream, peer), trio.open_nursery() as nursery:

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(bytes(MIB))

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await peer.stream.send_all(b"".join(map(frame, answer)) + close_frame(1000))
        await trio.testing.wait_all_tasks_blocked()
        peer.stream.close()
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"more")
        with pytest.raises(trio.BrokenResourceError):
            await stream.wait_send_all_might_not_block()
        assert await rest_of(stream) == b"".join(answer)


# Closing.


async def test_closing_says_goodbye_and_waits_for_the_answer(autojump_clock: object) -> None:
    tasks = Tasks()
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        closing = trio.Event()

        async def close() -> None:
            await stream.aclose()
            closing.set()

        await stream.send_all(b"before")
        nursery.start_soon(close)
        assert await peer.message() == b"before"
        closed = await peer.closed()
        assert (closed.code, closed.reason) == (1000, "")
        await peer.stream.send_all(frame(b"crossed") + close_frame(1000))
        await closing.wait()
        with pytest.raises(EOFError):
            await peer.event()
        assert trio.current_time() == 0
        await trio.testing.wait_all_tasks_blocked()
        assert tasks.alive == 0
        for call in (stream.receive_some, lambda: stream.send_all(b""), stream.wait_send_all_might_not_block):
            with pytest.raises(trio.ClosedResourceError):
                await call()  # type: ignore[no-untyped-call]


async def test_closing_with_a_code_of_ones_own() -> None:
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        nursery.start_soon(stream.close, 1011, "the origin broke")
        closed = await peer.closed()
        assert (closed.code, closed.reason) == (1011, "the origin broke")
        await peer.say(closed.response())


async def test_a_peer_that_never_answers_the_close_holds_it_up_for_a_moment_only(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        await stream.aclose()
        assert trio.current_time() == CLOSE_SECONDS
        await peer.closed()
        with pytest.raises(EOFError):
            await peer.event()


async def test_a_peer_that_floods_while_closing_holds_it_up_no_longer(autojump_clock: object) -> None:
    async with opened() as (stream, peer), trio.open_nursery() as nursery:

        async def flood() -> None:
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await peer.say_message(bytes(100_000))
                    await trio.sleep(0.01)

        nursery.start_soon(flood)
        await stream.aclose()
        assert trio.current_time() == pytest.approx(CLOSE_SECONDS)


async def test_closing_in_a_cancelled_task_is_at_once(autojump_clock: object) -> None:
    tasks = Tasks()
    async with opened() as (stream, peer):
        await close_now(stream)
        assert trio.current_time() == 0
        with pytest.raises(EOFError):
            await peer.event()
        await trio.testing.wait_all_tasks_blocked()
        assert tasks.alive == 0


async def test_closing_wakes_who_reads_and_who_sends(autojump_clock: object) -> None:
    async with opened() as (stream, _peer), trio.open_nursery() as nursery:

        async def closed(call: Any, *arguments: Any) -> None:
            with pytest.raises(trio.ClosedResourceError):
                await call(*arguments)

        nursery.start_soon(closed, stream.receive_some)
        nursery.start_soon(closed, stream.send_all, bytes(MIB))
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()  # there is a frame half sent, so no goodbye can be said
        assert trio.current_time() == 0


async def test_a_cancelled_send_leaves_a_hole_that_nothing_follows(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        assert await waits(stream.send_all, bytes(MIB))
        with pytest.raises(trio.BrokenResourceError, match="did not finish"):
            await stream.send_all(b"x")
        await peer.say_message(b"still heard")
        assert await stream.receive_some() == b"still heard"
        first = await peer.event()  # so that there is room
        assert isinstance(first, BytesMessage)
        received = len(first.data)
        await peer.say(Ping(payload=b"p"))  # an answer would be taken for the rest of the frame
        await trio.testing.wait_all_tasks_blocked()
        now = trio.current_time()
        await stream.aclose()
        assert trio.current_time() == now
        with pytest.raises(EOFError):
            while True:
                event = await peer.event()
                assert isinstance(event, BytesMessage)
                assert event.data == bytes(len(event.data))
                received += len(event.data)
        assert 0 < received < MIB


async def test_after_a_send_that_was_cancelled_at_any_step_nothing_follows_a_hole() -> None:
    whole = bytes(3 * SEND_SIZE)

    async def cancelled_and_received(step: int) -> tuple[bool, bool, bytes]:
        async with opened() as (stream, peer), trio.open_nursery() as nursery:
            received = bytearray()

            async def listen() -> None:
                with pytest.raises(EOFError):
                    while True:
                        received.extend(await peer.message())

            nursery.start_soon(listen)
            cancelled = await cancelled_at_step(step, lambda: stream.send_all(whole))
            followed = True
            try:
                await stream.send_all(b" and more")
            except trio.BrokenResourceError:
                followed = False
            await trio.testing.wait_all_tasks_blocked()
            await close_now(stream)
        return cancelled, followed, bytes(received)

    step, cancelled, outcomes = 0, True, set()
    while cancelled:
        step += 1
        cancelled, followed, received = await cancelled_and_received(step)
        if followed:
            assert received in (whole + b" and more", b" and more" if cancelled else b"")
        else:
            assert whole.startswith(received)
        outcomes.add((cancelled, followed))
    assert outcomes >= {(True, False), (False, True)}


# Back-pressure.


async def test_a_slow_reader_stops_the_peer(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        sent = 0
        while not await waits(peer.stream.send_all, frame(bytes(SEND_SIZE))):
            sent += SEND_SIZE
        assert sent <= 6 * SEND_SIZE
        taken = 0
        while taken < sent:
            taken += len(await stream.receive_some())


async def test_a_peer_that_does_not_read_stops_the_sender(autojump_clock: object) -> None:
    async with opened() as (stream, peer):
        sent = 0
        while not await waits(stream.send_all, bytes(1000)):
            sent += 1000
        assert sent < 128 * 1024
        assert await waits(peer.event) is False


async def test_waiting_for_room_to_send_waits_for_it_and_a_ping_meanwhile_does_no_harm(autojump_clock: object) -> None:
    async with opened() as (stream, peer), trio.open_nursery() as nursery:
        await stream.wait_send_all_might_not_block()
        below = stream._link.wire._below
        while not await waits(below.send_all, bytes(1000)):
            pass
        assert await waits(stream.wait_send_all_might_not_block)
        nursery.start_soon(stream.wait_send_all_might_not_block)
        await trio.testing.wait_all_tasks_blocked()
        await peer.say(Ping(payload=b"p"), BytesMessage(data=b"and on"))
        await trio.testing.wait_all_tasks_blocked()
        while not await waits(peer.stream.receive_some):
            pass
        assert await stream.receive_some() == b"and on"
        assert not await waits(stream.wait_send_all_might_not_block)


async def test_a_hundred_megabytes_are_never_in_memory_at_once() -> None:
    total, block = 100 * MIB, bytes(range(256)) * 1024
    sent = taken = most = 0
    async with opened() as (stream, peer), trio.open_nursery() as nursery:

        async def flood() -> None:
            nonlocal sent
            while sent < total:
                await peer.say_message(block)
                sent += len(block)
            await peer.say(CloseConnection(code=1000))

        nursery.start_soon(flood)
        while data := await stream.receive_some():
            most = max(most, sent - taken)
            assert data[:1] == block[taken % len(block) : taken % len(block) + 1]
            taken += len(data)
    assert taken == total
    assert most <= 4 * len(block)


async def test_many_streams_at_once_leave_nothing_behind() -> None:
    tasks = Tasks()

    async def talk(both: Any, number: int) -> None:
        near, far = await both.make()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.send_all, bytes([number]) * 10_000)
            received = b""
            while len(received) < 10_000:
                received += await far.receive_some()
        assert received == bytes([number]) * 10_000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.aclose)
            assert await far.receive_some() == b""
            nursery.start_soon(far.aclose)

    async with pairs() as both:
        for number in range(10):
            await talk(both, number)
        await trio.testing.wait_all_tasks_blocked()
        assert tasks.alive == 0
