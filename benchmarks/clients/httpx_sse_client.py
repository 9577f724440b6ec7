"""httpx and httpx-sse on trio, with the standard library's JSON and base64: what one writes without a client."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import httpx
import trio
from httpx_sse import aconnect_sse
from obey import arguments, obey, request_body

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, framing = arguments()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer pst-not-a-real-key"}) as client:

        async def generate(prompt: str, take: Take) -> None:
            body = request_body(prompt, framing)
            async with aconnect_sse(client, "POST", "/ai/generate-image-stream", json=body) as source:
                async for event in source.aiter_sse():
                    take(base64.b64decode(json.loads(event.data)["image"]))

        await obey(generate)


trio.run(main)
