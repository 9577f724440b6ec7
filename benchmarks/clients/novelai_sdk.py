"""novelai-sdk: its streaming API on asyncio. It hands out base64; decoding that is its user's work."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from novelai import AsyncNovelAI
from novelai.types import GenerateImageStreamParams
from obey import STEPS, arguments, obey

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, _ = arguments()
    async with AsyncNovelAI(api_key="pst-not-a-real-key", image_base=url) as client:

        async def generate(prompt: str, take: Take) -> None:
            params = GenerateImageStreamParams(
                prompt=prompt, model="nai-diffusion-4-5-full", size="portrait", steps=STEPS
            )
            async for chunk in client.image.generate_stream(params):
                take(base64.b64decode(chunk.image))

        await obey(generate)


asyncio.run(main())
