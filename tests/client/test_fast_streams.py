"""A stream that brings much at once is read on without waiting: nothing of it is lost, cancelled or misnamed."""

from __future__ import annotations

import io
from collections import deque
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import pytest
import recorded
import trio
import trio.testing
from cuttings import split_at
from PIL import Image
from scripted import GivenStream

from nai_trio import NetworkTimeout, NovelAI, ProtocolError, StreamInterrupted, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pst-not-a-real-key"
MUCH, LITTLE = 32 * 1024, 32 * 1024 - 1
SILENCE = "silence"
"""Nothing is there at once, and waiting finds what comes next."""


class FastStream(trio.abc.Stream):
    """Brings what a script says, and notes how it was asked.

    The items of the script are bytes, errors and `SILENCE`; when none is left, it is silent for ever.
    """

    def __init__(self, *script: bytes | Exception | str) -> None:
        self.script = deque(script)
        self.asked: list[str] = []
        self.closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        raise NotImplementedError

    async def receive_when_ready(self, get_buffer: Callable[[], memoryview]) -> int:
        await trio.lowlevel.checkpoint()
        self.asked.append("wait")
        while self.script and self.script[0] == SILENCE:
            self.script.popleft()
        if not self.script:
            await trio.sleep_forever()
        return self._take(get_buffer())

    def receive_nowait(self, buffer: memoryview) -> int:
        self.asked.append("at once")
        if not self.script or self.script[0] == SILENCE:
            raise trio.WouldBlock
        return self._take(buffer)

    def _take(self, buffer: memoryview) -> int:
        item = self.script.popleft()
        if isinstance(item, Exception):
            raise item
        assert isinstance(item, bytes)
        buffer[: len(item)] = item
        return len(item)

    async def aclose(self) -> None:
        self.closed = True
        await trio.lowlevel.checkpoint()


@cache
def response(kind: Literal["sse", "msgpack"]) -> bytes:
    """A generation whose final is larger than one read."""
    target = io.BytesIO()
    Image.effect_noise((400, 400), 90).save(target, "PNG")
    events = [*recorded.events()[:-1], {**recorded.events()[-1], "image": target.getvalue()}]
    content = (recorded.sse if kind == "sse" else recorded.frames)(*events)
    return recorded.response(content, recorded.MEDIA_TYPES[kind])


def cut(data: bytes, *sizes: int) -> list[bytes]:
    return split_at(data, accumulate(sizes))


def client(stream: FastStream, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=GivenStream(stream), **options)


async def chunks_of(stream: FastStream, kind: Literal["sse", "msgpack"] = "sse") -> list[Any]:
    async with client(stream) as novelai:
        async with novelai.image.generate_stream(recorded.params(), stream=kind) as chunks:
            return [chunk async for chunk in chunks]


@pytest.mark.parametrize("kind", ["sse", "msgpack"])
async def test_much_is_read_on_at_once_and_gives_the_same_chunks(kind: Literal["sse", "msgpack"]) -> None:
    whole = response(kind)
    fast, slow = (
        FastStream(*cut(whole, MUCH, MUCH, 1, MUCH)),
        FastStream(*cut(whole, *[LITTLE] * (len(whole) // LITTLE))),
    )
    assert await chunks_of(fast, kind) == await chunks_of(slow, kind)
    assert fast.asked == ["wait", *["at once"] * 4]
    assert set(slow.asked) == {"wait"}


async def test_when_nothing_more_is_there_it_waits_until_much_comes_again() -> None:
    first, little, second, rest = cut(response("sse"), MUCH, 10, MUCH)
    stream = FastStream(first, SILENCE, little, second, rest)
    assert len(await chunks_of(stream)) == 4
    assert stream.asked == ["wait", "at once", "wait", "wait", "at once"]


async def test_an_end_that_comes_too_early_is_told() -> None:
    stream = FastStream(*cut(response("sse"), MUCH)[:1], b"")
    with pytest.raises(StreamInterrupted, match="the connection ended inside the response body") as caught:
        await chunks_of(stream)
    assert len(caught.value.previews) == 1
    assert stream.asked == ["wait", "at once"]


async def test_what_breaks_the_connection_is_told_with_what_had_arrived() -> None:
    broken = trio.BrokenResourceError("reset by peer")
    stream = FastStream(*cut(response("sse"), MUCH)[:1], broken)
    with pytest.raises(StreamInterrupted, match="the connection broke: reset by peer") as caught:
        await chunks_of(stream)
    assert caught.value.__cause__ is broken
    assert caught.value.billing_unknown
    assert len(caught.value.previews) == 1


async def test_a_fault_is_raised_and_nothing_is_read_after_it() -> None:
    head, rest = cut(response("sse"), response("sse").index(b'"final"'))
    stream = FastStream(head + b"zz" * MUCH, rest)
    with pytest.raises(ProtocolError) as caught:
        await chunks_of(stream)
    assert len(caught.value.previews) == 1
    assert len(stream.script) == 1


async def test_a_cancellation_loses_nothing_that_was_there() -> None:
    whole = response("sse")
    stream = FastStream(*cut(whole, MUCH, MUCH))
    async with client(stream) as novelai:
        async with novelai.image.generate_stream(recorded.params()) as chunks:
            got = [await anext(chunks) for _ in range(3)]
            for _ in range(2):
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await anext(chunks)
                assert scope.cancelled_caught
                assert len(stream.script) == 2
            got += [chunk async for chunk in chunks]
    assert len(got) == 4


async def test_silence_after_much_is_still_silence(autojump_clock: trio.testing.MockClock) -> None:
    stream = FastStream(*cut(response("sse"), MUCH)[:1])
    async with client(stream, timeouts=Timeouts(read=5)) as novelai:
        async with novelai.image.generate_stream(recorded.params()) as chunks:
            start = trio.current_time()
            with pytest.raises(NetworkTimeout) as caught:
                async for _ in chunks:
                    await trio.sleep(100)  # the reader's own time
            assert (caught.value.phase, trio.current_time() - start) == ("read", 305)


async def test_others_have_their_turn_at_each_read() -> None:
    stream = FastStream(*cut(response("sse"), *[MUCH] * 4))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with client(stream) as novelai:
        async with novelai.image.generate_stream(recorded.params()) as chunks, trio.open_nursery() as nursery:
            nursery.start_soon(count)
            assert [(await anext(chunks)).event_type for _ in range(3)] == ["intermediate"] * 3
            turns = 0
            assert (await anext(chunks)).event_type == "final"
            assert stream.asked.count("at once") == 4
            assert turns >= 3  # trio shuffles who goes first, so one may come after the last read
            nursery.cancel_scope.cancel()
