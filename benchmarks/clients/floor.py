"""The floor: what it costs trio to receive the bytes and to throw them away. It is told the response's length."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio
from obey import arguments, floor_arguments, obey, request_body

if TYPE_CHECKING:
    from obey import Take


async def main() -> None:
    url, framing = arguments()
    lengths, read = floor_arguments()
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    stream = await trio.open_tcp_stream(address.hostname, address.port)

    async def generate(prompt: str, take: Take) -> None:
        body = json.dumps(request_body(prompt, framing)).encode()
        await stream.send_all(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        left = lengths[prompt]
        while left > 0:
            left -= len(await stream.receive_some(read))
        take(b"%d" % left)  # 0: no byte too few, none too many

    await obey(generate)


trio.run(main)
