"""tinyproxy: a real HTTP proxy, with and without a password, in front of plain and of encrypted origins."""

from __future__ import annotations

import base64
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
from programs import Running, running

from nai_trio import ProxyAuthenticationError, ProxyError
from nai_trio.transports import HTTPProxyTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from programs import Start, Starting

    from nai_trio import NovelAI
    from nai_trio.transport import Transport

pytestmark = pytest.mark.needs("tinyproxy")

USER, PASSWORD = "planted-user", "planted-pa55"
CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 60
Allow 127.0.0.1
MaxClients 20
LogFile "{folder}/tinyproxy.log"
LogLevel Info
"""


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Start:
    """Runs tinyproxy; with a password, where it should want one."""

    def start(*, password: str | None = None) -> Starting:
        def command(port: int) -> list[str | Path]:
            wants = "" if password is None else f"BasicAuth {USER} {password}\n"
            (tmp_path / "tinyproxy.conf").write_text(CONFIGURATION.format(port=port, folder=tmp_path) + wants, "utf-8")
            return ["-d", "-c", tmp_path / "tinyproxy.conf"]

        return running("tinyproxy", tmp_path, command)

    return start


def open_proxy(proxy: Running) -> HTTPProxyTransport:
    return HTTPProxyTransport(f"http://127.0.0.1:{proxy.port}")


def locked_proxy(proxy: Running, password: str = PASSWORD) -> HTTPProxyTransport:
    return HTTPProxyTransport(f"http://{USER}:{password}@127.0.0.1:{proxy.port}")


@BOTH
async def test_a_generation_streams_through(tinyproxy: Start, served: Served, kind: Kind) -> None:
    with tinyproxy() as proxy:
        await check_whole(client_through(open_proxy(proxy), served), served, kind)


@BOTH
async def test_a_generation_streams_through_with_a_password(tinyproxy: Start, served: Served, kind: Kind) -> None:
    with tinyproxy(password=PASSWORD) as proxy:
        await check_whole(client_through(locked_proxy(proxy), served), served, kind)


@BOTH
async def test_a_cut_behind_it_interrupts(tinyproxy: Start, served: Served, kind: Kind) -> None:
    with tinyproxy() as proxy:
        await check_cut_at_the_far_end(client_through(open_proxy(proxy), served), served, kind)


@BOTH
async def test_killing_it_interrupts(tinyproxy: Start, served: Served, kind: Kind) -> None:
    with tinyproxy(password=PASSWORD) as proxy:
        await check_killed(client_through(locked_proxy(proxy), served), served, kind, proxy)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "http://planted-user:not-it@127.0.0.1:{}"])
async def test_a_wrong_password_is_an_error_of_its_own(tinyproxy: Start, served: Served, url: str) -> None:
    with tinyproxy(password=PASSWORD) as proxy:
        transport = HTTPProxyTransport(url.format(proxy.port))
        async with nothing_left(served), client_through(transport, served) as client:
            with pytest.raises(ProxyAuthenticationError) as caught:
                await client.image.generate(PARAMS)
    assert caught.value.status in {401, 407}
    assert not caught.value.billing_unknown
    assert f"via http://127.0.0.1:{proxy.port}" in str(caught.value)
    assert "not-it" not in str(caught.value)


async def test_an_origin_that_refuses_is_told_with_the_proxys_words(tinyproxy: Start, served: Served) -> None:
    with tinyproxy() as proxy:
        nowhere = f"http://127.0.0.1:{unused_port()}"
        async with nothing_left(served), client_through(open_proxy(proxy), served, image_base=nowhere) as client:
            with pytest.raises(ProxyError, match=r"500|502|503") as caught:
                await client.image.generate(PARAMS)
    assert caught.value.status >= 500
    assert not isinstance(caught.value, ProxyAuthenticationError)


@pytest.mark.needs("nginx")
@BOTH
async def test_it_never_sees_the_key_of_an_encrypted_origin(
    tinyproxy: Start, encrypted: Callable[[Transport], NovelAI], served: Served, kind: Kind, tmp_path: Path
) -> None:
    with tinyproxy(password=PASSWORD) as proxy:
        tap = Wiretap(proxy.port)
        async with trio.open_nursery() as nursery:
            await tap.listen(nursery)
            transport = HTTPProxyTransport(f"http://{USER}:{PASSWORD}@127.0.0.1:{tap.port}")
            client = encrypted(transport)
            port = client.base_url.origin.port
            await check_whole(client, served, kind)
            nursery.cancel_scope.cancel()
    head, _, rest = bytes(tap.heard).partition(b"\r\n\r\n")
    assert head.startswith(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n".encode())
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    assert [line for line in head.split(b"\r\n") if b"uthorization" in line] == [b"Proxy-Authorization: Basic " + basic]
    assert rest.startswith(b"\x16\x03")  # TLS, and that alone (RFC 8446, 5.1)
    assert KEY.encode() not in tap.heard
    said = (tmp_path / "tinyproxy.log").read_text() + proxy.said()
    assert f"127.0.0.1:{port}" in said
    assert not any(secret in said for secret in (KEY, PASSWORD, basic.decode()))
