"""Requests found in what a client sends, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import ProtocolError
from nai_trio.transports.tape_requests import RequestReader, TapedRequest

GET = b"GET /user/subscription?x=1 HTTP/1.1\r\nHost: api.example\r\nAccept: a\r\nACCEPT: b\r\n\r\n"
POST = b"POST /ai/generate-image HTTP/1.1\r\nHost: image.example\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /vibe HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"


def shape(request: TapedRequest) -> tuple[str, bytes]:
    return request.line, request.body


WANTED = [
    ("GET /user/subscription?x=1", b""),
    ("POST /ai/generate-image", b"hello"),
    ("POST /vibe", b"hello"),
]


def test_a_request_is_taken_apart() -> None:
    [request] = RequestReader().feed(GET)
    assert (request.method, request.target, request.body, request.masked) == (
        "GET",
        "/user/subscription?x=1",
        b"",
        False,
    )
    assert request.headers == (("host", "api.example"), ("accept", "a"), ("accept", "b"))
    assert (request.header("host"), request.header("accept"), request.header("x")) == ("api.example", "a, b", None)


def test_several_stand_on_one_connection_and_in_one_piece() -> None:
    assert list(map(shape, RequestReader().feed(GET + POST + CHUNKED))) == WANTED


@given(st.lists(st.integers(0, len(GET + POST + CHUNKED)), max_size=8))
def test_they_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    data, reader = GET + POST + CHUNKED, RequestReader()
    places = sorted({0, *cuts, len(data)})
    found = [request for start, end in pairwise(places) for request in reader.feed(data[start:end])]
    assert list(map(shape, found)) == WANTED
    assert reader.idle


def test_between_requests_it_is_idle_and_within_one_it_is_not() -> None:
    reader = RequestReader()
    assert reader.idle
    for end in range(1, len(POST)):
        reader = RequestReader()
        assert reader.feed(POST[:end]) == []
        assert not reader.idle
    reader.feed(POST[-1:])
    assert reader.idle
    reader.feed(b"")
    assert reader.idle


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_kind_of_bytes_will_do(kind: type) -> None:
    assert list(map(shape, RequestReader().feed(kind(POST)))) == [WANTED[1]]


@pytest.mark.parametrize(
    "data", [b"\0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"x" * 70_000, b"PUT /\r\n\r\n"]
)
def test_what_is_no_http_is_refused_with_h11s_reason(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        RequestReader().feed(data)
    assert caught.value.expected == "an HTTP/1.1 request"
    assert isinstance(caught.value.__cause__, h11.RemoteProtocolError)


def test_a_repr_shows_no_header_and_no_body() -> None:
    [request] = RequestReader().feed(POST)
    assert "image.example" not in repr(request)
    assert "hello" not in repr(request)
    assert "<5 bytes>" in repr(request)
