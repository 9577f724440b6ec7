"""Sending again: only what cannot have been billed, after a wait that doubles, bounded on every side, and told."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import pytest
import recorded
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import read_request
from sweep import cancelled_at_step

from nai_trio import (
    ConcurrencyLockedError,
    NetworkError,
    NovelAI,
    NovelAIError,
    QueueWait,
    RateLimitError,
    Retry,
    RetryWait,
    ServerError,
    StreamInterrupted,
)
from nai_trio.errors import status_error
from nai_trio.retrying import Attempts
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from nai_trio.transport import Origin

KEY = "pst-not-a-real-key"
PICTURES = recorded.stream_response("msgpack")


def refusal(status: int, extra: str = "") -> bytes:
    content = b'{"message":"Concurrent generation is locked"}' if status == 429 else b"<title>busy</title>"
    return recorded.response(content, "application/json", status=status, framing="length", extra=extra)


class Service:
    """Answers each request with the next of its answers, the last one for ever, and notes when they came."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def __call__(self, stream: trio.abc.Stream) -> None:
        async with stream:
            with contextlib.suppress(EOFError):
                while True:
                    await read_request(stream)
                    self.times.append(trio.current_time())
                    await stream.send_all(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    @property
    def pauses(self) -> list[float]:
        return [round(later - earlier, 3) for earlier, later in zip(self.times, self.times[1:], strict=False)]


async def attempts_of(service: Service, retry: Retry) -> NovelAIError | None:
    """Generate; return the error, if there is one."""
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=retry) as client:
        try:
            assert len(await client.image.generate(recorded.params())) == 1
        except NovelAIError as error:
            return error
    return None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_delays_double_up_to_the_longest_and_end_with_the_attempts(status: int, autojump_clock: object) -> None:
    service = Service(refusal(status))
    error = await attempts_of(service, Retry(attempts=6, first_delay=3, max_delay=20, jitter=0))
    assert error is not None
    assert getattr(error, "status", None) == status
    assert service.pauses == [3, 6, 12, 20, 20]
    assert [getattr(each, "status", None) for each in error.earlier] == [status] * 5


async def test_the_default_sends_once(autojump_clock: object) -> None:
    service = Service(refusal(503), PICTURES)
    assert isinstance(await attempts_of(service, Retry()), ServerError)
    assert len(service.times) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 500, 501, 302])
async def test_what_may_be_billed_or_is_final_is_sent_once(status: int, autojump_clock: object) -> None:
    service = Service(refusal(status), PICTURES)
    assert await attempts_of(service, Retry(attempts=5)) is not None
    assert len(service.times) == 1


@pytest.mark.parametrize("kept", [0, 60, 150, 400, len(PICTURES) - 1])
async def test_after_a_2xx_head_nothing_is_ever_sent_again(kept: int, autojump_clock: object) -> None:
    requests = 0

    async def cut(stream: trio.abc.Stream) -> None:
        nonlocal requests
        async with stream:
            await read_request(stream)
            requests += 1
            await stream.send_all(PICTURES[:kept])

    async with NovelAI(KEY, transport=MemoryTransport(cut), retry=Retry(attempts=5)) as client:
        with pytest.raises(StreamInterrupted) as caught:
            await client.image.generate(recorded.params())
    assert requests == 1
    assert caught.value.billing_unknown
    assert caught.value.earlier == ()


@pytest.mark.parametrize(("status", "asked"), [(429, 0), (429, 5), (429, 30), (503, 7)])
async def test_what_the_service_asks_for_takes_the_delays_place(
    status: int, asked: int, autojump_clock: object
) -> None:
    service = Service(refusal(status, f"retry-after: {asked}\r\n"), PICTURES)
    assert await attempts_of(service, Retry(attempts=2)) is None
    assert service.pauses == [asked]


@pytest.mark.parametrize("asked", ["31", "86400", "9" * 400])
async def test_a_longer_retry_after_than_allowed_gives_up_at_once(asked: str, autojump_clock: object) -> None:
    service = Service(refusal(429, f"retry-after: {asked}\r\n"), PICTURES)
    start = trio.current_time()
    error = await attempts_of(service, Retry(attempts=9))
    assert isinstance(error, ConcurrencyLockedError)
    assert error.retry_after == float(asked)
    assert trio.current_time() == pytest.approx(start, abs=0.01)


async def test_a_retry_after_that_is_none_leaves_the_delay(autojump_clock: object) -> None:
    service = Service(refusal(429, "retry-after: soon\r\n"), PICTURES)
    assert await attempts_of(service, Retry(attempts=2, jitter=0)) is None
    assert service.pauses == [2]


@pytest.mark.parametrize(("total", "sent"), [(1.9, 1), (2, 2), (5.9, 2), (6, 3), (13.9, 3), (14, 4), (None, 7)])
async def test_no_attempt_begins_after_the_total(total: float | None, sent: int, autojump_clock: object) -> None:
    service = Service(refusal(503))
    retry = Retry(attempts=7, first_delay=2, max_delay=1000, jitter=0, max_total=total)
    assert await attempts_of(service, retry) is not None
    assert len(service.times) == sent


async def test_the_time_that_attempts_take_counts_for_the_total(autojump_clock: object) -> None:
    connects = 0

    class Hanging(MemoryTransport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            nonlocal connects
            connects += 1
            await trio.sleep_forever()
            raise AssertionError

    retry = Retry(attempts=100, first_delay=0, max_total=40)  # each attempt takes Timeouts.connect, 15 s
    async with NovelAI(KEY, transport=Hanging(Service(PICTURES)), retry=retry) as client:
        with pytest.raises(NetworkError):
            await client.image.generate(recorded.params())
    assert connects == 3


@pytest.mark.parametrize("jitter", [0.25, 0.5, 1.0])
async def test_the_random_share_of_a_delay_stays_within_its_bounds(jitter: float, autojump_clock: object) -> None:
    service = Service(refusal(429))
    await attempts_of(service, Retry(attempts=40, first_delay=2, max_delay=8, jitter=jitter, max_total=None))
    for pause, longest in zip(service.pauses, [2, 4] + [8] * 37, strict=True):
        assert longest * (1 - jitter) - 0.001 <= pause <= longest + 0.001
    assert len(set(service.pauses)) > 20, "they differ"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 3000), st.floats(0, 1e308), st.floats(0, 1e308), st.floats(0, 1))
def test_any_settings_give_delays_within_bounds(attempts: int, first: float, longest: float, jitter: float) -> None:
    retry = Retry(attempts=attempts, first_delay=first, max_delay=longest, jitter=jitter, max_total=None)

    async def main() -> None:
        tried = Attempts(retry)
        for attempt in range(1, attempts):
            wait = tried.after(status_error(503, "busy"))
            assert wait is not None
            assert wait.attempt == attempt
            assert 0 <= wait.delay <= longest * 1.000001
        assert tried.after(status_error(503, "busy")) is None

    trio.run(main)


async def test_each_attempt_is_told_with_its_error_and_the_delay(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(refusal(429), refusal(503), PICTURES)
    told: list[QueueWait | RetryWait] = []
    times: list[float] = []

    def on_wait(wait: QueueWait | RetryWait) -> None:
        told.append(wait)
        times.append(trio.current_time())

    caplog.set_level(logging.INFO, logger="nai_trio")
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=Retry(attempts=3, jitter=0)) as client:
        async with client.image.generate_stream(recorded.params(), on_wait=on_wait) as stream:
            assert [chunk.event_type async for chunk in stream].count("final") == 1
    assert [(type(wait), wait.attempt, wait.delay) for wait in told if isinstance(wait, RetryWait)] == [
        (RetryWait, 1, 2.0),
        (RetryWait, 2, 4.0),
    ]
    assert isinstance(told[0], RetryWait)
    assert isinstance(told[0].error, RateLimitError)
    assert times == pytest.approx(service.times[:2], abs=0.01), "before the wait"
    assert caplog.messages == [
        "attempt 1 failed (429: Concurrent generation is locked); the next one in 2.0 s",
        "attempt 2 failed (503: an HTML page titled 'busy'); the next one in 4.0 s",
    ]
    assert KEY not in caplog.text


async def test_what_on_wait_raises_ends_the_generation_as_it_is(autojump_clock: object) -> None:
    class OwnError(Exception):
        pass

    def on_wait(wait: object) -> None:
        raise OwnError

    service = Service(refusal(429), PICTURES)
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=Retry(attempts=3)) as client:
        with pytest.raises(OwnError) as caught:
            await client.image.generate(recorded.params(), on_wait=on_wait)
        assert caught.value.__context__ is None
        await client.image.generate(recorded.params())
    assert len(service.times) == 2


async def test_the_wait_between_attempts_can_be_cancelled(autojump_clock: object) -> None:
    service = Service(refusal(429), PICTURES)
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=Retry(attempts=2, jitter=0)) as client:
        with trio.move_on_after(1) as scope:
            await client.image.generate(recorded.params())
        assert scope.cancelled_caught
        await client.image.generate(recorded.params())
    assert service.pauses == [1]


async def test_cancelling_at_every_step_through_an_attempt_that_is_repeated(autojump_clock: object) -> None:
    retry = Retry(attempts=2, first_delay=0.5)
    step, cancelled = 0, True
    while cancelled:
        step += 1
        service = Service(refusal(429), PICTURES)
        async with NovelAI(KEY, transport=MemoryTransport(service), retry=retry) as client:
            cancelled = await cancelled_at_step(step, lambda client=client: client.image.generate(recorded.params()))
            assert len(await client.image.generate(recorded.params())) == 1, "the turn and the connection are free"
    assert step > 10


async def test_a_request_that_never_got_out_is_sent_again(autojump_clock: object) -> None:
    class Flaky(MemoryTransport):
        failures = 2

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            if self.failures:
                self.failures -= 1
                raise OSError("no route")
            return await super().connect(origin)

    service = Service(PICTURES)
    async with NovelAI(KEY, transport=Flaky(service), retry=Retry(attempts=3)) as client:
        assert len(await client.image.generate(recorded.params())) == 1
    assert len(service.times) == 1


async def test_the_delivery_is_the_same_for_every_attempt(autojump_clock: object) -> None:
    seen: list[bytes] = []

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            with contextlib.suppress(EOFError):
                while True:
                    seen.append((await read_request(stream))[1])
                    await stream.send_all(refusal(429) if len(seen) < 3 else PICTURES)

    async with NovelAI(KEY, transport=MemoryTransport(handler), retry=Retry(attempts=3)) as client:
        await client.image.generate(recorded.params())
    assert len(seen) == 3
    assert len(set(seen)) == 1
