"""aiohttp, whose HTTP parser is in C, and a splitter written out here: about the least one can do in asyncio.

Events are cut at their blank line, and only the fields that the service sends are understood; it is no SSE parser.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import aiohttp
import msgpack
from obey import arguments, obey, request_body

if TYPE_CHECKING:
    from obey import Take


async def sse(response: aiohttp.ClientResponse, take: Take) -> None:
    buffer = bytearray()
    seen = 0
    async for data in response.content.iter_any():
        buffer += data
        while (end := buffer.find(b"\n\n", seen)) >= 0:
            event = json.loads(buffer[buffer.index(b"\ndata: ") + 7 : end])
            take(base64.b64decode(event["image"]))
            del buffer[: end + 2]
            seen = 0
        seen = max(0, len(buffer) - 1)


async def frames(response: aiohttp.ClientResponse, take: Take) -> None:
    buffer = bytearray()
    async for data in response.content.iter_any():
        buffer += data
        while len(buffer) >= 4 and len(buffer) >= (end := 4 + int.from_bytes(buffer[:4], "big")):
            take(msgpack.unpackb(buffer[4:end])["image"])
            del buffer[:end]


async def main() -> None:
    url, framing = arguments()
    read = sse if framing == "sse" else frames
    async with aiohttp.ClientSession(url, headers={"Authorization": "Bearer pst-not-a-real-key"}) as session:

        async def generate(prompt: str, take: Take) -> None:
            body = request_body(prompt, framing)
            async with session.post("/ai/generate-image-stream", json=body) as response:
                await read(response, take)

        await obey(generate)


asyncio.run(main())
