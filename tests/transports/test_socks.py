"""SOCKS5 proxies that are transcripts: every answer, cut anywhere, and what becomes of it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import trio
import trio.testing
from fake_hop import TranscriptTransport
from hypothesis import given
from hypothesis import strategies as st
from shown import shown
from streams import rest_of
from sweep import cancelled_at_step

from nai_trio.errors import ConnectError, InvalidParamsError, ProxyAuthenticationError, ProxyError
from nai_trio.transport import Origin
from nai_trio.transports import SOCKSTransport

ORIGIN = Origin("https", "image.novelai.net", 443)
PROXY = "socks5://127.0.0.1:1080"
WITH_CREDENTIALS = "socks5://planted-name:planted%3Aw%2F%C3%B6rd@127.0.0.1:1080"
WHERE = "connect via socks5://127.0.0.1:1080 via tape to https://image.novelai.net:443: "
NO_AUTHENTICATION, PASSWORD, NO_METHOD = b"\x05\x00", b"\x05\x02", b"\x05\xff"
TAKEN, NOT_TAKEN = b"\x01\x00", b"\x01\x01"
IPV4 = b"\x01\x7f\x00\x00\x01\x1f\x90"
IPV6 = b"\x04" + bytes(16) + b"\x00\x00"
NAME = b"\x03\x05\xff\xfe.ab\x00\x50"
OPEN = b"\x05\x00\x00" + IPV4

ASK = b"\x05\x01\x00\x03\x11image.novelai.net\x01\xbb"


def through(said: bytes, *, url: str = PROXY, **options: Any) -> tuple[SOCKSTransport, TranscriptTransport]:
    inner = TranscriptTransport(said, **options)
    return SOCKSTransport(url, inner=inner), inner


async def refusal(said: bytes, kind: type[ConnectError] = ProxyError, **options: Any) -> Any:
    """The error of just this kind that an answer leads to, everything being closed."""
    transport, inner = through(said, **options)
    with pytest.raises(kind) as caught:
        await transport.connect(ORIGIN)
    assert type(caught.value) is kind
    assert [stream.closed for stream in inner.streams] == [1]
    assert "planted" not in shown(caught.value)
    return caught.value


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_the_proxy_is_asked_for_the_name_and_looks_it_up_itself(scheme: str) -> None:
    transport, inner = through(NO_AUTHENTICATION + OPEN, url=f"{scheme}://proxy.example")
    assert await transport.connect(ORIGIN) is inner.stream
    assert inner.origins == [Origin("http", "proxy.example", 1080)]
    assert inner.stream.heard == b"\x05\x01\x00" + ASK
    assert inner.stream.closed == 0


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", b"\x01\xc0\x00\x02\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
        ("x" * 255, b"\x03\xff" + b"x" * 255),
        ("192.0.2.1.example", b"\x03\x11192.0.2.1.example"),
    ],
)
async def test_addresses_are_sent_as_addresses_and_names_as_names(host: str, address: bytes) -> None:
    transport, inner = through(NO_AUTHENTICATION + OPEN)
    await transport.connect(Origin("http", host, 0x1234))
    assert inner.stream.heard == b"\x05\x01\x00" + b"\x05\x01\x00" + address + b"\x12\x34"


async def test_a_longer_name_is_refused() -> None:
    transport, inner = through(NO_AUTHENTICATION + OPEN)
    with pytest.raises(ConnectError, match="not a valid host name: expected at most 255 bytes"):
        await transport.connect(Origin("https", "x" * 256, 443))
    assert inner.stream.heard == b""
    assert inner.stream.closed == 1


@pytest.mark.parametrize("bound", [IPV4, IPV6, NAME, b"\x03\x00\x00\x00", b"\x03\xff" + b"x" * 255 + b"\x00\x00"])
async def test_the_tunnel_opens_however_the_answer_is_cut_and_the_rest_is_the_tunnels(bound: bytes) -> None:
    said = NO_AUTHENTICATION + b"\x05\x00\x00" + bound + b"first bytes of the tunnel"
    for cuts in [[], range(1, len(said)), *[[place] for place in range(1, len(said))]]:
        transport, inner = through(said, cuts=cuts)
        stream = await transport.connect(ORIGIN)
        assert await rest_of(stream) == b"first bytes of the tunnel"
        assert stream is inner.stream


async def test_credentials_go_only_to_a_proxy_that_wants_them() -> None:
    greeting = b"\x05\x02\x00\x02"
    transport, inner = through(NO_AUTHENTICATION + OPEN, url=WITH_CREDENTIALS)
    await transport.connect(ORIGIN)
    assert inner.stream.heard == greeting + ASK
    said = PASSWORD + TAKEN + OPEN
    for cuts in ([], range(1, len(said))):
        transport, inner = through(said, url=WITH_CREDENTIALS, cuts=cuts)
        await transport.connect(ORIGIN)
        credentials = b"\x01\x0cplanted-name\x0e" + "planted:w/örd".encode()
        assert inner.stream.heard == greeting + credentials + ASK


async def test_the_longest_credentials_fit_and_longer_ones_are_refused() -> None:
    transport, inner = through(PASSWORD + TAKEN + OPEN, url=f"socks5://{'n' * 255}:{'%C3%B6' * 127}w@127.0.0.1")
    await transport.connect(ORIGIN)
    assert b"\x01\xff" + b"n" * 255 + b"\xff" + "ö".encode() * 127 + b"w" in inner.stream.heard
    for url in (f"socks5://{'planted' * 37}@h", f"socks5://n:{'%C3%B6' * 128}@h"):
        with pytest.raises(InvalidParamsError, match="at most 255 bytes each") as caught:
            SOCKSTransport(url)
        assert "planted" not in shown(caught.value)


@pytest.mark.parametrize(
    ("said", "url", "words"),
    [
        (NO_METHOD, PROXY, "the proxy wants a user name and a password, as in socks5://user:password@host"),
        (PASSWORD, PROXY, "the proxy wants a user name and a password, as in socks5://user:password@host"),
        (NO_METHOD, WITH_CREDENTIALS, "the proxy takes neither a user name and password nor none"),
        (PASSWORD + NOT_TAKEN, WITH_CREDENTIALS, "the proxy does not take the user name and password given"),
    ],
)
async def test_authentication_that_fails_says_how(said: bytes, url: str, words: str) -> None:
    assert str(await refusal(said, ProxyAuthenticationError, url=url)) == WHERE + words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "general failure"),
        (2, "not allowed by its rules"),
        (3, "network unreachable"),
        (4, "host unreachable, or its name not found"),
        (5, "refused by the origin (nothing listens there)"),
        (6, "the origin does not answer (time to live expired)"),
        (7, "command not supported"),
        (8, "address type not supported"),
        (9, "for a reason that the standard does not know"),
        (255, "for a reason that the standard does not know"),
    ],
)
@pytest.mark.parametrize("rest", [b"\x00" + IPV4, b"\x00\x00", b""])
async def test_refusals_are_in_words(code: int, words: str, rest: bytes) -> None:
    error = await refusal(NO_AUTHENTICATION + b"\x05" + bytes([code]) + rest)
    assert str(error) == f"{WHERE}the proxy refused: {words} (reply {code})"
    assert (error.status, error.message) == (code, words)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the proxy did not answer in SOCKS5 (is it an HTTP proxy?)"),
        (b"\x00\x5b", "the proxy did not answer in SOCKS5"),
        (b"\x04\x00", "the proxy did not answer in SOCKS5"),
        (b"\x05\x01", "the proxy chose authentication method 1, which was not offered"),
        (b"\x05\x80", "the proxy chose authentication method 128, which was not offered"),
        (NO_AUTHENTICATION + b"\x04\x00", "the proxy did not answer in SOCKS5"),
        (NO_AUTHENTICATION + b"\x05\x00\x00\x02", "the proxy answered with an address of unknown type 2"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_says_so(said: bytes, words: str) -> None:
    assert str(await refusal(said, end="hang")) == WHERE + words


async def test_an_answer_to_the_password_in_another_version_is_refused() -> None:
    error = await refusal(PASSWORD + b"\x05\x00", url=WITH_CREDENTIALS)
    assert str(error) == WHERE + "the proxy did not answer in SOCKS5"


@pytest.mark.parametrize("dialogue", [PASSWORD + TAKEN + b"\x05\x00\x00" + bound for bound in (IPV4, IPV6, NAME)])
async def test_an_answer_that_ends_anywhere_is_an_error(dialogue: bytes) -> None:
    for length in range(len(dialogue)):
        cut = await refusal(dialogue[:length], url=WITH_CREDENTIALS)
        assert str(cut) == WHERE + "the proxy closed the connection before the way was open"
        broken = await refusal(dialogue[:length], url=WITH_CREDENTIALS, end="reset")
        assert "the connection to the proxy broke before the way was open: connection reset" in str(broken)


async def test_a_proxy_that_hangs_is_left_at_the_callers_deadline(autojump_clock: trio.testing.MockClock) -> None:
    transport, inner = through(NO_AUTHENTICATION, end="hang")
    with trio.move_on_after(5) as scope:
        await transport.connect(ORIGIN)
    assert scope.cancelled_caught
    assert inner.stream.closed == 1


@given(st.data())
def test_any_answer_opens_the_tunnel_or_is_an_error_and_nothing_stays_open(data: st.DataObject) -> None:
    tokens = st.sampled_from([NO_AUTHENTICATION, PASSWORD, NO_METHOD, TAKEN, b"\x05\x00\x00", IPV4, IPV6, NAME])
    said = b"".join(data.draw(st.lists(tokens | st.binary(max_size=6), max_size=6)))
    cuts = data.draw(st.lists(st.integers(0, len(said)), max_size=6))

    async def attempt() -> None:
        transport, inner = through(said, cuts=cuts, url=WITH_CREDENTIALS)
        try:
            stream = await transport.connect(ORIGIN)
        except ProxyError as error:
            assert str(error).startswith(WHERE + "the proxy")
            assert inner.stream.closed == 1
        else:
            assert inner.stream.closed == 0
            assert said.endswith(await rest_of(stream))

    trio.run(attempt)


async def test_cancelling_at_every_step_closes_the_stream() -> None:
    said = PASSWORD + TAKEN + OPEN
    step = 1
    while True:
        transport, inner = through(said, cuts=range(1, len(said)), url=WITH_CREDENTIALS)

        async def connect(transport: SOCKSTransport = transport) -> None:
            await (await transport.connect(ORIGIN)).aclose()

        cancelled = await cancelled_at_step(step, connect)
        assert all(stream.closed == 1 for stream in inner.streams)
        if not cancelled:
            break
        step += 1
    assert step > len(said)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://proxy.example", "the scheme 'http'"),
        ("socks4://proxy.example", "the scheme 'socks4'"),
        ("socks5://proxy.example/path", "a path"),
        ("proxy.example:1080", "no scheme"),
    ],
)
def test_a_url_that_is_no_proxys_is_refused(url: str, problem: str) -> None:
    with pytest.raises(InvalidParamsError, match=f"url: .*{problem}"):
        SOCKSTransport(url)


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(InvalidParamsError, match=r"pip install 'nai-trio\[socks\]'"):
        SOCKSTransport(PROXY)


def test_it_says_what_it_is_without_its_credentials() -> None:
    transport = SOCKSTransport(WITH_CREDENTIALS)
    assert repr(transport) == "SOCKSTransport('socks5://127.0.0.1:1080', inner=TCPTransport())"
    assert transport.describe() == "socks5://127.0.0.1:1080 via tcp"
    assert "planted" not in repr(vars(transport))
