"""Many streams at once: what a generation takes when 1,000 of them are received in one trio process.

python benchmarks/many.py [--quick] [--json FILE]

Each stream receives one generation as a slow drip, every event at a moment of its own (drip_server.py), and all are
open before the first event leaves. After a few previews the service holds all of them: then every stream is open, has
received something and waits, and what is resident more than before is what open streams cost, with a task and the last
preview of each. Every picture is compared.

The yardstick is CPU time for one generation by the same program (many_client.py) in a process of its own, one stream at
a time: on a kept connection and sent at once, which is the figure of the other tables. Two more say where a difference
comes from, since 1,000 streams at once need 1,000 connections and every event of a drip wakes its reader: one stream
with a connection for each generation, and one stream that drips. For `bare` see many_client.py: the price of waiting
for bytes with trio, whoever reads them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import part
from drip_server import Plan
from many_client import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from many_client import Reader
    from work import Framing

HERE = Path(__file__).resolve().parent
CONTENDERS: tuple[tuple[Reader, Framing], ...] = (("ours", "sse"), ("ours", "msgpack"), ("bare", "sse"))
HELD = 3
CPU_LIMIT, MEMORY_LIMIT = 1.5, 64.0


@attrs.frozen
class Scale:
    """How much is done.

    Attributes:
        streams: at once.
        interval: seconds between two events of a stream.
        spread: seconds over which the streams are staggered.
        generations: of a single stream, each time that it is measured.
        dripped: of a single stream that drips.
        again: measure the single streams once more after the many.
    """

    streams: int
    interval: float
    spread: float
    generations: int
    dripped: int
    again: bool


FULL = Scale(streams=1000, interval=0.15, spread=5.0, generations=25, dripped=4, again=True)
QUICK = Scale(streams=200, interval=0.015, spread=0.4, generations=6, dripped=1, again=False)


@contextmanager
def service() -> Iterator[list[str]]:
    """The service's two ports."""
    process = subprocess.Popen([sys.executable, HERE / "drip_server.py"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def client(ports: list[str], job: Job) -> dict[str, Any]:
    """Do a job in a process of its own."""
    command = [sys.executable, str(HERE / "many_client.py"), *ports, json.dumps(attrs.asdict(job))]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"many: the client of {job.reader}, {job.framing} failed")
    figures: dict[str, Any] = json.loads(process.stdout)
    return figures


def compare(ports: list[str], reader: Reader, framing: Framing, scale: Scale) -> dict[str, Any]:
    """The single streams before the many and again after them, so that a drift of the machine hits both."""
    crowd = Plan(framing, streams=scale.streams, interval=scale.interval, spread=scale.spread, held=HELD)
    alone = Job(reader, framing, generations=scale.generations, dripped=scale.dripped)
    cpu: dict[str, list[float]] = client(ports, alone)
    many = client(ports, Job(reader, framing, crowd=crowd))
    if scale.again:
        for name, seconds in client(ports, alone).items():
            cpu[name] += seconds
    median = {name: statistics.median(seconds) for name, seconds in cpu.items()}
    return {
        "reader": reader,
        "framing": framing,
        "cpu": {**median, "many": many["cpu"]},
        "samples": cpu,
        "ratio": many["cpu"] / median["single"],
        "ratio to dripping": many["cpu"] / median["single, dripping"],
        "memory per stream": (many["idle"] - many["before"]) / scale.streams,
        "memory before": many["before"],
        "memory peak": many["peak"],
        "seconds": many["seconds"],
    }


def measure(*, quick: bool) -> dict[str, Any]:
    scale = QUICK if quick else FULL
    contenders = CONTENDERS[:2] if quick else CONTENDERS
    with service() as ports:
        rows = [compare(ports, reader, framing, scale) for reader, framing in contenders]
    return {"streams": scale.streams, "rows": rows, "targets": targets(rows)}


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result = []
    for row in rows:
        if row["reader"] == "ours":
            kib = row["memory per stream"] / 1024
            for what, figure, bound in (
                ("CPU at once, times a single stream's", row["ratio"], CPU_LIMIT),
                ("memory of an idle open stream, KiB", kib, MEMORY_LIMIT),
            ):
                name = f"{row['framing']}: {what}"
                result.append(part.at_most(name, figure, bound))
    return result


def table(figures: dict[str, Any]) -> str:
    streams = figures["streams"]
    lines = [
        f"{streams:,} streams at once, each one generation as a slow drip: all complete, every picture as it was sent",
        "CPU per generation, memory per idle stream",
        "                 single  connect dripping     many /single  /drip idle, each      peak all after",
    ]
    for row in figures["rows"]:
        cpu = " ".join(f"{seconds * 1e3:5.2f} ms" for seconds in row["cpu"].values())
        lines.append(
            f"{row['reader'] + ' ' + row['framing']:14} {cpu} {row['ratio']:7.2f} {row['ratio to dripping']:6.2f}"
            f" {row['memory per stream'] / 1024:6.1f} KiB {row['memory peak'] / 2**20:5.0f} MiB {row['seconds']:7.1f} s"
        )
    lines.append("")
    lines += part.verdicts(figures["targets"])
    return "\n".join(lines)


if __name__ == "__main__":
    part.main(__doc__, measure, table, quick="fewer streams, for less time")
