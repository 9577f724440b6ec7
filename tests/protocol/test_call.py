"""One short call, from its request's bytes to its answer: in every cut, ended anywhere, refused, and too long."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import h11
import pytest
import recorded
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    HTTPStatusError,
    LimitExceeded,
    NovelAIError,
    ProtocolError,
    ServerError,
    StreamInterrupted,
)
from nai_trio.protocol import (
    CallExchange,
    Limits,
    encode_vibe_body,
    encode_vibe_call,
    parse_subscription,
    subscription_call,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nai_trio.protocol.http import Request

KEY = "pst-not-a-real-key"
VIBE = bytes(range(256)) * 3
PICTURE = recorded.picture("PNG", 7)
ACCOUNT = json.dumps(
    {
        "tier": 3,
        "active": True,
        "expiresAt": 1790000000,
        "isGracePeriod": False,
        "perks": {
            "maxPriorityActions": 1000,
            "startPriority": 10,
            "contextTokens": 8192,
            "unlimitedMaxPriority": True,
            "moduleTrainingSteps": 10000,
        },
        "trainingStepsLeft": {"fixedTrainingStepsLeft": 9000, "purchasedTrainingSteps": 5},
    }
).encode()


def vibe_call(limits: Limits | None = None) -> CallExchange[bytes]:
    body = encode_vibe_body(PICTURE, model="nai-diffusion-4-5-full", information_extracted=0.7)
    return encode_vibe_call(body, api_key=KEY, host="h", limits=limits)


def account_call(limits: Limits | None = None) -> CallExchange[Any]:
    return subscription_call(api_key=KEY, host="h", limits=limits)


def vibe_response(content: bytes = VIBE, media_type: str = "application/binary", **options: Any) -> bytes:
    return recorded.response(content, media_type, **{"chunk": 100, **options})


def account_response(content: bytes = ACCOUNT, **options: Any) -> bytes:
    return recorded.response(content, "application/json; charset=utf-8", **{"chunk": 100, **options})


CALLS: dict[str, tuple[Callable[..., CallExchange[Any]], Callable[..., bytes], object]] = {
    "vibe": (vibe_call, vibe_response, VIBE),
    "account": (account_call, account_response, parse_subscription(ACCOUNT)),
}
each_call = pytest.mark.parametrize(("make", "respond", "answer"), CALLS.values(), ids=list(CALLS))
each_framing = pytest.mark.parametrize("framing", ["chunked", "length"])


def drive(call: CallExchange[Any], pieces: Iterable[bytes], *, eof: bool = False) -> NovelAIError | None:
    """Feed as a driver does, for as long as it would."""
    call.data_to_send()
    try:
        for piece in [*pieces, *([b""] if eof else [])]:
            if call.complete:
                break
            call.receive_data(piece)
        call.raise_fault()
    except NovelAIError as error:
        assert error is call.fault
        assert not call.complete
        return error
    return None


def cuts(stream: bytes) -> Iterable[list[bytes]]:
    for size in (1, 7, 100, len(stream)):
        yield [stream[start : start + size] for start in range(0, len(stream), size)]


def sent(call: CallExchange[Any]) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(call.data_to_send())
    head = server.next_event()
    assert isinstance(head, h11.Request)
    data = server.next_event()
    return head, bytes(data.data) if isinstance(data, h11.Data) else b""


def test_a_vibes_request_is_a_post_of_json() -> None:
    head, body = sent(vibe_call())
    assert (head.method, head.target) == (b"POST", b"/ai/encode-vibe")
    assert dict(head.headers)[b"authorization"] == f"Bearer {KEY}".encode()
    assert json.loads(body) == {
        "image": base64.b64encode(PICTURE).decode(),
        "information_extracted": 0.7,
        "model": "nai-diffusion-4-5-full",
    }


@pytest.mark.parametrize(("level", "written"), [(1, b":1,"), (1.0, b":1,"), (0.01, b":0.01,")])
def test_a_whole_share_of_information_is_written_as_an_integer(level: float, written: bytes) -> None:
    assert written in encode_vibe_body(b"x", model="m", information_extracted=level)


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


@pytest.mark.parametrize(
    ("content", "media_type", "words"),
    [
        (b"", "application/binary", "an empty body"),
        (b'{"statusCode":500,"message":"try later"}', "application/json", "try later"),
        (b"<html><title>Just a moment</title></html>", "text/html; charset=utf-8", "Just a moment"),
        (PICTURE, "image/png", "image/png"),
        (b'{"statusCode":500,"message":"try later"}\n', "", "try later"),
        (b'{"statusCode":500,"message":"try later"}', "binary/octet-stream", "try later"),
        (b"\n<!DOCTYPE html><title>Just a moment</title>", "application/binary", "Just a moment"),
        (b"<HTML><title>Just a moment</title>", "", "Just a moment"),
    ],
)
def test_what_is_no_vibe_is_refused_with_what_came(content: bytes, media_type: str, words: str) -> None:
    error = drive(vibe_call(), [vibe_response(content, media_type)])
    assert type(error) is ProtocolError
    assert error.expected == "the bytes of an encoded vibe (application/binary)"
    assert words in error.received
    assert error.billing_unknown


@pytest.mark.parametrize(
    "media_type", ["application/binary", "Application/Octet-Stream; x=y", "binary/octet-stream", ""]
)
def test_a_vibe_comes_as_any_kind_of_bytes(media_type: str) -> None:
    call = vibe_call()
    assert drive(call, [vibe_response(media_type=media_type)]) is None
    assert call.answer == VIBE


@pytest.mark.parametrize("content", [b"{}\0\1", b"<", b"[1]", b"7", b'{"a":1', b"\xff\xfe{\0}\0\0"])
def test_bytes_that_only_begin_as_words_do_are_a_vibe_all_the_same(content: bytes) -> None:
    call = vibe_call()
    assert drive(call, [vibe_response(content)]) is None
    assert call.answer == content


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
