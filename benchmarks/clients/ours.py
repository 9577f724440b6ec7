"""This library, as its README shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from obey import STEPS, arguments, obey

from nai_trio import NovelAI

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, framing = arguments()
    async with NovelAI("pst-not-a-real-key", image_base=url) as client:

        async def generate(prompt: str, take: Take) -> None:
            images = client.image.generate_stream(prompt=prompt, size="portrait", steps=STEPS, stream=framing)
            async with images as stream:
                async for chunk in stream:
                    take(chunk.image)

        await obey(generate)


trio.run(main)
