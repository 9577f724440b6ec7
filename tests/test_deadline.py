"""Deadlines of ours become errors of ours; the caller's stay the caller's. Virtual time."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from nai_trio.deadline import deadline, expiry, timeout_error
from nai_trio.errors import NetworkTimeout


async def test_a_block_that_is_quick_enough_goes_through(autojump_clock: trio.testing.MockClock) -> None:
    with deadline("read", 5):
        await trio.sleep(4.9)


async def test_one_that_is_not_is_an_error_that_says_what_was_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    start = trio.current_time()
    with pytest.raises(NetworkTimeout) as caught, deadline("read", 5, what="POST /ai: "):
        await trio.sleep_forever()
    assert trio.current_time() - start == 5
    assert str(caught.value) == "POST /ai: silence on the wire within 5 s (timeout 'read')"
    assert (caught.value.phase, caught.value.seconds) == ("read", 5)


async def test_without_seconds_there_is_no_limit(autojump_clock: trio.testing.MockClock) -> None:
    assert expiry(None) == math.inf
    with trio.move_on_after(1e6) as scope, deadline("event", None):
        await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_the_callers_deadline_stays_the_callers(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(trio.TooSlowError), trio.fail_after(1), deadline("connect", 2):
        await trio.sleep_forever()


async def test_an_error_of_the_block_counts_more_than_the_time(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(trio.TooSlowError, match="a transport's own"), deadline("connect", 1):
        raise trio.TooSlowError("a transport's own")


async def test_the_expiry_is_on_trios_clock(autojump_clock: trio.testing.MockClock) -> None:
    assert expiry(3) == trio.current_time() + 3


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("connect", "no connection within 1.5 s (timeout 'connect')"),
        ("send", "the request could not be handed over within 1.5 s (timeout 'send')"),
        ("response", "no response head within 1.5 s (timeout 'response')"),
        ("read", "silence on the wire within 1.5 s (timeout 'read')"),
        ("event", "no event, only heartbeats at most, within 1.5 s (timeout 'event')"),
    ],
)
def test_every_phase_has_its_words(phase: str, words: str) -> None:
    error = timeout_error(phase, 1.5)
    assert str(error) == words
    assert (error.phase, error.seconds) == (phase, 1.5)
