"""websockify as the other end of the WebSocket tunnel: what noVNC uses, and what anybody can install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from conformance import unused_port
from emulator_thread import KEY, Served
from program_checks import (
    BOTH,
    PARAMS,
    Kind,
    TLSFiles,
    Wiretap,
    check_cut_at_the_far_end,
    check_killed,
    check_whole,
    client_through,
    nothing_left,
)
from programs import running

from nai_trio import ConnectError, NetworkError
from nai_trio.transports import SOCKSTransport, WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from programs import Start, Starting

    from nai_trio import NovelAI
    from nai_trio.transport import Transport

pytestmark = pytest.mark.needs("websockify")


@pytest.fixture
def websockify(tmp_path: Path, tls_files: TLSFiles) -> Start:
    """Runs websockify in front of a port of this machine."""

    def start(target: int, *, tls: bool = False) -> Starting:
        options = [f"--cert={tls_files.certificate}", "--ssl-only"] if tls else []
        command = lambda port: [*options, f"127.0.0.1:{port}", f"127.0.0.1:{target}"]  # noqa: E731
        return running("websockify", tmp_path, command)

    return start


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


@BOTH
async def test_a_generation_streams_through(websockify: Start, served: Served, kind: Kind) -> None:
    with websockify(port_of(served)) as relay:
        transport = WebSocketTransport(f"ws://127.0.0.1:{relay.port}/")
        await check_whole(client_through(transport, served), served, kind)


@BOTH
async def test_a_generation_streams_through_encrypted(
    websockify: Start, served: Served, tls_files: TLSFiles, kind: Kind
) -> None:
    with websockify(port_of(served), tls=True) as relay:
        transport = WebSocketTransport(f"wss://127.0.0.1:{relay.port}/", ssl_context=tls_files.context())
        await check_whole(client_through(transport, served), served, kind)


@BOTH
async def test_a_cut_behind_it_interrupts(websockify: Start, served: Served, kind: Kind) -> None:
    with websockify(port_of(served)) as relay:
        transport = WebSocketTransport(f"ws://127.0.0.1:{relay.port}/")
        await check_cut_at_the_far_end(client_through(transport, served), served, kind)


@BOTH
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_killing_it_interrupts(
    websockify: Start, served: Served, tls_files: TLSFiles, kind: Kind, tls: bool
) -> None:
    with websockify(port_of(served), tls=tls) as relay:
        url = f"{'wss' if tls else 'ws'}://127.0.0.1:{relay.port}/"
        transport = WebSocketTransport(url, ssl_context=tls_files.context() if tls else None)
        await check_killed(client_through(transport, served), served, kind, relay)


async def test_an_origin_that_refuses_behind_it_is_an_error_and_no_hang(websockify: Start, served: Served) -> None:
    with websockify(unused_port()) as relay:
        transport = WebSocketTransport(f"ws://127.0.0.1:{relay.port}/")
        async with nothing_left(served), client_through(transport, served) as client:
            with pytest.raises(NetworkError) as caught:
                await client.image.generate(PARAMS)
    assert KEY not in str(caught.value)


async def test_plain_websocket_to_an_encrypted_relay_says_so(websockify: Start, served: Served) -> None:
    with websockify(port_of(served), tls=True) as relay:
        transport = WebSocketTransport(f"ws://127.0.0.1:{relay.port}/")
        async with nothing_left(served), client_through(transport, served) as client:
            with pytest.raises(ConnectError, match=f"via ws://127.0.0.1:{relay.port}"):
                await client.image.generate(PARAMS)


@pytest.mark.needs("nginx", "microsocks")
@BOTH
async def test_tls_over_socks_over_websocket(
    websockify: Start,
    encrypted: Callable[[Transport], NovelAI],
    served: Served,
    kind: Kind,
    tmp_path: Path,
) -> None:
    with (
        running("microsocks", tmp_path, lambda port: ["-i", "127.0.0.1", "-p", str(port)]) as socks,
        websockify(socks.port) as relay,
    ):
        tap = Wiretap(relay.port)
        async with trio.open_nursery() as nursery:
            await tap.listen(nursery)
            tunnel = WebSocketTransport(f"ws://127.0.0.1:{tap.port}/")
            transport = SOCKSTransport(f"socks5://127.0.0.1:{socks.port}", inner=tunnel)
            client = encrypted(transport)
            await check_whole(client, served, kind)
            nursery.cancel_scope.cancel()
    assert b"Sec-WebSocket-Protocol: binary" in tap.heard
    assert KEY.encode() not in tap.heard
