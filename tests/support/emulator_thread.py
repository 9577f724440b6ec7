"""An emulator for programs that run outside this process, or outside trio."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import trio

from nai_trio.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.emulator import Job

KEY = "pst-not-a-real-key"


class Served:
    """An emulator on a loopback port, running in a thread of its own."""

    def __init__(self, emulator: Emulator, port: int) -> None:
        self.emulator = emulator
        self.url = f"http://127.0.0.1:{port}"

    @property
    def last_job(self) -> Job:
        return self.emulator.jobs[-1]


@contextlib.contextmanager
def emulator_on_a_port() -> Iterator[Served]:
    """Run an emulator in a thread."""
    emulator = Emulator(api_keys={KEY})
    started = threading.Event()
    found: list[object] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            found.extend([scope, trio.lowlevel.current_trio_token(), listener.socket.getsockname()[1]])
            started.set()
            await trio.serve_listeners(emulator.serve, [listener])

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    started.wait()
    scope, token, port = found
    assert isinstance(scope, trio.CancelScope)
    assert isinstance(token, trio.lowlevel.TrioToken)
    assert isinstance(port, int)
    try:
        yield Served(emulator, port)
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join()
