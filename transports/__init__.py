"""Everything that touches a socket, and what stands in for one: the streams below HTTP.

A transport (`nai_trio.transport.Transport`) opens a byte stream to an origin. This package knows the contract and the
errors, and nothing of the client or the protocol. The names below resolve on first use, so that who goes straight loads
no proxy's library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nai_trio.transports.environment import proxy_from_environment, proxy_transport, transport_from_environment
    from nai_trio.transports.http_proxy import HTTPProxyTransport
    from nai_trio.transports.memory import MemoryTransport
    from nai_trio.transports.memory_stream import MemoryStream, memory_stream_pair
    from nai_trio.transports.recording import RecordingTransport, RecordingWarning
    from nai_trio.transports.replay import ReplayMismatch, ReplayTransport
    from nai_trio.transports.socks import SOCKSTransport
    from nai_trio.transports.tcp import TCPStream, TCPTransport
    from nai_trio.transports.tls import TLSSessions, TLSStream, default_context, open_tls, tls_context
    from nai_trio.transports.tunnel import Tunnel
    from nai_trio.transports.unix import UnixStream, UnixTransport
    from nai_trio.transports.websocket import WebSocketTransport

__all__ = [
    "HTTPProxyTransport",
    "MemoryStream",
    "MemoryTransport",
    "RecordingTransport",
    "RecordingWarning",
    "ReplayMismatch",
    "ReplayTransport",
    "SOCKSTransport",
    "TCPStream",
    "TCPTransport",
    "TLSSessions",
    "TLSStream",
    "Tunnel",
    "UnixStream",
    "UnixTransport",
    "WebSocketTransport",
    "default_context",
    "memory_stream_pair",
    "open_tls",
    "proxy_from_environment",
    "proxy_transport",
    "tls_context",
    "transport_from_environment",
]

_HOMES: Final = {
    "environment": ("proxy_from_environment", "proxy_transport", "transport_from_environment"),
    "http_proxy": ("HTTPProxyTransport",),
    "memory": ("MemoryTransport",),
    "memory_stream": ("MemoryStream", "memory_stream_pair"),
    "recording": ("RecordingTransport", "RecordingWarning"),
    "replay": ("ReplayMismatch", "ReplayTransport"),
    "socks": ("SOCKSTransport",),
    "tcp": ("TCPStream", "TCPTransport"),
    "tls": ("TLSSessions", "TLSStream", "default_context", "open_tls", "tls_context"),
    "tunnel": ("Tunnel",),
    "unix": ("UnixStream", "UnixTransport"),
    "websocket": ("WebSocketTransport",),
}
"""Module to the names that it defines."""


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"{__name__}.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
