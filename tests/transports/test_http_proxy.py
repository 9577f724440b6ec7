"""HTTP proxies that are transcripts: every answer, cut anywhere, and what becomes of it."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from fake_hop import TranscriptTransport
from hypothesis import given
from hypothesis import strategies as st
from scripted import GivenStream
from shown import shown
from streams import rest_of
from sweep import cancelled_at_step

from nai_trio import __version__
from nai_trio.errors import ConnectError, InvalidParamsError, NetworkTimeout, ProxyAuthenticationError, ProxyError
from nai_trio.transport import Origin, Readable
from nai_trio.transports import HTTPProxyTransport, MemoryTransport, memory_stream_pair, open_tls
from nai_trio.transports.leftover import with_leftover

if TYPE_CHECKING:
    from conftest import Certificates

ORIGIN = Origin("https", "image.novelai.net", 443)
PROXY = "http://proxy.example:3128"
WHERE = "connect via http://proxy.example:3128 via tape to https://image.novelai.net:443: "
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
NAME, WORD = "planted-name", "planted:w/örd"
WITH_CREDENTIALS = "http://planted-name:planted%3Aw%2F%C3%B6rd@proxy.example:3128"
BASIC = base64.b64encode(f"{NAME}:{WORD}".encode()).decode()


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def through(said: bytes, *, url: str = PROXY, **options: Any) -> tuple[HTTPProxyTransport, TranscriptTransport]:
    inner = TranscriptTransport(said, **options)
    return HTTPProxyTransport(url, inner=inner), inner


async def refusal(said: bytes, kind: type[ConnectError] = ProxyError, **options: Any) -> ConnectError:
    """The error of just this kind that an answer leads to, everything being closed."""
    transport, inner = through(said, **options)
    with pytest.raises(kind) as caught:
        await transport.connect(ORIGIN)
    assert type(caught.value) is kind
    assert [stream.closed for stream in inner.streams] == [1]
    assert not re.search("planted|" + re.escape(BASIC), shown(caught.value))
    return caught.value


async def test_it_asks_for_the_origin_and_nothing_else() -> None:
    transport, inner = through(OPEN)
    stream = await transport.connect(ORIGIN)
    assert stream is inner.stream
    assert inner.origins == [Origin("http", "proxy.example", 3128)]
    assert inner.stream.heard == (
        b"CONNECT image.novelai.net:443 HTTP/1.1\r\n"
        b"Host: image.novelai.net:443\r\n"
        b"User-Agent: nai-trio/" + __version__.encode() + b"\r\n\r\n"
    )
    assert inner.stream.closed == 0


async def test_it_gives_the_credentials_of_its_url_as_utf_8() -> None:
    transport, inner = through(OPEN, url=WITH_CREDENTIALS)
    await transport.connect(ORIGIN)
    assert f"\r\nProxy-Authorization: Basic {BASIC}\r\n".encode() in inner.stream.heard
    assert base64.b64decode(BASIC).decode() == "planted-name:planted:w/örd"


@pytest.mark.parametrize(
    ("host", "target"), [("::1", b"[::1]:8443"), ("192.0.2.1", b"192.0.2.1:8443"), ("a.b", b"a.b:8443")]
)
async def test_the_target_has_brackets_around_ipv6_and_always_a_port(host: str, target: bytes) -> None:
    transport, inner = through(OPEN)
    await transport.connect(Origin("http", host, 8443))
    assert inner.stream.heard.startswith(b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n")


@pytest.mark.parametrize(
    "head",
    [
        OPEN,
        b"HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11\r\n\r\n",
        b"HTTP/1.1 204 \r\n\r\n",
        b"HTTP/1.1 299 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OPEN,
    ],
)
async def test_any_2xx_opens_the_tunnel_however_it_is_cut_and_the_rest_is_the_tunnels(head: bytes) -> None:
    said = head + b"\x16\x03first bytes of the tunnel"
    for cuts in [[], range(1, len(said)), *[[place] for place in range(1, len(said))]]:
        transport, _ = through(said, cuts=cuts)
        stream = await transport.connect(ORIGIN)
        assert await rest_of(stream) == b"\x16\x03first bytes of the tunnel"


@pytest.mark.parametrize(
    ("said", "status", "message", "text"),
    [
        (b"HTTP/1.1 403 Filtered\r\nContent-Length: 0\r\n\r\n", 403, "Filtered", "the proxy refused: 403 Filtered"),
        (b"HTTP/1.1 502 \r\n\r\n", 502, "", "the proxy refused: 502"),
        (b"HTTP/1.1 502 \r\nContent-Type: text/plain\r\n\r\nbad", 502, "bad", "the proxy refused: 502 bad"),
        (
            b"HTTP/1.0 500 No way\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<TITLE>500 No way</TITLE>",
            500,
            "No way",
            "the proxy refused: 500 No way",
        ),
        (
            b"HTTP/1.1 500 Unable\r\nContent-Type: text/html\r\n\r\n<html><head><title>No &amp; no\n</title>",
            500,
            "Unable: No & no",
            "the proxy refused: 500 Unable: No & no",
        ),
        (
            (
                b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5\r\nnot n\r\n3\r\now\n\r\n0\r\n\r\n"
            ),
            503,
            "Busy: not now",
            "the proxy refused: 503 Busy: not now",
        ),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://x\r\n\r\n", 301, "Moved", "the proxy refused: 301 Moved"),
    ],
)
async def test_other_statuses_are_refusals_with_the_proxys_words(
    said: bytes, status: int, message: str, text: str
) -> None:
    for cuts in [[], range(1, len(said))]:
        error = await refusal(said, cuts=cuts)
        assert str(error) == WHERE + text
        assert isinstance(error, ProxyError)
        assert (error.status, error.message) == (status, message)


@pytest.mark.parametrize(
    ("challenges", "url", "text"),
    [
        (
            'Proxy-Authenticate: Basic realm="a, b", Digest nonce="x", qop = auth\r\nproxy-authenticate: NTLM\r\n',
            PROXY,
            (
                "the proxy wants a user name and a password, as in http://user:password@host: "
                "407 Authenticate (it takes Basic, Digest, NTLM)"
            ),
        ),
        (
            "Proxy-Authenticate: BASIC\r\n",
            WITH_CREDENTIALS,
            "the proxy does not take the user name and password given: 407 Authenticate (it takes BASIC)",
        ),
        (
            "Proxy-Authenticate: Negotiate abc==, NTLM\r\n",
            WITH_CREDENTIALS,
            (
                "the proxy takes no Basic authentication, the only one that is spoken here: "
                "407 Authenticate (it takes Negotiate, NTLM)"
            ),
        ),
        (
            "",
            WITH_CREDENTIALS,
            "the proxy does not take the user name and password given: 407 Authenticate",
        ),
    ],
)
async def test_407_says_what_the_proxy_takes(challenges: str, url: str, text: str) -> None:
    said = f"HTTP/1.1 407 Authenticate\r\n{challenges}Content-Length: 0\r\n\r\n".encode()
    error = await refusal(said, ProxyAuthenticationError, url=url)
    assert str(error) == WHERE + text
    assert isinstance(error, ProxyAuthenticationError)
    assert (error.status, error.message) == (407, "Authenticate")


async def test_401_of_a_proxy_is_about_its_credentials_too() -> None:
    said = b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'
    error = await refusal(said, ProxyAuthenticationError, url=WITH_CREDENTIALS)
    words = "the proxy does not take the user name and password given: 401 Unauthorized (it takes Basic)"
    assert str(error) == WHERE + words
    assert isinstance(error, ProxyAuthenticationError)
    assert error.status == 401


@pytest.mark.parametrize(
    "said",
    [
        f"HTTP/1.1 407 no {BASIC}\r\nProxy-Authenticate: Basic {BASIC}\r\n\r\n",
        f"HTTP/1.1 407 no {NAME}\r\nProxy-Authenticate: {NAME}\r\n\r\n",
        f"HTTP/1.1 403 {BASIC} {NAME} {WORD}\r\n\r\n",
        f"HTTP/1.1 403 no\r\nContent-Type: text/plain\r\n\r\nyou sent Basic {BASIC}, that is {NAME}:{WORD}!",
        f"HTTP/1.1 403 no\r\nContent-Type: text/html\r\n\r\n<title>{NAME} &#112;lanted:w/ö{'rd'}</title>",
        f"Proxy-Authorization: Basic {BASIC}\r\n\r\n",
        f"HTTP/1.1 abc {BASIC}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{BASIC}\r\n\r\n",
    ],
)
async def test_a_proxy_that_repeats_the_credentials_does_not_make_them_show(said: str) -> None:
    kind = ProxyAuthenticationError if " 407 " in said else ProxyError
    await refusal(said.encode(), kind, url=WITH_CREDENTIALS)


async def test_the_proxys_words_are_one_short_printable_line() -> None:
    body = "a\x1b[31m\r\n\tb\u202e" + "c" * 500
    error = await refusal(f"HTTP/1.1 403 no\r\nContent-Type: text/plain\r\n\r\n{body}".encode())
    assert isinstance(error, ProxyError)
    assert error.message.isprintable()
    assert error.message.startswith("no: a [31m b ccc")
    assert len(error.message) == 200


@pytest.mark.parametrize(
    ("said", "end", "words"),
    [
        (b"", "eof", "the proxy closed the connection without an answer"),
        (OPEN[:-1], "eof", "the proxy closed the connection in the middle of its answer"),
        (b"", "reset", "the connection to the proxy broke before the way was open: connection reset by peer"),
        (b"\x05\xff", "eof", "the proxy did not answer in HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "hang", "the proxy did not answer in HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "hang", "the proxy did not answer in HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "hang", "the proxy did not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "hang", "the proxy's answer has more than 65536 bytes of headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000, "hang", "the proxy's answer has more than 65536 bytes of headers"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_says_so(said: bytes, end: Any, words: str) -> None:
    assert str(await refusal(said, end=end)) == WHERE + words


async def test_a_body_that_never_comes_does_not_hide_the_refusal(autojump_clock: trio.testing.MockClock) -> None:
    said = b"HTTP/1.1 407 no\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nsome"
    start = trio.current_time()
    error = await refusal(said, ProxyAuthenticationError, end="hang")
    assert "407 no: some" in str(error)
    assert trio.current_time() - start == 2


@pytest.mark.parametrize("end", ["eof", "reset"])
@pytest.mark.parametrize("body", [b"so", b"zz\r\n", b"2\r\nso\r\nzz"])
async def test_a_body_that_is_cut_or_broken_does_not_hide_the_refusal(body: bytes, end: Any) -> None:
    framing = b"Content-Length: 9" if body == b"so" else b"Transfer-Encoding: chunked"
    said = b"HTTP/1.1 403 no\r\nContent-Type: text/plain\r\n" + framing + b"\r\n\r\n" + body
    error = await refusal(said, end=end)
    assert str(error).startswith(WHERE + "the proxy refused: 403 no")


async def test_of_an_endless_body_only_the_start_is_read() -> None:
    said = b"HTTP/1.1 403 no\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 10_000_000
    transport, inner = through(said, cuts=range(0, len(said), 1000), end="hang")
    with pytest.raises(ProxyError):
        await transport.connect(ORIGIN)
    assert sum(map(len, inner.stream._pieces)) > 9_900_000


async def test_a_proxy_that_hangs_is_left_at_the_callers_deadline(autojump_clock: trio.testing.MockClock) -> None:
    transport, inner = through(OPEN[:10], end="hang")
    with trio.move_on_after(5) as scope:
        await transport.connect(ORIGIN)
    assert scope.cancelled_caught
    assert inner.stream.closed == 1


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            ConnectError("connect via tape to http://proxy.example:3128: refused (nothing listens there)"),
            ConnectError,
            "the proxy cannot be reached: refused (nothing listens there)",
        ),
        (ConnectError("its own words"), ConnectError, "the proxy cannot be reached: its own words"),
        (
            ConnectionRefusedError(111, "x"),
            ConnectError,
            "the proxy cannot be reached: refused (nothing listens there)",
        ),
        (trio.BrokenResourceError("gone"), ConnectError, "the proxy cannot be reached: gone"),
        (
            with_cause(
                trio.BrokenResourceError("socket connection broken: [Errno 104]"), ConnectionResetError(104, "x")
            ),
            ConnectError,
            "the proxy cannot be reached: reset by the peer",
        ),
        (
            with_cause(trio.BrokenResourceError("TLS broke"), ssl.SSLError(1, "its number is not the system's")),
            ConnectError,
            "the proxy cannot be reached: TLS broke",
        ),
    ],
)
async def test_a_proxy_that_cannot_be_reached_is_told_from_one_that_refuses(
    error: Exception, kind: type[ConnectError], words: str
) -> None:
    transport, _ = through(b"", error=error)
    with pytest.raises(ConnectError) as caught:
        await transport.connect(ORIGIN)
    assert type(caught.value) is kind
    assert str(caught.value) == WHERE + words
    assert caught.value.__cause__ is error


async def test_a_proxy_that_resets_the_connection_is_told_in_words() -> None:
    async def resetting(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, resetting, 0, host="127.0.0.1"))
        proxy = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with pytest.raises(ProxyError) as caught:
            await HTTPProxyTransport(proxy).connect(ORIGIN)
        nursery.cancel_scope.cancel()
    assert str(caught.value).endswith(": the connection to the proxy broke before the way was open: reset by the peer")


@pytest.mark.parametrize("error", [NetworkTimeout("late"), KeyboardInterrupt(), trio.ClosedResourceError("left")])
async def test_what_is_no_failed_connection_leaves_as_it_is(error: BaseException) -> None:
    transport, _ = through(b"", error=error)
    with pytest.raises(type(error)) as caught:
        await transport.connect(ORIGIN)
    assert caught.value is error


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin("https", "h", 0), "expected a port from 1 to 65535"),
        (Origin("https", "h", 65536), "expected a port from 1 to 65535"),
        (Origin("https", "", 443), "not a valid host name"),
        (Origin("https", "h\r\nX: y", 443), "not a valid host name"),
        (Origin("https", "hö", 443), "not a valid host name"),
    ],
)
async def test_an_origin_that_could_break_the_request_is_refused_before_anything_is_opened(
    origin: Origin, words: str
) -> None:
    transport, inner = through(OPEN)
    with pytest.raises(ConnectError, match=words):
        await transport.connect(origin)
    assert inner.streams == []


@given(st.data())
def test_any_answer_opens_the_tunnel_or_is_an_error_and_nothing_stays_open(data: st.DataObject) -> None:
    starts = st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 407 no\r\n", OPEN, b"\x05"])
    tokens = st.sampled_from([b"\r\n", b"\n", b": ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"5\r\n", b"abc"])
    said = data.draw(starts) + b"".join(data.draw(st.lists(tokens | st.binary(max_size=20), max_size=8)))
    cuts = data.draw(st.lists(st.integers(0, len(said)), max_size=6))

    async def attempt() -> None:
        transport, inner = through(said, cuts=cuts, url=WITH_CREDENTIALS)
        try:
            stream = await transport.connect(ORIGIN)
        except ProxyError as error:
            assert str(error).startswith(WHERE + "the proxy")
            assert inner.stream.closed == 1
            assert str(error).isprintable()
        else:
            assert inner.stream.closed == 0
            assert said.endswith(await rest_of(stream))

    trio.run(attempt)


async def test_cancelling_at_every_step_closes_the_stream() -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN
    step = 1
    while True:
        transport, inner = through(said, cuts=range(1, len(said), 7))

        async def connect(transport: HTTPProxyTransport = transport) -> None:
            await (await transport.connect(ORIGIN)).aclose()

        cancelled = await cancelled_at_step(step, connect)
        assert all(stream.closed == 1 for stream in inner.streams)
        if not cancelled:
            break
        step += 1
    assert step > 8


async def opening(stream: trio.abc.HalfCloseableStream) -> None:
    """A proxy that opens the tunnel and leaves it open."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += await stream.receive_some(1)
    await stream.send_all(OPEN)


async def test_tunnels_keep_trios_rules() -> None:
    async def make() -> tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]:
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(opening, theirs)
            stream = await HTTPProxyTransport(PROXY, inner=GivenStream(ours)).connect(ORIGIN)
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        return stream, theirs

    await trio.testing.check_half_closeable_stream(make, None)


async def test_tunnels_with_a_leftover_keep_trios_rules() -> None:
    async def make() -> tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]:
        ours, theirs = memory_stream_pair()
        stream = with_leftover(ours, b"x")
        assert stream is not ours
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        assert await stream.receive_some() == b"x"
        return stream, theirs

    async def make_clogged() -> tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]:
        ours, theirs = memory_stream_pair(buffer_size=1)
        await ours.send_all(b"x")
        await theirs.send_all(b"x")
        stream = with_leftover(ours, b"y")
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        return stream, theirs

    await trio.testing.check_half_closeable_stream(make, make_clogged)


async def test_a_leftover_comes_first_by_every_call_and_is_readable() -> None:
    ours, theirs = memory_stream_pair()
    stream: Any = with_leftover(ours, b"abcdef")
    assert isinstance(stream, Readable)
    await theirs.send_all(b"ghi")
    assert stream.readable()
    with pytest.raises(ValueError, match="at least 1"):
        await stream.receive_some(0)
    with pytest.raises(ValueError, match="at least 1"):
        await stream.receive_into(bytearray())
    with trio.testing.assert_checkpoints():
        assert await stream.receive_some(2) == b"ab"
    buffer = bytearray(3)
    with trio.testing.assert_checkpoints():
        assert await stream.receive_into(memoryview(buffer)[1:]) == 2
    assert buffer == b"\0cd"
    with trio.CancelScope() as scope:
        scope.cancel()
        await stream.receive_some()
    assert scope.cancelled_caught
    assert await stream.receive_some() == b"ef"
    assert await stream.receive_into(buffer) == 3
    assert buffer == b"ghi"
    assert not stream.readable()


async def test_a_leftover_is_gone_when_the_stream_is_closed() -> None:
    ours, theirs = memory_stream_pair()
    stream: Any = with_leftover(ours, b"abc")
    await stream.aclose()
    assert await theirs.receive_some() == b""
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_into(bytearray(1))


async def test_closing_while_a_leftover_is_being_read_is_no_end_of_stream() -> None:
    outcomes: set[bytes | str] = set()

    async def read(stream: trio.abc.Stream) -> None:
        try:
            outcomes.add(await stream.receive_some())
        except trio.ClosedResourceError:
            outcomes.add("closed")

    for _ in range(64):  # the tasks of one step run in an order that trio draws
        ours, theirs = memory_stream_pair()
        stream = with_leftover(ours, b"abc")
        async with theirs, trio.open_nursery() as nursery:
            nursery.start_soon(read, stream)
            await trio.lowlevel.checkpoint()
            nursery.start_soon(stream.aclose)
    assert outcomes == {b"abc", "closed"}


async def test_a_leftover_does_not_make_a_stream_claim_what_it_cannot_do() -> None:
    transport, _ = through(OPEN + b"x")
    stream = await transport.connect(ORIGIN)
    assert not isinstance(stream, Readable)
    assert not hasattr(stream, "receive_into")
    assert not isinstance(stream, trio.abc.HalfCloseableStream)


async def test_an_https_proxy_is_spoken_to_over_tls_and_the_origin_inside_it(certificates: Certificates) -> None:
    heard: list[bytes] = []

    async def proxy(stream: trio.abc.Stream) -> None:
        outer = trio.SSLStream(stream, certificates.server("proxy.example"), server_side=True)
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += await outer.receive_some()
        heard.append(request)
        await outer.send_all(OPEN)
        inside = trio.SSLStream(outer, certificates.server("image.novelai.net"), server_side=True)
        await inside.send_all(await inside.receive_some())

    async with MemoryTransport(proxy, secure=False) as inner:
        url = WITH_CREDENTIALS.replace("http:", "https:")
        transport = HTTPProxyTransport(url, inner=inner, ssl_context=certificates.client())
        tunnel = await transport.connect(ORIGIN)
        async with await open_tls(tunnel, ORIGIN.host, context=certificates.client()) as stream:
            await stream.send_all(b"the key")
            assert await stream.receive_some() == b"the key"
    assert BASIC.encode() in heard[0]
    assert b"the key" not in heard[0]


async def test_an_https_proxy_with_a_certificate_for_another_host_is_not_told_anything(
    certificates: Certificates,
) -> None:
    heard: list[object] = []

    async def proxy(stream: trio.abc.Stream) -> None:
        outer = trio.SSLStream(stream, certificates.server("another.example"), server_side=True)
        with pytest.raises(trio.BrokenResourceError):
            heard.append(await outer.receive_some())

    async with MemoryTransport(proxy, secure=False) as inner:
        url = WITH_CREDENTIALS.replace("http:", "https:")
        transport = HTTPProxyTransport(url, inner=inner, ssl_context=certificates.client())
        with pytest.raises(ConnectError) as caught:
            await transport.connect(ORIGIN)
    where = "connect via https://proxy.example:3128 via MemoryTransport to https://image.novelai.net:443: "
    assert str(caught.value).startswith(where + "the proxy cannot be reached: ")
    assert "certificate" in str(caught.value)
    assert not isinstance(caught.value, ProxyError)
    assert "planted" not in shown(caught.value)
    assert heard == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("socks5://proxy.example", "the scheme 'socks5'"),
        ("http://proxy.example/path", "a path"),
        ("http://proxy.example?x=y", "a path"),
        ("http://planted%3Aname:planted@proxy.example", "a user name without a colon"),
        ("http://planted:planted@", "without a host"),
        (None, "a NoneType"),
    ],
)
def test_a_url_that_is_no_proxys_is_refused(url: Any, problem: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"url: .*{problem}") as caught:
        HTTPProxyTransport(url)
    assert "planted" not in shown(caught.value)


def test_it_says_what_it_is_without_its_credentials() -> None:
    transport = HTTPProxyTransport(WITH_CREDENTIALS)
    assert repr(transport) == "HTTPProxyTransport('http://proxy.example:3128', inner=TCPTransport())"
    assert transport.describe() == "http://proxy.example:3128 via tcp"
    assert not transport.secure
    assert "planted" not in repr(vars(transport))
