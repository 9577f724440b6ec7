"""The pool over TLS: reuse, resumption, and what a peer says out of turn."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest
import recorded
import trio
import trustme
from scripted import ScriptedTransport, read_request

from nai_trio import ConnectError, NovelAI, StreamInterrupted
from nai_trio.transports import MemoryTransport
from nai_trio.transports.tls import TLSStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nai_trio.transports import MemoryStream

pytestmark = pytest.mark.usefixtures("fresh_looks")

KEY = "pst-not-a-real-key"
BASE = "https://localhost"
RESPONSE = recorded.stream_response("msgpack")
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param  # type: ignore[no-any-return]


class Scripted(ScriptedTransport):
    """Memory streams that need TLS; the server's ends are of one context."""

    secure = False

    def __init__(self, authority: trustme.CA, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.maximum_version = version
        authority.issue_cert("localhost").configure_cert(self.context)
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)

    def client(self, **options: object) -> NovelAI:
        return NovelAI(KEY, image_base=BASE, transport=self, ssl_context=self.client_context, **options)  # type: ignore[arg-type]

    async def accept_tls(self) -> tuple[TLSStream, Gathering]:
        """The next connection's server end, its handshake done, and the stream below it."""
        below = Gathering(await self.accept())
        server = TLSStream(below, self.context, server_side=True)
        await server.do_handshake()
        return server, below


class Gathering(trio.abc.Stream):
    """Holds back what is sent while it gathers, so that it arrives in one piece."""

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
        self.gathered: bytearray | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.gathered is None:
            await self.stream.send_all(data)
        else:
            await trio.lowlevel.checkpoint()
            self.gathered += data

    async def release(self, size: int | None = None) -> None:
        """Send the first bytes of what was gathered, or all, as one piece."""
        assert self.gathered is not None
        gathered, self.gathered = self.gathered, None
        await self.stream.send_all(gathered[:size])

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


async def say_nothing(server: TLSStream) -> None:
    await trio.lowlevel.checkpoint()


async def speak(server: TLSStream) -> None:
    await server.send_all(TIMEOUT)


async def close_politely(server: TLSStream) -> None:
    """Close_notify, with the connection left open."""
    with pytest.raises(ssl.SSLWantReadError):
        server.tls.unwrap()
    await server._push()


async def generations(
    transport: Scripted, after: Callable[[TLSStream], Awaitable[None]], *, cut: int | None = None
) -> int:
    """Generate twice against a server that says something right behind its first response; count the connections."""
    opened = 0

    async def serve() -> None:
        nonlocal opened
        while True:
            server, below = await transport.accept_tls()
            opened += 1
            nursery.start_soon(answer, server, below)

    async def answer(server: TLSStream, below: Gathering) -> None:
        await read_request(server)
        below.gathered = bytearray()
        await server.send_all(RESPONSE)
        whole = len(below.gathered)
        await after(server)
        await below.release(None if cut is None else whole + cut)
        with contextlib.suppress(EOFError):  # it has left, and opened another one
            await read_request(server)
            await server.send_all(RESPONSE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with transport.client() as client:
            for _ in range(2):
                assert len(await client.image.generate(recorded.params())) == 1
        nursery.cancel_scope.cancel()
    return opened


async def test_a_connection_is_used_again(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    assert await generations(Scripted(authority, version), say_nothing) == 1


@pytest.mark.parametrize("after", [speak, close_politely])
async def test_what_came_in_one_read_with_the_response_is_seen(
    authority: trustme.CA, version: ssl.TLSVersion, after: Callable[[TLSStream], Awaitable[None]]
) -> None:
    """The stream below is quiet then: only the TLS stream can tell."""
    assert await generations(Scripted(authority, version), after) == 2


@pytest.mark.parametrize("cut", [1, 5, 6, 30])
async def test_the_beginning_of_a_record_behind_the_response_is_seen(
    authority: trustme.CA, version: ssl.TLSVersion, cut: int
) -> None:
    assert await generations(Scripted(authority, version), speak, cut=cut) == 2


async def test_the_next_connection_resumes_the_session(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    transport = Scripted(authority, version)
    resumed = []

    async def serve() -> None:
        for _ in range(3):
            server, _ = await transport.accept_tls()
            resumed.append(server.tls.session_reused)
            await read_request(server)
            await server.send_all(recorded.stream_response("msgpack", framing="close"))
            await server.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with transport.client() as client:
            for _ in range(3):
                await client.image.generate(recorded.params())
    assert resumed == [False, True, True]


async def test_each_client_has_sessions_of_its_own(authority: trustme.CA) -> None:
    transport = Scripted(authority)
    resumed = []

    async def serve() -> None:
        for _ in range(2):
            server, _ = await transport.accept_tls()
            resumed.append(server.tls.session_reused)
            await read_request(server)
            await server.send_all(RESPONSE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        for _ in range(2):
            async with transport.client() as client:
                await client.image.generate(recorded.params())
    assert resumed == [False, False]


async def test_an_error_of_tls_says_by_which_route(authority: trustme.CA) -> None:
    class Routed(Scripted):
        def describe(self) -> str:
            return "socks5://127.0.0.1:1080 via tcp"

    for kind, route in (
        (Routed, "connect via socks5://127.0.0.1:1080 via tcp to https://localhost:443: "),
        (Plain, "connect via tcp to https://localhost:443: "),
    ):
        transport = kind(authority)

        async def hang_up() -> None:
            stream = await transport.accept()  # noqa: B023
            await stream.receive_some()
            await stream.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang_up)
            async with transport.client() as client:
                with pytest.raises(ConnectError) as caught:
                    await client.image.generate(recorded.params())
        assert str(caught.value) == f"{route}TLS to localhost: the peer closed the connection during the handshake"
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert not caught.value.billing_unknown


class Plain(Scripted):
    def describe(self) -> str:
        return "tcp"


async def test_a_transports_bare_error_says_by_which_route() -> None:
    reason = OSError("no such thing")

    class Failing(ScriptedTransport):
        async def connect(self, origin: object) -> trio.abc.Stream:
            raise reason

    async with NovelAI(KEY, transport=Failing()) as client:
        with pytest.raises(ConnectError) as caught:
            await client.image.generate(recorded.params())
    assert str(caught.value) == "connect via Failing to https://image.novelai.net:443: no such thing"
    assert caught.value.__cause__ is reason


async def test_a_client_certificate_that_is_missing_is_what_the_error_says(
    authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    """In TLS 1.3 the handshake is over for us before the server can say so: it comes at the first read."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.maximum_version = version
    server_context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_context)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            server = TLSStream(stream, server_context, server_side=True)
            with pytest.raises(ssl.SSLError, match=r"(?i)certificate"):
                await server.do_handshake()
            while await stream.receive_some():  # until the client leaves
                pass

    transport = MemoryTransport(handler, secure=False)
    async with NovelAI(KEY, image_base=BASE, transport=transport, ssl_context=client_context) as client:
        with pytest.raises((ConnectError, StreamInterrupted)) as caught:
            await client.image.generate(recorded.params())
    if version is ssl.TLSVersion.TLSv1_3:
        assert "tlsv13 alert certificate required (the peer wants a client certificate)" in str(caught.value)
    else:
        assert "alert handshake failure (it may want a client certificate" in str(caught.value)
