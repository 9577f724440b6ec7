"""The sans-IO core: bytes in, events out; no sockets, no clock, no runtime.

Three parts, each usable alone, that know nothing of each other:

- the request builder: `json_request`, `Request`, and `HTTPExchange` for the response's head and body;
- the parser of server-sent events: `SSEDecoder`;
- the parser of msgpack frames: `MsgpackDecoder`.

`ImageExchange` joins them: one generation from the request's bytes to the last chunk. `CallExchange` is one short
request whose answer is read whole: `subscription_call`, `encode_vibe_call`. docs/sansio.md shows them under asyncio and
on a blocking socket.

Each name is loaded at its first use, so a program that wants one parser pays for that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio._lazy import loader

if TYPE_CHECKING:
    from nai_trio.protocol.call import CallExchange
    from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
    from nai_trio.protocol.credentials import APIKey
    from nai_trio.protocol.exchange import Delivery, ImageExchange
    from nai_trio.protocol.frames import Frame, MsgpackDecoder
    from nai_trio.protocol.gather import Buffers
    from nai_trio.protocol.http import HTTPExchange, Request, ResponseHead, get_request, json_request
    from nai_trio.protocol.limits import Limits
    from nai_trio.protocol.sse import ServerSentEvent, SSEDecoder
    from nai_trio.protocol.subscription import Subscription, parse_subscription, subscription_call
    from nai_trio.protocol.vibe import encode_vibe_body, encode_vibe_call

__all__ = [
    "APIKey",
    "Buffers",
    "CallExchange",
    "Chunk",
    "Delivery",
    "FinalChunk",
    "Frame",
    "HTTPExchange",
    "ImageExchange",
    "IntermediateChunk",
    "Limits",
    "MsgpackDecoder",
    "Request",
    "ResponseHead",
    "RetryChunk",
    "SSEDecoder",
    "ServerSentEvent",
    "Subscription",
    "UnknownChunk",
    "encode_vibe_body",
    "encode_vibe_call",
    "get_request",
    "json_request",
    "parse_subscription",
    "subscription_call",
]

_HOMES = {
    "call": ("CallExchange",),
    "chunks": ("Chunk", "FinalChunk", "IntermediateChunk", "RetryChunk", "UnknownChunk"),
    "credentials": ("APIKey",),
    "exchange": ("Delivery", "ImageExchange"),
    "frames": ("Frame", "MsgpackDecoder"),
    "gather": ("Buffers",),
    "http": ("HTTPExchange", "Request", "ResponseHead", "get_request", "json_request"),
    "limits": ("Limits",),
    "sse": ("SSEDecoder", "ServerSentEvent"),
    "subscription": ("Subscription", "parse_subscription", "subscription_call"),
    "vibe": ("encode_vibe_body", "encode_vibe_call"),
}

__getattr__, __dir__ = loader(__name__, _HOMES)
