"""SIGINT, SIGTERM and SIGHUP (a terminal that was closed) as cancellation.

The handlers are there from before trio runs until the last word is said, so that no moment exists in which Ctrl-C is a
traceback. A handler only notes the signal and has the scope cancelled by trio's own loop: no task waits for signals, so
there is no nursery, and no exception group.

One signal stops in order: the connection is closed, then what arrived is written. Some wrappers deliver a signal twice,
so a second one means impatience only after a while. Then something hangs: a reader of stdout, a disk. So the handler
itself says the last words (`last_words`), which is where what arrived is written, and ends the process: an exception
would have to find its way out through trio, which may wait for just that disk. A third signal ends even that.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from nai_trio.cli.exit_codes import signal_code
from nai_trio.cli.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import NoReturn, Self

__all__ = ["StopSignals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Windows has no SIGHUP."""

_DOUBLE = 1.0
"""Seconds within which a second signal is the same one, delivered twice."""


class StopSignals:
    """Catches the signals inside its `with` block; they cancel what `scope` gives.

    A signal that the process was started to ignore (`nohup`, a background job of a script) stays ignored.

    Attributes:
        received: the first signal that came, or None.
        last_words: what is done when a second one ends the process at once.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.last_words: Callable[[], None] = partial(Streams().last_note, "stopped at once")
        self._when = 0.0
        self._ending = False
        self._before: dict[signal.Signals, object] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope: trio.CancelScope | None = None

    def __enter__(self) -> Self:
        for signum in _SIGNALS:
            before = signal.getsignal(signum)
            if before is not signal.SIG_IGN:
                self._before[signum] = before
                signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for signum, before in self._before.items():
            signal.signal(signum, before)  # type: ignore[arg-type]  # it came from getsignal

    def scope(self) -> trio.CancelScope:
        """A new cancel scope that the first signal cancels; cancelled already, if it came before."""
        self._token, self._scope = trio.lowlevel.current_trio_token(), trio.CancelScope()
        if self.received is not None:
            self._scope.cancel(reason=self.received.name)
        return self._scope

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._when = signal.Signals(signum), now
            if self._scope is not None and self._token is not None:
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(partial(self._scope.cancel, reason=self.received.name))
        elif now - self._when > _DOUBLE:
            self._end_at_once(self.received)

    def _end_at_once(self, received: signal.Signals) -> NoReturn:
        try:
            if not self._ending:
                self._ending = True
                self.last_words()
        finally:
            os._exit(signal_code(received))
