"""httpx on trio, and msgpack frame by frame: what one writes without a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import msgpack
import trio
from obey import arguments, obey, request_body

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, framing = arguments()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer pst-not-a-real-key"}) as client:

        async def generate(prompt: str, take: Take) -> None:
            body = request_body(prompt, framing)
            async with client.stream("POST", "/ai/generate-image-stream", json=body) as response:
                buffer = bytearray()
                async for data in response.aiter_bytes():
                    buffer += data
                    while len(buffer) >= 4 and len(buffer) >= (end := 4 + int.from_bytes(buffer[:4], "big")):
                        take(msgpack.unpackb(buffer[4:end])["image"])
                        del buffer[:end]

        await obey(generate)


trio.run(main)
