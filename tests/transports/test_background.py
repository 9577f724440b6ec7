"""The tasks of one transport while it is entered, and whose error comes out."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from nai_trio.transports.background import Background


async def enter_and_leave(background: Background, error: BaseException | None = None) -> bool:
    return await background.close(type(error) if error else None, error, None)


async def test_tasks_run_until_it_is_left_and_are_gone_then() -> None:
    background, ended = Background("Test"), []

    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(1)

    await background.open()
    background.start(task, "one")
    background.start(task, "other")
    await trio.testing.wait_all_tasks_blocked()
    assert ended == []
    assert await enter_and_leave(background) is False
    assert ended == [1, 1]


async def test_it_is_open_once_and_can_be_opened_again() -> None:
    background = Background("Test")
    await background.open()
    with pytest.raises(RuntimeError, match="this Test is entered already"):
        await background.open()
    await enter_and_leave(background)
    await background.open()
    await enter_and_leave(background)


async def test_without_being_entered_it_runs_nothing() -> None:
    background = Background("Test")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="this Test is not entered"):
            background.start(trio.sleep_forever, "one")
        await background.open()
        await enter_and_leave(background)


async def test_no_new_tasks_while_the_old_ones_end() -> None:
    background, seen = Background("Test"), []

    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with pytest.raises(RuntimeError, match="not entered"):
                background.start(trio.sleep_forever, "late")
            seen.append(1)

    await background.open()
    background.start(task, "one")
    await trio.testing.wait_all_tasks_blocked()
    await enter_and_leave(background)
    assert seen == [1]


async def broken() -> None:
    raise ValueError("the task's own")


async def test_a_tasks_error_comes_out_bare_and_tells_what_it_replaces() -> None:
    background, body = Background("Test"), KeyError("the body's own")
    await background.open()
    background.start(broken, "broken")
    with trio.CancelScope(shield=True):  # the task's error cancels what is in the nursery
        await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(ValueError, match="the task's own") as caught:
        await enter_and_leave(background, body)
    assert caught.value.__context__ is body


async def test_the_bodys_own_error_goes_on_when_no_task_failed() -> None:
    background = Background("Test")
    await background.open()
    assert await enter_and_leave(background, ValueError("the body's own")) is False
