"""The error tree: classes, words, what they carry, and that they survive travel."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    ConflictError,
    ConnectError,
    GenerationError,
    HTTPStatusError,
    InvalidParamsError,
    InvalidRequestError,
    LimitExceeded,
    MissingAPIKeyError,
    NetworkError,
    NetworkTimeout,
    NotFoundError,
    NovelAIError,
    PaymentRequiredError,
    ProtocolError,
    ProxyAuthenticationError,
    ProxyError,
    RateLimitError,
    ServerError,
    StreamInterrupted,
    errors,
)
from nai_trio.errors import status_error
from nai_trio.protocol import FinalChunk, IntermediateChunk

PARENTS = {
    NovelAIError: Exception,
    MissingAPIKeyError: NovelAIError,
    InvalidParamsError: NovelAIError,
    HTTPStatusError: NovelAIError,
    InvalidRequestError: HTTPStatusError,
    AuthenticationError: HTTPStatusError,
    PaymentRequiredError: HTTPStatusError,
    NotFoundError: HTTPStatusError,
    ConflictError: HTTPStatusError,
    RateLimitError: HTTPStatusError,
    ConcurrencyLockedError: RateLimitError,
    ServerError: HTTPStatusError,
    NetworkError: NovelAIError,
    ConnectError: NetworkError,
    ProxyError: ConnectError,
    ProxyAuthenticationError: ProxyError,
    NetworkTimeout: NetworkError,
    StreamInterrupted: NetworkError,
    ProtocolError: NovelAIError,
    LimitExceeded: ProtocolError,
    GenerationError: NovelAIError,
}
PREVIEW = IntermediateChunk(samp_ix=0, step_ix=0, steps=2, gen_id=1, sigma=1.0, image=b"\xff\xd8\xff")
FINAL = FinalChunk(samp_ix=0, gen_id=1, image=b"\x89PNG\r\n\x1a\n")


def test_the_tree_is_the_documented_one_and_whole() -> None:
    public = {getattr(errors, name) for name in errors.__all__ if name != "status_error"}
    assert public == set(PARENTS)
    for kind, parent in PARENTS.items():
        assert kind.__bases__[0] is parent
    assert issubclass(InvalidParamsError, ValueError)


def test_only_invalid_params_are_value_errors() -> None:
    assert [kind for kind in PARENTS if issubclass(kind, ValueError)] == [InvalidParamsError]


@pytest.mark.parametrize("kind", list(PARENTS), ids=lambda kind: kind.__name__)
def test_every_error_has_the_evidence_and_survives_travel(kind: type[NovelAIError]) -> None:
    error = kind("words")
    assert (error.billing_unknown, error.previews, error.finals) == (False, [], [])
    error.attach(billing_unknown=True, previews=[PREVIEW], finals=iter([FINAL]))
    assert (error.billing_unknown, error.previews, error.finals) == (True, [PREVIEW], [FINAL])
    for same in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(same) is kind
        assert (str(same), same.args, vars(same)) == (str(error), error.args, vars(error))
    assert "words" in str(error)
    assert kind("words").previews == []  # what one error carries is its own


def test_attributes_of_each_kind_survive_travel() -> None:
    timeout = NetworkTimeout("slow")
    timeout.phase, timeout.seconds = "read", 60.0
    originals: list[NovelAIError] = [
        status_error(429, "Concurrent generation is locked", [("retry-after", "7")]),
        ProtocolError.mismatch(expected="a", received="b", offset=3),
        LimitExceeded.of("max_images", 4, "a ZIP with 5"),
        InvalidParamsError.for_field("steps", 51, "an integer from 1 to 50"),
        GenerationError("failed", code="E1", samp_ix=2),
        timeout,
    ]
    for error in originals:
        assert vars(error)
        same = pickle.loads(pickle.dumps(error))
        assert (type(same), str(same), vars(same)) == (type(error), str(error), vars(error))


STATUSES = {
    300: (HTTPStatusError, False),
    302: (HTTPStatusError, False),
    400: (InvalidRequestError, False),
    401: (AuthenticationError, False),
    402: (PaymentRequiredError, False),
    403: (HTTPStatusError, False),
    404: (NotFoundError, False),
    405: (HTTPStatusError, False),
    409: (ConflictError, False),
    418: (HTTPStatusError, False),
    422: (InvalidRequestError, False),
    429: (RateLimitError, False),
    500: (ServerError, False),
    501: (ServerError, True),
    502: (ServerError, True),
    503: (ServerError, True),
    504: (ServerError, True),
    599: (ServerError, True),
}


@pytest.mark.parametrize("status", list(STATUSES))
def test_a_status_has_its_class_and_its_billing(status: int) -> None:
    error = status_error(status, "words", iter([("x-a", "1")]))
    kind, unknown = STATUSES[status]
    assert (type(error), error.billing_unknown) == (kind, unknown)
    assert (error.status, error.message, error.headers, str(error)) == (
        status,
        "words",
        {"x-a": "1"},
        f"{status}: words",
    )


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Concurrent generation is locked", ConcurrencyLockedError),
        ("Concurrent free generation requests are not allowed", ConcurrencyLockedError),
        ("concurrent GENERATION", ConcurrencyLockedError),
        ("Too many requests", RateLimitError),
        ("", RateLimitError),
    ],
)
def test_the_accounts_lock_is_told_by_its_words(message: str, kind: type) -> None:
    assert type(status_error(429, message)) is kind
    assert type(status_error(409, message)) is ConflictError


NOW = "Mon, 01 Jan 2024 00:00:00 GMT"
RETRY_AFTER = [
    ([("retry-after", "7")], 7.0),
    ([("retry-after", " 0 ")], 0.0),
    ([("retry-after", "Mon, 01 Jan 2024 00:01:30 GMT"), ("date", NOW)], 90.0),
    ([("retry-after", "Sun, 31 Dec 2023 23:59:00 GMT"), ("date", NOW)], 0.0),
    ([("retry-after", "Mon, 01 Jan 2024 01:00:00 +0100"), ("date", NOW)], 0.0),
    ([], None),
    ([("retry-after", "")], None),
    ([("retry-after", "-1")], None),
    ([("retry-after", "1.5")], None),
    ([("retry-after", "soon")], None),
    ([("retry-after", "\u0667")], None),
    ([("retry-after", "\u00b2")], None),
    ([("retry-after", "Mon, 01 Jan 2024 00:01:30 GMT")], None),
    ([("retry-after", "Mon, 01 Jan 2024 00:01:30 GMT"), ("date", "today")], None),
    ([("retry-after", "Mon, 01 Jan 2024 00:01:30 -0000"), ("date", NOW)], None),
    ([("retry-after", "Mon, 99 Jan 2024 00:01:30 GMT"), ("date", NOW)], None),
    ([("retry-after", "Mon, 01 Jan 2024 00:00:00 +" + "9" * 20), ("date", NOW)], None),
]


@pytest.mark.parametrize(("headers", "seconds"), RETRY_AFTER)
def test_retry_after_is_seconds_or_a_date(headers: list[tuple[str, str]], seconds: float | None) -> None:
    assert RateLimitError("m", status=429, headers=headers).retry_after == seconds


header_like = st.text(alphabet="0123456789+-:, GMTJanFebMon", max_size=40)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(header_like | st.text(max_size=20), header_like | st.just(NOW))
def test_any_retry_after_is_seconds_of_at_least_zero_or_none(value: str, date: str) -> None:
    seconds = RateLimitError("m", headers=[("retry-after", value), ("date", date)]).retry_after
    assert seconds is None or seconds >= 0


def test_a_mismatch_says_what_was_expected_what_came_and_where() -> None:
    error = ProtocolError.mismatch(expected="a map", received="a list", offset=0)
    assert str(error) == "expected a map, got a list at byte 0 of the body"
    assert (error.expected, error.received, error.offset) == ("a map", "a list", 0)
    assert str(ProtocolError.mismatch(expected="a", received="b")) == "expected a, got b"


@pytest.mark.parametrize(("limit", "unit"), [("max_event_size", "bytes"), ("max_images", "pictures")])
def test_a_limit_is_named_with_its_value_and_unit(limit: str, unit: str) -> None:
    error = LimitExceeded.of(limit, 5, "more", offset=9)
    assert str(error) == f"expected at most 5 {unit} ({limit}), got more at byte 9 of the body"
    assert (error.limit, error.allowed, error.offset) == (limit, 5, 9)


def test_a_refused_parameter_is_named_and_a_long_value_cut() -> None:
    error = InvalidParamsError.for_field("steps", 51, "an integer from 1 to 50")
    assert str(error) == "steps: expected an integer from 1 to 50, got 51"
    assert (error.field, error.value, error.allowed) == ("steps", 51, "an integer from 1 to 50")
    assert len(str(InvalidParamsError.for_field("prompt", "x" * 10_000, "text"))) < 120


@pytest.mark.parametrize(("code", "text"), [(None, "failed"), (500, "failed (code 500)"), (0, "failed (code 0)")])
def test_a_generation_error_shows_its_code(code: int | None, text: str) -> None:
    assert str(GenerationError("failed", code=code)) == text


class Hostile:
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("value", [10**5000, Hostile(), "x" * 10_000], ids=["long", "hostile", "text"])
def test_a_value_that_cannot_be_shown_is_still_refused_in_words(value: object) -> None:
    error = InvalidParamsError.for_field("steps", value, "an integer")
    assert str(error).startswith("steps: expected an integer, got ")
    assert len(str(error)) < 150
    assert error.value is value
