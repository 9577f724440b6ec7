"""One HTTP/1.1 exchange: its request, what it promises of a response, its limits and faults.

What is a response and what is none is held by tests/conformance/test_http_framing.py.
"""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import TYPE_CHECKING

import attrs
import h11
import pytest
from cuttings import cuttings, split_at
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError, ProtocolError, StreamInterrupted
from nai_trio._version import __version__
from nai_trio.protocol import APIKey, HTTPExchange, Limits, Request, ResponseHead, get_request, json_request

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "pst-not-a-real-key"
REQUEST = json_request(host="image.novelai.net", target="/ai/x", api_key=KEY, body=b'{"a":1}')


def exchange(limits: Limits | None = None) -> HTTPExchange:
    result = HTTPExchange(REQUEST, limits=limits)
    result.data_to_send()
    return result


def drive(http: HTTPExchange, pieces: Iterable[bytes], *, eof: bool = False) -> tuple[bytes, NovelAIError | None]:
    """Feed as a driver does; `eof` ends the connection after the last piece."""
    body = b""
    raised = None
    try:
        for piece in pieces:
            body += b"".join(http.feed(piece)) if piece else b""
        if eof:
            body += b"".join(http.feed(b""))
        http.raise_fault()
    except NovelAIError as error:
        raised = error
    assert raised is http.fault
    return body, raised


def served(
    status: int, headers: list[tuple[str, str]], body: list[bytes], trailers: tuple[tuple[str, str], ...] = ()
) -> bytes:
    """What h11 as a server writes for one response."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(REQUEST.to_bytes())
    while not isinstance(server.next_event(), h11.EndOfMessage):
        pass
    events: list[h11.Event] = [h11.Response(status_code=status, headers=headers, reason=b"Some Reason")]
    events += [h11.Data(data=piece) for piece in body]
    events.append(h11.EndOfMessage(headers=list(trailers)))
    return b"".join(server.send(event) or b"" for event in events)


CHUNKED = served(200, [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")], [b"first,", b"second"])
SIZED = served(200, [("Content-Length", "12")], [b"first,second"])
TRAILED = served(200, [("Transfer-Encoding", "chunked")], [b"first,second"], (("X-Sum", "12"),))
BODY = b"first,second"


def test_the_request_is_exact() -> None:
    assert REQUEST.to_bytes() == (
        b"POST /ai/x HTTP/1.1\r\nHost: image.novelai.net\r\nAuthorization: Bearer pst-not-a-real-key\r\n"
        b"Content-Type: application/json\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        b"User-Agent: nai-trio/" + __version__.encode() + b'\r\nContent-Length: 7\r\n\r\n{"a":1}'
    )


def test_a_server_reads_the_request_as_it_was_meant() -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(exchange_bytes := HTTPExchange(REQUEST).data_to_send())
    head, data, end = server.next_event(), server.next_event(), server.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == (b"POST", b"/ai/x")
    assert dict(head.headers)[b"authorization"] == b"Bearer pst-not-a-real-key"
    assert isinstance(data, h11.Data)
    assert data.data == b'{"a":1}'
    assert isinstance(end, h11.EndOfMessage)
    assert exchange_bytes == REQUEST.to_bytes()


def test_the_request_is_handed_out_once() -> None:
    http = HTTPExchange(REQUEST)
    assert http.data_to_send()
    assert http.data_to_send() == b""


def test_a_request_without_a_body_has_length_zero_but_for_a_get() -> None:
    request = Request(method="POST", target="/", headers=(("Host", "h"),))
    assert request.to_bytes() == b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    assert attrs.evolve(request, method="GET").to_bytes() == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert attrs.evolve(request, method="GET", body=b"x").to_bytes().endswith(b"Content-Length: 1\r\n\r\nx")


def test_both_request_builders_write_the_same_headers() -> None:
    post = json_request(host="h:1", target="/a", api_key="pst-not-a-real-key", body=b"{}", accept="image/png")
    get = get_request(host="h:1", target="/b?c=d", api_key="pst-not-a-real-key", accept="image/png")
    assert (get.method, get.target, get.body) == ("GET", "/b?c=d", b"")
    assert [header for header in post.headers if header[0] != "Content-Type"] == list(get.headers)
    assert ("Content-Type", "application/json") in post.headers
    assert dict(get.headers)["Accept"] == "image/png"
    assert "pst-not" not in repr(get)


BAD_REQUESTS = {
    "CRLF in a value": {"headers": (("Host", "h\r\nX-Evil: 1"),)},
    "LF in a value": {"headers": (("Host", "h"), ("X", "a\nb"))},
    "NUL in a value": {"headers": (("Host", "h\0"),)},
    "a value beyond ASCII": {"headers": (("Host", "h\u00e9"),)},
    "CRLF in a name": {"headers": (("Host", "h"), ("X\r\nY", "1"))},
    "a colon in a name": {"headers": (("Host", "h"), ("X:Y", "1"))},
    "CRLF in the target": {"target": "/ HTTP/1.1\r\nX: 1"},
    "a space in the target": {"target": "/a b"},
    "a target beyond ASCII": {"target": "/\u00e9"},
    "a space in the method": {"method": "GET /"},
    "no Host": {"headers": ()},
}


@pytest.mark.parametrize("changes", BAD_REQUESTS.values(), ids=list(BAD_REQUESTS))
def test_what_would_break_out_of_the_head_is_refused(changes: dict[str, object]) -> None:
    fields = {"method": "POST", "target": "/", "headers": (("Host", "h"),), **changes}
    with pytest.raises(ValueError, match="characters that HTTP does not allow") as caught:
        Request(**fields).to_bytes()  # type: ignore[arg-type]
    assert type(caught.value) is ValueError


def test_a_host_cannot_inject_headers() -> None:
    request = json_request(host="h\r\nX-Evil: 1", target="/", api_key=KEY, body=b"{}")
    with pytest.raises(ValueError, match="does not allow") as caught:
        request.to_bytes()
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_key_shows_in_no_repr_and_no_error() -> None:
    shown = [repr(REQUEST), str(REQUEST), repr(exchange()), repr(vars(exchange())), f"{APIKey(KEY)}"]
    request = Request(method="POST", target="/", headers=(("Host", "h"), ("Authorization", f"Bearer {KEY}\n")))
    with pytest.raises(ValueError, match="HTTP") as caught:
        request.to_bytes()
    shown.append("".join(traceback.format_exception(caught.value)))
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize("response", [CHUNKED, SIZED, TRAILED], ids=["chunked", "sized", "with trailers"])
def test_a_marked_body_comes_out_whole_in_every_cut(response: bytes) -> None:
    for pieces in cuttings(response):
        http = exchange()
        assert drive(http, pieces) == (BODY, None)
        assert (http.ended, http.delimited, http.reusable) == (True, True, True)
        assert http.require_head().status == 200


def test_the_head_is_kept_in_its_order_with_lower_case_names() -> None:
    http = exchange()
    assert http.head is None
    http.feed(b"HTTP/1.1 299 Odd\xe9\r\nX-B:  two \r\nx-a: one\r\nX-B: three\r\nContent-Length: 0\r\n\r\n")
    headers = (("x-b", "two"), ("x-a", "one"), ("x-b", "three"), ("content-length", "0"))
    assert http.head == ResponseHead(status=299, reason="Odd\u00e9", headers=headers)
    assert http.head.headers.fields == headers


def test_asking_for_a_head_that_has_not_come_is_a_programming_error() -> None:
    with pytest.raises(RuntimeError, match="head has not come"):
        exchange().require_head()


def test_each_piece_is_out_with_the_bytes_that_carry_it() -> None:
    http = exchange()
    http.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    assert http.feed(b"c") == [b"c"]
    assert b"".join(http.feed(b"de\r\n3\r\nfgh")) == b"defgh"


OLD = b"HTTP/1.0 200 OK\r\n\r\n" + BODY


def test_many_surplus_bytes_after_the_message_are_no_fault() -> None:
    http = exchange(Limits(max_head_size=100))
    assert drive(http, [SIZED + b"x" * 5000, b"y" * 5000]) == (BODY, None)
    assert http.reusable is False


@pytest.mark.parametrize("response", [CHUNKED, SIZED, TRAILED], ids=["chunked", "sized", "with trailers"])
def test_an_end_of_file_before_the_messages_end_is_an_interruption_at_every_byte(response: bytes) -> None:
    head_size = response.index(b"\r\n\r\n") + 4
    for size in range(len(response)):
        http = exchange()
        body, fault = drive(http, [response[:size]], eof=True)
        assert isinstance(fault, StreamInterrupted)
        assert BODY.startswith(body)
        assert ("response head" if size < head_size else "response body") in str(fault)
        assert (http.ended, http.reusable) == (False, False)


def test_an_end_of_file_before_the_request_went_out_is_not_silent() -> None:
    with pytest.raises(StreamInterrupted, match="before the response head"):
        HTTPExchange(REQUEST).feed(b"")


def test_a_second_end_of_file_changes_nothing_and_bytes_after_it_are_a_programming_error() -> None:
    http = exchange()
    drive(http, [OLD], eof=True)
    assert http.feed(b"") == []
    with pytest.raises(RuntimeError, match="bytes after the end of file"):
        http.feed(b"x")


# Each: what it is, the bytes, the body in front of the fault, what the error says that came.
BROKEN = {
    "no HTTP at all": (b"SSH-2.0-server\r\n\r\n", b"", "illegal status line"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", b"", "conflicting"),
    "a chunk size that is none": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
        b"ab",
        "zz",
    ),
    "gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: GZip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", b"", "'gzip'"),
}


@pytest.mark.parametrize(("stream", "body", "received"), BROKEN.values(), ids=list(BROKEN))
def test_a_response_that_is_not_http_is_a_protocol_error_that_stays(stream: bytes, body: bytes, received: str) -> None:
    for pieces in cuttings(stream):
        http = exchange()
        got, fault = drive(http, pieces)
        assert type(fault) is ProtocolError
        assert got == body
        assert fault.expected
        assert received in fault.received
        assert http.reusable is False
        with pytest.raises(ProtocolError) as again:
            http.feed(b"x")
        assert again.value is fault


def head_of(size: int, status_line: bytes = b"HTTP/1.1 200 OK\r\n") -> bytes:
    end = b"\r\nContent-Length: 12\r\n\r\n"
    return status_line + b"X: " + b"x" * (size - len(status_line) - 3 - len(end)) + end


@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["alone", "after an interim one"])
def test_the_limit_on_the_head_is_exact_whatever_is_glued_to_it(interim: bytes) -> None:
    head = interim + head_of(200 - len(interim))
    for pieces in cuttings(head + BODY):
        assert drive(exchange(Limits(max_head_size=200)), pieces) == (BODY, None)
        body, fault = drive(exchange(Limits(max_head_size=199)), pieces)
        assert isinstance(fault, LimitExceeded)
        assert (body, fault.limit, fault.allowed) == (b"", "max_head_size", 199)


def test_endless_interim_responses_run_into_the_limit() -> None:
    http = exchange(Limits(max_head_size=1000))
    for _ in range(40):
        assert http.feed(b"HTTP/1.1 100 Continue\r\n\r\n") == []  # 25 bytes
    with pytest.raises(LimitExceeded):
        http.feed(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    ("before", "line", "after", "body"),
    [
        (b"", b"c;ext=" + b"x" * 100 + b"\r\n", b"first,second\r\n0\r\n\r\n", b""),
        (b"c\r\nfirst,second\r\n0\r\n", b"X-Sum: " + b"x" * 100 + b"\r\n\r\n", b"", BODY),
    ],
    ids=["chunk header", "trailers"],
)
def test_chunk_headers_and_trailers_have_the_heads_limit(before: bytes, line: bytes, after: bytes, body: bytes) -> None:
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + before + line + after
    for pieces in cuttings(stream):
        assert drive(exchange(Limits(max_head_size=len(line))), pieces) == (BODY, None)
        got, fault = drive(exchange(Limits(max_head_size=len(line) - 1)), pieces)
        assert isinstance(fault, LimitExceeded)
        assert (got, fault.limit) == (body, "max_head_size")


@pytest.mark.parametrize("response", [CHUNKED, SIZED, OLD], ids=["chunked", "sized", "by close"])
def test_the_limit_on_the_body_is_exact_and_what_fits_comes_first(response: bytes) -> None:
    for pieces in cuttings(response):
        assert drive(exchange(Limits(max_body_size=12)), pieces) == (BODY, None)
        body, fault = drive(exchange(Limits(max_body_size=11)), pieces)
        assert isinstance(fault, LimitExceeded)
        assert (body, fault.limit) == (BODY[:11], "max_body_size")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_any_buffer_is_taken(wrap: type) -> None:
    http = exchange()
    assert b"".join(http.feed(wrap(CHUNKED))) == BODY


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=10),
)
def test_what_h11_serves_comes_out_in_any_cut(body: list[bytes], chunked: bool, cuts: list[int]) -> None:
    length = str(sum(map(len, body)))
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", length)
    stream = served(200, [framing], body)
    http = exchange()
    assert drive(http, split_at(stream, cuts)) == (b"".join(body), None)
    assert (http.ended, http.reusable) == (True, True)


@pytest.mark.parametrize(
    ("headers", "media_type"),
    [([], ""), ([("Content-Type", "Text/Event-Stream; charset=UTF-8")], "text/event-stream"), ([("x", "y")], "")],
)
def test_the_media_type_is_what_the_head_says_without_its_parameters(
    headers: list[tuple[str, str]], media_type: str
) -> None:
    assert ResponseHead(status=200, reason="OK", headers=headers).media_type == media_type


def test_a_request_is_neither_pickled_nor_copied_for_it_holds_the_key() -> None:
    request = get_request(host="h", target="/", api_key="pst-not-a-real-key")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds the key"):
            way(request)


def test_a_body_that_is_read_as_views_is_the_one_that_is_fed() -> None:
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    for pieces in cuttings(response):
        http, content = exchange(), bytearray()
        for piece in pieces:
            http.read(memoryview(piece), content.extend)
        assert (bytes(content), http.ended, http.fault) == (b"hello!", True, None)


def test_a_fault_of_a_body_that_is_read_is_kept_and_nothing_is_read_after_it() -> None:
    http, content = exchange(), bytearray()
    http.read(memoryview(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello no"), content.extend)
    assert content == b"hello"
    fault = http.fault
    assert isinstance(fault, ProtocolError)
    for more in (b"\r\n1\r\n!\r\n", b""):
        http.read(memoryview(more), content.extend)
    assert (content, http.fault) == (b"hello", fault)
