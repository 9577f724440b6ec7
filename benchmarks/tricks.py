"""What each trick of the core gains: the step with it, and the same step without it.

python benchmarks/tricks.py [--quick] [--json FILE]

One row for each thing in nai_trio/protocol that is done in a less plain way for the sake of speed, so that nobody has
to believe that it is worth its lines. Both ways work on the same generation (work.py), in memory, in this process, in
turns; the figure is the least CPU time of all rounds, for what is compared are steps of some hundred microseconds. Both
must have the same outcome before a row counts. "Without" is the general way of the same file where there is one (it is
what surprising bytes get), else what one would write at first.
"""

from __future__ import annotations

import base64
import json
import mmap
import time
from typing import TYPE_CHECKING, Any

import attrs
import h11
import part
import pybase64
import work

from nai_trio.protocol import Limits, SSEDecoder
from nai_trio.protocol.events import EventReader
from nai_trio.protocol.framing import ChunkedFraming
from nai_trio.protocol.gather import SHARED, SLICE, Gather
from nai_trio.protocol.picture_json import fields_with_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Step = Callable[[], object]

ROUNDS, QUICK_ROUNDS = 60, 10


@attrs.frozen
class Trick:
    """Two ways to do the same step.

    Attributes:
        name: what is done.
        where: the file that holds the trick.
        way: the step with it.
        plain: the step without it.
        instead: what "without" is.
    """

    name: str
    where: str
    way: Step
    plain: Step
    instead: str


class GeneralSSE(SSEDecoder):
    def _next_usual(self) -> None:
        return None


class GeneralFraming(ChunkedFraming):
    def _read_usual(self, data: memoryview, place: int, write: Callable[[memoryview], object]) -> int:  # noqa: ARG002
        return place


class GeneralEvents(EventReader):
    def _usual_preview(self, fields: Mapping[str, Any]) -> None:  # noqa: ARG002
        return None


def reads(data: bytes) -> list[memoryview]:
    view = memoryview(data)
    return [view[start : start + SLICE] for start in range(0, len(view), SLICE)]


def sse_events(kind: type[SSEDecoder], body: bytes) -> Step:
    def step() -> list[int]:
        decoder, sizes = kind(), []
        for piece in reads(body):
            decoder.sink(piece)
            sizes += [event.end - event.start for event in decoder.read()]
        return sizes

    return step


def body_of(chunks: bytes, kind: type[ChunkedFraming]) -> Step:
    def step() -> int:
        framing, gather = kind(Limits()), Gather(SHARED)
        for piece in reads(chunks):
            framing.read(piece, gather.write)
        size = gather.size
        gather.release()
        return size

    return step


def body_by_h11(response: bytes) -> Step:
    def step() -> int:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        body = bytearray()
        for piece in reads(response):
            connection.receive_data(piece)
            while isinstance(event := connection.next_event(), h11.Event) and not isinstance(event, h11.EndOfMessage):
                body += getattr(event, "data", b"")
        return len(body)

    return step


def chunks_of(kind: type[EventReader]) -> Step:
    reader = kind(steps=28, n_samples=1)
    events = [{**event.fields, "image": event.image} for event in work.events(work.VARIANTS["service"])]
    return lambda: [reader.chunk(fields, offset=0) for fields in events]


def tricks() -> list[Trick]:
    service, small_chunks = work.VARIANTS["service"], work.VARIANTS["chunks of 4 KiB"]
    body = work.body(service, "sse")
    texts = [bytearray(event.sse().partition(b"data: ")[2][:-2]) for event in work.events(service)]
    text = base64.b64encode(work.events(service)[-1].image)
    used, source = memoryview(bytearray(2_000_000)), bytes(2_000_000)

    def pictures() -> list[object]:
        found = [fields_with_picture(each, 0, len(each), limits=Limits()) for each in texts]
        return [fields and fields["image"] for fields in found]

    def pictures_by_json() -> list[object]:
        return [pybase64.b64decode(json.loads(each)["image"], validate=True) for each in texts]

    def copy() -> int:
        used[:] = source
        return len(used)

    def copy_into_fresh() -> int:
        with mmap.mmap(-1, len(source)) as fresh:
            return fresh.write(source)

    rows = [
        Trick("copy 2 MB", "gather.py", copy, copy_into_fresh, "into fresh memory"),
        Trick("picture out of JSON", "picture_json.py", pictures, pictures_by_json, "json, then pybase64"),
        Trick(
            "base64 of a final",
            "_base64.py",
            lambda: pybase64.b64decode(text, validate=True),
            lambda: base64.b64decode(text, validate=True),
            "the standard library",
        ),
        Trick("usual events", "sse.py", sse_events(SSEDecoder, body), sse_events(GeneralSSE, body), "line by line"),
    ]
    rows.append(Trick("28 events to chunks", "events.py", chunks_of(EventReader), chunks_of(GeneralEvents), "in turn"))
    for name, variant in (("16 KiB", service), ("4 KiB", small_chunks)):
        whole = work.response(variant, "sse")
        chunks = whole[whole.index(b"\r\n\r\n") + 4 :]
        fast = body_of(chunks, ChunkedFraming)
        rows.append(Trick(f"chunks of {name}", "framing.py", fast, body_by_h11(whole), "h11"))
        rows.append(Trick(f"chunks of {name}", "framing.py", fast, body_of(chunks, GeneralFraming), "one by one"))
    return rows


def measure(*, quick: bool) -> dict[str, Any]:
    rows = []
    for trick in tricks():
        if trick.way() != trick.plain():
            raise SystemExit(f"{trick.name}: the two ways do not have the same outcome")
        way, plain = least(trick.way, trick.plain, QUICK_ROUNDS if quick else ROUNDS)
        row = {"name": trick.name, "where": trick.where, "instead": trick.instead}
        rows.append({**row, "way": way, "plain": plain, "ratio": plain / way})
    return {"rows": rows}


def least(way: Step, plain: Step, rounds: int) -> tuple[float, float]:
    taken: dict[Step, float] = {}
    for _ in range(rounds):
        for step in (way, plain):
            start = time.process_time()
            step()
            taken[step] = min(taken.get(step, 1e9), time.process_time() - start)
    return taken[way], taken[plain]


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'step':20} {'file':16} {'with':>9} {'without':>9}  without / with"]
    for row in figures["rows"]:
        times = f"{row['way'] * 1e6:6.0f} us {row['plain'] * 1e6:6.0f} us"
        lines.append(f"{row['name']:20} {row['where']:16} {times}  {row['ratio']:5.1f}  ({row['instead']})")
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer rounds")
