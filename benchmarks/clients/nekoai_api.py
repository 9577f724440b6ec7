"""nekoai-api: its streaming API, on asyncio and msgpack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nekoai import NovelAI, Resolution
from obey import STEPS, arguments, obey

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, _ = arguments()
    client = NovelAI(token="pst-not-a-real-key", host=url)

    async def generate(prompt: str, take: Take) -> None:
        events = client.generate_image_stream(
            prompt=prompt, model="nai-diffusion-4-5-full", res_preset=Resolution.NORMAL_PORTRAIT, steps=STEPS
        )
        async for event in events:
            take(event.image.data)

    await obey(generate)
    await client.close()


asyncio.run(main())
