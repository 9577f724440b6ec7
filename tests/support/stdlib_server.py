"""A server that is not ours: Python's own http.server on threads, plain or over TLS, sending recorded responses."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import recorded

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StdlibServer

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        self.server.seen.append((self.client_address, dict(self.headers), request))
        kind = request["parameters"]["stream"]
        self.send_response(200)
        self.send_header("Content-Type", recorded.MEDIA_TYPES[kind])
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        content = recorded.body(kind, request["parameters"]["n_samples"])
        for start in range(0, len(content), 700):
            piece = content[start : start + 700]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


class StdlibServer(ThreadingHTTPServer):
    """Serves recorded generations on 127.0.0.1.

    Attributes:
        seen: address, headers and JSON of each request.
    """

    daemon_threads = False
    block_on_close = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[Any, dict[str, str], dict[str, Any]]] = []
        self.scheme = "http"
        if context is not None:
            self.scheme = "https"
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no news."""


@contextlib.contextmanager
def stdlib_server(context: ssl.SSLContext | None = None) -> Iterator[StdlibServer]:
    """Run the server in a thread."""
    with StdlibServer(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
