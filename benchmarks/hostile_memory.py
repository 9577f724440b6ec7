"""How much memory a hostile service can make the client take, against the limit that stops it.

python benchmarks/hostile_memory.py [--json FILE] [--only WORDS]

Each case runs in a fresh process, a few times, against a peer in another one that speaks over a loopback socket. There,
the client first receives one small generation in each framing, so that neither code nor tables count; then the peak of
the resident memory is reset, the hostile answer is taken by a client with default limits, and the growth over what the
process had before is what counts. "sent" is what the peer got rid of until it was cut off, the socket's buffers
included. Cases that end well ("accepted") hold as much as the limit allows; their picture is part of the growth.

The ratio counts where the limit is of megabytes: against 64 KiB Python's own grain is the figure. The peak is the
kernel's (VmHWM); Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import hostile_answers
import trio
from hostile_answers import ANSWERS
from hostile_peer import HostilePeer

from nai_trio import LimitExceeded, Limits, NovelAI, NovelAIError
from nai_trio.pictures.metadata import read_metadata

RUNS = 3
MIB = 1024 * 1024
GRAIN = 4 * MIB
"""Growth that says nothing: allocators and interpreters take memory in pieces."""

RATIO = 2.5
KEY = "pst-not-a-real-key"


def memory(name: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


async def receive(client: NovelAI, way: str) -> None:
    if way == "account":
        await client.account.subscription()
    else:
        await client.image.generate(prompt="cat", size=(64, 64), steps=4, seed=1, stream=way)  # type: ignore[arg-type]


async def measured(name: str, port: int) -> dict[str, Any]:
    """The growth while one answer is received, and how that ended."""
    answer = ANSWERS[name]
    base = f"http://127.0.0.1:{port}"
    async with NovelAI(KEY, image_base=base) as client:
        for way in ("sse", "msgpack", "zip"):
            await receive(client, way)
        before = memory("VmRSS")
        forget_peak()
        try:
            await receive(client, answer.way)
        except NovelAIError as error:
            ending = ended(error)
        else:
            ending = {"ending": "accepted"}
        return {"growth": memory("VmHWM") - before, **ending}


def ended(error: NovelAIError) -> dict[str, Any]:
    if isinstance(error, LimitExceeded):
        return {"ending": error.limit, "allowed": error.allowed}
    return {"ending": type(error).__name__, "words": str(error)[:200]}


def measured_picture(name: str) -> dict[str, Any]:
    """The same for a picture file whose metadata is read."""
    data = hostile_answers.picture_file(name)
    for warm in hostile_answers.small_pictures():
        read_metadata(warm)
    before = memory("VmRSS")
    forget_peak()
    try:
        read_metadata(data)
    except NovelAIError as error:
        ending = ended(error)
    else:
        ending = {"ending": "accepted"}
    return {"growth": memory("VmHWM") - before, **ending}


def run(name: str) -> dict[str, Any]:
    answer = ANSWERS[name]
    results, sent = [], []
    for _ in range(RUNS):
        with HostilePeer(answer) as peer:
            command = [sys.executable, __file__, "--measure", name, str(peer.port)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        sent.append(peer.sent)
    endings = {result["ending"] for result in results}
    assert endings == {answer.ending}, f"{name}: expected {answer.ending}, got {results[0]}"
    growth = statistics.median(result["growth"] for result in results)
    bound = answer.bound or getattr(Limits(), answer.limit)
    return {
        "case": name,
        "ending": answer.ending,
        "limit": answer.limit,
        "bound": bound,
        "sent": statistics.median(sent),
        "growth": growth,
        "ratio": growth / bound,
    }


def shown(row: dict[str, Any]) -> str:
    small = row["growth"] <= GRAIN
    ratio = "-" if small else f"{row['ratio']:.2f}"
    ending = "accepted" if row["ending"] == "accepted" else "refused"
    sizes = f"{size_of(row['sent']):>10} {size_of(row['growth']):>10}"
    return f"{row['case']:58} {ending:8} {sizes} {limit_of(row):36} {ratio:>4}"


def size_of(count: float) -> str:
    return f"{count / MIB:.1f} MiB" if count >= MIB / 10 else f"{count / 1024:.1f} KiB"


def limit_of(row: dict[str, Any]) -> str:
    counts = row["limit"] in {"max_events", "max_images", "max_members"}
    value = str(row["bound"]) if counts else size_of(row["bound"])
    return f"{row['limit']} {value}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--only", default="", help="cases whose name holds these words")
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, port = arguments.measure
        if ANSWERS[name].way == "picture":
            print(json.dumps(measured_picture(name)))
        else:
            print(json.dumps(trio.run(partial(measured, name, int(port)))))
        return 0
    print(f"{'what the peer sends':58} {'':8} {'sent':>10} {'peak':>10} {'limit':36} peak / limit")
    rows = []
    for name in ANSWERS:
        if arguments.only in name:
            rows.append(run(name))
            print(shown(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return int(any(row["growth"] > GRAIN and row["ratio"] > ANSWERS[row["case"]].ratio for row in rows))


if __name__ == "__main__":
    sys.exit(main())
