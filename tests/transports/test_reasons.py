"""Why no connection could be opened: the system's numbers in words, whatever they are wrapped in."""

from __future__ import annotations

import errno
import socket

import pytest

from nai_trio.transports.reasons import connect_reason

REFUSED = "refused (nothing listens there)"


def refused(address: str = "127.0.0.1") -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"Error connecting to ('{address}', 443)")


def caused_by(cause: BaseException, text: str = "all attempts failed") -> OSError:
    error = OSError(text)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ECONNREFUSED, REFUSED),
        (errno.ECONNRESET, "reset by the peer"),
        (errno.ETIMEDOUT, "no answer (timed out)"),
        (errno.ENETUNREACH, "network unreachable"),
        (errno.EHOSTUNREACH, "host unreachable"),
        (errno.EACCES, "not permitted"),
        (errno.EPERM, "not permitted"),
        (errno.EADDRNOTAVAIL, "address not available on this machine"),
        (errno.EMFILE, "too many open files in this process"),
        (errno.ENFILE, "too many open files on this machine"),
        (errno.EAFNOSUPPORT, "address family not supported by protocol"),
    ],
)
def test_the_systems_numbers_are_in_words(number: int, words: str) -> None:
    assert connect_reason(OSError(number, "the address again ('127.0.0.1', 443)")) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name not found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "name lookup failed for now"),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable"), "name lookup failed: Non-recoverable"),
        (UnicodeError("label too long"), "not a valid host name"),
        (OSError("no results"), "no results"),
        (OSError(), "OSError"),
        (ValueError("odd"), "odd"),
    ],
)
def test_what_has_no_number_or_one_of_its_own_is_in_words_too(error: BaseException, words: str) -> None:
    assert connect_reason(error) == words


def test_alike_reasons_are_said_once_and_others_in_their_order() -> None:
    unreachable = OSError(errno.ENETUNREACH, "Network is unreachable")
    group = ExceptionGroup("", [refused("127.0.0.1"), ExceptionGroup("", [unreachable, refused("::1")])])
    assert connect_reason(group) == f"{REFUSED}, network unreachable"
    assert connect_reason(caused_by(group)) == f"{REFUSED}, network unreachable"


def test_a_connection_that_broke_has_its_reason_one_below() -> None:
    assert connect_reason(caused_by(ConnectionResetError(errno.ECONNRESET, "reset"), "broken")) == "reset by the peer"


def test_a_cause_that_is_none_of_these_does_not_count() -> None:
    assert connect_reason(caused_by(ValueError("elsewhere"), "here")) == "here"
