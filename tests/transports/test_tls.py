"""TLS over memory streams and real sockets, against trio's server side and a throw-away authority."""

from __future__ import annotations

import datetime as dt
import random
import ssl
import struct
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nai_trio.errors import ConnectError
from nai_trio.transport import Origin, Readable
from nai_trio.transports import (
    MemoryTransport,
    TCPTransport,
    TLSStream,
    default_context,
    memory_stream_pair,
    open_tls,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Certificates

HOST = "service.example"
ORIGIN = Origin("https", HOST, 443)
CLOGGED = 4096
RECORD_OVERHEAD = 5 + 1 + 16
"""Header, inner type and tag of a TLS 1.3 record (RFC 8446, 5.2): one record of so many bytes less fills a buffer."""


class Counting(trio.abc.Stream):
    """Passes all on to a stream, counts how often it is closed, and cannot tell whether it is readable."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner = inner
        self.closed = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        self.closed += 1
        await self.inner.aclose()


def server_side(stream: trio.abc.Stream, context: ssl.SSLContext) -> trio.SSLStream[trio.abc.Stream]:
    return trio.SSLStream(stream, context, server_side=True, https_compatible=True)


async def open_pair(
    certificates: Certificates, *, buffer_size: int = 65536
) -> tuple[TLSStream, trio.SSLStream[trio.abc.Stream]]:
    """A client of ours over memory, and the server's end; both handshakes done."""
    ours, theirs = memory_stream_pair(buffer_size=buffer_size)
    server = server_side(theirs, certificates.server())
    opened = []

    async def connect() -> None:
        opened.append(await open_tls(ours, HOST, context=certificates.client()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        nursery.start_soon(server.do_handshake)
    return opened[0], server


async def refused(
    certificates: Certificates,
    serve: Callable[[trio.abc.Stream], Awaitable[object]],
    *,
    host: str = HOST,
    context: ssl.SSLContext | None = None,
) -> tuple[ConnectError, Counting]:
    """Connect to `serve`, which must fail; give the error and the stream below."""
    ours, theirs = memory_stream_pair()
    below = Counting(ours)

    async def run() -> None:
        try:
            await serve(theirs)
        except trio.BrokenResourceError:
            pass  # the client's alert: it did not accept the certificate
        finally:
            await theirs.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        with pytest.raises(ConnectError) as caught:
            await open_tls(below, host, context=context or certificates.client())
    return caught.value, below


def handshake(context: ssl.SSLContext) -> Callable[[trio.abc.Stream], Awaitable[object]]:
    return lambda stream: server_side(stream, context).do_handshake()


async def test_it_is_a_two_way_stream(certificates: Certificates, autojump_clock: trio.testing.MockClock) -> None:
    async def make() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        return await open_pair(certificates)

    async def make_clogged() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        client, server = await open_pair(certificates, buffer_size=CLOGGED)
        await server.send_all(b"x")
        assert await client.receive_some() == b"x"  # and with it the session tickets
        for stream in (client, server):
            await stream.send_all(bytes(CLOGGED - RECORD_OVERHEAD))
        return client, server

    await trio.testing.check_two_way_stream(make, make_clogged)


async def test_the_handshake_is_done_on_return_and_the_end_is_passed_on(certificates: Certificates) -> None:
    client, server = await open_pair(certificates)
    await client.send_all(b"hello")
    assert await server.receive_some() == b"hello"
    await server.send_all(b"bye")
    await server.aclose()
    assert await client.receive_some() == b"bye"
    assert await client.receive_some() == b""
    await client.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await client.receive_some()


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_ten_megabytes_go_through_with_back_pressure(certificates: Certificates, direction: str) -> None:
    client, server = await open_pair(certificates)
    data = random.Random(1).randbytes(10_000_000)
    sender: trio.abc.Stream = client if direction == "up" else server
    receiver: trio.abc.Stream = server if direction == "up" else client
    sent = trio.Event()

    async def send() -> None:
        await sender.send_all(data)
        sent.set()

    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        while len(received) < len(data):
            received += await receiver.receive_some()
    assert received == data
    await client.aclose()
    await server.aclose()


async def test_it_works_over_tcp(certificates: Certificates) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    data = random.Random(2).randbytes(10_000_000)

    async def serve(stream: trio.SocketStream) -> None:
        async with server_side(stream, certificates.server("localhost")) as server:
            assert await server.receive_some() == b"go"
            await server.send_all(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, serve, [listener]))
        below = await TCPTransport().connect(Origin("https", "127.0.0.1", listener.socket.getsockname()[1]))
        async with await open_tls(below, "localhost", context=certificates.client()) as stream:
            assert isinstance(stream, Readable)
            await stream.send_all(b"go")
            received = bytearray()
            async for chunk in stream:
                received += chunk
                if len(received) == len(data):
                    break
            assert received == data
        assert below._stream.socket.fileno() == -1
        nursery.cancel_scope.cancel()


async def test_an_address_is_verified_as_one(certificates: Certificates) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handshake(certificates.server("127.0.0.1", "::1")), theirs)
        async with await open_tls(ours, "::1", context=certificates.client()):
            pass


async def test_the_dot_of_an_absolute_name_is_not_part_of_the_certificates(certificates: Certificates) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handshake(certificates.server()), theirs)
        async with await open_tls(ours, HOST + ".", context=certificates.client()):
            pass


async def test_tls_inside_tls(certificates: Certificates) -> None:
    outer, server = await open_pair(certificates)

    async def serve() -> None:
        inner = server_side(server, certificates.server("inner.example"))
        await inner.send_all(b"from inside")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with await open_tls(outer, "inner.example", context=certificates.client()) as stream:
            assert await stream.receive_some() == b"from inside"
            assert isinstance(stream, Readable)


async def test_a_wrong_host_name_says_which_and_closes_the_stream_below(certificates: Certificates) -> None:
    error, below = await refused(certificates, handshake(certificates.server("other.example")))
    assert str(error) == (
        "TLS to service.example: certificate not accepted: "
        "Hostname mismatch, certificate is not valid for 'service.example'."
    )
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert below.closed == 1


async def test_an_unknown_authority_is_not_accepted_by_the_default_context(certificates: Certificates) -> None:
    error, below = await refused(certificates, handshake(certificates.server()), context=default_context())
    assert str(error).startswith("TLS to service.example: certificate not accepted: ")
    assert "issuer certificate" in str(error)
    assert below.closed == 1


async def test_without_a_context_the_default_one_verifies(certificates: Certificates) -> None:
    ours, theirs = memory_stream_pair()

    async def serve() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await server_side(theirs, certificates.server()).do_handshake()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with pytest.raises(ConnectError, match="certificate not accepted"):
            await open_tls(ours, HOST)


async def test_an_expired_certificate_says_so(certificates: Certificates) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    error, below = await refused(
        certificates, handshake(certificates.server(HOST, not_before=past, not_after=past.replace(year=2021)))
    )
    assert str(error) == "TLS to service.example: certificate not accepted: certificate has expired"
    assert below.closed == 1


async def test_a_peer_that_does_not_speak_tls_is_a_connect_error(certificates: Certificates) -> None:
    async def plain_http(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    error, below = await refused(certificates, plain_http)
    assert str(error).startswith("TLS to service.example: handshake failed: ")
    assert isinstance(error.__cause__, ssl.SSLError)
    assert below.closed == 1


async def test_a_peer_that_refuses_by_alert_is_a_connect_error(certificates: Certificates) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(b"\x15\x03\x03\x00\x02\x02\x46")  # fatal: protocol_version (RFC 8446, 6)

    error, below = await refused(certificates, refuse)
    assert str(error) == "TLS to service.example: handshake failed: tlsv1 alert protocol version"
    assert below.closed == 1


async def test_a_peer_that_closes_in_the_handshake_is_a_connect_error(certificates: Certificates) -> None:
    async def hang_up(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1)

    error, below = await refused(certificates, hang_up)
    assert str(error) == "TLS to service.example: the peer closed the connection during the handshake"
    assert below.closed == 1


async def test_a_connection_that_breaks_in_the_handshake_is_a_connect_error(certificates: Certificates) -> None:
    reason = ValueError("the handler's")

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        raise reason

    async with MemoryTransport(handler, secure=False) as transport:
        stream = await transport.connect(ORIGIN)
        with pytest.raises(ConnectError, match="connection lost during the handshake") as caught:
            await open_tls(stream, HOST, context=certificates.client())
    assert isinstance(caught.value.__cause__, trio.BrokenResourceError)
    assert caught.value.__cause__.__cause__ is reason


@pytest.mark.parametrize("name", ["", ".example", "\u00fc" * 64 + ".example", "a\0b"])
async def test_a_name_that_cannot_be_one_is_a_connect_error(certificates: Certificates, name: str) -> None:
    ours, _ = memory_stream_pair()
    below = Counting(ours)
    with pytest.raises(ConnectError, match="not a valid host name"):
        await open_tls(below, name, context=certificates.client())
    assert below.closed == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
async def test_any_other_error_below_passes_unchanged_and_the_stream_is_closed(
    certificates: Certificates, error: BaseException
) -> None:
    class Failing(Counting):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise error

    below = Failing(memory_stream_pair()[0])
    with pytest.raises(type(error)) as caught:
        await open_tls(below, HOST, context=certificates.client())
    assert caught.value is error
    assert below.closed == 1


async def test_cancelling_the_handshake_with_a_silent_peer_leaves_no_socket(certificates: Certificates) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        below = await TCPTransport().connect(Origin("https", "127.0.0.1", listener.socket.getsockname()[1]))
        async with await listener.accept() as silent:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(open_tls, below, HOST, context=certificates.client()))
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            assert scope.cancelled_caught
            assert below._stream.socket.fileno() == -1
            assert (await silent.receive_some()).startswith(b"\x16\x03")  # it was the handshake that waited
            assert await silent.receive_some() == b""


async def test_the_cancellation_in_flight_is_the_one_that_comes_out(certificates: Certificates) -> None:
    class ClosesWithError(Counting):
        async def aclose(self) -> None:
            await super().aclose()
            raise trio.BrokenResourceError("closing failed")

    below = ClosesWithError(memory_stream_pair()[0])
    with trio.CancelScope() as scope:
        scope.cancel()
        await open_tls(below, HOST, context=certificates.client())
    assert scope.cancelled_caught
    assert below.closed == 1


async def test_cancelling_at_every_step_closes_the_stream_below_exactly_once(
    certificates: Certificates, autojump_clock: trio.testing.MockClock
) -> None:
    server_context, client_context = certificates.server(), certificates.client()

    async def echo(stream: trio.abc.HalfCloseableStream) -> None:
        try:
            async with server_side(stream, server_context) as server:
                async for chunk in server:
                    await server.send_all(chunk)
        except trio.BrokenResourceError:
            pass  # the client was cancelled in the handshake

    echoed = 0
    for step in range(1000):
        made: list[Counting] = []
        async with MemoryTransport(echo, secure=False) as transport:
            scope = trio.CancelScope()
            canceller = CancelAtStep(scope, step)
            trio.lowlevel.add_instrument(canceller)
            with scope:
                made.append(Counting(await transport.connect(ORIGIN)))
                async with await open_tls(made[0], HOST, context=client_context) as stream:
                    await stream.send_all(b"hello")
                    assert await stream.receive_some() == b"hello"
                    echoed += 1
            trio.lowlevel.remove_instrument(canceller)
            await trio.testing.wait_all_tasks_blocked()
        assert [stream.closed for stream in made] in ([], [1])
        if not scope.cancel_called:
            break
    else:
        raise AssertionError("never ran to its end")
    assert step > 5
    assert echoed > 1  # cancelled while closing, too


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when the task that made it has taken that many steps."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.task = trio.lowlevel.current_task()
        self.scope = scope
        self.left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is not self.task:
            return
        if self.left == 0:
            self.scope.cancel()
        self.left -= 1


async def test_readable_follows_the_stream_below(certificates: Certificates) -> None:
    client, server = await open_pair(certificates)
    assert isinstance(client, Readable)
    await server.send_all(b"first")
    assert client.readable()
    assert await client.receive_some() == b"first"
    assert not client.readable()
    await server.send_all(b"more")
    assert client.readable()
    assert await client.receive_some(1) == b"m"
    assert client.readable()  # decrypted already: nothing is left below
    assert await client.receive_some() == b"ore"
    assert not client.readable()
    await server.aclose()
    assert client.readable()


async def test_readable_is_true_after_a_reset_below(certificates: Certificates) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        below = await TCPTransport().connect(Origin("https", "127.0.0.1", listener.socket.getsockname()[1]))
        accepted = await listener.accept()
        server = server_side(accepted, certificates.server())

        async def greet() -> None:
            await server.send_all(b"hi")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(greet)
            client = await open_tls(below, HOST, context=certificates.client())
            assert await client.receive_some() == b"hi"
        assert isinstance(client, Readable)
        assert not client.readable()
        accepted.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.socket.close()
        await trio.lowlevel.wait_readable(below._stream.socket)
        assert client.readable()
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()
        await client.aclose()


async def test_over_a_stream_that_cannot_tell_it_does_not_claim_to(certificates: Certificates) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handshake(certificates.server()), theirs)
        stream = await open_tls(Counting(ours), HOST, context=certificates.client())
    assert not isinstance(stream, Readable)
    await stream.aclose()


async def test_a_second_reader_is_refused(certificates: Certificates) -> None:
    client, server = await open_pair(certificates)
    async with trio.open_nursery() as nursery:

        async def receive() -> None:
            assert await client.receive_some() == b"x"

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await client.receive_some()
        await server.send_all(b"x")


def test_the_default_context_is_one_that_verifies() -> None:
    context = default_context()
    assert context is default_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("offered", "agreed"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None)])
async def test_the_default_context_asks_for_http_1_1(
    certificates: Certificates, offered: list[str], agreed: str | None
) -> None:
    default_context.cache_clear()
    try:
        certificates.authority.configure_trust(default_context())
        server_context = certificates.server()
        server_context.set_alpn_protocols(offered)
        ours, theirs = memory_stream_pair()
        server = server_side(theirs, server_context)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.do_handshake)
            stream = await open_tls(ours, HOST)
        assert server.selected_alpn_protocol() == agreed
        await stream.aclose()
    finally:
        default_context.cache_clear()


async def test_a_callers_context_is_used_and_not_changed(certificates: Certificates) -> None:
    context = certificates.client()
    before = (context.options, context.minimum_version, context.verify_mode, context.check_hostname)
    server_context = certificates.server()
    server_context.set_alpn_protocols(["http/1.1"])
    ours, theirs = memory_stream_pair()
    server = server_side(theirs, server_context)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        stream = await open_tls(ours, HOST, context=context)
    assert server.selected_alpn_protocol() is None  # the caller asked for none
    assert (context.options, context.minimum_version, context.verify_mode, context.check_hostname) == before
    await stream.aclose()


def test_importing_the_package_builds_no_context() -> None:
    program = (
        "import ssl\n"
        "def refuse(*args, **options): raise SystemExit('a context was built')\n"
        "ssl.create_default_context = refuse\n"
        "import nai_trio.transports, nai_trio.transports.tls as tls\n"
        "assert tls.default_context.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_a_protocol_that_is_not_http_1_1_is_refused(certificates: Certificates) -> None:
    context, server_context = certificates.client(), certificates.server()
    context.set_alpn_protocols(["h2", "http/1.1"])
    server_context.set_alpn_protocols(["h2"])
    error, below = await refused(certificates, handshake(server_context), context=context)
    assert str(error) == "TLS to service.example: the peer chose the protocol 'h2' (ALPN), expected 'http/1.1'"
    assert below.closed == 1


async def test_a_name_is_verified_as_dns_was_asked_for_it(certificates: Certificates) -> None:
    """By IDNA 2008, as trio asks; by that of 2003 these would be "strasse.example"."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handshake(certificates.server("xn--strae-oqa.example")), theirs)
        async with await open_tls(ours, "stra\u00dfe.example", context=certificates.client()):
            pass
    error, _ = await refused(
        certificates, handshake(certificates.server("strasse.example")), host="stra\u00dfe.example"
    )
    assert "certificate not accepted: Hostname mismatch" in str(error)
