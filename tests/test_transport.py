"""The contract of a transport: origins as URLs and headers have them, and what a transport has for nothing."""

from __future__ import annotations

import pytest
import trio

from nai_trio.transport import Origin, Readable, Transport, host_in_url
from nai_trio.transports import memory_stream_pair


@pytest.mark.parametrize(
    ("origin", "netloc", "authority", "address"),
    [
        (
            Origin("https", "image.novelai.net", 443),
            "image.novelai.net",
            "image.novelai.net:443",
            "https://image.novelai.net:443",
        ),
        (
            Origin("https", "image.novelai.net", 80),
            "image.novelai.net:80",
            "image.novelai.net:80",
            "https://image.novelai.net:80",
        ),
        (Origin("http", "localhost", 80), "localhost", "localhost:80", "http://localhost:80"),
        (Origin("http", "::1", 8080), "[::1]:8080", "[::1]:8080", "http://[::1]:8080"),
        (Origin("https", "::1", 443), "[::1]", "[::1]:443", "https://[::1]:443"),
    ],
)
def test_an_origin_is_written_as_headers_and_urls_have_it(
    origin: Origin, netloc: str, authority: str, address: str
) -> None:
    assert (origin.netloc, origin.authority, origin.address) == (netloc, authority, address)
    assert str(origin) == f"{origin.scheme}://{netloc}"


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.255.0.9", "::1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert Origin("http", host, 80).is_loopback


@pytest.mark.parametrize(
    "host",
    ["novelai.net", "localhost.example", "notlocalhost", "128.0.0.1", "127.0.0.1.example", "0.0.0.0", "::2", "::"],
)
def test_nothing_else_is(host: str) -> None:
    assert not Origin("http", host, 80).is_loopback


def test_only_an_ipv6_address_gets_brackets() -> None:
    assert [host_in_url(host) for host in ("::1", "127.0.0.1", "a.example")] == ["[::1]", "127.0.0.1", "a.example"]


class Nowhere(Transport):
    async def connect(self, origin: Origin) -> trio.abc.Stream:
        raise AssertionError("not asked for")


async def test_a_transport_needs_no_more_than_connect() -> None:
    async with Nowhere() as transport:
        assert transport.describe() == "Nowhere"
        assert not transport.secure


async def test_entering_one_is_a_checkpoint() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        async with Nowhere():
            raise AssertionError("unreachable")
    assert scope.cancelled_caught


async def test_leaving_one_swallows_nothing() -> None:
    with pytest.raises(ValueError, match="the body's own"):
        async with Nowhere():
            raise ValueError("the body's own")


def test_without_connect_there_is_no_transport() -> None:
    with pytest.raises(TypeError, match="connect"):
        Transport()  # type: ignore[abstract]


async def test_a_stream_that_can_tell_whether_a_read_would_wait_is_readable() -> None:
    near, far = memory_stream_pair()
    assert isinstance(near, Readable)
    assert not isinstance(object(), Readable)
    await near.aclose()
    await far.aclose()
