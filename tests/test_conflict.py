"""One task per direction."""

from __future__ import annotations

import pytest
import trio

from nai_trio.conflict import ConflictGuard


def test_who_enters_while_another_is_inside_is_told_what_that_one_does() -> None:
    guard = ConflictGuard("another task is sending")
    with guard, pytest.raises(trio.BusyResourceError, match="another task is sending"), guard:
        raise AssertionError("unreachable")


def test_the_one_inside_is_unharmed_and_still_guarded() -> None:
    guard = ConflictGuard("busy")
    with guard:
        for _ in range(2):
            with pytest.raises(trio.BusyResourceError):
                guard.__enter__()


@pytest.mark.parametrize("error", [None, ValueError("odd")])
def test_after_leaving_the_next_may_enter_whatever_happened(error: Exception | None) -> None:
    guard = ConflictGuard("busy")
    try:
        with guard:
            if error is not None:
                raise error
    except ValueError as caught:
        assert caught is error
    with guard:
        pass


async def test_two_tasks_that_take_turns_do_not_meet() -> None:
    guard = ConflictGuard("busy")
    order = []

    async def work(name: str) -> None:
        with guard:
            order.append(name)
            await trio.lowlevel.checkpoint()

    await work("one")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "two")
    assert order == ["one", "two"]
