"""Cancelling at every step, over every route: the long form of test_cancel_everywhere.py.

    python tests/soak/cancel_sweep.py [--only ROUTE]

Four ways, each over the routes of tests/support/conformance_rows.py in both framings:

    once     a generation is cancelled after its first step, its second, and so on until it is through before
    twice    after that, on the same client, another one at a step close to that
    bytes    once, where each byte comes by itself (in memory and over TCP)
    big      once, with previews of 60 kB and a finished picture of 1.6 MB

One client lives through each line of the table. After each run nothing may be left: no connection but one that the next
generation takes, no task, no warning; the service saw each close, and what came out is a bare `trio.Cancelled`. Exits
with 1 when anything was otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import trio
import trio.testing
import trustme

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import answers  # noqa: E402 - from the folder above
import recorded  # noqa: E402
from conformance import Entered, Site, opened  # noqa: E402
from conformance_rows import ROWS, Row  # noqa: E402
from sweep import no_complaints, purely_cancelled_at_step  # noqa: E402
from watched import StreamingService, Watch, WatchedTransport  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Framing = Literal["sse", "msgpack"]
FRAMINGS: tuple[Framing, ...] = ("sse", "msgpack")
WAYS = ("once", "twice", "bytes", "big")
FURTHER = (0, 1, 2, 5, 11)
"""Steps from where the first of two was cancelled to where the second is."""

ROUTES = [row for row in ROWS if "tape" not in row.layers]  # a recorder would write a tape of all of it
BYTES = [row for row in ROUTES if row.layers in {("memory",), ("tcp",)}]
_MOST_STEPS = 20_000


@attrs.define
class Line:
    """A line of the table."""

    route: str
    framing: Framing
    way: str
    steps: int = 0
    runs: int = 0
    failure: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        verdict = "failed" if self.failure else "-"
        counts = f"{self.steps:6,} {self.runs:7,} {verdict:>8} {self.seconds:7.1f}"
        return f"{self.route:24} {self.framing:8} {self.way:6} {counts}"


def response(framing: Framing, way: str) -> tuple[bytes, int, int]:
    """What the service answers, in pieces of what size, and how many chunks that is."""
    if way == "bytes":
        return answers.ANSWERS[f"{framing}-and-more"].response(), 1, 2
    events = recorded.events()
    if way == "big":
        noise = random.Random(5)
        sizes = {"intermediate": 60_000, "final": 1_600_000}
        events = [{**each, "image": each["image"] + noise.randbytes(sizes[each["event_type"]])} for each in events]
    body = (recorded.sse if framing == "sse" else recorded.frames)(*events)
    wire = recorded.response(body, recorded.MEDIA_TYPES[framing], chunk=16 * 1024)
    return wire, 100_000 if way == "big" else 700, len(events)


async def swept(line: Line, row: Row, site: Site) -> None:
    """Sweep one route, in one framing, in one way."""
    wire, piece, chunks = response(line.framing, line.way)
    params = recorded.params(steps=answers.STEPS if line.way == "bytes" else recorded.STEPS)
    service = StreamingService(wire, piece=piece)
    async with opened(row, site, service) as route:
        transport = WatchedTransport(Entered(route.transport))
        client = route.client(transport=transport)

        async def run() -> None:
            async with client.image.generate_stream(params, stream=line.framing) as stream:
                assert len([chunk async for chunk in stream]) == chunks

        await trio.testing.wait_all_tasks_blocked()
        before = Watch(transport, service, run)
        async with client:
            await _sweep(line, run, Watch(transport, service, run))
        await before.all_gone()
        await route.all_gone()


async def _sweep(line: Line, run: Callable[[], Awaitable[None]], watch: Watch) -> None:
    further = FURTHER if line.way == "twice" else ()
    fired = True
    while fired and line.steps < _MOST_STEPS:
        line.steps += 1
        line.runs += 1
        fired = await purely_cancelled_at_step(line.steps, run)
        await watch()
        for more in further:
            line.runs += 2
            await purely_cancelled_at_step(line.steps, run)
            await purely_cancelled_at_step(line.steps + more, run)
            await watch()
    assert not fired, f"not through after {_MOST_STEPS} steps"
    await run()


def one_line(row: Row, framing: Framing, way: str, authority: trustme.CA) -> Line:
    """Run one line, and catch what it fails with."""
    line, began = Line(str(row), framing, way), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with no_complaints():
                trio.run(partial(swept, line, row, Site(authority, Path(folder))))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this line's
            line.failure = "".join(traceback.format_exception(error))
    line.seconds = time.monotonic() - began
    return line


def main() -> int:
    """Sweep; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=[str(row) for row in ROUTES], help="this route alone")
    options = parser.parse_args()
    authority, lines = trustme.CA(), list[Line]()
    print(f"{'route':24} {'framing':8} {'way':6} {'steps':>6} {'runs':>7} {'failures':>8} {'seconds':>7}", flush=True)
    for row, way, framing in _lines(options):
        lines.append(one_line(row, framing, way, authority))
        print(lines[-1], flush=True)
    for line in lines:
        if line.failure:
            print(f"\n{line.route} {line.framing} {line.way}, after step {line.steps}:\n{line.failure}")
    failed = sum(bool(line.failure) for line in lines)
    print(f"{len(lines)} lines, {sum(line.runs for line in lines):,} runs, {failed} lines failed")
    return 1 if failed else 0


def _lines(options: Any) -> list[tuple[Row, str, Framing]]:
    rows = [row for row in ROUTES if options.only in {None, str(row)}]
    ways = [(row, way) for row in rows for way in WAYS if way != "bytes" or row in BYTES]
    return [(row, way, framing) for row, way in ways for framing in FRAMINGS]


if __name__ == "__main__":
    sys.exit(main())
