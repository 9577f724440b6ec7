"""TCP on real sockets of this machine; names are resolved by the test."""

from __future__ import annotations

import errno
import os
import random
import resource
import select
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nai_trio.errors import ConnectError, InvalidParamsError
from nai_trio.transport import Origin, Readable
from nai_trio.transports import TCPStream, TCPTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1"


class Sockets(trio.abc.SocketFactory):
    """Makes real sockets and remembers them, so that a test can say that none is left open."""

    def __init__(self) -> None:
        self.made: list[trio.socket.SocketType] = []

    def socket(
        self, family: socket.AddressFamily | int = -1, type: socket.SocketKind | int = -1, proto: int = -1
    ) -> trio.socket.SocketType:
        made = trio.socket.from_stdlib_socket(socket.socket(family, type, proto))
        self.made.append(made)
        return made

    @property
    def left_open(self) -> int:
        return sum(made.fileno() != -1 for made in self.made)


class Resolver(trio.abc.HostnameResolver):
    """Knows one name with its addresses; or fails; or never answers."""

    def __init__(self, addresses: list[str] | None = None, *, error: Exception | None = None) -> None:
        self.addresses = addresses
        self.error = error

    async def getaddrinfo(  # type: ignore[no-untyped-def]
        self, host, port, family=0, type=0, proto=0, flags=0
    ):
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        if self.addresses is None:
            await trio.sleep_forever()
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.addresses
        ]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise NotImplementedError


@pytest.fixture
def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as once:
        once.bind((LOOPBACK, 0))
        port: int = once.getsockname()[1]
        return port


@asynccontextmanager
async def connected(
    transport: TCPTransport | None = None,
) -> AsyncIterator[tuple[TCPStream, trio.SocketStream]]:
    """A connection of ours, and its other end."""
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with listener:
        port = listener.socket.getsockname()[1]
        ours = await (transport or TCPTransport()).connect(Origin("http", LOOPBACK, port))
        theirs = await listener.accept()
        async with ours, theirs:
            yield ours, theirs


async def wait_until_readable(stream: TCPStream) -> None:
    """Loopback delivers in its own time: wait for the system's word, then `readable` must agree."""
    await trio.lowlevel.wait_readable(stream._stream.socket)


def reset(stream: trio.SocketStream) -> None:
    """Close with RST instead of FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def make_pair() -> tuple[TCPStream, TCPStream]:
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with listener:
        ours = await TCPTransport().connect(Origin("http", LOOPBACK, listener.socket.getsockname()[1]))
        return ours, TCPStream(await listener.accept())


async def make_clogged() -> tuple[TCPStream, TCPStream]:
    one, other = await make_pair()
    for stream in (one, other):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, bytes(16_000_000))
                while select.select([], [stream._stream.socket.fileno()], [], 0.05)[1]:
                    await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
    return one, other


async def test_it_is_a_half_closeable_stream() -> None:
    await trio.testing.check_half_closeable_stream(make_pair, make_clogged)


async def test_ten_megabytes_go_through_both_ways_of_reading() -> None:
    data = random.Random(1).randbytes(10_000_000)
    async with connected() as (ours, theirs), trio.open_nursery() as nursery:

        async def send() -> None:
            for _ in range(2):
                await theirs.send_all(data)
            await theirs.send_eof()

        nursery.start_soon(send)
        received = bytearray()
        while len(received) < len(data):
            received += await ours.receive_some(len(data) - len(received))
        assert received == data
        received.clear()
        buffer = bytearray(50_000)
        while count := await ours.receive_into(buffer):
            received += buffer[:count]
        assert received == data


async def test_a_sender_waits_for_the_reader() -> None:
    async with connected() as (ours, _theirs):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.send_all, bytes(64_000_000))
                await trio.testing.wait_all_tasks_blocked(0.05)
                scope.cancel()
        assert scope.cancelled_caught


async def test_a_read_without_a_size_takes_at_most_the_default() -> None:
    async with connected() as (ours, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, bytes(1_000_000))
        sizes = []
        while sum(sizes) < 1_000_000:
            await wait_until_readable(ours)
            sizes.append(len(await ours.receive_some()))
        assert max(sizes) <= 128 * 1024


async def test_receive_into_fills_part_of_a_buffer_and_tells_the_end() -> None:
    async with connected() as (ours, theirs):
        await theirs.send_all(b"abc")
        buffer = bytearray(b"........")
        assert await ours.receive_into(memoryview(buffer)[2:6]) == 3
        assert buffer == b"..abc..."
        await theirs.send_eof()
        assert await ours.receive_into(buffer) == 0


async def test_receive_into_refuses_a_buffer_without_room() -> None:
    async with connected() as (ours, _):
        with pytest.raises(ValueError, match="at least 1 byte"):
            await ours.receive_into(bytearray())


async def test_receive_into_is_a_checkpoint_and_loses_nothing_when_cancelled() -> None:
    async with connected() as (ours, theirs):
        await theirs.send_all(b"xyz")
        await wait_until_readable(ours)
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.receive_into(bytearray(3))
        assert scope.cancelled_caught
        with trio.testing.assert_checkpoints():
            assert await ours.receive_into(bytearray(3)) == 3


async def test_receive_into_names_what_went_wrong_as_receive_some_does() -> None:
    async with connected() as (ours, theirs):
        reset(theirs)
        await wait_until_readable(ours)
        with pytest.raises(trio.BrokenResourceError, match="TCP connection broken") as caught:
            await ours.receive_into(bytearray(1))
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_into(bytearray(1))
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_some()


async def test_closing_wakes_a_task_that_receives_into_a_buffer() -> None:
    async with connected() as (ours, _), trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ours.receive_into(bytearray(1))

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await ours.aclose()


async def test_a_second_reader_is_refused_even_when_bytes_wait_and_the_first_unharmed() -> None:
    async with connected() as (ours, theirs):
        got = []

        async def receive() -> None:
            got.append(await ours.receive_some())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            os.write(theirs.socket.fileno(), b"for the first")  # no checkpoint: the first reader cannot run yet
            with pytest.raises(trio.BusyResourceError):
                await ours.receive_into(bytearray(1))
            with pytest.raises(trio.BusyResourceError):
                await ours.receive_some()
        assert got == [b"for the first"]


async def test_readable_is_false_when_idle_and_true_on_bytes_and_end() -> None:
    async with connected() as (ours, theirs):
        assert isinstance(ours, Readable)
        assert not ours.readable()
        await theirs.send_all(b"x")
        await wait_until_readable(ours)
        assert ours.readable()
        await ours.receive_some()
        assert not ours.readable()
        await theirs.send_eof()
        await wait_until_readable(ours)
        assert ours.readable()
        await ours.aclose()
        assert ours.readable()


async def test_readable_is_true_after_a_reset() -> None:
    async with connected() as (ours, theirs):
        reset(theirs)
        await wait_until_readable(ours)
        assert ours.readable()


async def test_readable_works_for_descriptors_that_select_cannot_hold() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > 1100
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    fillers = []
    try:
        while not fillers or fillers[-1].fileno() < 1024:
            fillers.append(socket.socket())
        async with connected() as (ours, theirs):
            assert ours._stream.socket.fileno() > 1024
            assert not ours.readable()
            await theirs.send_all(b"x")
            await wait_until_readable(ours)
            assert ours.readable()
    finally:
        for filler in fillers:
            filler.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_connections_are_kept_alive_and_without_delay() -> None:
    sockets = Sockets()
    trio.socket.set_custom_socket_factory(sockets)
    async with connected():
        made = sockets.made[-1]
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    assert sockets.left_open == 0


async def test_the_local_address_is_where_the_connection_comes_from() -> None:
    async with connected(TCPTransport(local_address=LOOPBACK)) as (_, theirs):
        assert theirs.socket.getpeername()[0] == LOOPBACK


async def test_a_local_address_that_does_not_fit_is_a_connect_error(closed_port: int) -> None:
    with pytest.raises(ConnectError, match=r"local_address='::1' is incompatible"):
        await TCPTransport(local_address="::1").connect(Origin("https", LOOPBACK, closed_port))


async def test_the_next_address_joins_the_race_after_the_delay(autojump_clock: trio.testing.MockClock) -> None:
    async def hang(address: object) -> None:
        await trio.sleep_forever()

    class Silent(Sockets):
        def socket(self, *args: int, **options: int) -> trio.socket.SocketType:
            tried.append(trio.current_time())
            made = super().socket(*args, **options)
            made.connect = hang  # type: ignore[method-assign]
            return made

    tried: list[float] = []
    trio.socket.set_custom_socket_factory(Silent())
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1", "127.0.0.2", "127.0.0.3"]))
    start = trio.current_time()
    with trio.move_on_after(100):
        await TCPTransport(happy_eyeballs_delay=7).connect(Origin("http", "service.example", 80))
    assert [time - start for time in tried] == [0, 7, 14]


@pytest.mark.parametrize("delay", [0, -1, True, "1", float("nan")])
def test_a_delay_that_is_none_is_refused(delay: object) -> None:
    with pytest.raises(InvalidParamsError, match="happy_eyeballs_delay: expected seconds greater than 0"):
        TCPTransport(happy_eyeballs_delay=delay)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", 0, b"127.0.0.1"])
def test_a_local_address_that_is_none_is_refused(address: object) -> None:
    with pytest.raises(InvalidParamsError, match="local_address: expected an address of this machine, or None"):
        TCPTransport(local_address=address)  # type: ignore[arg-type]


def test_repr_tells_what_was_chosen() -> None:
    assert repr(TCPTransport(happy_eyeballs_delay=0.5)) == "TCPTransport(happy_eyeballs_delay=0.5)"
    assert TCPTransport().describe() == "tcp"
    assert TCPTransport(local_address="10.0.0.1").describe() == "tcp from 10.0.0.1"
    assert repr(TCPTransport()) == "TCPTransport()"
    assert repr(TCPTransport(local_address="10.0.0.1")) == "TCPTransport(local_address='10.0.0.1')"


async def test_a_refused_connection_says_where_and_why(closed_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        await TCPTransport().connect(Origin("https", LOOPBACK, closed_port))
    assert str(caught.value) == f"connect via tcp to https://127.0.0.1:{closed_port}: refused (nothing listens there)"
    assert isinstance(caught.value.__cause__, OSError)


async def test_the_same_reason_at_several_addresses_is_said_once(closed_port: int) -> None:
    sockets = Sockets()
    trio.socket.set_custom_socket_factory(sockets)
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1", "127.0.0.2"]))
    with pytest.raises(ConnectError) as caught:
        await TCPTransport().connect(Origin("http", "service.example", closed_port))
    assert str(caught.value).endswith(f"service.example:{closed_port}: refused (nothing listens there)")
    assert len(sockets.made) == 2
    assert sockets.left_open == 0


async def test_different_reasons_are_all_said(closed_port: int) -> None:
    class Unreachable(Sockets):
        def socket(self, *args: int, **options: int) -> trio.socket.SocketType:
            if self.made:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return super().socket(*args, **options)

    trio.socket.set_custom_socket_factory(Unreachable())
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1", "127.0.0.2"]))
    with pytest.raises(ConnectError, match=r"refused \(nothing listens there\), address family not supported"):
        await TCPTransport().connect(Origin("http", "service.example", closed_port))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENETUNREACH, "network unreachable"),
        (errno.EHOSTUNREACH, "host unreachable"),
        (errno.ETIMEDOUT, "no answer (timed out)"),
        (errno.EMFILE, "too many open files in this process"),
    ],
)
async def test_the_systems_reasons_are_in_words(number: int, words: str) -> None:
    class Failing(Sockets):
        def socket(self, *args: int, **options: int) -> trio.socket.SocketType:
            raise OSError(number, "the system's words")

    trio.socket.set_custom_socket_factory(Failing())
    with pytest.raises(ConnectError) as caught:
        await TCPTransport().connect(Origin("https", LOOPBACK, 443))
    assert str(caught.value) == f"connect via tcp to https://127.0.0.1:443: {words}"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name not found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "name lookup failed for now"),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable"), "name lookup failed: Non-recoverable"),
        (OSError("no results"), "no results"),
    ],
)
async def test_a_name_that_cannot_be_looked_up_says_so(error: OSError, words: str) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(error=error))
    with pytest.raises(ConnectError) as caught:
        await TCPTransport().connect(Origin("https", "no-such-host.invalid", 443))
    assert str(caught.value) == f"connect via tcp to https://no-such-host.invalid:443: {words}"
    assert caught.value.__cause__ is error


async def test_a_name_that_cannot_be_one_says_so() -> None:
    with pytest.raises(ConnectError, match="not a valid host name"):
        await TCPTransport().connect(Origin("https", "x" * 64 + ".example", 443))


@pytest.mark.parametrize("port", [0, -1, 65536, 70000])
async def test_a_port_outside_the_range_is_refused_instead_of_wrapped(port: int) -> None:
    with pytest.raises(ConnectError, match="expected a port from 1 to 65535"):
        await TCPTransport().connect(Origin("https", LOOPBACK, port))


async def test_an_ipv6_address_is_shown_in_brackets() -> None:
    class Failing(Sockets):
        def socket(self, *args: int, **options: int) -> trio.socket.SocketType:
            raise OSError(errno.ENETUNREACH, "")

    trio.socket.set_custom_socket_factory(Failing())
    with pytest.raises(ConnectError, match=r"connect via tcp to https://\[::1\]:443: network unreachable"):
        await TCPTransport().connect(Origin("https", "::1", 443))


async def test_cancelling_the_name_lookup_raises_only_cancelled() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(TCPTransport().connect, Origin("https", "slow.example", 443))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught


async def test_cancelling_while_connecting_leaves_no_socket_open() -> None:
    sockets = Sockets()
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        fillers = fill_backlog(listener.getsockname())
        trio.socket.set_custom_socket_factory(sockets)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(TCPTransport().connect, Origin("https", LOOPBACK, listener.getsockname()[1]))
                await trio.testing.wait_all_tasks_blocked()
                assert sockets.left_open == 1
                scope.cancel()
        for filler in fillers:
            filler.close()
    assert scope.cancelled_caught
    assert sockets.left_open == 0


def fill_backlog(address: tuple[str, int]) -> list[socket.socket]:
    """Connect until the listener's queue is full, so that the next connection gets no answer."""
    fillers: list[socket.socket] = []
    while True:
        filler = socket.socket()
        fillers.append(filler)
        filler.settimeout(0.2)
        try:
            filler.connect(address)
        except TimeoutError:
            return fillers


async def test_cancelling_at_every_step_of_a_connect_leaves_no_socket_open() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    origin = Origin("http", LOOPBACK, listener.socket.getsockname()[1])
    async with listener:
        for steps in range(100):
            sockets = Sockets()
            trio.socket.set_custom_socket_factory(sockets)
            with trio.CancelScope() as scope:
                canceller = CancelAtStep(scope, steps)
                trio.lowlevel.add_instrument(canceller)
                try:
                    stream = await TCPTransport().connect(origin)
                    await stream.aclose()
                finally:
                    trio.lowlevel.remove_instrument(canceller)
            assert sockets.left_open == 0
            if not scope.cancel_called:
                assert steps > 2
                return
    raise AssertionError("never ran to its end")


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope after that many steps of any task."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.left == 0:
            self.scope.cancel()
        self.left -= 1


async def test_a_failure_after_the_socket_is_open_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = Sockets()
    trio.socket.set_custom_socket_factory(sockets)

    def fail(stream: trio.SocketStream, *args: object) -> None:
        raise KeyboardInterrupt

    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with listener:
        monkeypatch.setattr("nai_trio.transports.tcp._keep_alive", fail)
        with pytest.raises(KeyboardInterrupt):
            await TCPTransport().connect(Origin("http", LOOPBACK, listener.socket.getsockname()[1]))
        assert sockets.left_open == 1  # the listener
    assert len(sockets.made) == 2
