"""Closing at once, and one exception out of a group."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
import trio.testing

from nai_trio.closing import close_now, is_cancelled, reraise, unwrap_group


class Resource(trio.abc.AsyncResource):
    """Closes with the error it is given, after a wait that only a cancellation ends."""

    def __init__(self, error: BaseException | None = None, *, waits: bool = True) -> None:
        self.error = error
        self.waits = waits
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error
        if self.waits:
            await trio.sleep_forever()


class StepCounter(trio.abc.Instrument):
    """Counts how often the run loop took over from the task that made it."""

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        self.taken = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.taken += task is self.task


async def make_cancelled() -> trio.Cancelled:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            return cancelled
    raise AssertionError("not cancelled")


async def test_close_now_does_not_wait_for_a_resource_that_does(autojump_clock: trio.testing.MockClock) -> None:
    resource = Resource()
    with trio.fail_after(1):
        await close_now(resource)
    assert resource.closed == 1


async def test_close_now_is_a_schedule_point_even_when_aclose_is_not() -> None:
    steps = StepCounter()
    trio.lowlevel.add_instrument(steps)
    await close_now(Resource(waits=False))
    trio.lowlevel.remove_instrument(steps)
    assert steps.taken >= 1


async def test_close_now_closes_in_a_cancelled_task_and_the_cancellation_goes_on_after_it() -> None:
    resource = Resource()
    with trio.CancelScope() as scope:
        scope.cancel()
        await close_now(resource)
        assert resource.closed == 1
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught


async def test_close_now_keeps_the_error_in_flight_in_a_cancelled_task() -> None:
    error = ValueError("first")
    with trio.CancelScope() as scope, pytest.raises(ValueError, match="first") as caught:
        scope.cancel()
        try:
            raise error
        except ValueError:
            await close_now(Resource())
            raise
    assert caught.value is error
    assert error.__context__ is None


@pytest.mark.parametrize("error", [trio.BrokenResourceError("x"), trio.ClosedResourceError("x"), OSError("x")])
async def test_close_now_takes_broken_and_closed_resources_as_closed(error: Exception) -> None:
    resource = Resource(error)
    await close_now(resource)
    assert resource.closed == 1


async def test_close_now_raises_another_failure_when_nothing_else_is_in_flight() -> None:
    with pytest.raises(ZeroDivisionError):
        await close_now(Resource(ZeroDivisionError()))


async def test_close_now_notes_another_failure_on_the_error_in_flight() -> None:
    with pytest.raises(ValueError, match="first") as caught:
        try:
            raise ValueError("first")
        except ValueError:
            await close_now(Resource(ZeroDivisionError("second")))
            raise
    assert caught.value.__notes__ == ["closing a Resource failed as well: ZeroDivisionError('second')"]


async def test_close_now_lets_a_keyboard_interrupt_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        await close_now(Resource(KeyboardInterrupt()))


def test_a_group_of_one_is_that_one_even_when_it_is_a_group() -> None:
    error = ValueError()
    inner = ExceptionGroup("the body's own", [error])
    assert unwrap_group(ExceptionGroup("nursery", [error])) is error
    assert unwrap_group(ExceptionGroup("nursery", [inner])) is inner


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_comes_first_at_any_depth(kind: type[BaseException]) -> None:
    interrupt = kind()
    group = BaseExceptionGroup("outer", [ValueError(), BaseExceptionGroup("inner", [KeyError(), interrupt])])
    assert unwrap_group(group) is interrupt


async def test_the_only_real_error_comes_before_cancellations() -> None:
    cancelled = await make_cancelled()
    error = ValueError()
    nested = BaseExceptionGroup("of nothing else", [cancelled, cancelled])
    assert unwrap_group(BaseExceptionGroup("nursery", [cancelled, nested, error])) is error


async def test_cancellations_alone_give_the_first() -> None:
    first, second = await make_cancelled(), await make_cancelled()
    assert unwrap_group(BaseExceptionGroup("nursery", [first, second])) is first


def test_several_real_errors_stay_a_group() -> None:
    group = ExceptionGroup("nursery", [ValueError(), KeyError()])
    assert unwrap_group(group) is group


async def test_is_cancelled_wants_nothing_but_cancellations() -> None:
    cancelled = await make_cancelled()
    assert is_cancelled(cancelled)
    assert is_cancelled(BaseExceptionGroup("x", [cancelled, BaseExceptionGroup("y", [cancelled])]))
    assert not is_cancelled(BaseExceptionGroup("x", [cancelled, ValueError()]))
    assert not is_cancelled(ValueError())
    assert not is_cancelled(None)


def test_reraise_keeps_context_and_cause() -> None:
    cause, context = KeyError("cause"), TypeError("context")
    error = ValueError()
    error.__cause__, error.__context__ = cause, context
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the object is compared
        try:
            raise ExceptionGroup("nursery", [error])
        except ExceptionGroup as group:
            reraise(unwrap_group(group))
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__context__ is context


def test_reraise_leaves_no_cycle_behind() -> None:
    class Own(Exception):
        pass

    gc.collect()
    gc.disable()
    try:
        try:
            reraise(Own())
        except Own as error:
            alive = weakref.ref(error)
        assert alive() is None
    finally:
        gc.enable()
