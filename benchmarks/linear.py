"""Whether parsing is linear: doubling the input must double the time, whatever the input and however it is cut.

python benchmarks/linear.py [--quick] [--json FILE]

Each case is parsed small, with n bytes and with 2n, in turns. From each CPU time is taken what the small input takes in
the same turn, for each generation has its price, whatever its size. Shown are medians: the time per further byte, and
how much longer the double takes: 2.00 is linear, 4.00 quadratic. A case that looks otherwise is measured longer before
that is believed. Three kinds of cases:

- `ImageExchange` on a generation of one preview and one final, whole (HTTP, SSE or msgpack, JSON, base64), fed 1, 64,
  4096 or 65,536 bytes per call, or all at once. A call has its price, too, so bytes that come one by one cost more;
  but it has to be one price: `call / bytes per call + byte` is fitted to all feeds, in relative least squares, and what
  each figure is of the fit is shown beside it. The fewer bytes per call, the smaller the generation.
- the same, fed 64 KiB per call, with finals of 0.1 to 60 MB, and with more and more previews.
- the decoders alone, on bytes that are chosen to hurt (linear_cases.py).

Each time is taken in a forked process of its own that has read the input from a file, so that all begin with the same
memory. In one process, what came before decides whether a large block is new memory or such as was used before, and
new memory costs more than parsing: that was seen to make a factor of ten between an input and its double. Passes too
short for the clock are repeated. Of 0.1 and 0.2 MB most is the price of a generation, and malloc keeps the memory of
the one picture, but not of the other: that pair scatters. What each measurement ends with is compared: pictures by
their digests, of hostile bytes the number of events.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import part
from linear_cases import FRAMINGS, Case, decoders, feeds, finals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["measure", "table"]

HIGHEST = 2.4
"""What doubling the input may do to the time. It may do less: memory that was used before costs less than new."""

SHORT, ENOUGH = 0.005, 0.05
"""A pass of fewer seconds is repeated for so long."""

ROUNDS, ROUNDS_QUICK = 7, 3
"""At least; four times as many before a case is said to be outside of what it may be."""


def apart(work: Callable[[], Any]) -> Any:
    """What `work` returns, in JSON's types, from a forked process of its own."""
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            result = json.dumps(work()).encode()
            with os.fdopen(sender, "wb") as told:
                told.write(result)
            status = 0
        except Exception:  # noqa: BLE001 - told to whoever looks at the output
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(sender)
    with os.fdopen(receiver, "rb") as told:
        answer = told.read()
    if os.waitpid(child, 0)[1]:
        raise SystemExit("linear.py: a case failed")
    return json.loads(answer)


class Made(NamedTuple):
    """An input, written to a file.

    file, size: where it is, and its bytes.
    expected: what parsing it must end with, as `told` tells it.
    """

    file: str
    size: int
    expected: Any


def make(case: Case, size: int, file: Path) -> Made:
    data, expected = case.make(size)
    file.write_bytes(data)
    return Made(str(file), len(data), told(expected))


def told(result: Any) -> Any:
    """Pictures as their digests, a number of events as it is."""
    return result if isinstance(result, int) else [hashlib.sha256(image).hexdigest() for image in result]


def cpu(case: Case, small: Made, made: Made, passes: int) -> float:
    """CPU seconds of a pass, after one of the small input; what the last one ends with is checked."""
    case.parse(reads_of(case, small))
    reads, result = reads_of(case, made), None
    began = time.process_time()
    for _ in range(passes):
        result = case.parse(reads)
    taken = time.process_time() - began
    if told(result) != made.expected:
        raise ValueError("other pictures or events than were fed")
    return taken / passes


def reads_of(case: Case, made: Made) -> list[bytes]:
    with Path(made.file).open("rb") as file:
        return list(iter(partial(file.read, case.feed or made.size), b""))


def doubled(case: Case, folder: Path, *, quick: bool) -> dict[str, Any]:
    """What a case takes per byte, and its double."""
    small, *inputs = [
        Made(*apart(partial(make, case, size, folder / str(size)))) for size in (case.least, case.size, 2 * case.size)
    ]
    once = apart(partial(cpu, case, small, inputs[0], 1))
    passes = 1 if once > SHORT else round(ENOUGH / once)
    samples: list[list[float]] = []
    ratio, rounds = HIGHEST + 1, ROUNDS_QUICK if quick else ROUNDS
    for more in (rounds, 3 * rounds):
        if ratio <= HIGHEST:
            break
        samples += [[apart(partial(cpu, case, small, made, passes)) for made in (small, *inputs)] for _ in range(more)]
        sizes = [made.size - small.size for made in inputs]
        costs = [[(sample[i + 1] - sample[0]) / sizes[i] for i in (0, 1)] for sample in samples]
        once, twice = (statistics.median(pair[i] for pair in costs) for i in (0, 1))
        ratio = 2 * statistics.median(pair[1] / pair[0] for pair in costs)
    return {
        "kind": case.kind,
        "name": case.name,
        "feed": case.feed,
        "bytes": [made.size for made in inputs],
        "seconds_per_byte": [once, twice],
        "ratio": ratio,
        "samples": samples,
    }


def fit(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds per call and per byte that explain the figures of all feeds best, errors counted relative to each."""
    points = [(feed_of(row), row["seconds_per_byte"][1]) for row in rows]
    # Minimal sum of (call * x + byte * y - 1)^2, x = 1 / (feed * cost), y = 1 / cost: two equations with two unknowns.
    pairs = [(1 / (feed * cost), 1 / cost) for feed, cost in points]
    xx, xy, yy = (sum(pair[i] * pair[j] for pair in pairs) for i, j in ((0, 0), (0, 1), (1, 1)))
    x, y = (sum(pair[i] for pair in pairs) for i in (0, 1))
    scale = xx * yy - xy * xy
    return (x * yy - y * xy) / scale, (y * xx - x * xy) / scale


def feed_of(row: dict[str, Any]) -> int:
    feed: int = row["bytes"][1] if row["feed"] is None else row["feed"]
    return feed


def add_fit(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Put on each row what it is of the fit; return the fit."""
    call, byte = fit(rows)
    for row in rows:
        row["of_fit"] = row["seconds_per_byte"][1] / (byte + call / feed_of(row))
    return {"seconds_per_call": call, "seconds_per_byte": byte}


def measure_all(cases: Iterable[Case], *, quick: bool) -> list[dict[str, Any]]:
    rows = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(doubled(case, Path(folder), quick=quick))
    return rows


def measure(*, quick: bool) -> dict[str, Any]:
    fed = {framing: measure_all(feeds(framing, quick=quick), quick=quick) for framing in FRAMINGS}
    fits = {framing: add_fit(rows) for framing, rows in fed.items()}
    rows = [row for each in fed.values() for row in each]
    rows += measure_all(finals(quick=quick), quick=quick)
    rows += measure_all(decoders(quick=quick), quick=quick)
    worst = max(rows, key=lambda row: row["ratio"])
    name = f"doubling the input, the most of {len(rows)} cases, times the time ({worst['kind']}: {worst['name']})"
    return {"rows": rows, "fits": fits, "targets": [part.at_most(name, worst["ratio"], HIGHEST)]}


def table(figures: dict[str, Any]) -> str:
    lines, kind = [], ""
    for row in figures["rows"]:
        if row["kind"] != kind:
            kind = row["kind"]
            lines += ["", f"{kind:46} {'MB':>15} {'ns per byte':>19} {'time':>5}  of the fit"]
        sizes = " ".join(f"{size / 1e6:7.3g}" for size in row["bytes"])
        costs = " ".join(f"{seconds * 1e9:9.2f}" for seconds in row["seconds_per_byte"])
        fitted = f"{row['of_fit']:6.2f}" if "of_fit" in row else ""
        lines.append(f"  {row['name']:44} {sizes} {costs} {row['ratio']:5.2f} {fitted}".rstrip())
    lines.append("")
    for framing, found in figures["fits"].items():
        call, byte = found["seconds_per_call"] * 1e6, found["seconds_per_byte"] * 1e9
        lines.append(f"fit, {framing}: {call:.2f} us per call, {byte:.2f} ns per byte")
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines[1:])


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer rounds of less")
