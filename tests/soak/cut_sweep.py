"""Every recorded response, cut at every byte: the core alone, and the client. The long form of test_cut_everywhere.py.

    python tests/soak/cut_sweep.py [--every N] [--only TAPE] [--processes N]

The responses are those of tests/tapes, as they were framed. Each is cut behind its first byte, its second, and so on:
the core gets the end of file, the client the end of file and a reset at every byte, silence and a drip at every 97th
(on a virtual clock), over streams in memory. What must come of it is one table (tests/support/cuts.py); what had
arrived is told by `whole_events`, which shares nothing with the library. Prints a line for each tape; exits with 1 when
any run ended otherwise.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio
import trio.testing

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "tapes")]

from answers import Answer  # noqa: E402 - from the folder above
from cuts import ENDS, check, drips, fed  # noqa: E402
from cutting_service import CutClient  # noqa: E402
from record import TAPES, Case  # noqa: E402
from whole_events import WholeResponse  # noqa: E402

from nai_trio.transports.tape_contents import Tape  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cuts import End

    from nai_trio import ImageParams

RARELY = 97
"""A silence or a drip takes longer to try, and ends the same for bytes side by side."""

WHOLE = [name for name in TAPES if not name.endswith("-cut")]


@attrs.frozen(kw_only=True)
class TapedAnswer(Answer):
    """An answer on a tape."""

    case: Case

    @property
    def params(self) -> ImageParams:
        """What was asked for when it was recorded."""
        return self.case.params


@attrs.define
class Row:
    """A line of the table.

    Attributes:
        tape: which.
        size: bytes of its response.
        core: runs of the core.
        client: runs of the client.
        failures: what was otherwise, in words.
        seconds: how long it took.
    """

    tape: str
    size: int
    core: int = 0
    client: int = 0
    failures: list[str] = attrs.field(factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = f"{self.core:10,} {self.client:10,} {len(self.failures):9,}"
        return f"{self.tape:20} {self.size:8,} {counts} {self.seconds:8.0f}"


def taped(name: str) -> tuple[TapedAnswer, WholeResponse]:
    """What is on a tape."""
    (exchange,) = Tape.load(ROOT / "tests" / "tapes" / f"{name}.tape").exchanges
    wire = b"".join(event.data for event in exchange.events if event.kind == "receive")
    case = TAPES[name]
    head = wire.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
    answer = TapedAnswer(
        name=name,
        delivery=case.stream,
        content=b"",
        media_type=head.partition("content-type: ")[2].partition("\r\n")[0],
        status=int(head.split()[1]),
        n_samples=case.n_samples,
        error=case.error,
        case=case,
    )
    return answer, WholeResponse.of(answer, wire)


def swept(name: str, every: int) -> Row:
    """Sweep one tape."""
    began = time.monotonic()
    answer, whole = taped(name)
    row = Row(name, len(whole.wire))
    for count in range(0, len(whole.wire) + 1, every):
        row.core += 1
        try:
            check(answer, whole, count, "end of file", fed(answer, whole.wire[:count]))
        except AssertionError as error:
            row.failures.append(f"core: {error}")
    for end in ENDS:
        places = list(_places(whole, end, every))
        trio.run(_sweep_client, row, answer, whole, end, places, clock=trio.testing.MockClock(autojump_threshold=0))
    row.seconds = time.monotonic() - began
    return row


def _places(whole: WholeResponse, end: End, every: int) -> Iterator[int]:
    step = every if end in {"end of file", "reset"} else max(every, RARELY)
    for count in range(0, len(whole.wire) + 1, step):
        if end != "drip" or drips(whole, count):
            yield count


async def _sweep_client(row: Row, answer: Answer, whole: WholeResponse, end: End, places: list[int]) -> None:
    while places:
        try:
            async with CutClient(answer, whole) as client:
                while places:
                    row.client += 1
                    await client.check(places.pop(0), end)
        except AssertionError as error:  # with another client, so that one failure is not another one's
            row.failures.append(f"client: {error}")


def main() -> int:
    """Sweep; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="bytes from one cut to the next")
    parser.add_argument("--only", choices=WHOLE, help="this tape alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    print(f"{'tape':20} {'bytes':>8} {'core':>10} {'client':>10} {'failures':>9} {'seconds':>8}", flush=True)
    rows = []
    names = [options.only] if options.only else sorted(WHOLE, key=lambda name: -len(taped(name)[1].wire))
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for row in pool.imap_unordered(partial(swept, every=options.every), names):
            print(row, flush=True)
            rows.append(row)
    for row in rows:
        for failure in row.failures[:5]:
            print(f"{row.tape}: {failure}")
    total = Row("all", *(sum(getattr(row, name) for row in rows) for name in ("size", "core", "client")))
    total.failures = [failure for row in rows for failure in row.failures]
    print(total)
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
