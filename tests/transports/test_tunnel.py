"""`Tunnel`, the other end of `WebSocketTransport`, in memory; on real sockets it is in the tests of the command."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing
from delegating import DelegatingStream
from scripted import ScriptedTransport
from streams import rest_of, waits
from websocket_peer import Tasks

from nai_trio.closing import close_now, reraise, unwrap_group
from nai_trio.errors import ConnectError, InvalidParamsError, ProxyAuthenticationError, ProxyError
from nai_trio.transport import Origin, Transport
from nai_trio.transports import MemoryStream, MemoryTransport, memory_stream_pair
from nai_trio.transports.tunnel import Tunnel
from nai_trio.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ORIGIN = Origin("https", "image.novelai.net", 443)
OTHER = Origin("http", "other.example", 8080)
URL = "ws://tunnel.example:8080"
TOKEN = "planted-token-not-real"
LINE = "client: to https://image.novelai.net"
UPGRADE = (
    b"GET %s HTTP/1.1\r\nHost: tunnel.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)


@attrs.frozen
class Site:
    """A tunnel, a way into it, and where it leads."""

    tunnel: Tunnel
    transport: WebSocketTransport
    far: ScriptedTransport
    log: list[str]

    async def pair(self, origin: Origin = ORIGIN) -> tuple[trio.abc.Stream, MemoryStream]:
        """Our end of a connection, and the origin's."""
        near = await self.transport.connect(origin)
        return near, await self.far.accept()

    async def ask(self, path: bytes = b"/", headers: bytes = b"") -> bytes:
        """The answer to a handshake written by hand."""
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(self.tunnel.serve, theirs, peer="stranger"))
            await ours.send_all(UPGRADE % (path, headers))
            answer = bytes(await ours.receive_some())
            if b" 101 " not in answer:
                answer += await rest_of(ours)
            ours.close()
        return answer


@asynccontextmanager
async def site(
    *origins: Origin, client: dict[str, Any] | None = None, far: Transport | None = None, **options: Any
) -> AsyncIterator[Site]:
    log: list[str] = []
    scripted = ScriptedTransport()
    tunnel = Tunnel(origins or [ORIGIN], transport=far or scripted, log=log.append, **options)
    serving = MemoryTransport(partial(tunnel.serve, peer="client"))
    try:
        async with WebSocketTransport(URL, inner=serving, **(client or {})) as transport:
            yield Site(tunnel, transport, scripted, log)
    except BaseExceptionGroup as group:
        reraise(unwrap_group(group))
    assert tunnel.connections == 0


# Bytes.


async def test_bytes_pass_both_ways_and_one_line_tells_of_it(autojump_clock: object) -> None:
    async with site() as here:
        near, far = await here.pair()
        assert here.far.origins == [ORIGIN]
        await near.send_all(b"planted question")
        assert await far.receive_some() == b"planted question"
        await trio.sleep(2)
        await far.send_all(b"planted answer!")
        assert await near.receive_some() == b"planted answer!"
        assert here.log == []
        await near.aclose()
        assert await far.receive_some() == b""
        await trio.testing.wait_all_tasks_blocked()
        assert here.log == [f"{LINE}: 16 bytes up, 15 down in 2.0 s; closed by the client"]


async def test_it_carries_a_two_way_stream(autojump_clock: object) -> None:
    async with site() as here:
        await trio.testing.check_two_way_stream(here.pair, None)


@pytest.mark.parametrize("up", [True, False])
async def test_back_pressure_goes_through_both_ways(autojump_clock: object, up: bool) -> None:
    async with site() as here:
        near, far = await here.pair()
        one, other = (near, far) if up else (far, near)
        sent = 0
        while not await waits(one.send_all, bytes(20_000)):
            sent += 20_000
        assert 20_000 < sent < 800_000
        assert len(await other.receive_some(10)) == 10
        await close_now(near)


async def test_a_hundred_megabytes_pass_and_are_never_in_memory_at_once() -> None:
    total, block = 100 * 1024 * 1024, bytes(range(256)) * 1024
    sent = taken = most = 0
    async with site() as here, trio.open_nursery() as nursery:
        near, far = await here.pair()

        async def flood() -> None:
            nonlocal sent
            while sent < total:
                await far.send_all(block)
                sent += len(block)
            far.close()

        nursery.start_soon(flood)
        while data := await near.receive_some():
            most = max(most, sent - taken)
            assert data[:1] == block[taken % len(block) : taken % len(block) + 1]
            taken += len(data)
    assert taken == total
    assert most <= 8 * len(block)


# How a connection ends.


async def test_the_origins_end_comes_after_its_last_byte_and_ends_both_directions(autojump_clock: object) -> None:
    async with site() as here:
        near, far = await here.pair()
        await far.send_all(b"x" * 50_000)
        await far.send_eof()
        assert await rest_of(near) == b"x" * 50_000
        with pytest.raises(trio.BrokenResourceError):
            await near.send_all(b"more")
        assert await far.receive_some() == b""
        await near.aclose()
        assert trio.current_time() == 0
        await trio.testing.wait_all_tasks_blocked()
        assert here.log == [f"{LINE}: 0 bytes up, 50000 down in 0.0 s; closed by the origin"]


async def test_the_clients_end_comes_after_its_last_byte(autojump_clock: object) -> None:
    async with site() as here, trio.open_nursery() as nursery:
        near, far = await here.pair()

        async def send() -> None:
            await near.send_all(b"x" * 300_000)
            await near.aclose()

        nursery.start_soon(send)
        assert await rest_of(far) == b"x" * 300_000


async def test_a_client_that_just_leaves_ends_it_at_once(autojump_clock: object) -> None:
    tasks = Tasks()
    async with site() as here:
        near, far = await here.pair()
        await close_now(near)
        assert await far.receive_some() == b""
        await trio.testing.wait_all_tasks_blocked()
        assert here.log == [f"{LINE}: 0 bytes up, 0 down in 0.0 s; the client left"]
        assert tasks.alive == 0
        assert here.tunnel.connections == 0


async def test_a_broken_origin_is_an_error_that_says_so(autojump_clock: object) -> None:
    async with site() as here:
        near, far = await here.pair()
        await far.send_all(b"half")
        far.fail(OSError("gone"))
        assert await near.receive_some() == b"half"
        with pytest.raises(trio.BrokenResourceError, match=r"1011.*: the connection to the origin broke"):
            await near.receive_some()
        await near.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert "the connection to the origin broke" in here.log[0]


async def test_an_answer_before_the_upload_ends_arrives(autojump_clock: object) -> None:
    """As a 413 does: the origin reads no more, says why, and closes."""
    async with site() as here, trio.open_nursery() as nursery:
        near, far = await here.pair()
        nursery.start_soon(far.send_all, b"413")
        await trio.testing.wait_all_tasks_blocked()
        far.close()

        async def upload() -> None:
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await near.send_all(bytes(100_000))

        nursery.start_soon(upload)
        assert await rest_of(near) == b"413"


async def test_an_origin_that_no_longer_reads_can_still_answer(autojump_clock: object) -> None:
    class Deaf(DelegatingStream):
        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError("it reads no more")

    class DeafOrigin(ScriptedTransport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            return Deaf(await super().connect(origin))

    origin = DeafOrigin()
    async with site(far=origin) as here:
        near = await here.transport.connect(ORIGIN)
        far = await origin.accept()
        for _ in range(20):
            await near.send_all(bytes(100_000))  # it is taken, and dropped
        await far.send_all(b"413")
        assert await near.receive_some() == b"413"
        far.close()
        assert await near.receive_some() == b""
        await near.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert here.log == [f"{LINE}: 0 bytes up, 3 down in 0.0 s; closed by the origin"]


async def test_silence_ends_a_connection_and_every_byte_puts_it_off(autojump_clock: object) -> None:
    async with site(idle_seconds=30) as here:
        near, far = await here.pair()
        for _ in range(3):
            await trio.sleep(20)
            await near.send_all(b"up")
            assert await far.receive_some() == b"up"
            await trio.sleep(20)
            await far.send_all(b"down")
            assert await near.receive_some() == b"down"
        assert await near.receive_some() == b""
        assert trio.current_time() == 6 * 20 + 30
        await near.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert here.log[0].endswith("; idle for 30 s")


async def test_a_client_that_never_answers_the_close_is_let_go(autojump_clock: object) -> None:
    async with site(client={"ping_interval": None}) as here, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(here.tunnel.serve, theirs)
        await ours.send_all(UPGRADE % (b"/", b""))
        far = await here.far.accept()
        await far.send_all(b"last")
        far.close()
        answer = await rest_of(ours)
        assert answer.endswith(b"\x82\x04last\x88\x02\x03\xe8")
        assert trio.current_time() == 30
    assert here.tunnel.connections == 0


async def test_stopping_says_goodbye_and_closes_everything(autojump_clock: object) -> None:
    log: list[str] = []
    far = ScriptedTransport()
    tunnel = Tunnel([ORIGIN], transport=far, log=log.append)
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tunnel.serve, theirs)
        await ours.send_all(UPGRADE % (b"/", b""))
        origin = await far.accept()
        await ours.receive_some()
        nursery.cancel_scope.cancel()
    assert await rest_of(ours) == b"\x88\x12\x03\xe9the tunnel stops"
    assert await origin.receive_some() == b""
    assert trio.current_time() == 1
    assert log == ["a client: the tunnel stopped"]
    assert tunnel.connections == 0


async def test_stopped_at_any_moment_nothing_stays_open(autojump_clock: object) -> None:
    async def stopped_after(turns: int) -> bool:
        """Whether the goodbye was said; the origin's end and ours have ended then."""
        far = ScriptedTransport()
        tunnel = Tunnel([ORIGIN], transport=far)
        ours, theirs = memory_stream_pair()
        await ours.send_all(UPGRADE % (b"/", b""))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tunnel.serve, theirs)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        said = await rest_of(ours)
        if far.origins:
            assert await rest_of(await far.accept()) == b""
        assert tunnel.connections == 0
        return b"the tunnel stops" in said

    outcomes = [await stopped_after(turns) for turns in range(30)]
    assert outcomes[0] is False
    assert outcomes[-1] is True


# Where it leads.


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        (b"/?to=https://image.novelai.net:443", ORIGIN),
        (b"/any/path?a=b&to=https://image.novelai.net", ORIGIN),
        (b"/?to=HTTPS%3A%2F%2FIMAGE.novelai.net", ORIGIN),
        (b"/?to=http://other.example:8080", OTHER),
    ],
)
async def test_the_query_says_which_of_its_origins(path: bytes, origin: Origin) -> None:
    async with site(ORIGIN, OTHER) as here:
        assert (await here.ask(path)).startswith(b"HTTP/1.1 101 ")
        assert here.far.origins == [origin]


@pytest.mark.parametrize("path", [b"/", b"/any?a=b", b"/?to=https://image.novelai.net"])
async def test_a_tunnel_to_one_origin_needs_no_query(path: bytes) -> None:
    async with site() as here:
        assert (await here.ask(path)).startswith(b"HTTP/1.1 101 ")
        assert here.far.origins == [ORIGIN]


ELSEWHERE = [
    (b"/?to=https://elsewhere.example", b"403", b"not served here"),
    (b"/?to=http://image.novelai.net:443", b"403", b"not served here"),
    (b"/?to=https://image.novelai.net:444", b"403", b"not served here"),
    (b"/?to=https://image.novelai.net:443/", b"403", b"not served here"),
    (b"/?to=https://user@image.novelai.net", b"403", b"not served here"),
    (b"/?to=https://image.novelai.net.", b"403", b"not served here"),
    (b"/?to=", b"403", b"not served here"),
    (b"/?to=https://image.novelai.net&to=https://image.novelai.net", b"400", b"expected one origin"),
    (b"/?" + b"&".join([b"a=b"] * 101), b"400", b"cannot be read"),
]


@pytest.mark.parametrize(("path", "status", "words"), ELSEWHERE, ids=[str(number) for number in range(len(ELSEWHERE))])
async def test_every_other_origin_is_refused_and_not_tried(path: bytes, status: bytes, words: bytes) -> None:
    async with site() as here:
        answer = await here.ask(path)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert words in answer
        assert here.far.origins == []
        assert here.log[0].startswith(f"stranger: refused: {status.decode()} ")


async def test_a_tunnel_to_several_wants_to_be_told() -> None:
    async with site(ORIGIN, OTHER) as here:
        answer = await here.ask(b"/")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"to=https://host:443" in answer


async def test_a_refusal_reaches_our_own_client_in_words() -> None:
    async with site() as here:
        with pytest.raises(ProxyError, match="the relay refused: 403 this origin is not served here") as caught:
            await here.transport.connect(OTHER)
        assert caught.value.status == 403


async def test_an_origin_that_cannot_be_reached_is_a_bad_gateway() -> None:
    class Unreachable(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.lowlevel.checkpoint()
            raise ConnectError(f"connect to {origin}: refused")

    async with site(far=Unreachable()) as here:
        with pytest.raises(ProxyError, match=r"502 connect to https://image\.novelai\.net: refused") as caught:
            await here.transport.connect(ORIGIN)
        assert caught.value.status == 502


async def test_an_origin_that_does_not_answer_is_a_gateway_timeout(autojump_clock: object) -> None:
    class Hanging(Transport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.sleep_forever()
            raise AssertionError

    async with site(far=Hanging()) as here:
        with pytest.raises(ProxyError, match=r"504 https://image\.novelai\.net does not answer"):
            await here.transport.connect(ORIGIN)
        assert trio.current_time() == 15


# Who may use it.


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {TOKEN}".encode(), f"bearer {TOKEN}".encode(), basic(f":{TOKEN}"), basic(f"anybody:{TOKEN}")],
)
async def test_the_token_opens_it_as_bearer_or_as_a_password(authorization: bytes) -> None:
    async with site(token=TOKEN) as here:
        assert (await here.ask(headers=b"Authorization: %s\r\n" % authorization)).startswith(b"HTTP/1.1 101 ")


WRONG = [
    b"",
    b"Authorization: Bearer\r\n",
    b"Authorization: Bearer planted-token-not-rea\r\n",
    b"Authorization: Bearer planted-token-not-real2\r\n",
    b"Authorization: Other planted-token-not-real\r\n",
    b"Authorization: planted-token-not-real\r\n",
    b"Authorization: %s\r\n" % basic(f"{TOKEN}:"),
    b"Authorization: %s\r\n" % basic(TOKEN),
    b"Authorization: Basic !\r\n",
    b"Authorization: Basic \xff\r\n",
    b"Authorization: Bearer \xff\r\n",
]


@pytest.mark.parametrize("headers", WRONG, ids=[str(number) for number in range(len(WRONG))])
async def test_nothing_else_opens_it(headers: bytes) -> None:
    async with site(token=TOKEN) as here:
        answer = await here.ask(b"/?to=https://elsewhere.example", headers)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"www-authenticate: Bearer" in answer
        assert here.far.origins == []
        assert "planted" not in str(here.log)


async def test_our_client_brings_the_token_and_learns_that_it_is_wrong() -> None:
    async with site(token=TOKEN, client={"token": TOKEN}) as here:
        near, _ = await here.pair()
        await close_now(near)
    async with site(token=TOKEN, client={"token": "planted-other"}) as here:
        with pytest.raises(ProxyAuthenticationError, match="401 expected a bearer token") as caught:
            await here.transport.connect(ORIGIN)
        assert "planted" not in str(caught.value)


async def test_without_a_token_no_web_page_gets_in() -> None:
    page = b"Origin: https://evil.example\r\n"
    async with site() as here:
        assert (await here.ask(headers=page)).startswith(b"HTTP/1.1 403 ")
        assert here.far.origins == []
    async with site(token=TOKEN) as here:
        assert (await here.ask(headers=page + b"Authorization: Bearer %s\r\n" % TOKEN.encode())).startswith(
            b"HTTP/1.1 101 "
        )


@pytest.mark.parametrize(
    ("offered", "status", "chosen"),
    [
        (b"", b"101", b""),
        (b"Sec-WebSocket-Protocol: binary\r\n", b"101", b"Sec-WebSocket-Protocol: binary"),
        (b"Sec-WebSocket-Protocol: chat, binary\r\n", b"101", b"Sec-WebSocket-Protocol: binary"),
        (b"Sec-WebSocket-Protocol: chat\r\n", b"400", b"expected the sub-protocol binary"),
    ],
)
async def test_the_sub_protocol_is_binary_or_none(offered: bytes, status: bytes, chosen: bytes) -> None:
    async with site() as here:
        answer = await here.ask(headers=offered)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert chosen in answer


# Limits, and what is no client.


async def test_so_many_connections_and_no_more(autojump_clock: object) -> None:
    async with site(max_connections=2) as here:
        kept = [await here.pair(), await here.pair()]
        with pytest.raises(ProxyError, match="503 all 2 connections are in use") as caught:
            await here.transport.connect(ORIGIN)
        assert caught.value.status == 503
        await kept[0][0].aclose()
        await trio.testing.wait_all_tasks_blocked()
        near, _ = await here.pair()
        for stream in (near, kept[1][0]):
            await stream.aclose()


async def test_those_who_never_say_hello_do_not_use_up_the_machine(autojump_clock: object) -> None:
    async with site(max_connections=2) as here, trio.open_nursery() as nursery:
        mute = [memory_stream_pair() for _ in range(70)]
        for _, theirs in mute:
            nursery.start_soon(here.tunnel.serve, theirs)
        await trio.testing.wait_all_tasks_blocked()
        assert here.tunnel.connections == 66
        assert [ours.readable() for ours, _ in mute].count(True) == 4  # closed on the spot
        await trio.sleep(10.5)
        assert here.tunnel.connections == 0
        assert sorted(here.log) == [
            *["a client: dropped: too many connections"] * 4,
            *["a client: no WebSocket was asked for"] * 66,
        ]


@pytest.mark.parametrize("path", [b"/", b"/?to=elsewhere"], ids=["accepted", "refused"])
async def test_who_does_not_read_the_answer_is_not_waited_for(autojump_clock: object, path: bytes) -> None:
    async with site() as here, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair(buffer_size=40)
        nursery.start_soon(here.tunnel.serve, theirs)
        with trio.move_on_after(60):
            await ours.send_all(UPGRADE % (path, b""))
            await trio.sleep(10.5)
        assert here.tunnel.connections == 0
        assert here.log == ["a client: did not read its answer"]


NOISE = [
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: \xff\r\nUpgrade: websocket\r\n\r\n",
    UPGRADE.replace(b"13", b"12") % (b"/", b""),
    UPGRADE % (b"/", b"Sec-WebSocket-Protocol: \xff\r\n"),
    b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
]


@pytest.mark.parametrize("noise", NOISE, ids=[str(number) for number in range(len(NOISE))])
async def test_what_is_no_websocket_is_one_line_and_no_error(autojump_clock: object, noise: bytes) -> None:
    tasks = Tasks()
    async with site() as here, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair(buffer_size=1_000_000)
        nursery.start_soon(here.tunnel.serve, theirs)
        await ours.send_all(noise)
        await ours.send_eof()
        answer = await rest_of(ours)
        assert answer.startswith(b"HTTP/1.1 4") or not answer
        await trio.testing.wait_all_tasks_blocked()
        assert here.log == ["a client: no WebSocket was asked for"]
        assert tasks.alive == 0
        assert here.far.origins == []


@pytest.mark.parametrize("turns", range(12))
async def test_a_request_that_turns_out_to_be_none_ends_its_own_connection_only(
    autojump_clock: object, turns: int
) -> None:
    """A body that breaks HTTP after a good head: the refusal is under way while the origin is being reached."""
    async with site() as here, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(here.tunnel.serve, theirs)
        await ours.send_all(UPGRADE % (b"/", b"Transfer-Encoding: chunked\r\n"))
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        await ours.send_all(b"no chunk\r\n")
        await rest_of(ours)
        await trio.testing.wait_all_tasks_blocked()
        assert len(here.log) == 1
        assert here.tunnel.connections == 0


async def test_frames_before_the_answer_are_bounded(autojump_clock: object) -> None:
    class Slow(ScriptedTransport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            await trio.sleep(10)
            return await super().connect(origin)

    async with site(far=Slow()) as here, trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        nursery.start_soon(here.tunnel.serve, theirs)
        sent = 0
        with trio.move_on_after(9), pytest.raises(trio.BrokenResourceError):
            await ours.send_all(UPGRADE % (b"/", b""))
            while True:
                await ours.send_all(bytes(10_000))
                sent += 10_000
        assert sent < 300_000
        nursery.cancel_scope.cancel()


BAD: list[tuple[dict[str, Any], str]] = [
    ({"origins": []}, "origins"),
    ({"origins": ["https://image.novelai.net"]}, "origins"),
    ({"token": ""}, "token"),
    ({"token": "planted token"}, "token"),
    ({"token": b"planted"}, "token"),
    ({"max_connections": 0}, "max_connections"),
    ({"max_connections": True}, "max_connections"),
    ({"idle_seconds": 0}, "idle_seconds"),
    ({"idle_seconds": "9"}, "idle_seconds"),
]


@pytest.mark.parametrize(("options", "field"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_setting_that_is_wrong_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"^{field}: expected ") as caught:
        Tunnel(**{"origins": [ORIGIN], **options})
    assert caught.value.field == field
    assert "planted" not in str(caught.value)
