"""The sans-IO core on a blocking socket: no runtime at all, and reads that go into a reused buffer.

    python docs/examples/blocking_client.py "1girl, cat ears" out.png

Reads NOVELAI_API_KEY and NOVELAI_IMAGE_BASE.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from nai_trio.params import ImageParams
from nai_trio.protocol import Chunk, ImageExchange


def connect(base: str) -> socket.socket:
    url = urlsplit(base)
    tls = url.scheme == "https"
    plain = socket.create_connection((url.hostname, url.port or (443 if tls else 80)), timeout=60)
    return ssl.create_default_context().wrap_socket(plain, server_hostname=url.hostname) if tls else plain


def generate(params: ImageParams, *, api_key: str, base: str) -> Iterator[Chunk]:
    with connect(base) as connection:
        exchange = ImageExchange(params, api_key=api_key, host=urlsplit(base).netloc)
        connection.sendall(exchange.data_to_send())
        while not exchange.complete:
            exchange.raise_fault()
            count = connection.recv_into(exchange.get_buffer())
            yield from exchange.buffer_updated(count)


def main(prompt: str, target: str) -> None:
    api_key = os.environ["NOVELAI_API_KEY"]
    base = os.environ.get("NOVELAI_IMAGE_BASE", "https://image.novelai.net")
    for chunk in generate(ImageParams(prompt, size="small_portrait", steps=8), api_key=api_key, base=base):
        if chunk.event_type == "intermediate":
            print(f"step {chunk.step_ix + 1}/{chunk.steps} sigma={chunk.sigma:.2f}")
        elif chunk.event_type == "final":
            Path(target).write_bytes(chunk.image)
            print(f"wrote {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
