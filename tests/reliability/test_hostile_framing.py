"""HTTP that has no end, lies, or says more than was asked: each limit, exactly, at every cut of the bytes."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
from hostile import account, check_limit, ending, generation
from hypothesis import given
from hypothesis import strategies as st
from scripted import read_request

from nai_trio import HTTPStatusError, LimitExceeded, Limits, NovelAI, ProtocolError
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pst-not-a-real-key"
BODY = recorded.sse(recorded.events()[-1])
"""One final: enough for success."""

HEADERS = b"content-type: text/event-stream\r\ncontent-length: %d\r\n" % len(BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"


def head(start: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    """A head of that size: as many units as fit, and one header of what is left."""
    count, rest = divmod(size - len(start) - len(end) - len(b"z: z\r\n"), len(unit))
    return start + unit * count + b"z: z" + b"z" * rest + b"\r\n" + end


HEADS: dict[str, Callable[[int], bytes]] = {
    "one long header": lambda size: head(b"HTTP/1.1 200 OK\r\n" + HEADERS, b"z" * 10**6, b"\r\n", size),
    "header lines": lambda size: head(b"HTTP/1.1 200 OK\r\n" + HEADERS, b"a: b\r\n", b"\r\n", size),
    "folded lines": lambda size: head(b"HTTP/1.1 200 OK\r\n" + HEADERS + b"a: b\r\n", b" b\r\n", b"\r\n", size),
    "cookies": lambda size: head(b"HTTP/1.1 200 OK\r\n" + HEADERS, b"set-cookie: a=b\r\n", b"\r\n", size),
    "the reason": lambda size: b"HTTP/1.1 200 %s\r\n%s\r\n" % (b"r" * (size - len(HEADERS) - 17), HEADERS),
    "interim responses": lambda size: (
        INTERIM * 8 + head(b"HTTP/1.1 200 OK\r\n" + HEADERS, b"z" * 10**6, b"\r\n", size - 8 * len(INTERIM))
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_has_so_many_bytes_and_no_more(name: str) -> None:
    response = HEADS[name](1000) + BODY
    assert len(response) == 1000 + len(BODY)
    error = check_limit(generation, response, "max_head_size", 1000)
    assert "got a longer response head" in str(error)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_the_default_limit_is_taken(name: str) -> None:
    size = Limits().max_head_size
    check_limit(generation, HEADS[name](size) + BODY, "max_head_size", size, steps=(5000,))


@pytest.mark.parametrize(
    "unit", [b"a: b\r\n", b"x", INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["lines", "one line", "103", "100"]
)
def test_a_head_without_end_is_refused_at_the_limit_and_no_byte_later(unit: bytes) -> None:
    start = b"" if unit.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nx: "
    outcome = ending(lambda: generation(Limits(max_head_size=1000)), start + unit * 2000)
    assert isinstance(outcome.error, LimitExceeded)
    assert (outcome.error.limit, outcome.fed) == ("max_head_size", 1001)


PARTS: dict[str, Callable[[bytes], bytes]] = {
    "a chunk's extension": lambda fill: CHUNKED + b"%x;%s\r\n%s\r\n0\r\n\r\n" % (len(BODY), fill, BODY),
    "the last chunk's extension": lambda fill: CHUNKED + CHUNK + b"0;%s\r\n\r\n" % fill,
    "a trailer": lambda fill: CHUNKED + CHUNK + b"0\r\nt: %s\r\n\r\n" % fill,
    "trailers": lambda fill: CHUNKED + CHUNK + b"0\r\n" + b"t: u\r\n" * (len(fill) // 6) + b"\r\n",
}


@pytest.mark.parametrize("name", PARTS)
def test_no_part_of_the_framing_is_longer_than_a_head(name: str) -> None:
    endless = PARTS[name](b"x" * 6000)
    fits = PARTS[name](b"x" * 600)
    limits = Limits(max_head_size=1000)
    assert ending(lambda: generation(limits), fits).error is None
    outcome = ending(lambda: generation(limits), endless)
    assert isinstance(outcome.error, LimitExceeded)
    assert outcome.error.limit == "max_head_size"
    assert outcome.fed <= len(CHUNKED + CHUNK) + 1010


def in_chunks(content: bytes, size: int, extension: bytes, trailer: bytes) -> bytes:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    framed = [b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces]
    return CHUNKED + b"".join(framed) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize(
    ("size", "extension", "trailer"),
    [(1, b"", b""), (1, b";sig=" + b"x" * 60, b""), (100, b" ", b"a: b\r\n" * 50), (10**6, b"", b"a: b\r\n" * 50)],
)
def test_all_framing_together_has_a_limit_whatever_the_body_is(size: int, extension: bytes, trailer: bytes) -> None:
    response = in_chunks(BODY, size, extension, trailer)
    framing = len(response) - len(CHUNKED) - len(BODY)
    check_limit(generation, response, "max_framing_size", framing, steps=(1, 7))


def test_the_default_takes_the_largest_generation_in_small_chunks() -> None:
    """Eight upscaled pictures as base64, in chunks of 64 bytes; anything that is sent has larger ones."""
    body = 8 * 5_770_000 * 4 // 3
    assert body / 64 * len(b"40\r\n\r\n") < Limits().max_framing_size


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.integers(0, 30),
    st.lists(st.integers(0, 5000), max_size=6),
    st.integers(1, 300),
)
def test_the_verdict_on_the_framing_is_the_same_for_any_cut(
    sizes: list[int], extension: int, cuts: list[int], allowed: int
) -> None:
    pieces, rest = [], BODY
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    framed = [b"%x;%s\r\n%s\r\n" % (len(piece), b"e" * extension, piece) for piece in [*pieces, rest] if piece]
    response = CHUNKED + b"".join(framed) + b"0\r\n\r\n"
    limits = Limits(max_framing_size=allowed)
    error = ending(lambda: generation(limits), response, steps=tuple(1 + cut for cut in cuts)).error
    assert (error is None) == (len(response) - len(CHUNKED) - len(BODY) <= allowed)


def test_a_body_has_so_many_bytes_and_no_more() -> None:
    comments = b": nothing to say\n" * 200
    for framing in ("chunked", "length", "close"):
        response = recorded.response(comments + BODY, "text/event-stream", framing=framing)  # type: ignore[arg-type]
        if framing == "close":
            outcome = ending(lambda: generation(Limits(max_body_size=100)), response)
            assert isinstance(outcome.error, LimitExceeded)
        else:
            check_limit(generation, response, "max_body_size", len(comments + BODY))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "identity, gzip", "GZIP", "x-unheard-of"])
@pytest.mark.parametrize("make", [generation, account])
def test_a_coding_that_was_not_asked_for_is_refused_before_a_byte_of_it_is_read(make: Any, coding: str) -> None:
    response = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n".encode() + HEADERS + b"\r\n"
    outcome = ending(make, response + bytes(10**5))
    assert type(outcome.error) is ProtocolError
    assert "expected a body without content coding" in str(outcome.error)
    assert coding.lower() in str(outcome.error)
    assert outcome.fed == len(response)
    exchange = make()
    exchange.data_to_send()
    assert not exchange.reusable


def test_a_refusal_that_is_packed_is_still_that_refusal() -> None:
    response = b"HTTP/1.1 402 Pay\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n\x1f\x8b\x08\0\0"
    error = ending(generation, response).error
    assert isinstance(error, HTTPStatusError)
    assert (error.status, error.message) == (402, "Pay")


SAID_TOO_MUCH = {
    "a second response": recorded.stream_response("sse"),
    "zeros without end": bytes(10**6),
    "a byte": b"x",
    "a line": b"\r\n",
}


@pytest.mark.parametrize("surplus", SAID_TOO_MUCH.values(), ids=SAID_TOO_MUCH.keys())
@pytest.mark.parametrize("early", [0, 1, 10**7])
def test_what_follows_the_answer_is_neither_read_nor_kept(surplus: bytes, early: int) -> None:
    exchange = generation()
    exchange.data_to_send()
    chunks = exchange.receive_data(recorded.stream_response("sse") + surplus[:early])
    assert exchange.reusable == (not early)
    tracemalloc.start()
    try:
        for _ in range(20):
            assert exchange.receive_data(surplus) == []
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert len(chunks) == recorded.STEPS
    assert exchange.complete
    assert not exchange.reusable


async def test_a_second_answer_on_the_wire_is_not_the_next_requests() -> None:
    """The peer answers twice at once: the connection is not used again, whatever the second answer says."""
    connections = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            await read_request(stream)
            refusal = recorded.response(b'{"message":"smuggled"}', "application/json", status=402, framing="length")
            await stream.send_all(recorded.stream_response("sse"))
            await stream.send_all(refusal)
            await stream.receive_some()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        for _ in range(3):
            await client.image.generate(recorded.params(), stream="sse")
    assert connections == 3


async def test_an_answer_that_came_before_the_request_is_an_answer_once_and_poisons_nothing() -> None:
    """A refusal may come early (413, 401). Whatever it is, the bytes that follow it belong to no later request."""
    connections = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            if connections == 1:
                await stream.send_all(
                    recorded.response(b'{"message":"early"}', "application/json", status=413, framing="length")
                )
                await read_request(stream)
                return
            await read_request(stream)
            await stream.send_all(recorded.stream_response("sse"))
            await stream.receive_some()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        with pytest.raises(HTTPStatusError, match="early"):
            await client.image.generate(recorded.params(), stream="sse")
        pictures = await client.image.generate(recorded.params(seed=8), stream="sse")
    assert [picture.seed for picture in pictures] == [8]
    assert connections == 2


REDIRECTS = [301, 302, 303, 307, 308, 300, 304]


@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_redirect_is_followed_and_the_key_goes_nowhere_else(status: int) -> None:
    origins: list[str] = []
    requests: list[bytes] = []

    class Watched(MemoryTransport):
        async def connect(self, origin: Any) -> trio.abc.Stream:
            origins.append(origin.host)
            return await super().connect(origin)

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            request, _ = await read_request(stream)
            requests.append(dict(request.headers)[b"host"])
            extra = (
                "location: https://elsewhere.example/ai\r\nset-cookie: a=b\r\nrefresh: 0; url=https://else.example\r\n"
            )
            content = b"" if status == 304 else b"moved"
            await stream.send_all(recorded.response(content, "text/html", status=status, framing="length", extra=extra))

    async with NovelAI(KEY, transport=Watched(handler)) as client:
        with pytest.raises(HTTPStatusError) as caught:
            await client.image.generate(recorded.params())
    assert caught.value.status == status
    assert "a redirect to 'https://elsewhere.example/ai', which is not followed" in str(caught.value)
    assert not caught.value.billing_unknown
    assert (origins, requests) == (["image.novelai.net"], [b"image.novelai.net"])


async def test_what_a_browser_would_remember_is_forgotten() -> None:
    heads: list[dict[bytes, bytes]] = []
    extra = (
        'set-cookie: session=1; Domain=novelai.net\r\nalt-svc: h3="elsewhere.example:443"\r\n'
        "strict-transport-security: max-age=1\r\nauthentication-info: x\r\nwww-authenticate: Basic\r\n"
    )

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            while True:
                try:
                    request, _ = await read_request(stream)
                except EOFError:
                    return
                heads.append(dict(request.headers))
                await stream.send_all(recorded.stream_response("sse", extra=extra))

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        for _ in range(2):
            await client.image.generate(recorded.params(), stream="sse")
    assert heads[0] == heads[1]
    assert b"cookie" not in heads[1]
