"""Everything that touches a socket, and what stands in for one: the streams below HTTP.

A transport (`nai_trio.transport.Transport`) opens a byte stream to an origin. This package knows the contract and the
errors, and nothing of the client or the protocol.
"""

from __future__ import annotations

from nai_trio.transports.memory import MemoryTransport
from nai_trio.transports.memory_stream import MemoryStream, memory_stream_pair
from nai_trio.transports.tcp import TCPStream, TCPTransport
from nai_trio.transports.tls import TLSStream, default_context, open_tls

__all__ = [
    "MemoryStream",
    "MemoryTransport",
    "TCPStream",
    "TCPTransport",
    "TLSStream",
    "default_context",
    "memory_stream_pair",
    "open_tls",
]
