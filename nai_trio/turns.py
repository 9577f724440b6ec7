"""One generation at a time: the service locks an account while it generates (wire document, section 6).

So generations of one key wait for their turn here, in the order in which they came, whichever client of this trio run
they belong to. How many may run at once is each client's own setting (`Limits.max_concurrent_generations`); nobody
overtakes.

The queue is plain state, changed without an await between looking and taking. A turn goes from hand to hand: when one
is given back, those who may start have theirs before anything else can run, so that the state is always settled.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from nai_trio.errors import ConcurrencyLockedError
from nai_trio.waiting import QueueWait, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from nai_trio.waiting import OnWait

__all__ = ["Turn", "take_turn"]

_QUEUES: trio.lowlevel.RunVar[dict[Hashable, _Queue]] = trio.lowlevel.RunVar("nai_trio.turns")


class Turn:
    """The right to generate, until `give_back`."""

    def __init__(self, queue: _Queue, task: trio.lowlevel.Task) -> None:
        self.task = task
        self._queue = queue

    def give_back(self) -> None:
        """Let the next one go; in any task, and as often as one likes."""
        self._queue.give_back(self)


async def take_turn(account: Hashable, *, at_once: int, on_wait: OnWait | None = None) -> Turn:
    """Wait until fewer than that many generations of an account run and nobody is in front.

    Args:
        account: tells accounts apart.
        at_once: how many generations may run, this one among them.
        on_wait: is told the place in the queue, each time that it changes.

    Raises:
        ConcurrencyLockedError: this task itself holds all the turns that it would wait for. It is what the service
            would answer, but nothing was sent.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    waiter = _Waiter(at_once, on_wait)
    queue = _queue_of(account)
    queue.join(waiter)
    try:
        return await waiter.wait()
    except BaseException:
        queue.leave(waiter)
        raise


def _queue_of(account: Hashable) -> _Queue:
    try:
        queues = _QUEUES.get()
    except LookupError:
        queues = {}
        _QUEUES.set(queues)
    if account not in queues:
        queues[account] = _Queue(lambda: queues.pop(account))
    return queues[account]


def _locked(at_once: int) -> ConcurrencyLockedError:
    return ConcurrencyLockedError(
        "generation is locked: this task would wait for itself, for it has one running, and this key may have no more "
        f"at once (Limits.max_concurrent_generations={at_once}); leave that one first, or raise the limit",
        status=429,
    )


class _Waiter:
    """One who wants a turn.

    Attributes:
        turn: the turn, once it is there.
        place: the place in the queue, from 1; 0 with a turn.
        cares: whether anybody wants to know that the place has changed.
    """

    def __init__(self, at_once: int, on_wait: OnWait | None) -> None:
        self.at_once = at_once
        self.task = trio.lowlevel.current_task()
        self.turn: Turn | None = None
        self.cares = on_wait is not None
        self.place = 0
        self._on_wait = on_wait
        self._moved = trio.Event()

    def move(self, place: int) -> None:
        """Take note of another place."""
        self.place = place
        self._moved.set()

    async def wait(self) -> Turn:
        """Wait for the turn, and tell the places on the way."""
        while self.turn is None:
            self._moved = trio.Event()
            tell(QueueWait(place=self.place), self._on_wait)
            await self._moved.wait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return self.turn


class _Queue:
    """The generations of one account: those that run, and those that wait."""

    def __init__(self, forget: Callable[[], object]) -> None:
        self._running: set[Turn] = set()
        self._waiting: deque[_Waiter] = deque()
        self._forget = forget

    def join(self, waiter: _Waiter) -> None:
        """Give a turn to who may start, else a place at the end.

        Raises:
            ConcurrencyLockedError: the turns that run are all held by the one who joins.
        """
        self._waiting.append(waiter)
        self._settle()
        if waiter.turn is None and all(turn.task is waiter.task for turn in self._running):
            self._waiting.remove(waiter)
            raise _locked(waiter.at_once)

    def leave(self, waiter: _Waiter) -> None:
        """Give up waiting, or the turn that came at the same moment."""
        if waiter.turn is not None:
            self.give_back(waiter.turn)
        else:
            self._waiting.remove(waiter)
            self._settle()

    def give_back(self, turn: Turn) -> None:
        """End a turn."""
        if turn in self._running:
            self._running.remove(turn)
            self._settle()

    def _settle(self) -> None:
        while self._waiting and len(self._running) < self._waiting[0].at_once:
            self._start(self._waiting.popleft())
        for place, waiter in enumerate(self._waiting, 1):
            if not waiter.place or (waiter.cares and waiter.place != place):
                waiter.move(place)
        if not (self._running or self._waiting):
            self._forget()

    def _start(self, waiter: _Waiter) -> None:
        waiter.turn = Turn(self, waiter.task)
        self._running.add(waiter.turn)
        waiter.move(0)
