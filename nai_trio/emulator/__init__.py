"""The service on your own machine: the same endpoints, refusals and bytes, without account and network.

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, Emulator(step_delay=0.1).serve, 8080, host="127.0.0.1"))

It is written apart from the client's own encoders and decoders on purpose, from the wire document alone, so that the
two check each other. Pictures need Pillow (the `cli` extra), and only once one is painted.
"""

from __future__ import annotations

from nai_trio.emulator.encoding import Encoding
from nai_trio.emulator.events import encode_msgpack, encode_sse, encode_zip
from nai_trio.emulator.faults import (
    BadBase64,
    BadJSON,
    Cut,
    Fault,
    HugePrefix,
    MissingField,
    MissingFinal,
    Refuse,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
    parse_fault,
)
from nai_trio.emulator.generation import Generation
from nai_trio.emulator.jobs import Job
from nai_trio.emulator.server import Emulator

__all__ = [
    "BadBase64",
    "BadJSON",
    "Cut",
    "Emulator",
    "Encoding",
    "Fault",
    "Generation",
    "HugePrefix",
    "Job",
    "MissingField",
    "MissingFinal",
    "Refuse",
    "Stall",
    "StreamError",
    "StreamRetry",
    "WrongType",
    "encode_msgpack",
    "encode_sse",
    "encode_zip",
    "parse_fault",
]
