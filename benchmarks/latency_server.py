"""The service of latency.py: takes the time when a preview goes out, and when a client is seen to have gone.

python benchmarks/latency_server.py

A process of its own, with blocking sockets and a thread for each connection. It prints a line of JSON, the port for
each kind of measurement and framing; then a line for each generation, with a time in nanoseconds of CLOCK_MONOTONIC,
which all processes of a machine share.

- "first": the head of the response goes out, and after a few milliseconds, when the client waits, the first preview in
  one piece; told is the time right before that is handed to the kernel. Then a small final follows.
- "cancel": the same, but nothing follows the preview; told is when the end of the connection was seen.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from typing import TYPE_CHECKING, get_args

import work
from drip_server import wire
from server import requests

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SHORT"]

SHORT = work.Variant(previews=1, final=20_000)
"""One preview as small as the service's first one, and a final that takes no time."""

PAUSES = 0.002, 0.006
"""Seconds, as long as clients need to come to rest; drawn, so that nothing falls in step with a timer."""

TAKEN = 0.002
"""Seconds in which every client has the preview: what is done here meanwhile must not disturb it."""


def first(connection: socket.socket, framing: work.Framing) -> None:
    head, preview, final = wire(framing, SHORT)
    for _ in requests(connection):
        connection.sendall(head)
        time.sleep(random.uniform(*PAUSES))
        before = time.monotonic_ns()
        connection.sendall(preview)
        time.sleep(TAKEN)
        print(before, flush=True)
        connection.sendall(final)


def cancel(connection: socket.socket, framing: work.Framing) -> None:
    head, preview, _ = wire(framing, SHORT)
    for _ in requests(connection):
        connection.sendall(head + preview)
        try:
            rest = connection.recv(1)
        except ConnectionResetError:
            rest = b""
        seen = time.monotonic_ns()
        if rest:
            raise SystemExit("a client spoke instead of leaving")
        print(seen, flush=True)
        return


def accept(
    listener: socket.socket, answer: Callable[[socket.socket, work.Framing], None], framing: work.Framing
) -> None:
    while True:
        connection = listener.accept()[0]
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=converse, args=(connection, answer, framing), daemon=True).start()


def converse(
    connection: socket.socket, answer: Callable[[socket.socket, work.Framing], None], framing: work.Framing
) -> None:
    with connection:
        answer(connection, framing)


def main() -> None:
    ports = {}
    for framing in get_args(work.Framing):
        wire(framing, SHORT)
        for answer in (first, cancel):
            listener = socket.create_server(("127.0.0.1", 0))
            ports[f"{answer.__name__} {framing}"] = listener.getsockname()[1]
            threading.Thread(target=accept, args=(listener, answer, framing), daemon=True).start()
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
