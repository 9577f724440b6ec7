"""The client's way out: which transport it takes, what it shows of it, and how layers work together."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from fake_hop import TranscriptTransport
from shown import shown
from streams import rest_of
from sweep import cancelled_at_step

from nai_trio import ConnectError, InvalidParamsError, NovelAI, ProxyAuthenticationError, ProxyError
from nai_trio.emulator import Emulator
from nai_trio.transport import Origin
from nai_trio.transports import HTTPProxyTransport, MemoryTransport, SOCKSTransport, TCPTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.transport import Transport

KEY = "pst-planted-not-a-real-key"
WITH_CREDENTIALS = "http://planted-name:planted-word@127.0.0.1:3128"
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
SOCKS_OPEN = b"\x05\x00" + b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
ORIGIN = Origin("https", "image.novelai.net", 443)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("NOVELAI_"):
            monkeypatch.delenv(name)


def route(**options: Any) -> str:
    """How the client's repr describes its way."""
    return repr(NovelAI(KEY, **options)).partition(" via ")[2].partition(", ")[0]


def test_the_environment_is_honoured_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert route() == "tcp"
    monkeypatch.setenv("ALL_PROXY", "socks5://planted:planted@127.0.0.1:1080")
    assert route() == "socks5://127.0.0.1:1080 via tcp"
    monkeypatch.setenv("HTTPS_PROXY", WITH_CREDENTIALS)
    assert route() == "http://127.0.0.1:3128 via tcp"
    assert route(image_base="http://localhost:8000") == "tcp"
    monkeypatch.setenv("NO_PROXY", "novelai.net")
    assert route() == "tcp"


def test_a_proxy_in_the_environment_of_a_developer_does_not_reach_these_tests() -> None:
    tests = Path(__file__).parent / "test_client.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{tests}", "-k", "the_environment"]
    wrong = {"HTTPS_PROXY": "socks4://h", "all_proxy": "socks://h", "HTTP_PROXY": "x://h", "no_proxy": ""}
    ended = subprocess.run(command, env=os.environ | wrong, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_a_way_loads_no_library_of_another() -> None:
    others = "{'socksio', 'trio_websocket', 'wsproto', 'urllib.request'}"
    made = f"nai_trio.NovelAI('{KEY}', proxy='http://h')"
    code = f"import sys, nai_trio; {made}; sys.exit(bool({others} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_proxy_that_is_given_or_none_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://unused.example")
    monkeypatch.setenv("NO_PROXY", "*")
    assert route(proxy="socks5h://proxy.example") == "socks5h://proxy.example:1080 via tcp"
    assert route(proxy="proxy.example:3128") == "http://proxy.example:3128 via tcp"
    monkeypatch.delenv("NO_PROXY")
    assert route(proxy="") == "tcp"


def test_a_transport_that_is_given_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://")
    assert route(transport=TCPTransport()) == "tcp"


@pytest.mark.parametrize("proxy", ["http://planted:planted@proxy.example", ""])
def test_transport_and_proxy_exclude_each_other(proxy: str) -> None:
    with pytest.raises(InvalidParamsError, match="exclude each other") as caught:
        NovelAI(KEY, transport=TCPTransport(), proxy=proxy)
    assert "planted" not in shown(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda given: NovelAI(KEY, transport=given),
        lambda given: HTTPProxyTransport(WITH_CREDENTIALS, inner=given),
        lambda given: SOCKSTransport("socks5://planted:planted@s.example", inner=given),
    ],
)
@pytest.mark.parametrize(
    ("given", "kind"), [("http://planted:planted@h", "str"), (TCPTransport, "ABCMeta"), (0, "int")]
)
def test_what_is_no_transport_is_refused_at_once(make: Callable[[Any], object], given: object, kind: str) -> None:
    with pytest.raises(
        InvalidParamsError, match=rf"^(transport|inner): expected a Transport.*, got a {kind}$"
    ) as caught:
        make(given)
    assert "planted" not in shown(caught.value)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_wrong_variable_is_an_error_that_names_it_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    monkeypatch.setenv(name, "gopher://planted:planted@proxy.example")
    with pytest.raises(InvalidParamsError, match=rf"^{name}: expected a URL .*the scheme 'gopher'") as caught:
        NovelAI()
    assert "planted" not in shown(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NovelAI(KEY, proxy="http://planted:planted@proxy.example:planted"),
        lambda: NovelAI(KEY, proxy="planted://planted:planted@proxy.example".replace("planted:", "gopher:", 1)),
        lambda: NovelAI(KEY, proxy=WITH_CREDENTIALS, image_base="nonsense"),
        lambda: NovelAI("", proxy=WITH_CREDENTIALS),
        lambda: NovelAI("planted key", proxy=WITH_CREDENTIALS),
        lambda: NovelAI(KEY, proxy=3128),  # type: ignore[arg-type]
    ],
)
def test_no_error_of_a_setting_shows_key_or_credentials(make: Callable[[], NovelAI]) -> None:
    with pytest.raises(Exception, match=r"proxy|image_base|API key|api_key") as caught:
        make()
    text = shown(caught.value)
    assert "planted-" not in text
    assert "planted:" not in text


def test_plain_http_does_not_leave_this_machine_by_a_proxy() -> None:
    base = "http://localhost:8000"
    with pytest.raises(InvalidParamsError, match=r"^proxy: expected a proxy on this machine") as caught:
        NovelAI(KEY, image_base=base, proxy="http://planted:planted@proxy.example")
    assert "planted" not in shown(caught.value)
    assert route(image_base=base, proxy="127.0.0.1:3128") == "http://127.0.0.1:3128 via tcp"
    assert route(image_base=base, proxy="http://proxy.example", allow_plain_http=True).startswith(
        "http://proxy.example"
    )


def test_credentials_show_nowhere_in_a_client() -> None:
    client = NovelAI(KEY, proxy=WITH_CREDENTIALS)
    assert "planted" not in f"{client!r} {vars(client)!r}"


async def test_a_proxy_that_cannot_be_reached_is_told_with_the_route() -> None:
    async with NovelAI(KEY, proxy="http://planted:planted@127.0.0.1:9") as client:
        with pytest.raises(ConnectError) as caught:
            await client.account.subscription()
    assert str(caught.value) == (
        "connect via http://127.0.0.1:9 via tcp to https://image.novelai.net:443: "
        "the proxy cannot be reached: refused (nothing listens there)"
    )
    assert "planted" not in shown(caught.value)


async def test_a_refusal_of_the_proxy_leaves_the_client_as_itself_and_shows_no_secret() -> None:
    inner = TranscriptTransport(b"HTTP/1.1 407 no\r\nProxy-Authenticate: Basic\r\n\r\n")
    transport = HTTPProxyTransport(WITH_CREDENTIALS, inner=inner)
    async with NovelAI(KEY, transport=transport) as client:
        with pytest.raises(ProxyAuthenticationError, match="407 no") as caught:
            await client.account.subscription()
        assert not caught.value.billing_unknown
    assert "planted" not in shown(caught.value)
    assert b"pst-" not in inner.stream.heard
    assert (inner.entered, inner.turns) == (0, 1)


async def test_a_generation_streams_through_a_proxy() -> None:
    emulator = Emulator(api_keys=[KEY])
    heads: list[bytes] = []

    async def proxy(stream: trio.abc.HalfCloseableStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(1)
        heads.append(head)
        await stream.send_all(OPEN)
        await emulator.serve(stream)

    transport = HTTPProxyTransport(WITH_CREDENTIALS, inner=MemoryTransport(proxy))
    async with NovelAI(KEY, image_base="http://localhost", transport=transport) as client:
        assert repr(client) == "<NovelAI http://localhost via http://127.0.0.1:3128 via MemoryTransport, open>"
        (picture,) = await client.image.generate(prompt="1girl", size=(64, 64), steps=2)
        assert (await client.account.subscription()).anlas >= 0
    assert picture.image
    assert len(heads) == 1  # the tunnel is kept for the next request
    assert b"pst-" not in heads[0]


def socks_over_http(inner: Transport) -> Transport:
    return SOCKSTransport("socks5://s.example", inner=HTTPProxyTransport("http://h.example:3128", inner=inner))


def http_over_socks(inner: Transport) -> Transport:
    return HTTPProxyTransport("http://h.example:3128", inner=SOCKSTransport("socks5://s.example", inner=inner))


LAYERED = [(socks_over_http, OPEN + SOCKS_OPEN), (http_over_socks, SOCKS_OPEN + OPEN)]


@pytest.mark.parametrize(("layered", "said"), LAYERED)
async def test_layers_combine_and_what_follows_belongs_to_the_tunnel(
    layered: Callable[[Transport], Transport], said: bytes
) -> None:
    for cuts in ([], range(1, len(said) + 3)):
        inner = TranscriptTransport(said + b"abc", cuts=cuts)
        stream = await layered(inner).connect(ORIGIN)
        assert await rest_of(stream) == b"abc"
        await stream.aclose()
        assert inner.stream.closed == 1


async def test_each_layer_is_told_of_the_next_hop_alone() -> None:
    inner = TranscriptTransport(OPEN + SOCKS_OPEN)
    transport = socks_over_http(inner)
    await transport.connect(ORIGIN)
    assert inner.origins == [Origin("http", "h.example", 3128)]
    assert inner.stream.heard.startswith(b"CONNECT s.example:1080 HTTP/1.1\r\n")
    assert b"image.novelai.net" in inner.stream.heard.partition(b"\r\n\r\n")[2]
    assert transport.describe() == "socks5://s.example:1080 via http://h.example:3128 via tape"


async def test_an_error_says_which_of_several_hops_it_was() -> None:
    http = "connect via http://h.example:3128 via tape to http://s.example:1080"
    socks = "connect via socks5://s.example:1080 via http://h.example:3128 via tape to https://image.novelai.net:443"
    inner = TranscriptTransport(b"HTTP/1.1 403 No\r\n\r\n")
    with pytest.raises(ProxyError) as caught:
        await socks_over_http(inner).connect(ORIGIN)
    assert str(caught.value) == f"{socks}: the proxy cannot be reached: {http}: the proxy refused: 403 No"
    assert (caught.value.status, caught.value.message) == (403, "No")
    with pytest.raises(ProxyAuthenticationError, match="the proxy wants a user name"):
        await socks_over_http(TranscriptTransport(b"HTTP/1.1 407 No\r\n\r\n")).connect(ORIGIN)
    with pytest.raises(ProxyError) as caught:
        await socks_over_http(TranscriptTransport(OPEN + b"\x05\x00\x05\x05")).connect(ORIGIN)
    assert str(caught.value).startswith(f"{socks}: the proxy refused: refused by the origin")
    with pytest.raises(ConnectError) as unreachable:
        await socks_over_http(TranscriptTransport(error=ConnectionRefusedError(111, "x"))).connect(ORIGIN)
    assert type(unreachable.value) is ConnectError
    words = "the proxy cannot be reached: refused (nothing listens there)"
    assert str(unreachable.value) == f"{socks}: the proxy cannot be reached: {http}: {words}"


@pytest.mark.parametrize(("layered", "said"), LAYERED)
async def test_cancelling_layers_at_every_step_closes_and_leaves_everything_once(
    layered: Callable[[Transport], Transport], said: bytes
) -> None:
    async def use(inner: Transport) -> None:
        async with layered(inner) as transport:
            stream = await transport.connect(ORIGIN)
            await stream.aclose()

    step = 1
    while True:
        inner = TranscriptTransport(said + b"abc", cuts=range(1, len(said), 5))
        cancelled = await cancelled_at_step(step, partial(use, inner))
        assert inner.entered == 0
        assert inner.turns <= 1
        assert all(stream.closed == 1 for stream in inner.streams)
        if not cancelled:
            break
        step += 1
    assert inner.turns == 1
    assert step > 10


async def test_an_inner_transport_that_cannot_be_entered_is_not_left() -> None:
    inner = TranscriptTransport(error=RuntimeError("cannot"))
    with pytest.raises(RuntimeError, match="cannot"):
        async with socks_over_http(inner):
            raise AssertionError("entered")
    assert (inner.entered, inner.turns) == (0, 0)


async def test_what_an_inner_transport_raises_on_leaving_is_passed_on() -> None:
    async def failing(stream: trio.abc.HalfCloseableStream) -> None:
        await stream.send_all(OPEN)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with HTTPProxyTransport("http://h.example", inner=MemoryTransport(failing)) as transport:
            await transport.connect(ORIGIN)
