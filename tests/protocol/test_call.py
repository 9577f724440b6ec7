"""One short call, from its request's bytes to its answer: in every cut, ended anywhere, refused, and too long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import recorded
from calls import KEY, VIBE, drive, sent, vibe_call, vibe_response
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    HTTPStatusError,
    LimitExceeded,
    ProtocolError,
    ServerError,
    StreamInterrupted,
)
from nai_trio.protocol import (
    CallExchange,
    Limits,
    parse_subscription,
    subscription_call,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nai_trio.protocol.http import Request

ACCOUNT = json.dumps(recorded.ACCOUNT).encode()


def account_call(limits: Limits | None = None) -> CallExchange[Any]:
    return subscription_call(api_key=KEY, host="h", limits=limits)


def account_response(content: bytes = ACCOUNT, **options: Any) -> bytes:
    return recorded.response(content, "application/json; charset=utf-8", **{"chunk": 100, **options})


CALLS: dict[str, tuple[Callable[..., CallExchange[Any]], Callable[..., bytes], object]] = {
    "vibe": (vibe_call, vibe_response, VIBE),
    "account": (account_call, account_response, parse_subscription(ACCOUNT)),
}
each_call = pytest.mark.parametrize(("make", "respond", "answer"), CALLS.values(), ids=list(CALLS))
each_framing = pytest.mark.parametrize("framing", ["chunked", "length"])


def cuts(stream: bytes) -> Iterable[list[bytes]]:
    for size in (1, 7, 100, len(stream)):
        yield [stream[start : start + size] for start in range(0, len(stream), size)]


def test_an_accounts_request_is_a_get_without_a_body() -> None:
    head, body = sent(subscription_call(api_key=KEY, host="h", path_prefix="/novelai"))
    headers = dict(head.headers)
    assert (head.method, head.target, body) == (b"GET", b"/novelai/user/subscription", b"")
    assert headers[b"authorization"] == f"Bearer {KEY}".encode()
    assert b"content-length" not in headers
    assert b"content-type" not in headers


@each_call
@each_framing
@pytest.mark.parametrize("status", [200, 201])
def test_the_answer_is_the_same_in_every_cut(
    make: Any, respond: Any, answer: object, framing: str, status: int
) -> None:
    for pieces in cuts(respond(framing=framing, status=status)):
        call = make()
        assert drive(call, pieces) is None
        assert (call.answer, call.status, call.complete, call.reusable) == (answer, status, True, True)


@each_call
@each_framing
def test_an_end_of_file_at_every_byte_is_an_interruption(make: Any, respond: Any, answer: object, framing: str) -> None:
    stream = respond(framing=framing)
    for end in range(len(stream)):
        call = make()
        error = drive(call, [stream[:end]] if end else [], eof=True)
        assert type(error) is StreamInterrupted, end
        assert error.billing_unknown is call.billed
        with pytest.raises(RuntimeError, match="not complete"):
            call.answer  # noqa: B018


def test_bytes_whose_end_is_not_marked_may_be_cut_and_are_no_answer() -> None:
    call = vibe_call()
    error = drive(call, [vibe_response(framing="close")], eof=True)
    assert type(error) is StreamInterrupted
    assert "may be cut" in str(error)
    assert error.billing_unknown


def test_json_whose_end_is_not_marked_proves_it_itself() -> None:
    stream = account_response(framing="close")
    call = account_call()
    assert drive(call, [stream], eof=True) is None
    assert call.answer.anlas == 9005
    assert not call.reusable
    start = stream.index(b"\r\n\r\n") + 4
    for end in range(start, len(stream)):
        error = drive(account_call(), [stream[:end]], eof=True)
        assert type(error) is ProtocolError, end
        assert error.expected == "a subscription, a JSON object"


def test_the_answer_comes_out_once_with_the_byte_that_completes_it() -> None:
    call = vibe_call()
    stream = vibe_response(framing="length")
    call.data_to_send()
    assert call.receive_data(stream[:-1]) == []
    assert not call.complete
    assert call.receive_data(stream[-1:]) == [VIBE]


REFUSALS: list[tuple[int, bytes, type[HTTPStatusError], bool]] = [
    (401, b'{"statusCode":401,"message":"Unauthorized"}\n', AuthenticationError, False),
    (429, b'{"statusCode":429,"message":"Concurrent generation is locked"}\n', ConcurrencyLockedError, False),
    (500, b'{"statusCode":500,"message":"Internal Server Error"}', ServerError, False),
    (502, b"<html><title>Bad gateway</title></html>", ServerError, True),
    (302, b"", HTTPStatusError, False),
]


@each_call
@pytest.mark.parametrize(("status", "body", "kind", "unknown"), REFUSALS)
def test_a_refusal_is_the_status_error_that_a_generation_gets(
    make: Any, respond: Any, answer: object, status: int, body: bytes, kind: type[HTTPStatusError], unknown: bool
) -> None:
    stream = recorded.response(body, "application/json", status=status, framing="length")
    for pieces in cuts(stream):
        call = make()
        error = drive(call, pieces)
        assert type(error) is kind
        assert error.status == status
        assert error.billing_unknown is (unknown and call.billed)
        assert (call.accepted, call.reusable) == (False, True)


def test_a_refusal_that_is_cut_keeps_its_status() -> None:
    stream = recorded.response(b'{"message":"no"}', "application/json", status=403, framing="length")
    for end in range(stream.index(b"\r\n\r\n") + 4, len(stream)):
        error = drive(vibe_call(), [stream[:end]], eof=True)
        assert isinstance(error, HTTPStatusError)
        assert error.status == 403


@each_call
def test_the_limit_is_exact_in_every_cut(make: Any, respond: Any, answer: object) -> None:
    size = len(VIBE) if answer == VIBE else len(ACCOUNT)
    for pieces in cuts(respond()):
        assert drive(make(Limits(max_call_size=size)), pieces) is None
        error = drive(make(Limits(max_call_size=size - 1)), pieces)
        assert isinstance(error, LimitExceeded)
        assert (error.limit, error.allowed) == ("max_call_size", size - 1)


def test_a_call_reads_whatever_the_caller_wants() -> None:
    request: Request = vibe_call()._http._request
    call = CallExchange(request, read=lambda head, body: (head.headers["content-type"], len(body)))
    assert drive(call, [vibe_response()]) is None
    assert call.answer == ("application/binary", len(VIBE))


def test_the_buffered_door_leads_to_the_same_answer() -> None:
    call = account_call()
    stream = account_response()
    for byte in stream:
        call.get_buffer()[:1] = bytes([byte])
        call.buffer_updated(1)
    assert call.answer == parse_subscription(ACCOUNT)


def test_the_key_shows_in_no_repr() -> None:
    for call in (vibe_call(), account_call()):
        assert KEY not in repr(call)
        assert KEY not in repr(vars(call))


@each_call
@given(data=st.data())
def test_any_damage_gives_the_answer_or_one_of_our_errors(
    make: Any, respond: Any, answer: object, data: st.DataObject
) -> None:
    stream = bytearray(respond())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(stream) - 1))
        stream[place : place + 1] = data.draw(st.binary(max_size=3))
    call = make()
    error = drive(call, [bytes(stream)], eof=True)
    assert call.complete is (error is None)


@given(st.binary(max_size=200))
def test_any_bytes_under_a_good_head_end_in_one_of_our_errors(content: bytes) -> None:
    error = drive(account_call(), [account_response(content)])
    assert type(error) is ProtocolError


@pytest.mark.parametrize(("status", "accepted"), [(200, True), (201, True), (300, False), (402, False)])
def test_the_head_alone_tells_whether_the_call_was_accepted(status: int, accepted: bool) -> None:
    call = vibe_call()
    call.data_to_send()
    assert not call.accepted
    assert call.receive_data(b"HTTP/1.1 %d Words\r\nContent-Length: 100\r\n\r\n" % status) == []
    assert (call.status, call.accepted, call.complete) == (status, accepted, False)
