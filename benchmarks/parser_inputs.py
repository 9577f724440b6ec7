"""What the parsers of alone.py read: the generation of work.py, and those recorded in tests/tapes.

Each is written into two files of reads, for the parsers that know HTTP and for those that do not: the response, and the
body without its transfer coding. A read has its length before it, four bytes, big-endian, and is of 64 KiB; those of a
tape are as they were on the wire. The digest is that of a reader of its own, work.py or the plain one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import h11
import work
from parsers import Framing, images_in

from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TAPES", "Input", "generated", "recorded"]

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "tapes"
TAPES: dict[str, Framing] = {
    "sse": "sse",
    "msgpack": "msgpack",
    "sse-4-samples": "sse",
    "msgpack-4-samples": "msgpack",
}
READ = 64 * 1024


@attrs.frozen
class Input:
    """A generation to read.

    Attributes:
        name: e.g. "the service's, sse".
        framing: of its body.
        files: the files of reads, "response" and "body".
        size: bytes of the response.
        samples: how many finals it has.
        steps: how many steps were taken.
        digest: SHA-256 of all its pictures, one after another.
    """

    name: str
    framing: Framing
    files: dict[str, Path]
    size: int
    samples: int
    steps: int
    digest: str

    def task(self, passes: int, source: str) -> dict[str, Any]:
        """What a worker is asked that reads the response, or the body."""
        file = str(self.files[source])
        return {"go": passes, "file": file, "framing": self.framing, "samples": self.samples, "steps": self.steps}


def generated(folder: Path, framing: Framing) -> Input:
    """The generation of work.py; its files are written into `folder`."""
    variant = work.VARIANTS["service"]
    response, body = work.response(variant, framing), work.body(variant, framing)
    name = f"generation, {framing}"
    files = written(folder, name, response=cut(response), body=cut(body))
    digest = digest_of([event.image for event in work.events(variant)])
    return Input(name, framing, files, len(response), 1, work.STEPS, digest)


def recorded(folder: Path, tape: str) -> Input:
    """A tape of tests/tapes; its files are written into `folder`."""
    framing = TAPES[tape]
    (exchange,) = Tape.load(FOLDER / f"{tape}.tape").exchanges
    response = [event.data for event in exchange.events if event.kind == "receive"]
    body = list(bodies(response))
    name = f"tape {tape}"
    files = written(folder, name, response=response, body=body)
    asked = json.loads(exchange.request.body)["parameters"]
    digest = digest_of(images_in(b"".join(body), framing))
    return Input(name, framing, files, sum(map(len, response)), asked["n_samples"], asked["steps"], digest)


def cut(data: bytes) -> list[bytes]:
    return [data[start : start + READ] for start in range(0, len(data), READ)]


def bodies(response: list[bytes]) -> Iterator[bytes]:
    """What is body in each read, as a client hands it on that knows HTTP."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost")]))
    connection.send(h11.EndOfMessage())
    for read in response:
        connection.receive_data(read)
        piece = b""
        while isinstance(event := connection.next_event(), h11.Response | h11.Data):
            piece += event.data if isinstance(event, h11.Data) else b""
        if piece:
            yield piece


def written(folder: Path, name: str, **sources: list[bytes]) -> dict[str, Path]:
    files = {}
    for source, reads in sources.items():
        files[source] = folder / f"{name}.{source}"
        files[source].write_bytes(b"".join(len(read).to_bytes(4, "big") + read for read in reads))
    return files


def digest_of(images: list[bytes]) -> str:
    return hashlib.sha256(b"".join(images)).hexdigest()
