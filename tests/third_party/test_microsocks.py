"""microsocks: a real SOCKS5 server, with and without a password."""

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
    Wiretap,
    check_cut_at_the_far_end,
    check_killed,
    check_whole,
    client_through,
    nothing_left,
)
from programs import running

from nai_trio import ProxyAuthenticationError, ProxyError
from nai_trio.transports import SOCKSTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from programs import Start, Starting

    from nai_trio import NovelAI
    from nai_trio.transport import Transport

pytestmark = pytest.mark.needs("microsocks")

USER, PASSWORD = "planted-user", "planted/p@ss:word"
IN_URL = "planted-user:planted%2Fp%40ss%3Aword"


@pytest.fixture
def microsocks(tmp_path: Path) -> Start:
    """Runs microsocks; with a password, where it should want one."""

    def start(*, password: str | None = None) -> Starting:
        wants = [] if password is None else ["-u", USER, "-P", password]
        return running("microsocks", tmp_path, lambda port: ["-i", "127.0.0.1", "-p", str(port), *wants])

    return start


@BOTH
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_generation_streams_through(microsocks: Start, served: Served, scheme: str, kind: Kind) -> None:
    with microsocks() as proxy:
        transport = SOCKSTransport(f"{scheme}://127.0.0.1:{proxy.port}")
        await check_whole(client_through(transport, served), served, kind)


@BOTH
async def test_a_generation_streams_through_with_a_password(microsocks: Start, served: Served, kind: Kind) -> None:
    with microsocks(password=PASSWORD) as proxy:
        transport = SOCKSTransport(f"socks5://{IN_URL}@127.0.0.1:{proxy.port}")
        await check_whole(client_through(transport, served), served, kind)


async def test_it_looks_the_name_up(microsocks: Start, served: Served) -> None:
    """Here a resolver that knows nothing is asked by nobody."""

    class Nobody(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]
            raise AssertionError(f"{host} was looked up on this machine")

        async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Nobody())
    with microsocks() as proxy:
        transport = SOCKSTransport(f"socks5://127.0.0.1:{proxy.port}")
        base = served.url.replace("127.0.0.1", "localhost")
        async with nothing_left(served), client_through(transport, served, image_base=base) as client:
            assert len(await client.image.generate(PARAMS)) == 1


@BOTH
async def test_a_cut_behind_it_interrupts(microsocks: Start, served: Served, kind: Kind) -> None:
    with microsocks() as proxy:
        transport = SOCKSTransport(f"socks5://127.0.0.1:{proxy.port}")
        await check_cut_at_the_far_end(client_through(transport, served), served, kind)


@BOTH
async def test_killing_it_interrupts(microsocks: Start, served: Served, kind: Kind) -> None:
    with microsocks(password=PASSWORD) as proxy:
        transport = SOCKSTransport(f"socks5://{IN_URL}@127.0.0.1:{proxy.port}")
        await check_killed(client_through(transport, served), served, kind, proxy)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:{}", "socks5://planted-user:not-it@127.0.0.1:{}"])
async def test_a_wrong_password_is_an_error_of_its_own(microsocks: Start, served: Served, url: str) -> None:
    with microsocks(password=PASSWORD) as proxy:
        async with nothing_left(served), client_through(SOCKSTransport(url.format(proxy.port)), served) as client:
            with pytest.raises(ProxyAuthenticationError) as caught:
                await client.image.generate(PARAMS)
    assert f"via socks5://127.0.0.1:{proxy.port}" in str(caught.value)
    assert "not-it" not in str(caught.value)
    assert not caught.value.billing_unknown


async def test_an_origin_that_refuses_is_told_with_the_reply_code(microsocks: Start, served: Served) -> None:
    with microsocks() as proxy:
        transport = SOCKSTransport(f"socks5://127.0.0.1:{proxy.port}")
        nowhere = f"http://127.0.0.1:{unused_port()}"
        async with nothing_left(served), client_through(transport, served, image_base=nowhere) as client:
            with pytest.raises(ProxyError, match="refused") as caught:
                await client.image.generate(PARAMS)
    assert caught.value.status == 5


@pytest.mark.needs("nginx")
async def test_it_never_sees_the_key_of_an_encrypted_origin(
    microsocks: Start, encrypted: Callable[[Transport], NovelAI], served: Served
) -> None:
    with microsocks() as proxy:
        tap = Wiretap(proxy.port)
        async with trio.open_nursery() as nursery:
            await tap.listen(nursery)
            transport = SOCKSTransport(f"socks5://127.0.0.1:{tap.port}")
            client = encrypted(transport)
            await check_whole(client, served, "msgpack")
            nursery.cancel_scope.cancel()
    assert b"\x16\x03" in tap.heard
    assert KEY.encode() not in tap.heard
