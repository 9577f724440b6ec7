"""Requests cut at every 1000th byte: what was not sent whole is not billed and may be sent again; an answer counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
import recorded
import trio
import trio.testing
from answers import LOCKED
from scripted import read_request
from watched import WatchedTransport

from nai_trio import HTTPStatusError, NetworkError, NetworkTimeout, NovelAI, NovelAIError, Retry, StreamInterrupted
from nai_trio.protocol import ImageExchange
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from nai_trio.transports import MemoryStream

KEY = "pst-not-a-real-key"
LARGE = recorded.params(prompt="1girl, cat ears, " * 1200)
WIRE = ImageExchange(LARGE, api_key=KEY, host="image.novelai.net", stream="sse").data_to_send()
UNREAD = 512
"""Bytes that a memory stream holds here: those were handed over, and perhaps never read."""

PLACES = range(0, len(WIRE) - UNREAD, 1000)
"""Whoever has read no more than that has not been handed the whole."""

GOOD = recorded.stream_response("sse")
REFUSAL = recorded.response(LOCKED, "application/json", status=413, framing="length")
HEAD_END = GOOD.index(b"\r\n\r\n") + 4


class Breaker:
    """Reads some of the first requests, says something, and breaks the connection; the requests after are served.

    Args:
        read: how many bytes of each of them to read.
        says: what is sent before it breaks.
        end: how.
        after: requests that are served before.
        times: how many break.

    Attributes:
        came: connections that there were.
        served: requests that were answered.
    """

    def __init__(
        self, read: int, says: bytes = b"", *, end: Literal["reset", "close"] = "reset", after: int = 0, times: int = 1
    ) -> None:
        self.came = self.served = 0
        self._read = read
        self._says = says
        self._end = end
        self._after = after
        self._times = times

    async def __call__(self, stream: MemoryStream) -> None:
        self.came += 1
        try:
            async with stream:
                while self.served < self._after or not self._times:
                    await read_request(stream)
                    await stream.send_all(GOOD)
                    self.served += 1
                self._times -= 1
                await self._break(stream)
        except (EOFError, trio.BrokenResourceError):
            pass  # the client left

    async def _break(self, stream: MemoryStream) -> None:
        left = self._read
        while left:
            left -= len(await stream.receive_some(left))
        await trio.testing.wait_all_tasks_blocked()  # the client has handed over what it can
        await stream.send_all(self._says)
        if self._end == "reset":
            stream.fail(ConnectionResetError("the test's reset"))


def client_of(breaker: Breaker, **options: object) -> tuple[NovelAI, WatchedTransport]:
    transport = WatchedTransport(MemoryTransport(breaker, buffer_size=UNREAD))
    return NovelAI(KEY, transport=transport, **options), transport  # type: ignore[arg-type]


async def failed(breaker: Breaker, **options: object) -> NovelAIError:
    """The error of a large generation; its connection is closed."""
    client, transport = client_of(breaker, **options)
    async with client:
        with pytest.raises(NovelAIError) as caught:
            await client.image.generate(LARGE, stream="sse")
        assert [stream.closed for stream in transport.streams] == [1]
    assert breaker.came == 1
    assert not breaker.served
    return caught.value


def test_the_request_is_large() -> None:
    assert len(PLACES) > 40


@pytest.mark.parametrize("end", ["reset", "close"])
async def test_cut_while_it_is_sent_nothing_is_billed(end: Literal["reset", "close"], autojump_clock: object) -> None:
    for place in PLACES:
        error = await failed(Breaker(place, end=end))
        assert type(error) is NetworkError, place
        assert "while the request was sent" in str(error)
        assert not error.billing_unknown, place


@pytest.mark.parametrize("end", ["reset", "close"])
async def test_cut_when_all_was_handed_over_it_may_be_billed(
    end: Literal["reset", "close"], autojump_clock: object
) -> None:
    for unread in range(0, UNREAD, 100):
        error = await failed(Breaker(len(WIRE) - unread, end=end), retry=Retry(attempts=3))
        assert type(error) is StreamInterrupted, unread
        assert error.billing_unknown, unread


async def test_on_a_kept_connection_it_is_sent_on_a_fresh_one(autojump_clock: object) -> None:
    for place in PLACES:
        breaker = Breaker(place, after=1)
        client, transport = client_of(breaker)
        async with client:
            await client.image.generate(recorded.params())
            assert len(await client.image.generate(LARGE, stream="sse")) == 1
            assert [stream.closed for stream in transport.streams] == [1, 0]
        assert (breaker.came, breaker.served) == (2, 2), place


async def test_the_fresh_one_is_not_replaced_again(autojump_clock: object) -> None:
    breaker = Breaker(5000, after=1, times=2)
    client, _ = client_of(breaker)
    async with client:
        await client.image.generate(recorded.params())
        with pytest.raises(NetworkError, match="while the request was sent"):
            await client.image.generate(LARGE, stream="sse")
    assert (breaker.came, breaker.served) == (2, 1)


async def test_retry_sends_it_again(autojump_clock: object) -> None:
    for place in PLACES:
        breaker = Breaker(place, times=2)
        client, transport = client_of(breaker, retry=Retry(attempts=3))
        async with client:
            assert len(await client.image.generate(LARGE, stream="sse")) == 1
            assert [stream.closed for stream in transport.streams] == [1, 1, 0]
        assert (breaker.came, breaker.served) == (3, 1), place


@pytest.mark.parametrize("end", ["reset", "close"])
async def test_a_refusal_that_came_before_says_more(end: Literal["reset", "close"], autojump_clock: object) -> None:
    for place in PLACES:
        error = await failed(Breaker(place, REFUSAL, end=end))
        assert isinstance(error, HTTPStatusError), place
        assert (error.status, error.message) == (413, "Concurrent generation is locked")
        assert not error.billing_unknown


async def test_a_refusal_that_was_cut_says_more_from_its_head_on(autojump_clock: object) -> None:
    head_end = REFUSAL.index(b"\r\n\r\n") + 4
    for count in range(len(REFUSAL) + 1):
        error = await failed(Breaker(3000, REFUSAL[:count]))
        assert (getattr(error, "status", 0) == 413) == (count >= head_end), count
        assert count >= head_end or type(error) is NetworkError
        assert not error.billing_unknown


async def test_an_answer_that_had_begun_may_be_billed(autojump_clock: object) -> None:
    """It accepts what it has not read whole: whatever it is, it may cost, and is not sent again."""
    for count in range(HEAD_END - 3, HEAD_END + 60):
        begun = count >= HEAD_END
        error = await failed(Breaker(3000, GOOD[:count]), retry=Retry(attempts=1 if not begun else 3))
        assert type(error) is NetworkError, count
        assert error.billing_unknown == begun, count


async def test_silence_while_it_is_sent_is_a_timeout_of_sending(autojump_clock: object) -> None:
    class Deaf(Breaker):
        async def _break(self, stream: MemoryStream) -> None:
            await trio.sleep(1000)

    for place in PLACES[::8]:
        began = trio.current_time()
        error = await failed(Deaf(place))
        assert isinstance(error, NetworkTimeout)
        assert (error.phase, error.billing_unknown) == ("send", False)
        assert trio.current_time() - began == pytest.approx(60)
