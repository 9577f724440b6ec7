"""`TLSStream`: trio's contract, and what TLS adds to it; both ends ours, or trio's as the other."""

from __future__ import annotations

import contextlib
import functools
import random
import ssl
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from delegating import DelegatingStream
from sweep import cancelled_at_step

from nai_trio.transport import Readable
from nai_trio.transports.memory_stream import memory_stream_pair
from nai_trio.transports.tls_stream import READ_SIZE, ReadableTLSStream, TLSStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Certificates

HOST = "service.example"
CLOGGED = 4096
RECORD_OVERHEAD = 5 + 1 + 16
"""Header, inner type and tag of a TLS 1.3 record (RFC 8446, 5.2): one record of so many bytes less fills a buffer."""

MB = 10**6

Pair = tuple[trio.abc.Stream, trio.abc.Stream]


def delegating_pair() -> Pair:
    """Streams that offer nothing beyond trio's contract."""
    ours, theirs = memory_stream_pair()
    return DelegatingStream(ours), DelegatingStream(theirs)


PAIRS: dict[str, Callable[[], Pair]] = {
    "bounded": memory_stream_pair,
    "plain": delegating_pair,
    "unbounded": trio.testing.memory_stream_pair,
    "lockstep": trio.testing.lockstep_stream_pair,
}


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param  # type: ignore[no-any-return]


@functools.cache
def contexts(certificates: Certificates, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The client's and the server's, made once: the sweeps open hundreds of connections."""
    server = certificates.server()
    server.maximum_version = version
    return certificates.client(), server


class Tunnel:
    """Two ends of ours over a pair of streams; the handshake is done in `open`."""

    def __init__(
        self,
        certificates: Certificates,
        pair: Pair | None = None,
        *,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        https_compatible: bool = True,
    ) -> None:
        self.below = pair or memory_stream_pair()
        client, server = contexts(certificates, version)
        self.client = ReadableTLSStream(self.below[0], client, server_hostname=HOST, https_compatible=https_compatible)
        self.server = TLSStream(self.below[1], server, server_side=True, https_compatible=https_compatible)

    async def open(self) -> tuple[ReadableTLSStream, TLSStream]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.client.do_handshake)
            nursery.start_soon(self.server.do_handshake)
        return self.client, self.server


# --- the contract


@pytest.mark.parametrize("https_compatible", [True, False], ids=["https", "close_notify"])
@pytest.mark.parametrize("kind", PAIRS)
async def test_it_is_a_two_way_stream(
    certificates: Certificates,
    autojump_clock: object,
    kind: str,
    version: ssl.TLSVersion,
    https_compatible: bool,
) -> None:
    async def make(pair: Pair | None = None) -> Pair:
        below = pair or PAIRS[kind]()
        return await Tunnel(certificates, below, version=version, https_compatible=https_compatible).open()

    await trio.testing.check_two_way_stream(make, make if kind == "lockstep" else None)


async def test_it_is_a_two_way_stream_when_the_way_is_clogged(
    certificates: Certificates, autojump_clock: object
) -> None:
    async def make_clogged() -> Pair:
        client, server = await Tunnel(certificates, memory_stream_pair(buffer_size=CLOGGED)).open()
        await server.send_all(b"x")
        assert await client.receive_some() == b"x"  # and with it the session tickets
        for stream in (client, server):
            await stream.send_all(bytes(CLOGGED - RECORD_OVERHEAD))
        return client, server

    await trio.testing.check_two_way_stream(lambda: Tunnel(certificates).open(), make_clogged)


async def test_every_call_is_a_checkpoint(certificates: Certificates) -> None:
    client, server = await Tunnel(certificates).open()
    with trio.testing.assert_checkpoints():
        await client.do_handshake()
    for data in (b"", b"xy", bytes(MB // 100)):
        with trio.testing.assert_checkpoints():
            await server.send_all(data)
    buffer = bytearray(1)
    with trio.testing.assert_checkpoints():
        await client.wait_send_all_might_not_block()
    with trio.testing.assert_checkpoints():
        assert await client.receive_some(1) == b"x"
    with trio.testing.assert_checkpoints():
        assert await client.receive_into(buffer) == 1
    assert buffer == b"y"
    for _ in range(2):
        with trio.testing.assert_checkpoints():
            await client.aclose()


@pytest.mark.parametrize("kind", ["bounded", "plain"])
async def test_what_one_read_below_brought_comes_out_of_one_call(certificates: Certificates, kind: str) -> None:
    client, server = await Tunnel(certificates, PAIRS[kind]()).open()
    data = random.Random(1).randbytes(60_000)  # four records
    await server.send_all(data)
    assert await client.receive_some() == data


@pytest.mark.parametrize("size", [1, 2, 1000, 16384, 16385, 10**6, 2**60])
async def test_at_most_so_many_bytes_come_as_are_asked_for(certificates: Certificates, size: int) -> None:
    client, server = await Tunnel(certificates).open()
    data = random.Random(1).randbytes(40_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, data)
        received = bytearray()
        while len(received) < len(data):
            piece = await client.receive_some(size)
            assert 1 <= len(piece) <= size
            received += piece
            if size < 10:
                received += await client.receive_some(39_000)
    assert received == data


@pytest.mark.parametrize("size", [1, 999, 16384, 100_000])
@pytest.mark.parametrize("view", [False, True])
async def test_reading_into_a_buffer(certificates: Certificates, size: int, view: bool) -> None:
    client, server = await Tunnel(certificates).open()
    data = random.Random(1).randbytes(40_000 if size > 1 else 400)
    buffer = bytearray(size)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, data)
        received = bytearray()
        while len(received) < len(data):
            count = await client.receive_into(memoryview(buffer) if view else buffer)
            assert 1 <= count <= size
            received += buffer[:count]
        await server.aclose()
    assert received == data
    assert await client.receive_into(buffer) == 0


@pytest.mark.parametrize("size", [0, -1])
async def test_a_size_below_one_is_refused(certificates: Certificates, size: int) -> None:
    client, _ = await Tunnel(certificates).open()
    with pytest.raises(ValueError, match=f"expected at least 1, or None, got {size}"):
        await client.receive_some(size)


async def test_a_buffer_that_cannot_take_a_byte_is_refused(certificates: Certificates) -> None:
    client, _ = await Tunnel(certificates).open()
    with pytest.raises(ValueError, match="at least 1 byte"):
        await client.receive_into(bytearray())
    with pytest.raises(TypeError, match="read-only"):
        await client.receive_into(memoryview(b"abc"))


@pytest.mark.parametrize("data", [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"abcd").cast("H")])
async def test_any_buffer_can_be_sent(certificates: Certificates, data: bytes) -> None:
    client, server = await Tunnel(certificates).open()
    await client.send_all(data)
    assert await server.receive_some() == b"abcd"


async def test_both_ends_send_megabytes_at_once(certificates: Certificates, version: ssl.TLSVersion) -> None:
    ends = await Tunnel(certificates, version=version).open()
    data = [random.Random(seed).randbytes(5 * MB) for seed in range(2)]
    received = [bytearray(), bytearray()]

    async def receive(end: int) -> None:
        while len(received[end]) < 5 * MB:
            received[end] += await ends[end].receive_some()

    async with trio.open_nursery() as nursery:
        for end in range(2):
            nursery.start_soon(ends[end].send_all, data[1 - end])
            nursery.start_soon(receive, end)
    assert received == [data[0], data[1]]


async def test_a_slow_reader_takes_no_more_from_below_than_one_read(certificates: Certificates) -> None:
    taken = 0

    class Metered(DelegatingStream):
        async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
            nonlocal taken
            assert max_bytes is not None
            data = await super().receive_some(max_bytes)
            taken += len(data)
            return data

    ours, theirs = trio.testing.memory_stream_pair()  # without bound: all 10 MB wait below
    client, server = await Tunnel(certificates, (Metered(ours), theirs)).open()
    await server.send_all(bytes(10 * MB))
    taken = 0
    read = 0
    for _ in range(1000):
        read += len(await client.receive_some(100))
    assert read == 100_000
    assert taken <= READ_SIZE
    while read < 10 * MB:
        read += len(await client.receive_some())
        assert taken - read < READ_SIZE + 20_000


async def test_a_big_send_is_encrypted_piece_by_piece(certificates: Certificates) -> None:
    sizes = []

    class Metered(DelegatingStream):
        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            sizes.append(len(data))
            await super().send_all(data)

    ours, theirs = trio.testing.memory_stream_pair()
    client, _ = await Tunnel(certificates, (Metered(ours), theirs)).open()
    await client.send_all(bytes(10 * MB))
    assert sum(sizes) > 10 * MB
    assert max(sizes) < 150_000


async def test_tls_inside_tls_inside_tls(certificates: Certificates) -> None:
    ends: Pair = memory_stream_pair()
    for _ in range(3):
        ends = await Tunnel(certificates, ends).open()
    client, server = ends
    assert isinstance(client, Readable)
    data = random.Random(1).randbytes(MB)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, data)
        received = bytearray()
        while len(received) < MB:
            received += await client.receive_some()
    assert received == data
    assert not client.readable()
    await server.send_all(b"x")
    assert client.readable()
    await client.aclose()
    assert not (await server.receive_some())


async def test_tls_inside_tls_is_a_two_way_stream(certificates: Certificates, autojump_clock: object) -> None:
    async def make() -> Pair:
        return await Tunnel(certificates, await Tunnel(certificates).open()).open()

    await trio.testing.check_two_way_stream(make, None)


# --- the handshake


async def test_the_handshake_is_done_once(certificates: Certificates) -> None:
    sent = 0

    class Metered(DelegatingStream):
        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            nonlocal sent
            sent += 1
            await super().send_all(data)

    ours, theirs = memory_stream_pair()
    client, _ = await Tunnel(certificates, (Metered(ours), theirs)).open()
    assert sent == 2
    await client.do_handshake()
    assert sent == 2


async def test_before_the_handshake_nothing_else_can_be_done(certificates: Certificates) -> None:
    client = Tunnel(certificates).client
    calls: list[Callable[[], Awaitable[object]]] = [
        partial(client.send_all, b"x"),
        client.wait_send_all_might_not_block,
        client.receive_some,
        partial(client.receive_into, bytearray(1)),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="before its do_handshake"):
            await call()
    await client.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await client.do_handshake()


async def test_looking_before_the_handshake_does_not_begin_it(certificates: Certificates) -> None:
    tunnel = Tunnel(certificates)
    assert tunnel.client.readable()  # not fit for a request
    client, server = await tunnel.open()
    await server.send_all(b"x")
    assert await client.receive_some() == b"x"
    assert not client.readable()


async def test_a_handshake_that_was_cancelled_leaves_a_stream_that_is_only_to_be_closed(
    certificates: Certificates, autojump_clock: object
) -> None:
    tunnel = Tunnel(certificates)
    with trio.move_on_after(1) as scope:
        await tunnel.client.do_handshake()
    assert scope.cancelled_caught
    calls: list[Callable[[], Awaitable[object]]] = [
        tunnel.client.do_handshake,
        tunnel.client.receive_some,
        partial(tunnel.client.send_all, b"x"),
    ]
    for call in calls:
        with pytest.raises(trio.BrokenResourceError, match="handshake on this TLS stream did not finish"):
            await call()
    await tunnel.client.aclose()


async def test_during_the_handshake_other_tasks_are_told_so(certificates: Certificates) -> None:
    client = Tunnel(certificates).client
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        await trio.testing.wait_all_tasks_blocked()
        for call in (client.do_handshake, client.receive_some, partial(client.send_all, b"x")):
            with pytest.raises(trio.BusyResourceError):
                await call()  # type: ignore[operator]
        nursery.cancel_scope.cancel()


async def test_closing_during_the_handshake_ends_it(certificates: Certificates) -> None:
    client = Tunnel(certificates).client
    async with trio.open_nursery() as nursery:

        async def shake() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await client.do_handshake()

        nursery.start_soon(shake)
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose()


async def test_why_the_handshake_failed_is_told_to_the_peer(certificates: Certificates) -> None:
    tunnel = Tunnel(certificates)
    stranger = TLSStream(tunnel.below[0], ssl.create_default_context(), server_hostname=HOST)
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            with pytest.raises(ssl.SSLError, match=r"(?i)unknown[_ ]ca"):
                await tunnel.server.do_handshake()

        nursery.start_soon(serve)
        with pytest.raises(ssl.SSLCertVerificationError):
            await stranger.do_handshake()


async def test_a_peer_that_reads_nothing_does_not_hold_up_why_the_handshake_failed(
    certificates: Certificates, autojump_clock: object
) -> None:
    class Deaf(DelegatingStream):
        """Takes the first flight, then nothing."""

        sent = 0

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            self.sent += 1
            if self.sent > 1:
                await trio.sleep_forever()
            await super().send_all(data)

    ours, theirs = memory_stream_pair()
    stranger = TLSStream(Deaf(ours), ssl.create_default_context(), server_hostname=HOST)
    server = TLSStream(theirs, certificates.server(), server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        start = trio.current_time()
        with pytest.raises(ssl.SSLCertVerificationError):
            await stranger.do_handshake()
        assert trio.current_time() - start <= 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("direction", ["send", "receive"])
async def test_a_stream_that_breaks_below_in_the_handshake(certificates: Certificates, direction: str) -> None:
    class Breaking(DelegatingStream):
        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            if direction == "send":
                raise trio.BrokenResourceError("below")

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise trio.BrokenResourceError("below")

    client = TLSStream(Breaking(memory_stream_pair()[0]), certificates.client(), server_hostname=HOST)
    with pytest.raises(trio.BrokenResourceError, match="below"):
        await client.do_handshake()


@pytest.mark.parametrize("ours", ["client", "server"])
async def test_the_other_end_may_be_trios(certificates: Certificates, ours: str, version: ssl.TLSVersion) -> None:
    below, beyond = memory_stream_pair()
    context = certificates.server()
    context.maximum_version = version
    client: trio.abc.Stream
    server: trio.abc.Stream
    if ours == "client":
        client = TLSStream(below, certificates.client(), server_hostname=HOST, https_compatible=False)
        server = trio.SSLStream(beyond, context, server_side=True)
    else:
        client = trio.SSLStream(below, certificates.client(), server_hostname=HOST)
        server = TLSStream(beyond, context, server_side=True, https_compatible=False)
    data = random.Random(1).randbytes(MB)

    async def run(one: trio.abc.Stream, other: trio.abc.Stream) -> None:
        await one.do_handshake()  # type: ignore[attr-defined]
        await one.send_all(data)
        await one.aclose()

    async def drain(one: trio.abc.Stream) -> bytes:
        await one.do_handshake()  # type: ignore[attr-defined]
        return b"".join([bytes(piece) async for piece in one])

    received: list[bytes] = []

    async def keep() -> None:
        received.append(await drain(client))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, server, client)
        nursery.start_soon(keep)
    assert received == [data]


class Cut(DelegatingStream):
    """Ends after so many more bytes.

    Attributes:
        left: how many; None for no end.
    """

    left: int | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self.left is None:
            return await super().receive_some(max_bytes)
        data = await super().receive_some(min(max_bytes or READ_SIZE, self.left)) if self.left else b""
        self.left -= len(data)
        return data


@pytest.mark.parametrize("cut", [0, 1, 5, 100, 10**6])
async def test_a_cut_in_the_handshake_is_an_error(certificates: Certificates, cut: int) -> None:
    ours, theirs = memory_stream_pair()
    below = Cut(ours)
    below.left = cut
    client = TLSStream(below, certificates.client(), server_hostname=HOST)
    server = TLSStream(theirs, certificates.server(), server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        if cut > 10**5:
            await client.do_handshake()
        else:
            with pytest.raises(ssl.SSLEOFError):
                await client.do_handshake()
        nursery.cancel_scope.cancel()


# --- the end


async def test_without_a_close_notify_the_end_is_a_cut(certificates: Certificates, version: ssl.TLSVersion) -> None:
    tunnel = Tunnel(certificates, version=version, https_compatible=False)
    client, server = await tunnel.open()
    await server.send_all(b"good")
    await tunnel.below[1].aclose()
    assert await client.receive_some() == b"good"
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="cut: it ended without close_notify") as caught:
            await client.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError)


async def test_with_https_compatibility_a_cut_reads_like_an_end(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    tunnel = Tunnel(certificates, version=version)
    client, server = await tunnel.open()
    await server.send_all(b"good")
    await tunnel.below[1].aclose()
    assert await client.receive_some() == b"good"
    assert client.readable()
    for _ in range(2):
        assert await client.receive_some() == b""


@pytest.mark.parametrize("https_compatible", [True, False])
async def test_a_cut_at_any_byte_gives_the_whole_records_before_it_and_no_more(
    certificates: Certificates, https_compatible: bool
) -> None:
    record = 1000 + RECORD_OVERHEAD
    for cut in [*range(0, 3 * record, 97), record - 1, record, record + 1, 2 * record, 3 * record]:
        ours, theirs = memory_stream_pair()
        below = Cut(ours)
        client, server = await Tunnel(certificates, (below, theirs), https_compatible=https_compatible).open()
        await server.send_all(b"!")  # and the tickets
        assert await client.receive_some() == b"!"
        below.left = cut
        for letter in (b"a", b"b", b"c"):
            await server.send_all(letter * 1000)
        received = bytearray()
        try:
            while piece := await client.receive_some():
                received += piece
            ended = True
        except trio.BrokenResourceError:
            ended = False
        assert received == (b"a" * 1000 + b"b" * 1000 + b"c" * 1000)[: cut // record * 1000]
        assert ended == https_compatible


async def test_closing_says_so_to_the_peer_and_waits_for_no_answer(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    tunnel = Tunnel(certificates, version=version, https_compatible=False)
    client, server = await tunnel.open()
    await client.aclose()
    assert await server.receive_some() == b""
    await server.aclose()


async def test_closing_an_https_compatible_one_says_nothing(certificates: Certificates) -> None:
    tunnel = Tunnel(certificates)
    client, _ = await tunnel.open()
    await client.aclose()
    assert await tunnel.below[1].receive_some() == b""


async def test_the_stream_below_is_closed_once(certificates: Certificates) -> None:
    for https_compatible in (True, False):
        ours, theirs = memory_stream_pair()
        below = DelegatingStream(ours)
        client, _ = await Tunnel(certificates, (below, theirs), https_compatible=https_compatible).open()
        for _ in range(3):
            await client.aclose()
        assert below.closed == 1


async def test_a_polite_close_to_a_peer_that_reads_nothing_ends_after_a_second(
    certificates: Certificates, autojump_clock: object
) -> None:
    ours, theirs = memory_stream_pair(buffer_size=CLOGGED)
    below = DelegatingStream(ours)
    client, _ = await Tunnel(certificates, (below, theirs), https_compatible=False).open()
    await client.send_all(bytes(CLOGGED - RECORD_OVERHEAD))
    start = trio.current_time()
    await client.aclose()
    assert trio.current_time() - start == pytest.approx(1)
    assert below.closed == 1


async def test_closing_at_every_step_closes_below_and_keeps_the_cancellation(
    certificates: Certificates,
) -> None:
    for step in range(1, 100):
        ours, theirs = memory_stream_pair()
        below = DelegatingStream(ours)
        client, _ = await Tunnel(certificates, (below, theirs), https_compatible=False).open()
        cancelled = await cancelled_at_step(step, client.aclose)
        assert below.closed == 1
        with pytest.raises(trio.ClosedResourceError):
            await client.receive_some()
        if not cancelled:
            break
    assert 2 < step < 99


@pytest.mark.parametrize("https_compatible", [True, False])
async def test_closing_wakes_the_tasks_that_send_and_receive(
    certificates: Certificates, https_compatible: bool
) -> None:
    client, _ = await Tunnel(certificates, https_compatible=https_compatible).open()
    woken = []

    async def closed(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await call()
        woken.append(call)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(closed, client.receive_some)
        nursery.start_soon(closed, partial(client.send_all, bytes(MB)))
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose()
    assert len(woken) == 2
    assert client.readable()
    for call in (client.receive_some, partial(client.send_all, b"x"), client.wait_send_all_might_not_block):
        with pytest.raises(trio.ClosedResourceError):
            await call()  # type: ignore[operator]


async def test_bytes_that_come_while_the_stream_is_closed_are_nobodys(certificates: Certificates) -> None:
    came, go_on = trio.Event(), trio.Event()

    class Late(DelegatingStream):
        async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
            data = await super().receive_some(max_bytes)
            if not handshaken:
                return data
            came.set()
            await go_on.wait()
            return data

    handshaken = False
    ours, theirs = memory_stream_pair()
    client, server = await Tunnel(certificates, (Late(ours), theirs)).open()
    handshaken = True
    await server.send_all(b"x")

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await client.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await came.wait()
        await client.aclose()
        go_on.set()


async def test_a_peer_that_is_gone_when_we_close_is_no_error(certificates: Certificates) -> None:
    tunnel = Tunnel(certificates, https_compatible=False)
    client, _ = await tunnel.open()
    await tunnel.below[1].aclose()
    await client.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await tunnel.below[0].receive_some()


async def test_sending_to_a_peer_that_is_gone_is_an_error_each_time(certificates: Certificates) -> None:
    tunnel = Tunnel(certificates)
    client, server = await tunnel.open()
    await server.send_all(b"last")
    await tunnel.below[1].aclose()
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"x")
    assert await client.receive_some() == b"last"  # what it had sent is still there
    assert await client.receive_some() == b""


# --- several tasks


async def test_one_task_sends_and_one_receives(certificates: Certificates) -> None:
    client, server = await Tunnel(certificates).open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_all, bytes(MB))
        await trio.testing.wait_all_tasks_blocked()
        for call in (partial(client.send_all, b"x"), client.wait_send_all_might_not_block):
            with pytest.raises(trio.BusyResourceError, match="another task is sending"):
                await call()  # type: ignore[operator]
        read = 0
        while read < MB:
            read += len(await server.receive_some())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        for call in (client.receive_some, partial(client.receive_into, bytearray(1))):
            with pytest.raises(trio.BusyResourceError, match="another task is receiving"):
                await call()  # type: ignore[operator]
        await server.send_all(b"x")


async def test_waiting_until_one_can_send_waits_below(certificates: Certificates) -> None:
    ours, theirs = memory_stream_pair(buffer_size=CLOGGED)
    client, _ = await Tunnel(certificates, (ours, theirs)).open()
    await client.wait_send_all_might_not_block()
    await client.send_all(bytes(CLOGGED - RECORD_OVERHEAD))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.wait_send_all_might_not_block)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        await theirs.receive_some(1)


async def asked_for_a_certificate(
    certificates: Certificates, kind: type[DelegatingStream] = DelegatingStream
) -> tuple[TLSStream, TLSStream, DelegatingStream]:
    """Client and server, which wants a certificate after the handshake, and the stream below the client."""
    server_context, client_context = certificates.server(), certificates.client()
    server_context.verify_mode = ssl.CERT_REQUIRED
    certificates.authority.configure_trust(server_context)
    server_context.post_handshake_auth = client_context.post_handshake_auth = True
    certificates.authority.issue_cert("client.example").configure_cert(client_context)
    ours, theirs = memory_stream_pair()
    below = kind(ours)
    client = TLSStream(below, client_context, server_hostname=HOST)
    server = TLSStream(theirs, server_context, server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    assert server.tls.getpeercert() is None
    server.tls.verify_client_post_handshake()
    await server.send_all(b"who are you?")
    assert await client.receive_some() == b"who are you?"
    return client, server, below


async def test_a_client_certificate_asked_for_after_the_handshake_is_given(certificates: Certificates) -> None:
    client, server, _ = await asked_for_a_certificate(certificates)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.receive_some)  # the client only reads
        nursery.start_soon(server.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert server.tls.getpeercert()["subjectAltName"] == (("DNS", "client.example"),)


class Stopping(DelegatingStream):
    """Sends until it is stopped, then only its first bytes."""

    stopped = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await super().send_all(data[:10] if self.stopped else data)
        if self.stopped:
            await trio.sleep_forever()


async def test_an_answer_of_a_receive_that_was_cancelled_is_a_hole_as_well(certificates: Certificates) -> None:
    client, _, below = await asked_for_a_certificate(certificates, Stopping)
    assert isinstance(below, Stopping)
    below.stopped = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    below.stopped = False
    with pytest.raises(trio.BrokenResourceError, match="did not finish"):
        await client.send_all(b"x")


async def test_a_send_waits_for_an_answer_of_a_receive_and_fails_with_it(certificates: Certificates) -> None:
    client, _, below = await asked_for_a_certificate(certificates, Stopping)
    assert isinstance(below, Stopping)
    below.stopped = True

    async def send() -> None:
        with pytest.raises(trio.BrokenResourceError, match="did not finish"):
            await client.send_all(b"x")

    async with trio.open_nursery() as sender:
        async with trio.open_nursery() as receiver:
            receiver.start_soon(client.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            sender.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            receiver.cancel_scope.cancel()


# --- cancellation


async def sent_in_pieces(stream: trio.abc.Stream, data: bytes) -> None:
    sizes = random.Random(3)
    at = 0
    while at < len(data):
        size = sizes.choice([1, 50, 1000, 20_000])
        await stream.send_all(data[at : at + size])
        at += size
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("kind", ["bounded", "plain"])
@pytest.mark.parametrize("way", ["all", "some", "into"])
async def test_a_cancelled_receive_loses_no_byte(
    certificates: Certificates, kind: str, way: str, version: ssl.TLSVersion
) -> None:
    data = random.Random(2).randbytes(50_000)

    for step in range(1, 200):
        client, server = await Tunnel(certificates, PAIRS[kind](), version=version).open()
        received = bytearray()
        buffer = bytearray(7000)

        async def receive() -> bool:
            if way == "into":
                count = await client.receive_into(buffer)  # noqa: B023 - awaited in this round
                received.extend(buffer[:count])  # noqa: B023
                return count > 0
            piece = await client.receive_some(None if way == "all" else 7000)  # noqa: B023
            received.extend(piece)  # noqa: B023
            return bool(piece)

        async def read_on() -> None:
            while await receive():
                pass

        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await sent_in_pieces(server, data)  # noqa: B023
                await server.aclose()  # noqa: B023

            nursery.start_soon(serve)
            cancelled = await cancelled_at_step(step, read_on)
            await read_on()
        assert received == data
        if not cancelled:
            break
    assert 10 < step < 199


async def test_a_cancelled_send_leaves_a_stream_that_only_receives(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    client, server = await Tunnel(certificates, version=version).open()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, bytes(MB))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    for call in (partial(client.send_all, b"x"), client.wait_send_all_might_not_block):
        with pytest.raises(trio.BrokenResourceError, match="an earlier send on this TLS stream did not finish"):
            await call()  # type: ignore[operator]
    await server.send_all(b"still here")
    assert await client.receive_some() == b"still here"
    await client.aclose()


async def test_a_send_that_was_cancelled_before_it_began_did_nothing(certificates: Certificates) -> None:
    client, server = await Tunnel(certificates).open()
    with trio.CancelScope() as scope:
        scope.cancel()
        await client.send_all(b"not sent")
    assert scope.cancelled_caught
    await client.send_all(b"sent")
    assert await server.receive_some() == b"sent"


class Yielding(DelegatingStream):
    """Its send ends in a step that cannot be cancelled, so that a cancellation lands behind it."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await super().send_all(data)
        await trio.lowlevel.cancel_shielded_checkpoint()


@pytest.mark.parametrize("kind", [DelegatingStream, Yielding])
async def test_a_cancelled_send_at_any_step_is_whole_or_the_last(
    certificates: Certificates, kind: type[DelegatingStream]
) -> None:
    """Never a hole: what the peer reads is a prefix of what was sent."""
    data = random.Random(4).randbytes(400_000)
    outcomes = set()
    for step in range(1, 200):
        ours, theirs = memory_stream_pair()
        tunnel = Tunnel(certificates, (kind(ours), theirs))
        client, server = await tunnel.open()
        received = bytearray()

        async def drain() -> None:
            while piece := await server.receive_some():  # noqa: B023
                received.extend(piece)  # noqa: B023

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            cancelled = await cancelled_at_step(step, partial(client.send_all, data))
            try:
                await client.send_all(b"more")
                expected = data + b"more" if not cancelled else b"more"
            except trio.BrokenResourceError:
                expected = data
            await client.aclose()
        assert expected.startswith(received)
        outcomes.add((cancelled, len(received)))
        if not cancelled:
            assert received == data + b"more"
            break
    assert len(outcomes) > 4


async def test_a_cancelled_handshake_at_any_step_ends_and_closes(certificates: Certificates) -> None:
    for step in range(1, 100):
        ours, theirs = memory_stream_pair()
        below = DelegatingStream(ours)
        tunnel = Tunnel(certificates, (below, theirs))

        async def serve() -> None:
            with contextlib.suppress(trio.BrokenResourceError, ssl.SSLError):
                await tunnel.server.do_handshake()  # noqa: B023

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            cancelled = await cancelled_at_step(step, tunnel.client.do_handshake)
            if cancelled:
                with pytest.raises(trio.BrokenResourceError):
                    await tunnel.client.send_all(b"x")
            await tunnel.client.aclose()
        assert below.closed == 1
        if not cancelled:
            break
    assert 3 < step < 99


async def test_a_cancellation_in_a_call_that_has_its_answer_is_seen_by_the_next(certificates: Certificates) -> None:
    client, server = await Tunnel(certificates).open()
    await server.send_all(b"abc")
    assert await client.receive_some(1) == b"a"
    with trio.CancelScope() as scope:
        scope.cancel()
        await client.receive_some()
    assert scope.cancelled_caught
    assert await client.receive_some() == b"bc"
