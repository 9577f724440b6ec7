"""Listening on sockets of this machine."""

from __future__ import annotations

import pytest
import trio

from nai_trio.errors import NetworkError
from nai_trio.transports.listen import open_listeners, port_of


async def close_all(listeners: list[trio.SocketListener]) -> None:
    for listener in listeners:
        await listener.aclose()


async def test_a_free_port_is_taken_and_serves() -> None:
    [listener] = await open_listeners("127.0.0.1", 0)
    async with listener:
        client = await trio.open_tcp_stream("127.0.0.1", port_of(listener))
        server = await listener.accept()
        async with client, server:
            await client.send_all(b"hello")
            assert await server.receive_some() == b"hello"


async def test_a_name_with_several_addresses_and_no_port_gets_one_address() -> None:
    class Two(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: object, port: object, *rest: int) -> list[object]:
            await trio.lowlevel.checkpoint()
            family, kind = trio.socket.AF_INET, trio.socket.SOCK_STREAM
            return [(family, kind, 0, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

        async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Two())
    [listener] = await open_listeners("both.example", 0)
    port = port_of(listener)
    assert listener.socket.getsockname()[0] == "127.0.0.1"
    await listener.aclose()
    both = await open_listeners("both.example", port)
    assert [each.socket.getsockname() for each in both] == [("127.0.0.1", port), ("127.0.0.2", port)]
    await close_all(both)


async def test_a_port_that_is_taken_is_told_with_host_and_port() -> None:
    [listener] = await open_listeners("127.0.0.1", 0)
    async with listener:
        port = port_of(listener)
        with pytest.raises(NetworkError) as caught:
            await open_listeners("127.0.0.1", port)
    assert str(caught.value) == f"listen on 127.0.0.1, port {port}: the port is in use"
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "address not available on this machine"), ("x" * 64 + ".example", "not a valid host name")],
)
async def test_a_host_that_is_not_this_machine_is_told_so(host: str, words: str) -> None:
    with pytest.raises(NetworkError) as caught:
        await open_listeners(host, 0)
    assert str(caught.value) == f"listen on {host}, port 0: {words}"
