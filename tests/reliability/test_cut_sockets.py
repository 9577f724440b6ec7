"""Responses cut on real sockets, at both sides of every border; by the same table as in test_cut_everywhere.py."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs
import pytest
import trustme
from answers import ANSWERS, Answer, Framing
from conformance import Entered, Site, opened
from conformance_ends import reset
from conformance_rows import Row
from cuts import End, check
from cutting_service import generated
from scripted import read_request
from sweep import settled
from watched import WatchedTransport
from whole_events import WholeResponse

if TYPE_CHECKING:
    from pathlib import Path

    import trio

KEY = "pst-not-a-real-key"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(_authority(), tmp_path)


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA()


def borders(whole: WholeResponse) -> list[int]:
    """Both sides of every border, and one place in the first event."""
    found = {0, 1, whole.head_end, whole.head_end + 40, *whole.ends, len(whole.wire)}
    return sorted({place for border in found for place in (border - 1, border) if 0 <= place <= len(whole.wire)})


class Cutter:
    """Answers on a socket with some bytes, and an end when they have been read."""

    def __init__(self, end: End) -> None:
        self.data = b""
        self.transport: WatchedTransport | None = None
        self._end = end

    async def __call__(self, stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(self.data)
        if self._end == "reset":  # would take away from the client what it has not read
            assert self.transport is not None
            client = self.transport.streams[-1]
            await settled(lambda: client.received == len(self.data) or client.closed, lambda: "nobody reads")
            reset(stream)


async def cut_at_borders(row: Row, site: Site, answer: Answer, framing: Framing, end: End) -> None:
    whole = WholeResponse.of(answer, answer.response(framing))
    cutter = Cutter(end)
    async with opened(row, site, cutter) as route:
        cutter.transport = transport = WatchedTransport(Entered(route.transport))
        for count in borders(whole):
            async with route.client(transport=transport) as client:
                cutter.data = whole.wire[:count]
                run = await generated(client, answer)
            check(answer, whole, count, end, attrs.evolve(run, seconds=0.0))
            assert not transport.open
            transport.assert_closed_once()
            await route.all_gone()


@pytest.mark.parametrize("end", ["end of file", "reset"])
@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("name", ["sse-2-samples", "msgpack-2-samples", "zip", "sse-error", "ServerError-502"])
async def test_cut_on_a_tcp_connection(name: str, framing: Framing, end: End, site: Site) -> None:
    await cut_at_borders(Row(("tcp",)), site, ANSWERS[name], framing, end)


@pytest.mark.parametrize("name", ["sse", "msgpack-2-samples", "zip", "ConcurrencyLockedError-429"])
@pytest.mark.parametrize(
    "row", [Row(("tcp", "tls")), Row(("http+auth", "tls")), Row(("socks",)), Row(("ws",))], ids=str
)
async def test_cut_on_other_routes(row: Row, name: str, site: Site) -> None:
    """In TLS without a closing alert, as a cut is; at the end of a tunnel, as its other end sees it."""
    await cut_at_borders(row, site, ANSWERS[name], "chunked", "end of file")
