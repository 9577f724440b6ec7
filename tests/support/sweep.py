"""Cancel a task at every step it takes."""

from __future__ import annotations

import gc
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from nai_trio import NovelAIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PATIENCE = 20.0
"""Seconds, real or virtual, after which a run that is swept hangs."""


class _CancelAtStep(trio.abc.Instrument):
    def __init__(self, task: trio.lowlevel.Task, scope: trio.CancelScope, step: int) -> None:
        self._task = task
        self._scope = scope
        self._left = step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel(reason="the sweep")


async def cancelled_at_step(step: int, function: Callable[[], Awaitable[object]]) -> bool:
    """Run `function` in this task and cancel it after its `step`-th step.

    Returns:
        Whether the cancellation came out of it; once it does not, the function has fewer steps than that.
    """
    with trio.CancelScope() as scope:
        await _instrumented(step, scope, function)
    return scope.cancelled_caught


async def purely_cancelled_at_step(step: int, function: Callable[[], Awaitable[object]]) -> bool:
    """As `cancelled_at_step`, where nothing but a bare `Cancelled` may come out.

    Returns:
        Whether `function` took that many steps; then it was cancelled.

    Raises:
        AssertionError: the cancellation was swallowed, came in a group, or hides an error of the library's.
    """
    came = False

    async def judged() -> None:
        nonlocal came
        try:
            await function()
        except trio.Cancelled as cancelled:
            came = True
            assert_hides_nothing(cancelled)
            raise
        except BaseExceptionGroup as group:
            raise AssertionError(f"step {step}: a group came out: {group!r}") from group

    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:
        await _instrumented(step, scope, judged)
    assert came == scope.cancel_called, f"step {step}: cancelled, and it returned as if nothing had been"
    return came


async def _instrumented(step: int, scope: trio.CancelScope, function: Callable[[], Awaitable[object]]) -> None:
    instrument = _CancelAtStep(trio.lowlevel.current_task(), scope, step)
    trio.lowlevel.add_instrument(instrument)
    try:
        await function()
    finally:
        trio.lowlevel.remove_instrument(instrument)


def assert_hides_nothing(error: BaseException) -> None:
    """Neither its causes nor its contexts are errors of this library."""
    seen: BaseException | None = error
    while seen is not None:
        seen = seen.__cause__ or seen.__context__
        assert not isinstance(seen, NovelAIError), f"{error!r} hides {seen!r}"


async def sweep(function: Callable[[], Awaitable[object]], check: Callable[[], Awaitable[object]]) -> int:
    """Cancel `function` at its first step, its second, ... until it is through before; `check` after each.

    Returns:
        How many runs that took, the one that came through included.
    """
    step = 1
    while await purely_cancelled_at_step(step, function):
        await check()
        step += 1
    await check()
    return step


@contextmanager
def no_complaints() -> Iterator[None]:
    """Fail where anything in the block, or the collection of what it left, warns or cannot raise its error."""
    unraised: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hook = sys.unraisablehook
        sys.unraisablehook = lambda unraisable: unraised.append(repr(unraisable.exc_value))
        try:
            yield
            gc.collect()
        finally:
            sys.unraisablehook = hook
    assert not unraised, unraised
    assert not caught, [str(each.message) for each in caught]


async def settled(condition: Callable[[], object], what: Callable[[], object]) -> None:
    """Wait until something is so that other tasks or the system are about to make so.

    Raises:
        AssertionError: it is not, in the end; says what is instead.
    """
    with trio.move_on_after(5):
        while not condition():  # noqa: ASYNC110 - nothing rings
            await trio.sleep(0.001)
    assert condition(), what()
