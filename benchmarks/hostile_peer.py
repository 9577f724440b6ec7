"""A peer on a loopback socket: it answers small honest generations first, then what it was given, and counts that."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Self

from hostile_answers import END, honest

if TYPE_CHECKING:
    from hostile_answers import Answer

SECONDS = 120.0


class HostilePeer:
    """Serves one client on one connection, in a thread; leaving the block waits for its end.

    Attributes:
        port: where it listens.
        sent: bytes of the hostile answer that it got rid of.
    """

    def __init__(self, answer: Answer) -> None:
        self.sent = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        if self._answer.way != "picture":
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(SECONDS)
        with connection, connection.makefile("rb") as requests:
            for way in ("sse", "msgpack", "zip"):
                take_request(requests)
                connection.sendall(honest(way))
            take_request(requests)
            try:
                for piece in self._answer.pieces():
                    if piece == END:
                        connection.shutdown(socket.SHUT_WR)
                        break
                    connection.sendall(piece)
                    self.sent += len(piece)
                requests.read(1)
            except (BrokenPipeError, ConnectionResetError):
                pass


def take_request(requests: object) -> None:
    """Read one request, head and body."""
    length = 0
    while line := requests.readline().strip().lower():  # type: ignore[attr-defined]
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    requests.read(length)  # type: ignore[attr-defined]
