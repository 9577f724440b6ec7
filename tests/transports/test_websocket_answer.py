"""What a relay said instead of opening a WebSocket, read from however few bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import ProxyAuthenticationError, ProxyError
from nai_trio.transports.websocket_answer import Refusal, read_refusal

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


def refusal(greeting: bytes, fault: Exception | None = None, **options: Any) -> Refusal:
    settings = {"subprotocol": "binary", "secrets": ["s3cret"], "credentials": False, **options}
    return read_refusal(greeting, fault, **settings)


def test_a_relay_that_says_nothing_has_closed_or_broken() -> None:
    assert refusal(b"").reason == "the relay closed the connection without an answer"
    broken = refusal(b"", OSError("reset by the peer"))
    assert broken.reason == "the connection to the relay broke before it answered: reset by the peer"
    assert (broken.kind, broken.facts) == (ProxyError, {"status": 0, "message": ""})


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9\r\n", b"\0\1\2\r\n\r\n", b"HTTP/1.1 2", b"HTTP/1.1 403 No\r\n"]
)
def test_what_is_no_whole_head_is_no_answer(greeting: bytes) -> None:
    assert refusal(greeting).reason == "the relay did not answer in HTTP"


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (b"403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the relay refused: 403 Forbidden", "Forbidden"),
        (b"502 \r\n\r\n", "the relay refused: 502", ""),
        (
            b"403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 90\r\n\r\nnot from here\n",
            "the relay refused: 403 Forbidden: not from here",
            "Forbidden: not from here",
        ),
        (
            b"403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            "the relay refused: 403 Forbidden",
            "Forbidden",
        ),
        (b"200 OK\r\n\r\n", "the relay refused: 200 OK", "OK"),
    ],
)
def test_a_refusal_is_told_with_the_relays_plain_words(answer: bytes, reason: str, message: str) -> None:
    found = refusal(b"HTTP/1.1 " + answer)
    assert (found.reason, found.message, found.status, found.kind) == (reason, message, int(answer[:3]), ProxyError)


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize(
    ("credentials", "problem"), [(True, "does not take the credentials given"), (False, "wants credentials")]
)
def test_credentials_that_are_missing_or_wrong_have_an_error_of_their_own(
    status: int, credentials: bool, problem: str
) -> None:
    found = refusal(b"HTTP/1.1 %d Who are you\r\n\r\n" % status, credentials=credentials)
    assert found.kind is ProxyAuthenticationError
    assert found.reason == f"the relay {problem}: {status} Who are you"
    assert found.facts == {"status": status, "message": "Who are you"}


def test_another_sub_protocol_is_named() -> None:
    found = refusal(SWITCHING + b"Sec-WebSocket-Protocol: chat\r\n\r\n")
    assert (found.reason, found.status) == ("expected the sub-protocol 'binary' or none, got 'chat'", 101)


def test_a_handshake_that_is_none_is_told_with_the_first_complaint() -> None:
    first = ValueError("wrong accept token")
    later = RuntimeError("cannot be sent")
    later.__context__ = first
    words = "the relay's answer is no WebSocket handshake"
    assert refusal(SWITCHING + b"\r\n", later).reason == f"{words}: wrong accept token"
    assert refusal(SWITCHING + b"Sec-WebSocket-Protocol: binary\r\n\r\n").reason == words


def test_secrets_that_a_relay_repeats_are_not_shown() -> None:
    body = b"token s3cret is unknown"
    head = b"HTTP/1.1 401 no s3cret\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    found = refusal(head + body, credentials=True)
    assert "s3cret" not in found.reason + found.message
    assert "is unknown" in found.message
    assert "s3cret" not in refusal(SWITCHING + b"Sec-WebSocket-Protocol: s3cret\r\n\r\n").reason


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"HTTP/1.1 403 No\r\n" + rest))
def test_any_greeting_is_a_short_printable_reason(greeting: bytes) -> None:
    found = refusal(greeting)
    assert found.reason.isprintable()
    assert len(found.reason) < 400
