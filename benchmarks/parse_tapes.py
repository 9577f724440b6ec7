"""What the core takes to parse the recorded generations of tests/tapes, against the plainest reader of the same bytes.

python benchmarks/parse_tapes.py [--json FILE]

Both get the response as it was cut on the wire and end with the decoded picture of every event. The plain reader is the
standard library alone: http.client for the body, then `json` and `base64` for server-sent events, or `msgpack` frame by
frame. It checks nothing and knows no limits, so it is a yardstick and no rival. Rounds are interleaved; the figure is
the median of CPU time per response, as a ratio. The pictures of both are compared before a figure counts.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgpack

from nai_trio.params import ImageParams
from nai_trio.protocol import ImageExchange
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "tapes"
TAPES: dict[str, tuple[Literal["sse", "msgpack"], int]] = {
    "sse": ("sse", 1),
    "msgpack": ("msgpack", 1),
    "sse-4-samples": ("sse", 4),
    "msgpack-4-samples": ("msgpack", 4),
}
ROUNDS, REPEATS = 15, 20


class Pieces(io.RawIOBase):
    """A response in the pieces it came in, for http.client."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._data = io.BytesIO(b"".join(pieces))

    def makefile(self, _mode: str) -> io.BytesIO:
        return self._data


def ours(pieces: list[bytes], params: ImageParams, framing: Literal["sse", "msgpack"]) -> list[bytes]:
    exchange = ImageExchange(params, api_key="pst-not-a-real-key", host="localhost", stream=framing, body=b"{}")
    exchange.data_to_send()
    return [chunk.image for piece in pieces for chunk in exchange.receive_data(piece)]


def plain(pieces: list[bytes], _params: ImageParams, framing: str) -> list[bytes]:
    response = http.client.HTTPResponse(Pieces(pieces))
    response.begin()
    body = response.read()
    if framing == "sse":
        events = [json.loads(block.partition(b"data: ")[2]) for block in body.split(b"\n\n") if block]
        return [base64.b64decode(event["image"]) for event in events]
    images, offset = [], 0
    while offset < len(body):
        size = int.from_bytes(body[offset : offset + 4])
        images.append(msgpack.unpackb(body[offset + 4 : offset + 4 + size])["image"])
        offset += 4 + size
    return images


def cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    for _ in range(REPEATS):
        work()
    return (time.process_time() - began) / REPEATS


def measure(name: str) -> dict[str, Any]:
    framing, samples = TAPES[name]
    (exchange,) = Tape.load(FOLDER / f"{name}.tape").exchanges
    pieces = [event.data for event in exchange.events if event.kind == "receive"]
    asked = json.loads(exchange.request.body)["parameters"]
    params = ImageParams("x", size=(asked["width"], asked["height"]), steps=asked["steps"], n_samples=samples)
    assert ours(pieces, params, framing) == plain(pieces, params, framing)
    figures: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(ROUNDS):
        figures["plain"].append(cpu(lambda: plain(pieces, params, framing)))
        figures["ours"].append(cpu(lambda: ours(pieces, params, framing)))
    median = {who: statistics.median(times) for who, times in figures.items()}
    return {"tape": name, "bytes": sum(map(len, pieces)), "pieces": len(pieces), **median}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    arguments = parser.parse_args()
    rows = [measure(name) for name in TAPES]
    print(f"{'tape':20} {'bytes':>9} {'pieces':>6} {'ours':>9} {'plain':>9}  ours / plain")
    for row in rows:
        times = " ".join(f"{row[who] * 1000:6.2f} ms" for who in ("ours", "plain"))
        print(f"{row['tape']:20} {row['bytes']:9,} {row['pieces']:6} {times}  {row['ours'] / row['plain']:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
