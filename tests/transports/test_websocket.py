"""`WebSocketTransport`: reaching the relay, the handshake, what is asked and what is shown of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from fake_hop import TranscriptTransport
from hypothesis import given
from hypothesis import strategies as st
from scripted import ScriptedTransport
from shown import shown
from sweep import cancelled_at_step
from websocket_peer import ORIGIN, URL, Peer, Tasks
from wsproto.events import BytesMessage, CloseConnection

from nai_trio import __version__
from nai_trio.closing import close_now
from nai_trio.errors import ConnectError, InvalidParamsError, ProxyAuthenticationError, ProxyError
from nai_trio.transport import Origin
from nai_trio.transports import MemoryTransport, TCPTransport
from nai_trio.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from conftest import Certificates
    from wsproto.events import Request

WHERE = "connect via ws://relay.example:8080 via tape to https://image.novelai.net:443: "
TOKEN = "planted-token-not-real"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


async def request_of(url: str = URL, *, origin: Origin = ORIGIN, **options: Any) -> tuple[Request, Origin]:
    """The handshake that a relay gets, and where the transport below was to lead."""
    inner = ScriptedTransport()
    found: list[Request] = []
    async with WebSocketTransport(url, inner=inner, **options) as transport, trio.open_nursery() as nursery:

        async def answer() -> None:
            found.append(await Peer(await inner.accept()).accept())

        nursery.start_soon(answer)
        await close_now(await transport.connect(origin))
    return found[0], inner.origins[0]


def headers_of(request: Request) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in request.extra_headers}


# What is asked.


async def test_the_relay_is_told_what_is_wanted_and_nothing_of_the_service() -> None:
    request, hop = await request_of(headers={"X-Team": "blue"}, token=TOKEN)
    assert hop == Origin("http", "relay.example", 8080)
    assert request.host == "relay.example:8080"
    assert request.target == "/tunnel?to=https://image.novelai.net:443"
    assert request.subprotocols == ["binary"]
    assert request.extensions == []
    headers = headers_of(request)
    assert set(headers) == {
        *("upgrade", "connection", "sec-websocket-key", "sec-websocket-version"),
        *("x-team", "authorization", "user-agent"),
    }
    assert headers["x-team"] == "blue"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == f"nai-trio/{__version__}"


@pytest.mark.parametrize(
    ("url", "host", "target", "hop"),
    [
        ("ws://relay.example", "relay.example", "/?to=x", Origin("http", "relay.example", 80)),
        ("ws://relay.example:443", "relay.example:443", "/?to=x", Origin("http", "relay.example", 443)),
        ("wss://Relay.Example/", "relay.example", "/?to=x", Origin("https", "relay.example", 443)),
        ("wss://relay.example:80/a", "relay.example:80", "/a?to=x", Origin("https", "relay.example", 80)),
        ("ws://[2001:db8::1]:81/a?b=c", "[2001:db8::1]:81", "/a?b=c&to=x", Origin("http", "2001:db8::1", 81)),
        ("ws://relay/a?to=here", "relay", "/a?to=here", Origin("http", "relay", 80)),
        ("ws://relay/a?to=", "relay", "/a?to=", Origin("http", "relay", 80)),
        ("ws://relay/%41ü?q=€&tot=1", "relay", "/%41%C3%BC?q=%E2%82%AC&tot=1&to=x", Origin("http", "relay", 80)),
    ],
)
async def test_the_url_says_where_the_relay_is_and_what_it_is_asked(
    url: str, host: str, target: str, hop: Origin
) -> None:
    request, asked = await request_of(url)
    assert (request.host, request.target.replace("https://image.novelai.net:443", "x"), asked) == (host, target, hop)


async def test_the_origin_can_be_left_out_of_the_query() -> None:
    request, _ = await request_of("ws://relay/a?b", origin_in_query=False)
    assert request.target == "/a?b"


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        (Origin("https", "image.novelai.net", 443), "https://image.novelai.net:443"),
        (Origin("http", "127.0.0.1", 80), "http://127.0.0.1:80"),
        (Origin("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443"),
    ],
)
async def test_an_origin_is_named_with_its_port(origin: Origin, name: str) -> None:
    assert origin.address == name
    request, _ = await request_of("ws://relay", origin=origin)
    assert request.target.replace("%5B", "[").replace("%5D", "]") == f"/?to={name}"


async def test_credentials_in_the_url_are_basic_authentication() -> None:
    request, _ = await request_of("ws://us%40er:p%3Ass@relay")
    assert headers_of(request)["authorization"] == f"Basic {base64.b64encode(b'us@er:p:ss').decode()}"


async def test_headers_may_be_pairs_and_replace_the_user_agent_only() -> None:
    request, _ = await request_of(
        headers=[("user-agent", "mine"), ("X-A", "1"), ("X-A", "2"), ("Authorization", "X y")]
    )
    assert [pair for pair in request.extra_headers if pair[0] in {b"user-agent", b"x-a", b"authorization"}] == [
        (b"user-agent", b"mine"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"authorization", b"X y"),
    ]


@pytest.mark.parametrize("subprotocol", ["binary", None])
async def test_the_relay_may_choose_the_sub_protocol_or_none(subprotocol: str | None) -> None:
    inner = ScriptedTransport()
    async with WebSocketTransport(URL, inner=inner) as transport, trio.open_nursery() as nursery:

        async def answer() -> None:
            peer = Peer(await inner.accept())
            await peer.accept(subprotocol)
            await peer.say(BytesMessage(data=b"hello"), CloseConnection(code=1000))

        nursery.start_soon(answer)
        async with await transport.connect(ORIGIN) as stream:
            assert await stream.receive_some() == b"hello"


async def test_what_comes_in_one_piece_with_the_answer_is_not_lost() -> None:
    inner = ScriptedTransport()
    async with WebSocketTransport(URL, inner=inner) as transport, trio.open_nursery() as nursery:

        async def answer() -> None:
            peer = Peer(await inner.accept())
            request = await peer.request()
            key = headers_of(request)["sec-websocket-key"]
            accept = base64.b64encode(hashlib.sha1(f"{key}{GUID}".encode()).digest())
            head = SWITCHING + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            await peer.stream.send_all(head + b"\x82\x05hello\x88\x02\x03\xe8")
            peer.stream.close()

        nursery.start_soon(answer)
        async with await transport.connect(ORIGIN) as stream:
            assert await stream.receive_some() == b"hello"
            assert await stream.receive_some() == b""


GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


# What is refused.


async def refusal(
    said: bytes, kind: type[ConnectError] = ProxyError, *, options: dict[str, Any] | None = None, **how: Any
) -> ConnectError:
    """The error of just this kind that an answer leads to, everything being closed, and no secret in it."""
    inner = TranscriptTransport(said, **how)
    tasks = Tasks()
    async with WebSocketTransport(URL, inner=inner, **{"token": TOKEN, **(options or {})}) as transport:
        with pytest.raises(kind) as caught:
            await transport.connect(ORIGIN)
        await trio.testing.wait_all_tasks_blocked()
        assert tasks.alive == 0
    assert type(caught.value) is kind
    assert all(stream.closed for stream in inner.streams)
    assert "planted" not in shown(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def plain(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: text/plain", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


STATUSES = [
    (plain("403 Forbidden", b"not you\n"), 403, "the relay refused: 403 Forbidden: not you"),
    (plain("404 Not Found"), 404, "the relay refused: 404 Not Found"),
    (plain("302 Found", b"", "Location: ws://elsewhere/"), 302, "the relay refused: 302 Found"),
    (plain("200 OK", b"a web page"), 200, "the relay refused: 200 OK: a web page"),
    (plain("502 Bad Gateway", b"a\x00b\r\nc\x1b[31m"), 502, "the relay refused: 502 Bad Gateway: a b c [31m"),
    (plain("503 Busy", b"x" * 1000), 503, f"the relay refused: 503 Busy: {'x' * 191}..."),
    (b"HTTP/1.1 503 \r\n\r\n", 503, "the relay refused: 503"),
    (b"HTTP/1.0 500 Down\r\nContent-Type: text/html\r\n\r\n<h1>no", 500, "the relay refused: 500 Down"),
    (b"HTTP/1.1 426 Upgrade\r\nContent-Length: 100\r\n\r\nhalf", 426, "the relay refused: 426 Upgrade"),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n", 103, "the relay refused: 103 Early Hints"),
]


@pytest.mark.parametrize(("said", "status", "words"), STATUSES, ids=[words[:40] for _, _, words in STATUSES])
async def test_a_refusal_is_told_with_its_status_and_its_words(said: bytes, status: int, words: str) -> None:
    error = await refusal(said)
    assert str(error) == WHERE + words
    assert isinstance(error, ProxyError)
    assert error.status == status
    assert words.endswith(error.message)


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "does not take the credentials given"),
        ({"token": None}, "wants credentials"),
        (
            {"token": None, "headers": {"Authorization": "Other planted-scheme-key"}},
            "does not take the credentials given",
        ),
    ],
)
async def test_a_refusal_of_the_credentials_is_told_apart(status: int, options: dict[str, Any], words: str) -> None:
    error = await refusal(plain(f"{status} No"), ProxyAuthenticationError, options=options)
    assert str(error) == f"{WHERE}the relay {words}: {status} No"
    assert isinstance(error, ProxyError)
    assert error.status == status


async def test_a_refusal_whose_body_stalls_is_not_waited_for_long(autojump_clock: object) -> None:
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nnot you"
    error = await refusal(said, end="hang")
    assert str(error) == WHERE + "the relay refused: 403 Forbidden: not you"
    assert trio.current_time() <= 2


async def test_a_refusal_without_end_is_not_read_to_its_end() -> None:
    said = b"HTTP/1.1 403 Forbidden\r\n\r\n" + bytes(10_000_000)
    inner = TranscriptTransport(said)
    async with WebSocketTransport(URL, inner=inner) as transport:
        with pytest.raises(ProxyError, match="403 Forbidden"):
            await transport.connect(ORIGIN)
    assert sum(map(len, inner.stream._pieces)) > 9_900_000


NOT_ONE = [
    (b"", "the relay closed the connection without an answer"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "the relay did not answer in HTTP"),
    (b"HTTP/1.1 101 Swi", "the relay did not answer in HTTP"),
    (bytes(100_000), "the relay did not answer in HTTP"),
    (SWITCHING + b"\r\n", "the relay's answer is no WebSocket handshake: Bad accept token"),
    (
        SWITCHING + b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
        "the relay's answer is no WebSocket handshake: Bad accept token",
    ),
    (SWITCHING + b"Sec-WebSocket-Protocol: chat\r\n\r\n", "expected the sub-protocol 'binary' or none, got 'chat'"),
    (b"HTTP/1.1 101 OK\r\nConnection: Upgrade\r\n\r\n", "Missing header, 'Upgrade: websocket'"),
    (b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\n\r\n", "Missing header, 'Connection: Upgrade'"),
]


@pytest.mark.parametrize(("said", "words"), NOT_ONE, ids=[str(number) for number in range(len(NOT_ONE))])
async def test_an_answer_that_is_no_handshake_is_told(said: bytes, words: str) -> None:
    error = await refusal(said)
    assert str(error).startswith(WHERE)
    assert words in str(error)


async def test_a_connection_that_breaks_before_the_answer_is_told() -> None:
    error = await refusal(b"", end="reset")
    assert str(error) == f"{WHERE}the connection to the relay broke before it answered: connection reset by peer"
    assert isinstance(error.__cause__, trio.BrokenResourceError)


async def test_a_relay_that_repeats_the_secrets_does_not_make_us_show_them() -> None:
    said = f"you said {TOKEN} planted-header-value, planted-query-value planted%2Fvalue planted/value".encode()
    url = "ws://relay.example:8080/tunnel?key=planted-query-value&other=planted%2Fvalue"
    inner = TranscriptTransport(plain("403 planted-header-value", said))
    async with WebSocketTransport(url, token=TOKEN, headers={"X": "planted-header-value"}, inner=inner) as transport:
        with pytest.raises(ProxyError) as caught:
            await transport.connect(ORIGIN)
    assert caught.value.message == "***: you said *** ***, *** *** ***"
    assert "planted" not in shown(caught.value)


async def test_a_relay_that_echoes_the_request_does_not_make_us_show_it() -> None:
    async def echo(stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some():
            await stream.send_all(data)

    async with WebSocketTransport(URL, token=TOKEN, inner=MemoryTransport(echo)) as transport:
        with pytest.raises(ProxyError, match="did not answer in HTTP") as caught:
            await transport.connect(ORIGIN)
    assert "planted" not in shown(caught.value)


@given(said=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: SWITCHING + tail)))
def test_any_answer_at_all_is_a_connect_error(said: bytes) -> None:
    trio.run(refusal, said, clock=trio.testing.MockClock(autojump_threshold=0))


@given(number=st.integers(0, len(STATUSES) - 1), cuts=st.lists(st.integers(0, 60), max_size=8))
def test_a_refusal_is_the_same_however_it_is_cut(number: int, cuts: list[int]) -> None:
    said, status, words = STATUSES[number]

    async def main() -> None:
        error = await refusal(said, cuts=[min(cut, len(said)) for cut in cuts])
        assert (str(error), error.status) == (WHERE + words, status)  # type: ignore[attr-defined]

    trio.run(main)


async def test_a_relay_that_is_not_there_is_told_by_route() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with WebSocketTransport(f"ws://127.0.0.1:{port}") as transport:
        with pytest.raises(
            ConnectError, match=f"connect via ws://127.0.0.1:{port} via tcp to https://image.*: refused"
        ):
            await transport.connect(ORIGIN)


async def test_a_relay_that_never_answers_is_waited_for_as_long_as_the_caller_likes(autojump_clock: object) -> None:
    tasks = Tasks()
    inner = TranscriptTransport(end="hang")
    async with WebSocketTransport(URL, inner=inner) as transport:
        with trio.move_on_after(1000) as scope:
            await transport.connect(ORIGIN)
        assert scope.cancelled_caught
        assert trio.current_time() == 1000
        assert inner.stream.closed
        await trio.testing.wait_all_tasks_blocked()
        assert tasks.alive == 0


async def test_cancelled_at_any_moment_connecting_leaves_nothing_open() -> None:
    """The handshake is another task's work, so that steps of all tasks are counted, not only the caller's."""
    inner = ScriptedTransport()
    tasks = Tasks()
    gone = 0

    async def answer() -> None:
        nonlocal gone
        while True:
            peer = Peer(await inner.accept())
            with pytest.raises((EOFError, trio.BrokenResourceError)):
                await peer.accept()
                await peer.event()
            gone += 1

    async def connect(scope: trio.CancelScope) -> None:
        with scope:
            await close_now(await transport.connect(ORIGIN))

    async def cancelled_after(turns: int) -> bool:
        scope = trio.CancelScope()
        async with trio.open_nursery() as calls:
            calls.start_soon(connect, scope)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            scope.cancel()
        return scope.cancelled_caught

    async with WebSocketTransport(URL, inner=inner) as transport, trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        turns, cancelled = 0, True
        while cancelled:
            cancelled = await cancelled_after(turns)
            await trio.testing.wait_all_tasks_blocked()
            assert gone == len(inner.origins)
            assert tasks.alive == 1
            turns += 1
        assert turns > 8
        step = 1
        while await cancelled_at_step(step, lambda: connect(trio.CancelScope())):
            await trio.testing.wait_all_tasks_blocked()
            assert (gone, tasks.alive) == (len(inner.origins), 1)
            step += 1
        nursery.cancel_scope.cancel()


# TLS on the way to the relay.


async def test_wss_is_tls_to_the_relay(certificates: Certificates) -> None:
    server = certificates.server("relay.example")

    async def serve(stream: trio.abc.Stream) -> None:
        tls = trio.SSLStream(stream, server, server_side=True, https_compatible=True)
        peer = Peer(tls)  # type: ignore[arg-type]
        await peer.accept()
        await peer.say(BytesMessage(data=await peer.message()))
        with pytest.raises(EOFError):
            await peer.event()

    options: dict[str, Any] = {"inner": MemoryTransport(serve), "ssl_context": certificates.client()}
    async with WebSocketTransport("wss://relay.example/", **options) as transport:
        stream = await transport.connect(ORIGIN)
        await stream.send_all(b"echo")
        assert await stream.receive_some() == b"echo"
        await close_now(stream)


async def test_a_relay_whose_certificate_is_not_accepted_is_told_by_route(certificates: Certificates) -> None:
    server = certificates.server("other.example")

    async def serve(stream: trio.abc.Stream) -> None:
        tls = trio.SSLStream(stream, server, server_side=True, https_compatible=True)
        with contextlib.suppress(trio.BrokenResourceError, ssl.SSLError):
            await tls.do_handshake()

    inner = MemoryTransport(serve)
    async with WebSocketTransport(
        "wss://relay.example/", token=TOKEN, inner=inner, ssl_context=certificates.client()
    ) as transport:
        with pytest.raises(ConnectError, match=r"connect via wss://relay.example:443 via .*certificate") as caught:
            await transport.connect(ORIGIN)
    assert "planted" not in shown(caught.value)


# Entering and leaving.


async def test_it_works_while_it_is_entered(autojump_clock: object) -> None:
    inner = TranscriptTransport(b"HTTP/1.1 403 No\r\n\r\n")
    transport = WebSocketTransport(URL, inner=inner)
    with pytest.raises(RuntimeError, match="not entered"):
        await transport.connect(ORIGIN)
    for turn in (1, 2):
        async with transport as entered:
            assert entered is transport
            assert (inner.entered, inner.turns) == (1, turn)
            with pytest.raises(ProxyError):
                await transport.connect(ORIGIN)
        assert inner.entered == 0
    with pytest.raises(RuntimeError, match="not entered"):
        await transport.connect(ORIGIN)


async def test_entering_twice_is_refused_and_harms_nothing() -> None:
    inner = TranscriptTransport(b"HTTP/1.1 403 No\r\n\r\n")
    async with WebSocketTransport(URL, inner=inner) as transport:
        with pytest.raises(RuntimeError, match="entered already"):
            await transport.__aenter__()
        assert inner.entered == 1
        with pytest.raises(ProxyError):
            await transport.connect(ORIGIN)


async def test_an_inner_transport_that_cannot_be_entered_leaves_this_one_as_it_was() -> None:
    transport = WebSocketTransport(URL, inner=TranscriptTransport(error=OSError("no")))
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            await transport.__aenter__()
    with pytest.raises(RuntimeError, match="not entered"):
        await transport.connect(ORIGIN)


async def test_the_bodys_error_leaves_as_it_is() -> None:
    error = ValueError("of the body")
    with pytest.raises(ValueError, match="of the body") as caught:
        async with WebSocketTransport(URL, inner=TranscriptTransport()):
            raise error
    assert caught.value is error
    assert error.__context__ is None


async def test_leaving_breaks_a_stream_that_is_still_open() -> None:
    tasks = Tasks()
    inner = ScriptedTransport()
    async with WebSocketTransport(URL, inner=inner) as transport, trio.open_nursery() as nursery:
        peers = []

        async def answer() -> None:
            peers.append(Peer(await inner.accept()))
            await peers[0].accept()

        nursery.start_soon(answer)
        stream = await transport.connect(ORIGIN)
    assert tasks.alive == 0
    with pytest.raises(EOFError):
        await peers[0].event()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")
    await stream.aclose()


async def test_relays_nest() -> None:
    """Each layer's tasks outlive those of the layer above, which speaks through them."""

    async def relay(stream: trio.abc.Stream) -> None:
        peer = Peer(stream)  # type: ignore[arg-type]
        await peer.accept()
        inside = Peer(PeerStream(peer))  # type: ignore[arg-type]
        await inside.accept()
        await inside.say_message(await inside.message())
        with pytest.raises(EOFError):
            await inside.event()

    tasks = Tasks()
    outer = WebSocketTransport("ws://outer.example", inner=MemoryTransport(relay))
    async with WebSocketTransport("ws://inner.example", inner=outer) as transport:
        assert transport.describe() == "ws://inner.example:80 via ws://outer.example:80 via MemoryTransport"
        stream = await transport.connect(ORIGIN)
        await stream.send_all(b"through both")
        assert await stream.receive_some() == b"through both"
    assert tasks.alive == 0


class PeerStream:
    """The bytes in a peer's messages, as the stream of another one."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def send_all(self, data: bytes) -> None:
        await self._peer.say_message(data)

    async def receive_some(self) -> bytes:
        return await self._peer.message()


# What it shows, and what it takes.


def test_it_describes_itself_without_secrets() -> None:
    url = "wss://planted-user:planted-word@relay.example/planted-path?key=planted"
    transport = WebSocketTransport(url, headers={"X-Key": "planted"}, inner=TCPTransport())
    assert transport.describe() == "wss://relay.example:443 via tcp"
    assert not transport.secure
    for text in (repr(transport), str(transport), repr(vars(transport)["_headers"]), repr(vars(transport)["_hop"])):
        assert "planted" not in text


BAD_URLS = ["", "relay.example", "http://relay.example", "ws://", "ws://relay:x", "ws://a b", "ws://r/#f", 7, None]


@pytest.mark.parametrize("url", [*BAD_URLS, "ws://" + "x" * 70 + ".example", "ws://a..b"])
def test_a_url_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(InvalidParamsError, match="url: expected ") as caught:
        WebSocketTransport(url)
    assert caught.value.field == "url"


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"token": ""}, "token"),
    ({"token": "planted token"}, "token"),
    ({"token": "plantéd"}, "token"),
    ({"token": "planted\r\nX: y"}, "token"),
    ({"token": b"planted"}, "token"),
    ({"token": "planted", "headers": {"authorization": "planted"}}, "token"),
    ({"headers": {"X-A": "planted\r\nX-B: c"}}, "headers"),
    ({"headers": {"X A": "planted"}}, "headers"),
    ({"headers": {"X-A": "plantéd"}}, "headers"),
    ({"headers": {"X-A": 1}}, "headers"),
    ({"headers": {"": "planted"}}, "headers"),
    ({"headers": ["planted"]}, "headers"),
    ({"headers": 5}, "headers"),
    *[({"headers": {name: "x"}}, "headers") for name in ("Host", "upgrade", "CONNECTION", "Content-Length")],
    ({"headers": {"Sec-WebSocket-Protocol": "chat"}}, "headers"),
    *[({"ping_interval": value}, "ping_interval") for value in (0, -1, "1", True, float("nan"))],
    *[({"ping_timeout": value}, "ping_timeout") for value in (0, None, "1", False)],
]


@pytest.mark.parametrize(("options", "field"), BAD_OPTIONS, ids=[str(number) for number in range(len(BAD_OPTIONS))])
def test_an_option_that_is_wrong_is_refused_without_being_repeated(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"^{field}: expected ") as caught:
        WebSocketTransport(URL, **options)
    assert caught.value.field == field
    assert "plant" not in shown(caught.value)


def test_two_ways_to_authorize_are_one_too_many() -> None:
    with pytest.raises(InvalidParamsError, match="more than one") as caught:
        WebSocketTransport("ws://planted:planted@relay", token=TOKEN)
    assert "planted" not in shown(caught.value)


async def test_an_origin_that_could_break_out_of_the_query_is_refused() -> None:
    async with WebSocketTransport(URL, inner=TranscriptTransport()) as transport:
        for host in ("a b", "a\r\nX: y", ""):
            with pytest.raises(ConnectError, match="not a valid host name"):
                await transport.connect(Origin("https", host, 443))
    request, _ = await request_of("ws://relay", origin=Origin("https", "a&to=b#?", 443))
    assert request.target == "/?to=https://a%26to%3Db%23%3F:443"


async def test_nothing_is_imported_of_it_until_it_is_used() -> None:
    code = "import sys, nai_trio.transports, nai_trio; sys.exit('trio_websocket' in sys.modules)"
    result = await trio.run_process([sys.executable, "-c", code], check=False)
    assert result.returncode == 0
