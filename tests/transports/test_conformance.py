"""What every transport must do, alike: one suite, one table of routes (tests/support/conformance_rows.py).

The servers on the way are real ones on sockets of this machine, so time is real here; what is waited for is an event,
and a bound ends the test only where it has failed.
"""

from __future__ import annotations

import contextlib
import random
import re
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from conformance import Site, opened
from conformance_ends import echo, open_descriptors, reset, silent
from conformance_rows import KEY, PASSWORD, TOKEN, USER, Row, every_row, rows
from sweep import cancelled_at_step

from nai_trio import (
    ConnectError,
    ImageParams,
    NetworkError,
    NetworkTimeout,
    Timeouts,
)
from nai_trio.transport import Readable

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Certificates

    from nai_trio.transport import Transport

PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)


@pytest.fixture
def site(certificates: Certificates, tmp_path: Path) -> Site:
    return Site(certificates.authority, tmp_path)


async def received(stream: trio.abc.Stream, count: int) -> bytes:
    """So many bytes, or fewer where the end comes first."""
    data = b""
    while len(data) < count and (more := await stream.receive_some(count - len(data))):
        data += more
    return data


def network_part(transport: Transport) -> str:
    """The route without the recorder, who is no part of it."""
    return transport.describe().removeprefix("recorder via ")


# Connecting.


@every_row
async def test_it_connects_and_carries_bytes_both_ways(row: Row, site: Site) -> None:
    sent = random.Random(1).randbytes(300_000)
    async with opened(row, site, echo) as route:
        async with await route.connect() as stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, sent)
                assert await received(stream, len(sent)) == sent
        await route.all_gone()
        assert [door.served for door in route.doors] == [1] * len(route.doors)


@every_row
async def test_one_transport_opens_any_number_of_streams(row: Row, site: Site) -> None:
    async def talk(number: int) -> None:
        async with await route.connect() as stream:
            said = bytes([number]) * 1000
            await stream.send_all(said)
            assert await received(stream, len(said)) == said

    async with opened(row, site, echo) as route:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(talk, number)
        await route.all_gone()


@every_row
async def test_it_can_be_entered_again(row: Row, site: Site) -> None:
    async with opened(row, site, echo) as route:
        inner = route.transport
        await inner.__aexit__(None, None, None)
        async with inner, await route.connect() as stream:
            await stream.send_all(b"again")
            assert await received(stream, 5) == b"again"
        await inner.__aenter__()


@every_row
async def test_it_describes_itself_in_one_line_without_secrets(row: Row, site: Site) -> None:
    async with opened(row, site, echo) as route:
        for text in (route.transport.describe(), repr(route.transport), str(route.transport), repr(route.client())):
            assert "\n" not in text
            assert not any(secret in text for secret in (KEY, USER, PASSWORD, TOKEN))
        described = route.transport.describe()
        for door in route.doors[:-1]:
            assert f"127.0.0.1:{door.port}" in described
        assert described in repr(route.client())


@every_row
async def test_it_tells_whether_a_read_would_wait(row: Row, site: Site) -> None:
    async def greet(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"hello")
        await silent(stream)

    async with opened(row, site, greet) as route, await route.connect() as stream:
        assert isinstance(stream, Readable)
        assert await received(stream, 1) == b"h"
        assert await received(stream, 4) == b"ello"
        assert not stream.readable()


# Not connecting.


@rows(lambda row: row.layers[0] != "memory")
async def test_a_refused_connection_says_by_which_route_and_why(row: Row, site: Site) -> None:
    before = open_descriptors()
    async with opened(row, site, echo) as route:
        transport, origin = route.transport, route.origin
    async with transport:
        with pytest.raises(ConnectError) as caught:
            await transport.connect(origin)
    assert f"{origin.host}:{origin.port}" in str(caught.value)
    assert f"via {network_part(transport)} to" in str(caught.value)
    assert isinstance(caught.value.__cause__, Exception)
    assert open_descriptors() == before


@rows(lambda row: row.hops)
async def test_an_origin_that_refuses_behind_the_hops_is_a_network_error(row: Row, site: Site) -> None:
    async with opened(row, site, closed=True) as route:
        async with route.client() as client:
            with pytest.raises(NetworkError) as caught:
                await client.image.generate(PARAMS)
        await route.all_gone()
    assert isinstance(caught.value, ConnectError)
    assert not caught.value.billing_unknown


@every_row
async def test_a_first_hop_that_says_nothing_is_a_timeout_of_connecting(row: Row, site: Site) -> None:
    async with opened(row, site, echo, first_hop=silent) as route:
        base = f"https://127.0.0.1:{route.origin.port}"  # so that a bare transport has a handshake to wait for
        timeouts = Timeouts(connect=0.1)
        async with route.client(image_base=base, timeouts=timeouts) as client:
            with pytest.raises(NetworkTimeout) as caught:
                await client.image.generate(PARAMS)
        await route.all_gone()
    assert caught.value.phase == "connect"
    assert not caught.value.billing_unknown


@rows(lambda row: row.hops)
async def test_a_first_hop_that_hangs_up_is_a_connect_error(row: Row, site: Site) -> None:
    async def hang_up(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1)

    async with opened(row, site, echo, first_hop=hang_up) as route:
        with pytest.raises(ConnectError, match=re.escape(network_part(route.transport))):
            await route.connect()
        await route.all_gone()


@rows(lambda row: row.hops)
@pytest.mark.parametrize("noise", [b"\x00" * 4000, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100])
async def test_a_first_hop_that_speaks_something_else_never_hangs_and_never_connects(
    row: Row, site: Site, noise: bytes
) -> None:
    async def babble(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1)
        await stream.send_all(noise)

    if row.hops[0].startswith("http+") or row.hops[0] == "http":
        noise = noise.replace(b"200 OK", b"200")  # a CONNECT that was accepted: the origin babbles then
    async with opened(row, site, echo, first_hop=babble) as route:
        try:
            async with await route.connect() as stream:
                assert (row.scheme, noise[:4]) == ("http", b"HTTP")
                assert await received(stream, 100) == b"x" * 100
        except ConnectError:
            pass
        await route.all_gone()


# Being cancelled.


@every_row
async def test_cancelled_at_any_step_nothing_is_left_open(row: Row, site: Site) -> None:
    async def whole_life() -> None:
        async with await route.connect() as stream:
            await stream.send_all(b"x" * 1000)
            assert await received(stream, 1000) == b"x" * 1000

    async with opened(row, site, echo) as route:
        await whole_life()  # what is built once is built now
        await route.all_gone()
        before = open_descriptors()
        step = 1
        while await cancelled_at_step(step, whole_life):
            await route.all_gone()
            step += 1
        await route.all_gone()
        assert open_descriptors() == before
        assert step > 3


# Peers that are half there, slow, or gone.


@rows(lambda row: row.half_close)
async def test_a_half_open_peer_that_has_ended_can_still_be_told(row: Row, site: Site) -> None:
    heard = []

    async def end_first(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        await stream.send_all(b"that is all")
        await stream.send_eof()
        heard.append(await received(stream, 100))

    async with opened(row, site, end_first) as route:
        async with await route.connect() as stream:
            assert await received(stream, 100) == b"that is all"
            assert await stream.receive_some() == b""
            await stream.send_all(b"one more thing")
        await route.all_gone()
    assert heard == [b"one more thing"]


@every_row
async def test_the_end_comes_after_the_last_byte_from_there(row: Row, site: Site) -> None:
    sent = random.Random(2).randbytes(200_000)

    async def send(stream: trio.abc.Stream) -> None:
        await stream.send_all(sent)

    async with opened(row, site, send) as route:
        async with await route.connect() as stream:
            assert await received(stream, len(sent) + 1) == sent
            assert await stream.receive_some() == b""  # and stays the end
        await route.all_gone()


@every_row
async def test_the_end_comes_after_the_last_byte_from_here(row: Row, site: Site) -> None:
    sent = random.Random(3).randbytes(200_000)
    got: list[bytes] = []
    taken = trio.Event()

    async def take(stream: trio.abc.Stream) -> None:
        got.append(await received(stream, len(sent) + 1))
        taken.set()

    async with opened(row, site, take) as route:
        async with await route.connect() as stream:
            await stream.send_all(sent)
        with trio.fail_after(10):  # a connection may be made, filled and left before it is accepted
            await taken.wait()
        await route.all_gone()
    assert got == [sent]


@every_row
async def test_a_peer_that_vanishes_is_noticed_when_reading_and_when_sending(row: Row, site: Site) -> None:
    async def vanish(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1)
        reset(stream)

    async with opened(row, site, vanish) as route:
        async with await route.connect() as stream:
            await stream.send_all(b"x")
            with contextlib.suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b"x" * 1000)
        await route.all_gone()


@every_row
async def test_a_slow_peer_is_read_as_it_speaks(row: Row, site: Site) -> None:
    async def one_by_one(stream: trio.abc.Stream) -> None:
        for number in range(50):
            await stream.send_all(bytes([number]))
            assert await stream.receive_some() == bytes([number])  # it has arrived before the next one is said

    async with opened(row, site, one_by_one) as route:
        async with await route.connect() as stream:
            for number in range(50):
                assert await stream.receive_some() == bytes([number])
                await stream.send_all(bytes([number]))
            assert await stream.receive_some() == b""
        await route.all_gone()


# The stream, as trio wants one.


@every_row
async def test_it_is_a_two_way_stream(row: Row, site: Site) -> None:
    async with opened(row, site) as route:
        await trio.testing.check_two_way_stream(route.pair, None)


@rows(lambda row: row.half_close and row.layers[0] != "tape")  # a recorder ends both directions only
async def test_it_is_a_half_closeable_stream(row: Row, site: Site) -> None:
    async with opened(row, site) as route:
        await trio.testing.check_half_closeable_stream(route.pair, None)


@every_row
async def test_a_buffer_of_the_readers_is_filled(row: Row, site: Site) -> None:
    async def send(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"into a buffer")

    async with opened(row, site, send) as route, await route.connect() as stream:
        assert hasattr(stream, "receive_into")
        buffer = bytearray(100)
        filled = 0
        with memoryview(buffer) as view:
            while count := await stream.receive_into(view[filled:]):
                filled += count
        assert buffer[:filled] == b"into a buffer"
