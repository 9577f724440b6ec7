"""The sans-IO core: bytes in, events out; no sockets, no clock, no runtime.

Three parts, each usable alone, that know nothing of each other:

- the request builder: `json_request`, `Request`, and `HTTPExchange` for the response's head and body;
- the parser of server-sent events: `SSEDecoder`;
- the parser of msgpack frames: `MsgpackDecoder`.

`ImageExchange` joins them: one generation from the request's bytes to the last chunk. docs/sansio.md shows it under
asyncio and on a blocking socket.
"""

from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
from nai_trio.protocol.credentials import APIKey
from nai_trio.protocol.exchange import ImageExchange
from nai_trio.protocol.frames import Frame, MsgpackDecoder
from nai_trio.protocol.http import HTTPExchange, Request, ResponseHead, json_request
from nai_trio.protocol.limits import Limits
from nai_trio.protocol.sse import ServerSentEvent, SSEDecoder

__all__ = [
    "APIKey",
    "Chunk",
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
    "UnknownChunk",
    "json_request",
]
