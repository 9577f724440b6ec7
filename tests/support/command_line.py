"""The installed command, as a process of its own; what is here of fixtures, a conftest takes from here.

Processes are the dear part here, about 0.4 s each, so tests of them look at everything that one run can show.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "pst-not-a-real-key"
PATIENCE = 30.0
"""Seconds after which a process has hung."""


class Command(Protocol):
    def __call__(self, *arguments: object, key: str | None = KEY, **environment: str) -> Run: ...


class Start(Protocol):
    def __call__(self, *arguments: object, key: str | None = KEY, **environment: str) -> Process: ...


class Spawn(Protocol):
    def __call__(
        self, *arguments: object, environment: dict[str, str] | None = None, **streams: Any
    ) -> subprocess.Popen[Any]: ...


class Run:
    """A finished run: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert "Traceback" not in err, err
        assert "pst-" not in out.replace(KEY + " nai-trio", ""), out
        assert "pst-" not in err, err

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("nai-trio: error: ")]


def open_process(arguments: list[str], **settings: Any) -> subprocess.Popen[Any]:
    """`Popen` for a process that takes SIGINT: a run in the background ignores it, and its children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(arguments, **settings)
    finally:
        signal.signal(signal.SIGINT, before)


class Process:
    """A running command. Lines of stdout come from `line`; `finish` waits for the end."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._process = open_process(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._err: list[str] = []
        self._taken: list[str] = []
        self._threads = [threading.Thread(target=self._read_out), threading.Thread(target=self._read_err)]
        for thread in self._threads:
            thread.start()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as err:
            self._err.append(err.read())

    def line(self) -> str:
        """The next line of stdout."""
        line = self._lines.get(timeout=PATIENCE)
        assert line is not None, f"stdout ended; stderr: {self.finish().err}"
        self._taken.append(line)
        return line

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def send(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)

    def finish(self) -> Run:
        code = self._process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        rest = []
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                rest.append(line)
        self._taken += rest
        return Run(code, "".join(self._taken), "".join(self._err))

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)


def environment_of(key: str | None, extra: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOVELAI_")}
    kept |= {"PYTHONWARNINGS": "error", "COLUMNS": "110"}
    return kept | extra | ({} if key is None else {"NOVELAI_API_KEY": key})


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `python -m nai_trio ...`; what still runs at the end of the test is killed."""
    started: list[Process] = []

    def start(*arguments: object, key: str | None = KEY, **environment: str) -> Process:
        words = [sys.executable, "-m", "nai_trio", *map(str, arguments)]
        started.append(Process(words, environment_of(key, environment)))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def command(start: Start) -> Command:
    """Runs `python -m nai_trio ...` to its end."""

    def command(*arguments: object, key: str | None = KEY, **environment: str) -> Run:
        return start(*arguments, key=key, **environment).finish()

    return command


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Opens `python -m nai_trio ...` with streams of the test's own; killed at the end of the test."""
    opened: list[subprocess.Popen[Any]] = []

    def spawn(*arguments: object, environment: dict[str, str] | None = None, **streams: Any) -> subprocess.Popen[Any]:
        words = [sys.executable, "-m", "nai_trio", *map(str, arguments)]
        opened.append(open_process(words, env=environment_of(KEY, environment or {}), **streams))
        return opened[-1]

    yield spawn
    for process in opened:
        process.kill()
        process.communicate(timeout=PATIENCE)
