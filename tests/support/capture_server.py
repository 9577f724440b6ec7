"""A server that writes down what clients ask for and then refuses it, so that they can go on to the next wish.

Python's own http.server on a thread and a real port. Before each wish, a client's script says which one is next with a
GET of `/wish/<name>`. Generations are refused with a 400, which no client repeats; pictures are "encoded" to
bytes that tell which picture and level they were made from.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSAL = json.dumps({"statusCode": 400, "message": "written down"}).encode()


@attrs.frozen
class Sent:
    """One generation as a client asked for it."""

    path: str
    body: dict[str, Any]


def vibe_token(image: bytes, information_extracted: float) -> bytes:
    """What the server answers for a picture to encode."""
    return hashlib.sha512(image + repr(float(information_extracted)).encode()).digest()


class CaptureServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1.

    Attributes:
        sent: wish to what was asked for it, in order.
        encoded: wish to the bodies that were sent to `/ai/encode-vibe`, in order.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: dict[str, list[Sent]] = {}
        self.encoded: dict[str, list[dict[str, Any]]] = {}
        self.wish = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CaptureServer

    def do_GET(self) -> None:
        assert self.path.startswith("/wish/")
        self.server.wish = self.path.removeprefix("/wish/")
        self._answer(200, "text/plain", b"")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/ai/encode-vibe":
            self.server.encoded.setdefault(self.server.wish, []).append(body)
            token = vibe_token(base64.b64decode(body["image"]), body["information_extracted"])
            self._answer(200, "application/binary", token)
            return
        self.server.sent.setdefault(self.server.wish, []).append(Sent(self.path, body))
        self._answer(400, "application/json", REFUSAL)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@contextlib.contextmanager
def capture_server() -> Iterator[CaptureServer]:
    """Run the server in a thread."""
    with CaptureServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
