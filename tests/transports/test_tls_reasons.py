"""Why TLS failed, in words."""

from __future__ import annotations

import ssl

import pytest
import trio

from nai_trio.transports.tls_reasons import broken, failure_words, handshake_reason


def tls_error(reason: str | None, text: str = "[SSL] some line of its source") -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "sslv3 alert handshake failure (it may want a client certificate, or what we do not offer)",
        ),
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "tlsv13 alert certificate required (the peer wants a client certificate)",
        ),
        (
            "TLSV1_ALERT_UNKNOWN_CA",
            "tlsv1 alert unknown ca (the peer does not know the authority behind our certificate)",
        ),
        ("WRONG_VERSION_NUMBER", "wrong version number (does the peer speak plain http?)"),
        ("BAD_RECORD_TYPE", "bad record type"),
    ],
)
def test_a_failure_is_named_with_the_next_step_where_there_is_one(reason: str, words: str) -> None:
    assert failure_words(tls_error(reason)) == words
    assert handshake_reason(tls_error(reason)) == f"handshake failed: {words}"


def test_a_failure_without_a_name_is_told_by_its_text() -> None:
    assert "some line of its source" in failure_words(tls_error(None))


def test_a_certificate_that_is_not_accepted_says_why() -> None:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed (_ssl.c:1)")
    error.verify_message = "self-signed certificate"
    assert handshake_reason(error) == "certificate not accepted: self-signed certificate"


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError])
def test_a_peer_that_went_away_is_told_as_that(kind: type[ssl.SSLError]) -> None:
    assert handshake_reason(kind(8, "EOF")) == "the peer closed the connection during the handshake"


def test_a_connection_that_broke_is_told_as_that() -> None:
    error = trio.BrokenResourceError("reset by the peer")
    assert handshake_reason(error) == "connection lost during the handshake: reset by the peer"


def test_a_broken_streams_error_is_a_new_one_with_the_cause_each_time() -> None:
    cause = tls_error("BAD_RECORD_TYPE")
    one, other = broken("TLS failed", cause), broken("TLS failed", cause)
    assert one is not other
    assert (str(one), one.__cause__, other.__cause__) == ("TLS failed", cause, cause)
    assert broken("TLS failed", None).__cause__ is None
