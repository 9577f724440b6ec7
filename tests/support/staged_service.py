"""A service on a port that answers a program's generation act by act, as the test says.

Real sockets, no threads: the kernel takes the connection and the bytes, and the test, which is the only other party,
knows at each moment what has been sent. What the program has made of it, it tells by its own lines.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import recorded
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0
STEPS = recorded.STEPS
SIZE = ("--size", "64x64", "--steps", STEPS)
"""What the events ask to be asked for."""

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"


def big_picture(shade: int, size: int = 96) -> bytes:
    """A real PNG of some 28 kB, which is more than a preview has."""
    noise = bytes((shade * 31 + place * place * 7 + place // 3) % 256 for place in range(size * size * 3))
    target = io.BytesIO()
    Image.frombytes("RGB", (size, size), noise).save(target, "PNG", compress_level=0)
    return target.getvalue()


def preview(sample: int, step: int) -> dict[str, Any]:
    """The event of a preview."""
    (found,) = [each for each in recorded.events(2) if (each["samp_ix"], each.get("step_ix")) == (sample, step)]
    return found


def final(sample: int, image: bytes | None = None) -> dict[str, Any]:
    """The event of a finished picture."""
    event = recorded.events(2)[-2 + sample]
    return event if image is None else {**event, "image": image}


class Wire:
    """One connection: what the program asked for on it, and what it is sent.

    Attributes:
        head: the request's head.
        body: its content.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        self.head, _, self.body = data.partition(b"\r\n\r\n")
        (length,) = [line[15:] for line in self.head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        while len(self.body) < int(length):
            self.body += self._receive()
        self.kind = json.loads(self.body)["parameters"].get("stream", "sse")

    def _receive(self) -> bytes:
        data = self._connection.recv(65536)
        assert data, "the program left"
        return data

    def begin(self) -> None:
        """The head of an answer that ends with the connection."""
        self.send(HEAD % recorded.MEDIA_TYPES[self.kind].encode())

    def events(self, *events: dict[str, Any]) -> None:
        self.send((recorded.frames if self.kind == "msgpack" else recorded.sse)(*events))

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def end(self) -> None:
        """Close in order."""
        self._connection.close()

    def reset(self) -> None:
        """Vanish: the program sees a connection that was reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def left(self) -> bool:
        """Wait until the program closes the connection."""
        with contextlib.suppress(ConnectionResetError):
            return self._connection.recv(1) == b""
        return True


class StagedService:
    """Listens on a free port of this machine."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._wires: list[Wire] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def take(self) -> Wire:
        """The next request."""
        connection, _ = self._listener.accept()
        self._wires.append(Wire(connection))
        return self._wires[-1]

    def nobody_came(self) -> bool:
        """Whether no connection waits to be taken."""
        self._listener.settimeout(0)
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self._listener.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        for wire in self._wires:
            wire.end()
        self._listener.close()


@contextlib.contextmanager
def staged_service() -> Iterator[StagedService]:
    """Listen while the block runs."""
    service = StagedService()
    try:
        yield service
    finally:
        service.close()
