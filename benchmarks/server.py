"""A server in a process of its own that does nothing but send bytes made beforehand, over loopback.

python benchmarks/server.py [--tls FOLDER] VARIANT...

Each variant of work.py has a port for each framing, so that any path and any headers will do: a client is pointed to
the port, and what it asks for decides nothing, with one exception: a request with the prompt `SMALL` is answered
with a generation of a few kilobytes. That one opens a client's connection and gets its imports done before anything is
measured. Connections are kept alive; each has a thread, on a blocking socket with TCP_NODELAY. It is no HTTP server:
it knows what the clients here send, a head and a body with its length.

`serving(...)` starts it and ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import attrs
import trustme
import work
from clients.obey import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Served", "serving", "small"]

HOST = "127.0.0.1"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)


def small(variant: work.Variant) -> work.Variant:
    """Like the variant, and small: two previews and a final of 20 kB."""
    return attrs.evolve(variant, previews=2, final=20_000)


@attrs.frozen
class Served:
    """A server that runs.

    Attributes:
        ports: the port of each variant and framing, named as in `port_name`.
        authority: the file of the certificate to trust, or None where there is no TLS.
        pid: its process.
    """

    ports: dict[str, int]
    authority: Path | None
    pid: int

    def url(self, variant: str, framing: work.Framing) -> str:
        scheme = "https" if self.authority else "http"
        return f"{scheme}://{HOST}:{self.ports[port_name(variant, framing)]}"


def port_name(variant: str, framing: str) -> str:
    return f"{variant}/{framing}"


@contextlib.contextmanager
def serving(variants: Iterable[str], *, tls_folder: Path | None = None) -> Iterator[Served]:
    """Start the server; with a folder, TLS 1.3 alone, and its certificates are written there."""
    command: list[str | Path] = [sys.executable, __file__, *variants]
    authority = None
    if tls_folder:
        authority = tls_folder / "authority.pem"
        certificates = trustme.CA()
        certificates.cert_pem.write_to_path(os.fspath(authority))
        issued = certificates.issue_cert(HOST, "localhost").private_key_and_cert_chain_pem
        issued.write_to_path(os.fspath(tls_folder / "server.pem"))
        command += ["--tls", tls_folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the server did not start")
        yield Served(json.loads(line), authority, process.pid)
    finally:
        process.kill()
        process.communicate()


def requests(connection: socket.socket) -> Iterator[bytes]:
    """The requests of a connection, one after the other, until it ends."""
    data = b""
    while True:
        while (head := data.find(b"\r\n\r\n") + 4) < 4:
            if not (more := connection.recv(65536)):
                return
            data += more
        found = LENGTH.search(data, 0, head)
        end = head + (int(found[1]) if found else 0)
        while len(data) < end:
            if not (more := connection.recv(65536)):
                return
            data += more
        yield data[:end]
        data = data[end:]


def answer(plain: socket.socket, context: ssl.SSLContext | None, whole: bytes, little: bytes) -> None:
    """One connection."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) if context else plain as connection:
        for request in requests(connection):
            connection.sendall(little if SMALL.encode() in request else whole)


def accept(listener: socket.socket, start: Callable[[socket.socket], None]) -> None:
    while True:
        start(listener.accept()[0])


def serve(variants: list[str], folder: Path | None) -> None:
    """In the process of its own, until it is ended."""
    context = None
    if folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(folder / "server.pem")
    ports = {}
    for name in variants:
        variant = work.VARIANTS[name]
        for framing in get_args(work.Framing):
            whole, little = work.response(variant, framing), work.response(small(variant), framing)
            listener = socket.create_server((HOST, 0), backlog=1024)
            ports[port_name(name, framing)] = listener.getsockname()[1]

            def start(connection: socket.socket, whole: bytes = whole, little: bytes = little) -> None:
                threading.Thread(target=answer, args=(connection, context, whole, little), daemon=True).start()

            threading.Thread(target=accept, args=(listener, start), daemon=True).start()
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("variants", nargs="+", choices=work.VARIANTS, metavar="VARIANT")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="with the certificate that is there")
    arguments = parser.parse_args()
    serve(arguments.variants, arguments.tls)


if __name__ == "__main__":
    main()
