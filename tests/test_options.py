"""Timeouts and the decision to send again."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import (
    ConnectError,
    GenerationError,
    NetworkError,
    NetworkTimeout,
    NovelAIError,
    ProtocolError,
    Retry,
    StreamInterrupted,
    Timeouts,
)
from nai_trio.errors import status_error

TIMEOUTS = [field.name for field in attrs.fields(Timeouts)]


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("value", [None, 0.001, 5, 1e9, float("inf")])
def test_a_timeout_is_seconds_or_none(name: str, value: float | None) -> None:
    assert getattr(Timeouts(**{name: value}), name) == value


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("value", [0, -1, 0.0, float("nan"), True, "5", [5]])
def test_a_timeout_that_is_no_time_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected seconds greater than 0"):
        Timeouts(**{name: value})


def test_every_wait_is_bounded_by_default() -> None:
    assert all(getattr(Timeouts(), name) is not None for name in TIMEOUTS)


@pytest.mark.parametrize("record", [Timeouts, Retry])
def test_settings_are_frozen_and_by_keyword(record: type) -> None:
    with pytest.raises(TypeError):
        record(5)
    settings_record = record()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings_record.connect = 5


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
def test_attempts_are_an_integer_of_at_least_one(value: object) -> None:
    with pytest.raises(ValueError, match="attempts: expected an integer of at least 1"):
        Retry(attempts=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["first_delay", "max_delay"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), True, "1", None])
def test_delays_are_seconds_of_at_least_zero(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected seconds of at least 0"):
        Retry(**{name: value})  # type: ignore[arg-type]


def billed(error: NovelAIError) -> NovelAIError:
    error.billing_unknown = True
    return error


AGAIN = [
    *(status_error(status, "m") for status in (429, 502, 503, 504)),
    status_error(429, "Concurrent generation is locked"),
    ConnectError("refused"),
    NetworkTimeout("connect"),
    NetworkError("reset before it was sent"),
]
NEVER = [
    *(status_error(status, "m") for status in (302, 400, 401, 402, 403, 404, 409, 422, 500, 501, 505)),
    billed(StreamInterrupted("cut")),
    billed(NetworkTimeout("read")),
    billed(NetworkError("reset")),
    GenerationError("failed"),
    ProtocolError("wrong"),
    NovelAIError("other"),
]


@pytest.mark.parametrize("error", AGAIN, ids=repr)
def test_what_cannot_have_been_billed_is_sent_again(error: NovelAIError) -> None:
    assert Retry(attempts=2).delay(1, error) == 2.0


@pytest.mark.parametrize("error", NEVER, ids=repr)
def test_what_may_have_been_billed_or_is_final_is_not(error: NovelAIError) -> None:
    assert Retry(attempts=10).delay(1, error) is None


def test_the_default_sends_once() -> None:
    assert Retry().delay(1, ConnectError("refused")) is None


def test_delays_double_up_to_the_longest_and_end_with_the_attempts() -> None:
    retry = Retry(attempts=6, first_delay=3, max_delay=20)
    assert [retry.delay(attempt, ConnectError("refused")) for attempt in range(1, 8)] == [3, 6, 12, 20, 20, None, None]


@pytest.mark.parametrize(("asked", "delay"), [("0", 0.0), ("5", 5.0), ("30", 30.0), ("31", None), ("soon", 2.0)])
def test_what_the_service_asks_for_counts_unless_it_is_too_long(asked: str, delay: float | None) -> None:
    assert Retry(attempts=2).delay(1, status_error(429, "m", [("retry-after", asked)])) == delay


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 10**6), st.floats(0, 1e308), st.floats(0, 1e308))
def test_any_attempt_has_a_delay_within_bounds(attempt: int, first: float, longest: float) -> None:
    retry = Retry(attempts=10**7, first_delay=first, max_delay=longest)
    delay = retry.delay(attempt, ConnectError("refused"))
    assert delay is not None
    assert 0 <= delay <= longest
