"""The floor over TLS: a blocking `ssl` socket that receives the bytes and throws them away.

TLS hands out 16 KiB at a time at most, yet CPython makes room for all that was asked for and gives the rest back: in a
fresh process 256 KiB at a time are mapped and unmapped at each read, which costs more than the decryption.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obey import arguments, floor_arguments, obey, request_body

if TYPE_CHECKING:
    from obey import Take


def main() -> None:
    url, framing = arguments()
    lengths, read = floor_arguments()
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    plain = socket.create_connection((address.hostname, address.port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = ssl.create_default_context().wrap_socket(plain, server_hostname=address.hostname)

    async def generate(prompt: str, take: Take) -> None:
        body = json.dumps(request_body(prompt, framing)).encode()
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        left = lengths[prompt]
        while left > 0:
            left -= len(connection.recv(read))
        take(b"%d" % left)  # 0: no byte too few, none too many

    asyncio.run(obey(generate))  # nothing in it ever waits for the loop


main()
