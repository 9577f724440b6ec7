"""Run this room and print its figures: cases, tests, and readers fed. `python tests/conformance/figures.py`."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from nai_trio.protocol import HTTPExchange, MsgpackDecoder, SSEDecoder

HERE = Path(__file__).parent


class Figures:
    """Counts how often each reader is made: once for every stream in every cut."""

    def __init__(self) -> None:
        self.readers: Counter[str] = Counter()
        self.tests: Counter[str] = Counter()
        self.seconds = 0.0
        for kind in (SSEDecoder, MsgpackDecoder, HTTPExchange):
            self._count(kind)

    def _count(self, kind: type) -> None:
        made = kind.__init__

        def counted(*args: object, **options: object) -> None:
            self.readers[kind.__name__] += 1
            made(*args, **options)

        kind.__init__ = counted

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        if report.when == "call":
            self.tests[Path(report.nodeid.partition("::")[0]).name] += 1


def cases() -> dict[str, int]:
    """How many rows the tables of tests/support have, which pytest has put on the path."""
    values, responses = import_module("msgpack_formats"), import_module("http_framing_cases")
    return {
        "HTTP responses": len(responses.CASES),
        "msgpack values": len(values.EXAMPLES),
        "msgpack formats": len(values.FORMATS),
    }


def main() -> int:
    figures = Figures()
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(HERE)], plugins=[figures])
    for name, count in sorted({**cases(), **figures.tests, **figures.readers}.items()):
        print(f"{count:>8}  {name}")
    print(f"{figures.seconds:>8.1f}  seconds")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
