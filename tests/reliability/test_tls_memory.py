"""Memory of TLS connections: what the interpreter itself loses is part of what a program of ours loses."""

from __future__ import annotations

import ssl
from pathlib import Path

import trio
import trustme

from nai_trio.transports import TLSSessions, TLSStream, memory_stream_pair, open_tls

HOST = "service.example"
KIB = 1024


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def connections(count: int, server: ssl.SSLContext, client: ssl.SSLContext, sessions: TLSSessions) -> None:
    for _ in range(count):
        ours, theirs = memory_stream_pair()
        peer = TLSStream(theirs, server, server_side=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.do_handshake)
            stream = await open_tls(ours, HOST, context=client, sessions=sessions)
        async with peer, stream:
            await peer.send_all(b"the tickets come before the first data")
            await stream.receive_some()


async def test_connections_that_are_over_hold_no_memory() -> None:
    authority, sessions = trustme.CA(), TLSSessions()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(HOST).configure_cert(server)
    authority.configure_trust(client)
    await connections(100, server, client, sessions)
    before = resident()
    await connections(200, server, client, sessions)
    assert resident() - before < 500 * KIB  # three looks at each session would lose some 4 MB on Python 3.11
