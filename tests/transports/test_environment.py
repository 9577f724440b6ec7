"""Which proxy the environment names for which origin."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib import request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import shown

from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Origin
from nai_trio.transports import (
    HTTPProxyTransport,
    SOCKSTransport,
    TCPTransport,
    proxy_from_environment,
    proxy_transport,
    transport_from_environment,
)

if TYPE_CHECKING:
    from nai_trio.transport import Transport

ORIGIN = Origin("https", "image.novelai.net", 443)
PLAIN = Origin("http", "192.0.2.7", 8000)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://UP:1"}, "http://low:1"),
        ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1"}, None),
        ({"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ({"all_proxy": "socks5://p:1"}, "socks5://p:1"),
        ({"ALL_PROXY": "socks5://a:1", "HTTPS_PROXY": "http://h:1"}, "http://h:1"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "socks5://a:1"}, "socks5://a:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://h:1"}, None),
        ({"HTTPS_PROXY": "  "}, None),
        ({"HTTPS_PROXY": " proxy:3128 "}, "proxy:3128"),
        ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "novelai.net"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "", "NO_PROXY": "novelai.net"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "other", "NO_PROXY": "novelai.net"}, "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
    ],
)
def test_the_variables_of_an_https_origin(environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_from_environment(ORIGIN, environ) == proxy


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, None),
        ({"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ({"http_proxy": "http://p:1"}, "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": ""}, None),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, "http://a:1"),
    ],
)
def test_the_variables_of_a_plain_origin_beware_of_cgi(environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_from_environment(PLAIN, environ) == proxy


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    environ = {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://p:1"}
    assert proxy_from_environment(Origin("http", host, 80), environ) is None
    assert proxy_from_environment(Origin("https", host, 443), environ) is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "straight"),
    [
        ("image.novelai.net", "novelai.net", True),
        ("image.novelai.net", ".novelai.net", True),
        ("image.novelai.net", "*.novelai.net", True),
        ("novelai.net", "*.novelai.net", True),
        ("image.novelai.net", "IMAGE.NovelAI.net", True),
        ("image.novelai.net.", "novelai.net", True),
        ("image.novelai.net", "novelai.net.", True),
        ("image.novelai.net.", ".novelai.net.:443", True),
        ("image.novelai.net", "a.example, novelai.net", True),
        ("image.novelai.net", "a.example novelai.net\tb.example", True),
        ("image.novelai.net", "novelai.net:443", True),
        ("image.novelai.net", "novelai.net:444", False),
        ("image.novelai.net", "*:443", True),
        ("image.novelai.net", "*:80", False),
        ("image.novelai.net", "a.example,*", True),
        ("image.novelai.net", "ai.net", False),
        ("image.novelai.net", "other.image.novelai.net", False),
        ("image.novelai.net", ".", False),
        ("image.novelai.net", " , ,", False),
        ("image.novelai.net", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.9.9.9/8", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:80", False),
        ("10.1.2.3", "2.3", False),
        ("10.1.2.3", "11.0.0.0/8 ::/0", False),
        ("10.1.2.3", "*", True),
        ("10.1.2.3", "10.0.0.0/99, 10.1.2.3", True),
        ("fd00::1", "fd00::1", True),
        ("fd00::1", "FD00:0:0::1", True),
        ("fd00::1", "[fd00::1]", True),
        ("fd00::1", "[fd00::1]:443", True),
        ("fd00::1", "[fd00::1]:80", False),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "fe80::/10", False),
        ("fe80::1%eth0", "fe80::/10", True),
        ("fe80::1%eth0", "[fe80::1]", True),
    ],
)
def test_no_proxy(host: str, no_proxy: str, straight: bool) -> None:
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (proxy_from_environment(Origin("https", host, 443), environ) is None) is straight


LABELS = st.sampled_from(["a", "b", "novelai", "net", "ai.net", "example"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
ENTRIES = st.builds("{}{}{}".format, st.sampled_from(["", "."]), HOSTS, st.sampled_from(["", ":443", ":80"]))


@given(HOSTS, st.lists(ENTRIES, max_size=3).map(",".join))
def test_names_compare_as_in_the_standard_library(host: str, no_proxy: str) -> None:
    theirs = request.proxy_bypass_environment(f"{host}:443", {"no": no_proxy})  # type: ignore[attr-defined]
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (proxy_from_environment(Origin("https", host, 443), environ) is None) is theirs


@given(st.text(), st.ip_addresses().map(str) | st.text(min_size=1))
def test_no_proxy_may_be_anything(no_proxy: str, host: str) -> None:
    proxy = proxy_from_environment(Origin("https", host, 443), {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy})
    assert proxy in {None, "http://p:1"}


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_networks_hold_what_they_hold(address: ipaddress.IPv4Address, prefix: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    environ = {"ALL_PROXY": "http://p:1", "NO_PROXY": str(network)}
    assert proxy_from_environment(Origin("https", str(address), 443), environ) is None
    outside = int(network.broadcast_address) + 1
    if outside < 2**32:
        host = str(ipaddress.IPv4Address(outside))
        origin = Origin("https", host, 443)
        assert (proxy_from_environment(origin, environ) is None) is origin.is_loopback


def test_the_processs_own_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    assert proxy_from_environment(ORIGIN) is None
    assert isinstance(transport_from_environment(ORIGIN), TCPTransport)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert proxy_from_environment(ORIGIN) == "proxy.example:3128"
    assert transport_from_environment(ORIGIN).describe() == "http://proxy.example:3128 via tcp"


@pytest.mark.parametrize(
    ("proxy", "kind", "route"),
    [
        ("http://proxy.example:3128/", HTTPProxyTransport, "http://proxy.example:3128 via tcp"),
        ("https://proxy.example", HTTPProxyTransport, "https://proxy.example:443 via tcp"),
        ("HTTP://proxy.example", HTTPProxyTransport, "http://proxy.example:80 via tcp"),
        ("proxy.example:3128", HTTPProxyTransport, "http://proxy.example:3128 via tcp"),
        ("name:word@proxy.example:3128", HTTPProxyTransport, "http://proxy.example:3128 via tcp"),
        ("[::1]:3128", HTTPProxyTransport, "http://[::1]:3128 via tcp"),
        ("socks5://127.0.0.1", SOCKSTransport, "socks5://127.0.0.1:1080 via tcp"),
        ("socks5h://127.0.0.1:9050", SOCKSTransport, "socks5h://127.0.0.1:9050 via tcp"),
    ],
)
def test_the_scheme_chooses_the_transport(proxy: str, kind: type[Transport], route: str) -> None:
    transport = proxy_transport(proxy)
    assert type(transport) is kind
    assert transport.describe() == route


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks4://planted:planted@proxy.example", "the scheme 'socks4'"),
        ("socks://planted:planted@proxy.example", "the scheme 'socks'"),
        ("planted:planted/planted@proxy.example", "write / as %2F"),
        ("http://planted:planted@proxy.example/planted", "a path"),
        ("socks5://planted:planted@proxy.example/planted", "a path"),
        ("http://planted%3Aplanted@proxy.example", "a colon"),
        ("planted:planted@", "without a host"),
        ("ws://planted:planted@relay..example/planted", "whose host is not a valid name"),
        ("planted:planted planted@proxy.example", "white space"),
    ],
)
def test_a_variable_that_is_wrong_is_named_and_not_repeated(proxy: str, problem: str) -> None:
    environ = {"all_proxy": proxy, "NOVELAI_API_KEY": "pst-planted-not-a-real-key"}
    with pytest.raises(InvalidParamsError, match=f"^all_proxy: expected .*{problem}") as caught:
        transport_from_environment(ORIGIN, environ)
    assert caught.value.field == "all_proxy"
    assert "planted" not in shown(caught.value)
    with pytest.raises(InvalidParamsError, match=f"^proxy: expected .*{problem}") as caught:
        proxy_transport(proxy)
    assert "planted" not in shown(caught.value)
