"""Timeouts and the decision to send again."""

from __future__ import annotations

import attrs
import pytest

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


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), True, "1", None])
def test_jitter_is_a_share(value: object) -> None:
    with pytest.raises(ValueError, match="jitter: expected a number from 0 to 1"):
        Retry(jitter=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, float("nan"), True, "1"])
def test_the_total_is_seconds_or_none(value: object) -> None:
    with pytest.raises(ValueError, match="max_total: expected seconds greater than 0, or None for no limit"):
        Retry(max_total=value)  # type: ignore[arg-type]
    assert Retry(max_total=None).max_total is None


@pytest.mark.parametrize("value", [{500}, {200, 429}, {404}, ["429"], {None}])
def test_statuses_that_may_be_billed_or_are_final_cannot_be_tried_again(value: set[int]) -> None:
    with pytest.raises(ValueError, match="statuses: expected some of 429, 502, 503 and 504"):
        Retry(statuses=value)


def test_statuses_are_a_set_of_statuses() -> None:
    with pytest.raises(ValueError, match="statuses: expected a set of HTTP statuses, got 429"):
        Retry(statuses=429)  # type: ignore[arg-type]
    assert Retry(statuses=[429, 503]).statuses == {429, 503}  # type: ignore[arg-type]


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
def test_what_cannot_have_been_billed_may_be_sent_again(error: NovelAIError) -> None:
    assert Retry().may_send_again(error)


@pytest.mark.parametrize("error", NEVER, ids=repr)
def test_what_may_have_been_billed_or_is_final_may_not(error: NovelAIError) -> None:
    assert not Retry().may_send_again(error)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_the_strictest_setting_trusts_no_gateway(status: int) -> None:
    strict = Retry(statuses={429})
    assert not strict.may_send_again(status_error(status, "m"))
    assert strict.may_send_again(status_error(429, "m"))
