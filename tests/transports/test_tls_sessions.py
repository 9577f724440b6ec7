"""Sessions: the second connection resumes, and only where it may."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trio

from nai_trio.errors import ConnectError
from nai_trio.transports.memory_stream import memory_stream_pair
from nai_trio.transports.tls import TLSSessions, TLSStream, open_tls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Certificates

pytestmark = pytest.mark.usefixtures("fresh_looks")

HOST = "service.example"


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param  # type: ignore[no-any-return]


class Peer:
    """A server that greets, with one context for all connections, so that it knows its tickets."""

    def __init__(self, certificates: Certificates, version: ssl.TLSVersion, names: Sequence[str] = (HOST,)) -> None:
        self.context = certificates.server(*names)
        self.context.maximum_version = version
        self.client_context = certificates.client()
        self.sessions = TLSSessions()

    async def open(
        self, host: str = HOST, port: int = 443, context: ssl.SSLContext | None = None, *, greeted: bool = True
    ) -> TLSStream:
        ours, theirs = memory_stream_pair()
        server = TLSStream(theirs, self.context, server_side=True)
        opened: list[TLSStream] = []

        async def connect() -> None:
            chosen = context or self.client_context
            opened.append(await open_tls(ours, host, port=port, context=chosen, sessions=self.sessions))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect)
            nursery.start_soon(server.do_handshake)
        if greeted:
            await server.send_all(b"welcome")
            assert await opened[0].receive_some() == b"welcome"
        return opened[0]

    async def reused(self, host: str = HOST, port: int = 443, context: ssl.SSLContext | None = None) -> bool:
        stream = await self.open(host, port, context)
        await stream.aclose()
        return bool(stream.tls.session_reused)


async def test_the_second_connection_resumes_and_so_does_each_later_one(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    peer = Peer(certificates, version)
    assert [await peer.reused() for _ in range(4)] == [False, True, True, True]


async def test_a_connection_resumes_while_the_first_one_is_open(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    peer = Peer(certificates, version)
    first = await peer.open()
    assert await peer.reused()
    assert not first.tls.session_reused


async def test_one_session_serves_several_connections_at_once(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    peer = Peer(certificates, version)
    await peer.open()
    streams = [await peer.open() for _ in range(3)]
    assert all(stream.tls.session_reused for stream in streams)


async def test_the_session_is_looked_at_once_and_never_of_a_connection_that_resumed(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    peer, kept = Peer(certificates, version), []
    keep = peer.sessions.keep
    peer.sessions.keep = lambda *given: (kept.append(given), keep(*given))  # type: ignore[method-assign]
    for _ in range(4):
        await peer.reused()
    assert len(kept) == 1


async def test_where_a_look_loses_memory_there_are_only_so_many(
    certificates: Certificates, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nai_trio.transports.tls_sessions.LOOKING_LOSES", True)
    monkeypatch.setattr("nai_trio.transports.tls_sessions.MOST_LOOKS", 2)
    peers = [Peer(certificates, version) for _ in range(3)]
    assert [await peer.reused() for peer in peers] == [False] * 3
    assert [await peer.reused() for peer in peers] == [True, True, False], "what is known goes on resuming"
    monkeypatch.setattr("nai_trio.transports.tls_sessions.LOOKING_LOSES", False)
    assert [await peers[2].reused() for _ in range(2)] == [False, True]


async def test_never_across_contexts_hosts_or_ports(certificates: Certificates, version: ssl.TLSVersion) -> None:
    peer = Peer(certificates, version, ["a.example", "b.example"])
    assert not await peer.reused("a.example")
    assert not await peer.reused("b.example")
    assert not await peer.reused("a.example", 8443)
    assert not await peer.reused("a.example", context=certificates.client())
    assert await peer.reused("a.example")


async def test_a_session_does_not_get_around_the_host_name(certificates: Certificates, version: ssl.TLSVersion) -> None:
    peer = Peer(certificates, version, ["a.example"])
    assert not await peer.reused("a.example")
    with pytest.raises(BaseExceptionGroup) as caught:
        await peer.open("b.example")
    assert caught.group_contains(ConnectError, match="TLS to b.example: certificate not accepted: Hostname mismatch")


async def test_a_peer_that_has_forgotten_the_session_makes_a_full_handshake(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    peer = Peer(certificates, version)
    assert not await peer.reused()
    peer.context = Peer(certificates, version).context
    assert not await peer.reused()
    assert await peer.reused()


async def test_without_a_store_nothing_is_resumed(certificates: Certificates, version: ssl.TLSVersion) -> None:
    peer = Peer(certificates, version)
    for _ in range(2):
        ours, theirs = memory_stream_pair()
        server = TLSStream(theirs, peer.context, server_side=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.do_handshake)
            stream = await open_tls(ours, HOST, context=peer.client_context)
        assert not stream.tls.session_reused


async def session(certificates: Certificates, context: ssl.SSLContext) -> ssl.SSLSession:
    """Any session of that context."""
    ours, theirs = memory_stream_pair()
    server_context = certificates.server()
    server_context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = TLSStream(theirs, server_context, server_side=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        stream = await open_tls(ours, HOST, context=context)
    assert stream.tls.session is not None
    return stream.tls.session


async def test_only_so_many_are_kept_and_the_oldest_make_room(certificates: Certificates) -> None:
    sessions, context = TLSSessions(limit=3), certificates.client()
    made = [await session(certificates, context) for _ in range(5)]
    for port, each in enumerate(made):
        sessions.keep(context, HOST, port, each)
    assert repr(sessions) == "<TLSSessions, 3 of at most 3>"
    assert [sessions.find(context, HOST, port) for port in range(5)] == [None, None, *made[2:]]


async def test_the_newest_of_a_peer_replaces_the_one_before(certificates: Certificates) -> None:
    sessions, context = TLSSessions(), certificates.client()
    one, other = [await session(certificates, context) for _ in range(2)]
    for each in (one, other, one):
        sessions.keep(context, HOST, 443, each)
        assert sessions.find(context, HOST, 443) is each
    assert repr(sessions) == "<TLSSessions, 1 of at most 16>"
