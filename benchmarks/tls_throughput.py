"""What TLS costs the client: CPU time for one response of 2.7 MB, by four ways to read it.

python benchmarks/tls_throughput.py [--json FILE]

A response is what a generation of 28 steps takes in SSE, in TLS records of 16 KiB, over loopback, from a server in a
process of its own. Counted is the CPU time of this process (user and system) from sending the request to the last byte,
connection and handshake left out. In each round every client opens a connection, reads one response to warm up and then
some more that count; the rounds are interleaved, so that a busy machine slows all alike, and the median round is shown.
Every byte of every response is compared with what was sent before its round counts.

"into" reads into one large buffer; the others take the bytes as they are handed out. The exit status is 1 where ours
takes more than 1.5 times what a blocking socket does.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import random
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
import trustme

from nai_trio.transport import Origin
from nai_trio.transports import TCPTransport, open_tls

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "localhost"
SIZE = 2_700_000
RECORD = 16 * 1024
READ = 256 * 1024
ROUNDS = 15
RESPONSES = 8
BASE = "blocking ssl socket, recv"
OURS = "nai_trio TLSStream, receive_some"
LIMIT = 1.5


@functools.cache
def payload() -> bytes:
    return random.Random(1).randbytes(SIZE)


class Round:
    """Takes the time of one client's responses, and checks them when the time is taken."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.received: list[Any] = []
        self.start = 0.0

    def begin(self) -> None:
        self.received = []
        self.start = time.process_time()

    def end(self) -> None:
        taken = time.process_time() - self.start
        if b"".join(self.received) != payload():
            raise SystemExit("the bytes that came are not the bytes that were sent")
        self.seconds.append(taken)

    def done(self) -> float:
        """Seconds for one response; the first one was the warm-up."""
        return statistics.mean(self.seconds[1:])


def blocking(port: int, context: ssl.SSLContext) -> float:
    round_ = Round()
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as tls,
    ):
        for _ in range(1 + RESPONSES):
            round_.begin()
            tls.sendall(b"?")
            left = SIZE
            while left:
                chunk = tls.recv(READ)
                round_.received.append(chunk)
                left -= len(chunk)
            round_.end()
    return round_.done()


def blocking_into(port: int, context: ssl.SSLContext) -> float:
    round_ = Round()
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as tls,
        memoryview(bytearray(SIZE)) as view,
    ):
        for _ in range(1 + RESPONSES):
            round_.begin()
            tls.sendall(b"?")
            at = 0
            while at < SIZE:
                at += tls.recv_into(view[at : at + READ])
            round_.received.append(view)
            round_.end()
    return round_.done()


async def ours(port: int, context: ssl.SSLContext) -> float:
    return await by_trio(await open_ours(port, context))


async def open_ours(port: int, context: ssl.SSLContext) -> Any:
    return await open_tls(await TCPTransport().connect(Origin("https", "127.0.0.1", port)), HOST, context=context)


async def trio_stream(port: int, context: ssl.SSLContext) -> float:
    return await by_trio(await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=context))


async def by_trio(stream: trio.abc.Stream) -> float:
    round_ = Round()
    async with stream:
        for _ in range(1 + RESPONSES):
            round_.begin()
            await stream.send_all(b"?")
            left = SIZE
            while left:
                chunk = await stream.receive_some()
                round_.received.append(chunk)
                left -= len(chunk)
            round_.end()
    return round_.done()


async def ours_into(port: int, context: ssl.SSLContext) -> float:
    round_ = Round()
    async with await open_ours(port, context) as stream:
        with memoryview(bytearray(SIZE)) as view:
            for _ in range(1 + RESPONSES):
                round_.begin()
                await stream.send_all(b"?")
                at = 0
                while at < SIZE:
                    at += await stream.receive_into(view[at : at + READ])
                round_.received.append(view)
                round_.end()
    return round_.done()


async def asyncio_streams(port: int, context: ssl.SSLContext) -> float:
    round_ = Round()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
    for _ in range(1 + RESPONSES):
        round_.begin()
        writer.write(b"?")
        left = SIZE
        while left:
            chunk = await reader.read(READ)
            round_.received.append(chunk)
            left -= len(chunk)
        round_.end()
    writer.close()
    await writer.wait_closed()
    return round_.done()


class Collector(asyncio.Protocol):
    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.left = 0
        self.whole: asyncio.Future[None] | None = None

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        self.left -= len(data)
        if not self.left and self.whole is not None:
            self.whole.set_result(None)


async def asyncio_protocol(port: int, context: ssl.SSLContext) -> float:
    round_ = Round()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Collector, "127.0.0.1", port, ssl=context, server_hostname=HOST)
    for _ in range(1 + RESPONSES):
        round_.begin()
        protocol.chunks, protocol.left, protocol.whole = round_.received, SIZE, loop.create_future()
        transport.write(b"?")
        await protocol.whole
        round_.end()
    transport.close()
    return round_.done()


CLIENTS: dict[str, Callable[[int, ssl.SSLContext], float]] = {
    BASE: blocking,
    "blocking ssl socket, into": blocking_into,
    OURS: functools.partial(trio.run, ours),
    "nai_trio TLSStream, into": functools.partial(trio.run, ours_into),
    "trio.SSLStream": functools.partial(trio.run, trio_stream),
    "asyncio streams": lambda port, context: asyncio.run(asyncio_streams(port, context)),
    "asyncio protocol": lambda port, context: asyncio.run(asyncio_protocol(port, context)),
}


def serve(folder: Path) -> None:
    """In a process of its own: a response for each byte of request, until it is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=answer, args=(plain, context), daemon=True).start()


def answer(plain: socket.socket, context: ssl.SSLContext) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = memoryview(payload())
    try:
        with context.wrap_socket(plain, server_side=True) as tls:
            while tls.recv(1):
                for start in range(0, SIZE, RECORD):
                    tls.sendall(data[start : start + RECORD])
    except OSError:
        pass  # the client has what it wanted


def measure(port: int, context: ssl.SSLContext) -> list[dict[str, Any]]:
    taken: dict[str, list[float]] = {name: [] for name in CLIENTS}
    for _ in range(ROUNDS):
        for name, client in CLIENTS.items():
            taken[name].append(client(port, context))
    base = statistics.median(taken[BASE])
    rows = []
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        rows.append({"client": name, "seconds": median, "best": min(seconds), "ratio": median / base})
    return rows


def run() -> list[dict[str, Any]]:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with tempfile.TemporaryDirectory() as folder:
        authority.issue_cert(HOST, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        server = subprocess.Popen([sys.executable, __file__, "--serve", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            return measure(int(server.stdout.readline()), context)
        finally:
            server.kill()
            server.communicate()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    rows = run()
    print(f"{'client':34} {'CPU':>8} {'MB/s':>6}  against blocking ssl")
    for row in rows:
        speed = SIZE / row["seconds"] / 1e6
        print(f"{row['client']:34} {row['seconds'] * 1e3:5.2f} ms {speed:6.0f}  {row['ratio']:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return int(next(row["ratio"] for row in rows if row["client"] == OURS) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
