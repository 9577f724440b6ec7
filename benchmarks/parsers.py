"""The Python parsers that alone.py compares, and the worker that runs one of them.

    python parsers.py NAME

A worker is a process with one parser. For each task on standard input, a line of JSON (`Input.task`), it answers with
one line: the CPU seconds of each pass and the SHA-256 of each pass's pictures, one after another. A pass begins with
the reads in memory and ends with what the parser hands out. Where that is not yet the pictures' bytes (a decoder that
leaves JSON and base64 to others), the standard library does the rest after the time was taken, so that every pass of
every parser is checked. eventsource_parser.mjs answers the same.

Ours and its peers live in different virtual environments, so each parser imports what it needs when it is prepared.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.client
import io
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Task = dict[str, Any]
    Run = Callable[[list[bytes]], list[Any]]

__all__ = ["PARSERS", "Framing", "Parser", "images_in"]

Framing = Literal["sse", "msgpack"]
BOTH: tuple[Framing, ...] = ("sse", "msgpack")


class Parser(NamedTuple):
    """One way to read a generation.

    prepare: imports what is needed and returns the function that is timed.
    source: whether it reads the HTTP response or the body alone.
    framings: what it can read.
    result: what a pass ends with: "pictures", "events" (texts with base64, or maps) or "body".
    ours: whether it is this project's, in this project's interpreter.
    """

    prepare: Callable[[Task], Run]
    source: Literal["response", "body"]
    framings: tuple[Framing, ...]
    result: Literal["pictures", "events", "body"] = "pictures"
    ours: bool = False


def image_of(text: str | bytes) -> bytes:
    return base64.b64decode(json.loads(text)["image"])


def exchanges(task: Task) -> Callable[[], Any]:
    """Makes exchanges; their requests are built in the time that counts, as a client's are."""
    from nai_trio.params import ImageParams  # noqa: PLC0415
    from nai_trio.protocol import ImageExchange  # noqa: PLC0415

    params = ImageParams("x", size=(64, 64), steps=task["steps"], n_samples=task["samples"])

    def make() -> ImageExchange:
        kind = task["framing"]
        exchange = ImageExchange(params, api_key="pst-not-a-real-key", host="localhost", stream=kind, body=b"{}")
        exchange.data_to_send()
        return exchange

    return make


def receive_data(task: Task) -> Run:
    make = exchanges(task)

    def run(reads: list[bytes]) -> list[bytes]:
        exchange = make()
        images = [chunk.image for read in reads for chunk in exchange.receive_data(read)]
        assert exchange.complete
        return images

    return run


def get_buffer(task: Task) -> Run:
    """The copy into the buffer, which elsewhere is the kernel's work, is counted."""
    make = exchanges(task)

    def run(reads: list[bytes]) -> list[bytes]:
        exchange = make()
        images: list[bytes] = []
        for read in reads:
            rest = io.BytesIO(read)
            while count := rest.readinto(exchange.get_buffer()):
                images += [chunk.image for chunk in exchange.buffer_updated(count)]
        assert exchange.complete
        return images

    return run


def decoder(task: Task) -> Run:
    from nai_trio.protocol import MsgpackDecoder, SSEDecoder  # noqa: PLC0415

    make: Callable[[], Any] = SSEDecoder if task["framing"] == "sse" else MsgpackDecoder

    def run(reads: list[bytes]) -> list[Any]:
        decoder = make()
        return [event for read in reads for event in decoder.feed(read)]

    return run


def httpx_sse(_task: Task) -> Run:
    import httpx  # noqa: PLC0415
    import httpx_sse as peer  # noqa: PLC0415

    def run(reads: list[bytes]) -> list[bytes]:
        response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=iter(reads))
        return [image_of(event.data) for event in peer.EventSource(response).iter_sse()]

    return run


def sseclient(_task: Task) -> Run:
    import sseclient as peer  # noqa: PLC0415

    return lambda reads: [image_of(event.data) for event in peer.SSEClient(iter(reads)).events()]


def unpacker(_task: Task) -> Run:
    """The feed of msgpack itself: the four bytes before each map are read as bytes, then the map is unpacked."""
    import msgpack  # noqa: PLC0415

    def run(reads: list[bytes]) -> list[bytes]:
        feed, images, prefix = msgpack.Unpacker(), [], b""
        for read in reads:
            feed.feed(read)
            with contextlib.suppress(msgpack.OutOfData):
                while len(prefix) == 4 or len(prefix := prefix + feed.read_bytes(4 - len(prefix))) == 4:
                    images.append(feed.unpack()["image"])
                    prefix = b""
        return images

    return run


def h11_body(_task: Task) -> Run:
    import h11  # noqa: PLC0415

    def run(reads: list[bytes]) -> list[bytes]:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
        connection.send(h11.EndOfMessage())
        pieces: list[bytes] = []
        for read in reads:
            connection.receive_data(read)
            while isinstance(event := connection.next_event(), h11.Response | h11.Data):
                pieces.append(event.data if isinstance(event, h11.Data) else b"")
        return pieces

    return run


def plain(task: Task) -> Run:
    """The body read whole, then split. It checks nothing and knows no limits: a yardstick, and no rival."""

    def run(reads: list[bytes]) -> list[bytes]:
        connection: Any = SimpleNamespace(makefile=lambda _mode: io.BytesIO(b"".join(reads)))
        response = http.client.HTTPResponse(connection)
        response.begin()
        return images_in(response.read(), task["framing"])

    return run


def images_in(body: bytes, framing: Framing) -> list[bytes]:
    if framing == "sse":
        return [image_of(block.partition(b"data: ")[2]) for block in body.split(b"\n\n") if block]
    import msgpack  # noqa: PLC0415

    images, offset = [], 0
    while offset < len(body):
        size = int.from_bytes(body[offset : offset + 4], "big")
        images.append(msgpack.unpackb(body[offset + 4 : offset + 4 + size])["image"])
        offset += 4 + size
    return images


PARSERS = {
    "nai_trio: receive_data": Parser(receive_data, "response", BOTH, ours=True),
    "nai_trio: get_buffer": Parser(get_buffer, "response", BOTH, ours=True),
    "nai_trio: the decoder alone": Parser(decoder, "body", BOTH, "events", ours=True),
    "httpx-sse, json, base64": Parser(httpx_sse, "body", ("sse",)),
    "sseclient-py, json, base64": Parser(sseclient, "body", ("sse",)),
    "msgpack.Unpacker": Parser(unpacker, "body", ("msgpack",)),
    "http.client, then split": Parser(plain, "response", BOTH),
    "h11: HTTP alone": Parser(h11_body, "response", BOTH, "body"),
}


@functools.cache
def reads_of(file: str) -> list[bytes]:
    """Each has its length before it, four bytes."""
    content, reads, at = Path(file).read_bytes(), [], 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        reads.append(content[at + 4 : end])
        at = end
    return reads


def digest(parser: Parser, task: Task, result: list[Any]) -> str:
    images: Iterable[bytes] = result
    if parser.result == "body":
        images = images_in(b"".join(result), task["framing"])
    elif parser.result == "events":
        images = (image_of(each.data) if task["framing"] == "sse" else each["image"] for each in result)
    hashed = hashlib.sha256()
    for image in images:  # not joined: megabytes that are allocated in between change what the next pass costs
        hashed.update(image)
    return hashed.hexdigest()


def main() -> None:
    parser = PARSERS[sys.argv[1]]
    for line in sys.stdin:
        task: Task = json.loads(line)
        try:
            run, reads = parser.prepare(task), reads_of(task["file"])
        except ImportError as error:
            print(json.dumps({"missing": str(error)}))
            return
        seconds, digests = [], []
        for _ in range(task["go"]):
            began = time.process_time()
            result = run(reads)
            seconds.append(time.process_time() - began)
            digests.append(digest(parser, task, result))
            del result
        print(json.dumps({"seconds": seconds, "digests": digests}), flush=True)


if __name__ == "__main__":
    main()
