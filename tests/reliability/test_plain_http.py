"""`http://` is for this machine: no spelling of an address, no proxy, no resolver gets the key off it in the clear."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import ConnectError, HTTPStatusError, InvalidParamsError, NovelAI, NovelAIError
from nai_trio.address import parse_base_url
from nai_trio.protocol import ImageExchange
from nai_trio.transport import Origin, Transport
from nai_trio.transports import (
    HTTPProxyTransport,
    RecordingTransport,
    SOCKSTransport,
    TCPTransport,
    WebSocketTransport,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY = "pst-not-a-real-key"

NOT_HERE = [
    "http://image.novelai.net",
    "HTTP://IMAGE.NOVELAI.NET",
    "http://2130706433/",  # 127.0.0.1 as one number
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://134744072/",  # 8.8.8.8
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",  # through a translator
    "http://[::2]/",
    "http://[fe80::1%25eth0]/",
    "http://169.254.169.254/",
    "http://10.0.0.1/",
    "http://128.0.0.1/",
    "http://localhost./",
    "http://localhost.example/",
    "http://localhost.localdomain/",
    "http://notlocalhost/",
    "http://127.0.0.1.example/",
    "http://127.0.0.1.nip.io/",
    "http://localhost%2eexample/",
    "http://localhost%00.example/",
    "http://ip6-localhost/",
    "http://xn--localhost-/",
]


@pytest.mark.parametrize("url", NOT_HERE)
def test_an_address_that_is_not_this_machine_for_sure_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParamsError):
        NovelAI(KEY, image_base=url)
    monkeypatch.setenv("NOVELAI_IMAGE_BASE", url)
    with pytest.raises(InvalidParamsError):
        NovelAI(KEY)


TRICKS = [
    "http://localhost@image.novelai.net/",
    "http://localhost:80@image.novelai.net/",
    "http://127.0.0.1:80@image.novelai.net:80/",
    "http://localhost\\@image.novelai.net/",
    "http://image.novelai.net\\@localhost/",
    "http://localhost#@image.novelai.net/",
    "http://localhost?@image.novelai.net/",
    "http://localhost\t.example/",
    "http://localhost\n.example/",
    "http://localho\u017ft/",  # a long s, which case folding makes an s
    "http://\uff4cocalhost/",  # a fullwidth l
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://localhost\u2024example/",
    "http://[::1]example/",
    "http://[::1].example/",
    "http://[127.0.0.1]/",
    "http://[v1.localhost]/",
    "http:image.novelai.net",
    "http:///image.novelai.net",
    "//localhost",
]


@pytest.mark.parametrize("url", TRICKS)
def test_an_address_that_readers_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidParamsError):
        parse_base_url(url)


@given(
    st.one_of(
        st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address)),
        st.integers(0, 2**32 - 1).map(str),
        st.integers(0, 2**32 - 1).map(hex),
        st.from_regex(r"\A[a-z0-9-]{1,10}(\.(localhost|local|example|127|1)){0,2}\Z"),
        st.text(alphabet="localhst127.0:[]@\\/%#?x", max_size=20),
    )
)
def test_no_host_gets_through_that_the_system_would_look_for_elsewhere(host: str) -> None:
    try:
        base = parse_base_url(f"http://{host}/")
    except InvalidParamsError:
        return
    name = base.origin.host
    if name == "localhost" or name.endswith(".localhost"):
        return
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    packed = socket.inet_pton(family, name.partition("%")[0])  # the strictest reader there is
    assert (
        packed[0] == 127 if len(packed) == 4 else packed in {bytes(15) + b"\1", bytes(10) + b"\xff\xff" + packed[12:]}
    )
    assert len(packed) == 4 or packed[12] in {0, 127}


AFAR = {
    "http proxy": lambda: HTTPProxyTransport("http://proxy.example:3128"),
    "https proxy": lambda: HTTPProxyTransport("https://proxy.example:3128"),
    "socks": lambda: SOCKSTransport("socks5://10.0.0.1"),
    "relay": lambda: WebSocketTransport("wss://relay.example/"),
    "behind one of this machine": lambda: SOCKSTransport("socks5://10.0.0.1", inner=SOCKSTransport("socks5://[::1]")),
    "before one of this machine": lambda: HTTPProxyTransport(
        "http://localhost:1", inner=HTTPProxyTransport("http://proxy.example")
    ),
}
afar = pytest.mark.parametrize("make", AFAR.values(), ids=AFAR)


@afar
def test_a_transport_through_another_machine_makes_localhost_that_machine(make: Any, tmp_path: Path) -> None:
    for transport in (make(), RecordingTransport(make(), tmp_path / "a.tape")):
        with pytest.raises(InvalidParamsError, match=r"transport: expected a proxy on this machine"):
            NovelAI(KEY, image_base="http://localhost:8000", transport=transport)
        NovelAI(KEY, image_base="http://localhost:8000", transport=transport, allow_plain_http=True)
        NovelAI(KEY, image_base="https://localhost:8000", transport=transport)


@pytest.mark.parametrize("url", ["http://proxy.example", "socks5://10.0.0.1", "wss://relay.example", "proxy.example:1"])
def test_a_proxy_on_another_machine_makes_localhost_that_machine(url: str) -> None:
    with pytest.raises(InvalidParamsError, match=r"proxy: expected a proxy on this machine"):
        NovelAI(KEY, image_base="http://localhost:8000", proxy=url)


def test_transports_that_stay_on_this_machine_are_taken(tmp_path: Path) -> None:
    here = SOCKSTransport("socks5://127.0.0.1:1", inner=HTTPProxyTransport("http://localhost:2"))
    for transport in (TCPTransport(), here, RecordingTransport(here, tmp_path / "a.tape")):
        NovelAI(KEY, image_base="http://localhost:8000", transport=transport)


def test_a_transport_with_an_inner_that_is_none_is_taken() -> None:
    class Own(Transport):
        inner = "something else"

        async def connect(self, origin: Origin) -> trio.abc.Stream:
            raise NotImplementedError

    NovelAI(KEY, image_base="http://localhost:8000", transport=Own())


class Lying(trio.abc.HostnameResolver):
    """Resolves every name to this machine, whose name is another one then."""

    async def getaddrinfo(self, host: Any, port: Any, *rest: Any, **more: Any) -> list[Any]:
        await trio.lowlevel.checkpoint()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def getnameinfo(self, *arguments: Any) -> Any:
        raise NotImplementedError


class Elsewhere:
    """A connected socket that says it is connected to another machine."""

    def __init__(self, stream: trio.SocketStream, peer: str) -> None:
        self._socket = stream.socket
        self._peer = peer

    def getpeername(self) -> tuple[str, int]:
        return self._peer, 80

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


async def generate_with_peer(base: str, peer: str, monkeypatch: pytest.MonkeyPatch) -> tuple[NovelAIError, bytes]:
    """How a generation ends, and what was heard by who is found under that name, on a machine of that address."""
    really, heard, failed = trio.open_tcp_stream, bytearray(), []
    trio.socket.set_custom_hostname_resolver(Lying())

    async def open_tcp_stream(*arguments: Any, **options: Any) -> trio.SocketStream:
        stream = await really(*arguments, **options)
        stream.socket = Elsewhere(stream, peer)  # type: ignore[assignment]
        return stream

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            heard.extend(await stream.receive_some())

    monkeypatch.setattr(trio, "open_tcp_stream", open_tcp_stream)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        port = listener.socket.getsockname()[1]
        try:
            async with NovelAI(KEY, image_base=f"{base}:{port}") as client:
                await client.image.generate(recorded.params())
        except NovelAIError as error:
            failed.append(error)
        nursery.cancel_scope.cancel()
    return failed[0], bytes(heard)


@pytest.mark.parametrize("base", ["http://localhost", "http://service.localhost"])
@pytest.mark.parametrize("peer", ["203.0.113.9", "2001:db8::1", "fe80::1%eth0", "::ffff:203.0.113.9", "0.0.0.0"])
async def test_a_name_that_is_resolved_to_another_machine_hears_nothing(
    base: str, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, heard = await generate_with_peer(base, peer, monkeypatch)
    assert isinstance(error, ConnectError)
    assert str(error).endswith(f"the name was resolved to {peer}, which is not this machine")
    assert heard == b""
    assert not error.billing_unknown


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_is_resolved_to_this_machine_is_spoken_to(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error, heard = await generate_with_peer("http://service.localhost", peer, monkeypatch)
    assert "ended before the response head" in str(error)
    assert KEY.encode() in heard


def test_a_redirect_into_the_clear_is_not_followed() -> None:
    """The one way left off https: the service itself asks for it."""
    exchange = ImageExchange(recorded.params(), api_key=KEY, host="image.novelai.net")
    exchange.data_to_send()
    with pytest.raises(HTTPStatusError) as caught:
        exchange.receive_data(b"HTTP/1.1 307 No\r\nlocation: http://image.novelai.net/\r\ncontent-length: 0\r\n\r\n")
    assert caught.value.status == 307
