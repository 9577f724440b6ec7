"""The sans-IO core under asyncio: a driver in thirty lines.

    python docs/examples/asyncio_client.py "1girl, cat ears" out.png

Reads NOVELAI_API_KEY and NOVELAI_IMAGE_BASE.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from nai_trio.params import ImageParams
from nai_trio.protocol import Chunk, ImageExchange


async def generate(params: ImageParams, *, api_key: str, base: str) -> AsyncIterator[Chunk]:
    url = urlsplit(base)
    tls = url.scheme == "https"
    reader, writer = await asyncio.open_connection(url.hostname, url.port or (443 if tls else 80), ssl=tls or None)
    try:
        exchange = ImageExchange(params, api_key=api_key, host=url.netloc, stream="msgpack")
        writer.write(exchange.data_to_send())
        await writer.drain()
        while not exchange.complete:
            exchange.raise_fault()  # before waiting for bytes that nobody will look at
            for chunk in exchange.receive_data(await reader.read(65536)):  # b"" is the end of file, here as there
                yield chunk
    finally:
        writer.close()
        await writer.wait_closed()


async def main(prompt: str, target: str) -> None:
    api_key = os.environ["NOVELAI_API_KEY"]
    base = os.environ.get("NOVELAI_IMAGE_BASE", "https://image.novelai.net")
    async for chunk in generate(ImageParams(prompt, size="small_portrait", steps=8), api_key=api_key, base=base):
        if chunk.event_type == "intermediate":
            print(f"step {chunk.step_ix + 1}/{chunk.steps} sigma={chunk.sigma:.2f}")
        elif chunk.event_type == "final":
            await asyncio.to_thread(Path(target).write_bytes, chunk.image)
            print(f"wrote {target}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
