"""One code per kind of ending."""

from __future__ import annotations

import signal

import pytest

import nai_trio
from nai_trio import errors
from nai_trio.cli.exit_codes import EXIT_CODES, OutputError, exit_code, signal_code

CODES = {
    errors.InvalidParamsError: 2,
    errors.MissingAPIKeyError: 3,
    errors.AuthenticationError: 3,
    errors.PaymentRequiredError: 4,
    errors.RateLimitError: 5,
    errors.ConcurrencyLockedError: 5,
    errors.HTTPStatusError: 6,
    errors.InvalidRequestError: 6,
    errors.NotFoundError: 6,
    errors.ConflictError: 6,
    errors.ServerError: 6,
    errors.NetworkError: 7,
    errors.ConnectError: 7,
    errors.ProxyError: 7,
    errors.ProxyAuthenticationError: 7,
    errors.NetworkTimeout: 7,
    errors.StreamInterrupted: 7,
    errors.ProtocolError: 8,
    errors.LimitExceeded: 8,
    errors.GenerationError: 8,
    OutputError: 9,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_each_error_ends_with_its_code(kind: type[Exception], code: int) -> None:
    assert exit_code(kind("text")) == code


def test_no_public_error_is_without_a_code() -> None:
    public = {value for name in nai_trio.__all__ if isinstance(value := getattr(nai_trio, name), type)}
    kinds = {kind for kind in public if issubclass(kind, errors.NovelAIError)}
    assert kinds - {errors.NovelAIError} == set(CODES) - {OutputError}


def test_an_error_that_nobody_expected_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(ZeroDivisionError())


def test_codes_are_unique_and_signals_count_as_in_a_shell() -> None:
    codes = [code for code, _, _ in EXIT_CODES]
    assert codes == sorted(set(codes))
    assert {signal_code(signal.SIGINT), signal_code(signal.SIGTERM)} == {130, 143} <= set(codes)
