"""Which proxy the environment asks for, and the transport for a proxy's URL.

The variables are read as curl and Python's own urllib read them:

- `https_proxy` or `http_proxy`, as the origin's scheme is, then `all_proxy`; each in lower case before upper case. An
  empty one is none, and an empty lower-case one hides the upper-case one.
- `HTTP_PROXY` in upper case is not read where `REQUEST_METHOD` is set: there a CGI script runs, and whoever asks it
  something chooses the variable by sending the header "Proxy" (httpoxy, CVE-2016-1000110).
- `no_proxy` names hosts that are reached straight, with commas or blanks between them: a host and all below it (a dot
  or "*." before it changes nothing); an address; a network such as 10.0.0.0/8; "*" for all; each with ":port" only at
  that port. urllib's own `proxy_bypass_environment` is not used: it knows no networks, no "*." and no blanks, takes an
  IPv6 address apart at its last colon, and is undocumented. Names compare as there, which a test holds.
- This machine is never behind a proxy: localhost, 127.0.0.0/8, ::1.

A value without a scheme is an HTTP proxy. Where a variable is wrong it is an error that names the variable: going
straight instead would be what its owner did not want.
"""

from __future__ import annotations

import importlib
import ipaddress
import os
import re
from typing import TYPE_CHECKING, Any, Final

from nai_trio.transports.hop import Hop
from nai_trio.transports.http_proxy import read_http_proxy
from nai_trio.transports.socks import read_socks_proxy
from nai_trio.transports.tcp import TCPTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nai_trio.transport import Origin, Transport

__all__ = ["proxy_from_environment", "proxy_transport", "read_proxy", "transport_from_environment"]

_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "ws": 80, "wss": 443}

_READERS: Final[Mapping[str, Callable[..., Hop]]] = {
    "http": read_http_proxy,
    "https": read_http_proxy,
    "socks5": read_socks_proxy,
    "socks5h": read_socks_proxy,
}

_TRANSPORTS: Final = {
    "http": ("http_proxy", "HTTPProxyTransport"),
    "https": ("http_proxy", "HTTPProxyTransport"),
    "socks5": ("socks", "SOCKSTransport"),
    "socks5h": ("socks", "SOCKSTransport"),
    "ws": ("websocket", "WebSocketTransport"),
    "wss": ("websocket", "WebSocketTransport"),
}
"""Scheme to module and class; loaded when asked for, because WebSocket's library takes long to load."""


_ENTRY: Final = re.compile(r"(?:\[(?P<inner>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]+))?")
"""An entry of no_proxy; an IPv6 address without brackets is none of these."""


def proxy_from_environment(origin: Origin, environ: Mapping[str, str] | None = None) -> str | None:
    """The proxy that the environment names for an origin, as it stands there; None for none.

    Args:
        origin: where to.
        environ: the environment; this process's own by default.
    """
    found = _find(origin, environ)
    return None if found is None else found[1]


def transport_from_environment(origin: Origin, environ: Mapping[str, str] | None = None) -> Transport:
    """The transport to an origin that the environment asks for: through a proxy, or plain TCP.

    Args:
        origin: where to.
        environ: the environment; this process's own by default.

    Raises:
        InvalidParamsError: the variable holds no proxy; `field` is its name.
    """
    found = _find(origin, environ)
    del environ  # the error may be shown with the locals of this frame
    if found is None:
        return TCPTransport()
    try:
        return proxy_transport(found[1], field=found[0])
    finally:
        del found


def proxy_transport(proxy: str, *, field: str = "proxy") -> Transport:
    """The transport through a proxy, by its URL's scheme.

    Args:
        proxy: http, https, socks5, socks5h, ws or wss; without a scheme it is http.
        field: what errors call it.

    Raises:
        InvalidParamsError: it is none.
    """
    try:
        hop = read_proxy(proxy, field=field)
        module, name = _TRANSPORTS[hop.scheme]
        kind: Any = getattr(importlib.import_module(f"nai_trio.transports.{module}"), name)
        made: Transport = kind(_with_scheme(proxy))
        return made
    finally:
        del proxy  # as above


def read_proxy(proxy: object, *, field: str = "proxy") -> Hop:
    """Read a proxy's URL.

    Raises:
        InvalidParamsError: it is none; `field` is what the error calls it.
    """
    url = _with_scheme(proxy) if isinstance(proxy, str) else proxy
    del proxy  # as above
    try:
        hop = Hop.parse(url, _PORTS, field=field)
        return _READERS[hop.scheme](url, field=field) if hop.scheme in _READERS else hop
    finally:
        del url


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _find(origin: Origin, environ: Mapping[str, str] | None) -> tuple[str, str] | None:
    """The variable that counts, and what it holds."""
    # A plain mapping: on Windows, os.environ finds upper-case names by lower-case ones.
    known = dict(os.environ if environ is None else environ)
    if origin.is_loopback:
        return None
    if "REQUEST_METHOD" in known:
        known.pop("HTTP_PROXY", None)
    found = _value(known, f"{origin.scheme}_proxy") or _value(known, "all_proxy")
    no_proxy = _value(known, "no_proxy")
    return None if no_proxy is not None and _bypassed(origin, no_proxy[1]) else found


def _value(known: Mapping[str, str], lower: str) -> tuple[str, str] | None:
    for name in (lower, lower.upper()):
        if name in known:
            value = known[name].strip()
            return (name, value) if value else None
    return None


def _bypassed(origin: Origin, no_proxy: str) -> bool:
    return any(_covers(entry.lower(), origin) for entry in no_proxy.replace(",", " ").split())


def _covers(entry: str, origin: Origin) -> bool:
    match = _ENTRY.fullmatch(entry)
    name, port = (match["inner"] or match["name"], match["port"]) if match else (entry, None)
    if port not in {None, str(origin.port)}:
        return False
    try:
        address = ipaddress.ip_address(origin.host)
    except ValueError:
        return name == "*" or _is_below(origin.host.removesuffix("."), name.removeprefix("*").strip("."))
    return name == "*" or _is_in(address, name)


def _is_below(host: str, name: str) -> bool:
    return bool(name) and f".{host}".endswith(f".{name}")


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False  # a name
