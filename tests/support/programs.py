"""Programs of others that tests run against: found, started on free ports, and stopped for sure.

Each gets a session of its own, so that what it forks goes with it. A port is free when it is chosen, and may not be
when the program binds it: one that dies before it listens is started again on another.

Run as a program, this prints the Debian packages of those that are missing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import TypeAlias

    Starting: TypeAlias = AbstractContextManager["Running"]
    Start: TypeAlias = Callable[..., Starting]

PACKAGES = {
    "nginx": "nginx-light",
    "tinyproxy": "tinyproxy",
    "microsocks": "microsocks",
    "websockify": "websockify",
}
"""The programs, and the Debian packages they are in."""

LOOPBACK = "127.0.0.1"
START_SECONDS = 15.0
_SYSTEM_FOLDERS = "/usr/sbin:/sbin"  # often not in a user's PATH


def folders() -> str:
    """Where programs are looked for: THIRD_PARTY_PATH if it is set, else PATH and where the system's servers are."""
    return os.environ.get("THIRD_PARTY_PATH") or f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"


def find(name: str) -> str | None:
    """The path of a program, or None where there is none."""
    return shutil.which(name, path=folders())


def missing(names: Iterable[str]) -> list[str]:
    """Those that are not on this machine."""
    return sorted(name for name in set(names) if find(name) is None)


def how_to_install(names: Iterable[str]) -> str:
    """The command line that installs them."""
    return f"apt-get install --no-install-recommends {' '.join(PACKAGES[name] for name in sorted(names))}"


class Running:
    """A program that listens on a port."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self._name = name
        self._process = process
        self._log = log

    def kill(self) -> None:
        """End it in the middle of whatever it does, with all it has forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until_listening(self) -> bool:
        """Whether it listens; False when it has ended instead.

        Raises:
            TimeoutError: it does neither.
        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                return False
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=1):
                return True
            time.sleep(0.01)
        raise TimeoutError(f"{self._name} does not listen:\n{self.said()}")

    def said(self) -> str:
        """What it has written to its output."""
        return self._log.read_text("utf-8", errors="replace")


@contextlib.contextmanager
def running(name: str, folder: Path, command: Callable[[int], Sequence[str | Path]]) -> Iterator[Running]:
    """Run a program while the block runs.

    Args:
        name: of the program.
        folder: for its output; and what it runs in.
        command: its arguments for a port; may write files first.

    Raises:
        RuntimeError: it ends at once, whatever the port.
    """
    program = find(name)
    assert program is not None, f"{name} is not here: {how_to_install([name])}"
    for _ in range(3):
        started = _start(program, name, folder, command)
        try:
            if started.wait_until_listening():
                yield started
                return
        finally:
            started.kill()  # not politely: some take seconds to go, and nothing of theirs is kept
    raise RuntimeError(f"{name} ended at once:\n{started.said()}")


def _start(program: str, name: str, folder: Path, command: Callable[[int], Sequence[str | Path]]) -> Running:
    with socket.socket() as once:
        once.bind((LOOPBACK, 0))
        port = once.getsockname()[1]
    log = folder / f"{name}-{port}.output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *command(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(name, port, process, log)


if __name__ == "__main__":
    print(*(PACKAGES[name] for name in missing(PACKAGES)))
