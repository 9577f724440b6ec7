"""One generation of a key at a time: in order, cancellable, observable, and never waiting for itself."""

from __future__ import annotations

import contextlib
import gc
import weakref
from functools import partial
from typing import TYPE_CHECKING

import pytest
import recorded
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import read_request
from sweep import cancelled_at_step

from nai_trio import ConcurrencyLockedError, Limits, NovelAI, QueueWait, RetryWait
from nai_trio.emulator import Emulator
from nai_trio.transports import MemoryTransport
from nai_trio.turns import take_turn

if TYPE_CHECKING:
    from nai_trio.stream import ImageStream

KEY, OTHER_KEY = "pst-not-a-real-key", "pst-another-fake-key"


class Service:
    """Takes a second for each answer; notes the seeds in order and how many jobs ran at once."""

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.running = self.most = 0

    async def __call__(self, stream: trio.abc.Stream) -> None:
        async with stream:
            with contextlib.suppress(EOFError, trio.BrokenResourceError):
                while True:
                    _, body = await read_request(stream)
                    self.seeds.append(recorded.seed_of(body))
                    self.running += 1
                    self.most = max(self.most, self.running)
                    try:
                        await trio.sleep(1)
                    finally:
                        self.running -= 1
                    await stream.send_all(recorded.stream_response("msgpack"))


async def generate(client: NovelAI, seed: int, done: list[int] | None = None) -> None:
    await client.image.generate(recorded.params(seed=seed))
    if done is not None:
        done.append(seed)


async def test_generations_of_one_key_run_one_after_the_other_in_order(autojump_clock: object) -> None:
    service, done = Service(), []  # type: ignore[var-annotated]
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client, trio.open_nursery() as nursery:
        for seed in range(8):
            nursery.start_soon(generate, client, seed, done)
            await trio.testing.wait_all_tasks_blocked()
    assert service.seeds == done == list(range(8))
    assert service.most == 1


async def test_clients_of_the_same_key_share_the_queue_and_others_do_not(autojump_clock: object) -> None:
    service, other = Service(), Service()
    start = trio.current_time()
    async with (
        NovelAI(KEY, transport=MemoryTransport(service)) as first,
        NovelAI(KEY, transport=MemoryTransport(service)) as second,
        NovelAI(OTHER_KEY, transport=MemoryTransport(other)) as stranger,
        NovelAI(KEY, transport=MemoryTransport(other), image_base="https://elsewhere.example") as elsewhere,
        trio.open_nursery() as nursery,
    ):
        for seed, client in enumerate([first, second, first, second]):
            nursery.start_soon(generate, client, seed)
            await trio.testing.wait_all_tasks_blocked()
        for client in (stranger, elsewhere):
            nursery.start_soon(generate, client, 9)
    assert service.seeds == [0, 1, 2, 3]
    assert service.most == 1
    assert other.most == 2
    assert trio.current_time() - start == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("at_once", [2, 3, 8])
async def test_as_many_as_allowed_run_at_once(at_once: int, autojump_clock: object) -> None:
    service = Service()
    limits = Limits(max_concurrent_generations=at_once)
    async with NovelAI(KEY, transport=MemoryTransport(service), limits=limits) as client:
        async with trio.open_nursery() as nursery:
            for seed in range(8):
                nursery.start_soon(generate, client, seed)
                await trio.testing.wait_all_tasks_blocked()
    assert all(abs(place - seed) < at_once for place, seed in enumerate(service.seeds)), "those of one second are equal"
    assert service.most == at_once


async def test_nobody_overtakes_whatever_the_others_limit(autojump_clock: object) -> None:
    """One client may have three at once, the other one: while it is first in the queue, the three wait behind it."""
    service, done = Service(), []  # type: ignore[var-annotated]
    wide = NovelAI(KEY, transport=MemoryTransport(service), limits=Limits(max_concurrent_generations=3))
    async with wide, NovelAI(KEY, transport=MemoryTransport(service)) as narrow, trio.open_nursery() as nursery:
        for seed, client in enumerate([wide, narrow, wide, wide]):
            nursery.start_soon(generate, client, seed, done)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.5)
        assert service.seeds == [0], "two more of the wide one could run, but the narrow one is in front of them"
    assert sorted(done) == [0, 1, 2, 3]
    assert service.most == 3, "once it runs, they start beside it"


async def test_the_place_in_the_queue_is_told_each_time_it_changes(autojump_clock: object) -> None:
    service = Service()
    told: dict[int, list[QueueWait | RetryWait]] = {seed: [] for seed in range(4)}
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client, trio.open_nursery() as nursery:
        for seed, waits in told.items():
            nursery.start_soon(partial(client.image.generate, recorded.params(seed=seed), on_wait=waits.append))
            await trio.testing.wait_all_tasks_blocked()
    assert [[wait.place for wait in waits if isinstance(wait, QueueWait)] for waits in told.values()] == [
        [],
        [1],
        [2, 1],
        [3, 2, 1],
    ]


async def test_one_that_gives_up_waiting_lets_the_others_move_up(autojump_clock: object) -> None:
    service, places = Service(), []  # type: ignore[var-annotated]
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client, trio.open_nursery() as nursery:
        nursery.start_soon(generate, client, 0)
        await trio.testing.wait_all_tasks_blocked()
        impatient = trio.CancelScope(deadline=trio.current_time() + 0.3)

        async def give_up() -> None:
            with impatient:
                await generate(client, 1)

        nursery.start_soon(give_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(partial(client.image.generate, recorded.params(seed=2), on_wait=places.append))
    assert impatient.cancelled_caught
    assert service.seeds == [0, 2]
    assert places == [QueueWait(place=2), QueueWait(place=1)]


async def test_the_turn_ends_with_the_answer_not_with_the_block(autojump_clock: object) -> None:
    service = Service()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        async with client.image.generate_stream(recorded.params(seed=1), stream="msgpack") as stream:
            async for _ in stream:
                pass
            await generate(client, 2)
    assert service.seeds == [1, 2]


@pytest.mark.parametrize("how", ["break", "raise", "aclose", "cancel"])
async def test_a_stream_that_is_left_early_frees_its_turn(how: str, autojump_clock: object) -> None:
    service = Service()

    async def leave(stream: ImageStream) -> None:
        if how == "raise":
            raise ValueError("of the loop")
        if how == "aclose":
            await stream.aclose()
        if how == "cancel":
            trio.lowlevel.current_task().parent_nursery  # noqa: B018 - any task; the scope around is cancelled
            scope.cancel()
            await trio.lowlevel.checkpoint()

    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        with contextlib.suppress(ValueError), trio.CancelScope() as scope:
            async with client.image.generate_stream(recorded.params(seed=1), stream="msgpack") as stream:
                await anext(stream)
                await leave(stream)
        await generate(client, 2)
    assert service.seeds == [1, 2]


async def test_a_refused_request_frees_its_turn(autojump_clock: object) -> None:
    emulator = Emulator(api_keys={KEY}, anlas=0)
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        for _ in range(3):
            with pytest.raises(Exception, match="402"):
                await client.image.generate(recorded.params())


async def test_a_task_that_would_wait_for_itself_is_told_so(autojump_clock: object) -> None:
    service = Service()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        async with client.image.generate_stream(recorded.params(seed=1), stream="msgpack") as stream:
            with pytest.raises(ConcurrencyLockedError, match="would wait for itself") as caught:
                await generate(client, 2)
            assert not caught.value.billing_unknown
            async for _ in stream:
                pass
    assert service.seeds == [1], "nothing was sent"


async def test_a_task_waits_where_others_hold_turns_too(autojump_clock: object) -> None:
    service = Service()
    limits = Limits(max_concurrent_generations=2)
    async with NovelAI(KEY, transport=MemoryTransport(service), limits=limits) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(generate, client, 0)
            await trio.testing.wait_all_tasks_blocked()
            async with client.image.generate_stream(recorded.params(seed=1), stream="msgpack"):
                await generate(client, 2)
    assert service.seeds == [0, 1, 2]


async def test_leaving_the_client_ends_the_waiting(autojump_clock: object) -> None:
    service = Service()
    outcomes: list[str] = []

    async def wait(client: NovelAI) -> None:
        try:
            await generate(client, 1)
        except trio.ClosedResourceError as error:
            outcomes.append(str(error))

    async with NovelAI(KEY, transport=MemoryTransport(service)) as other, trio.open_nursery() as nursery:
        nursery.start_soon(generate, other, 0)
        await trio.testing.wait_all_tasks_blocked()
        async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
            nursery.start_soon(wait, client)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert len(outcomes) == 1, "at once, while the other one still runs"
        assert service.running == 1
    assert "the client was left" in outcomes[0]
    assert service.seeds == [0]


async def test_what_on_wait_raises_gives_the_place_up(autojump_clock: object) -> None:
    class OwnError(Exception):
        pass

    def on_wait(wait: object) -> None:
        raise OwnError

    service = Service()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client, trio.open_nursery() as nursery:
        nursery.start_soon(generate, client, 0)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OwnError):
            await client.image.generate(recorded.params(seed=1), on_wait=on_wait)
        await generate(client, 2)
    assert service.seeds == [0, 2]


async def test_cancelling_at_every_step_of_the_wait_leaves_the_queue_whole(autojump_clock: object) -> None:
    step, cancelled = 0, True
    while cancelled:
        step += 1
        service, done = Service(), []  # type: ignore[var-annotated]
        async with NovelAI(KEY, transport=MemoryTransport(service)) as client, trio.open_nursery() as nursery:
            nursery.start_soon(generate, client, 0, done)
            await trio.testing.wait_all_tasks_blocked()
            cancelled = await cancelled_at_step(step, lambda client=client: generate(client, 1))
            nursery.start_soon(generate, client, 2, done)
        assert done == [0, 2]
    assert step > 3


async def test_a_wait_that_is_over_already_is_still_a_checkpoint() -> None:
    with trio.testing.assert_checkpoints():
        turn = await take_turn("account", at_once=1)
    turn.give_back()
    turn.give_back()
    with trio.CancelScope() as scope:
        scope.cancel()
        await take_turn("account", at_once=1)
    assert scope.cancelled_caught
    (await take_turn("account", at_once=1)).give_back()


class _Account(str):
    """A name that can be watched."""

    __slots__ = ("__weakref__",)


async def test_nothing_is_kept_of_an_account_that_is_idle() -> None:
    account = _Account("account")
    seen = weakref.ref(account)
    turn = await take_turn(account, at_once=1)
    turn.give_back()
    del turn, account
    gc.collect()
    assert seen() is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.sampled_from(["stay", "give up"])), max_size=12))
def test_any_mix_of_limits_durations_and_cancellations_keeps_order_and_bounds(
    plan: list[tuple[int, int, str]],
) -> None:
    began: dict[int, float] = {}

    async def worker(number: int, at_once: int, seconds: int, how: str, running: set[int]) -> None:
        with trio.move_on_after(2.5 if how == "give up" else float("inf")):
            turn = await take_turn("account", at_once=at_once)
            began[number] = trio.current_time()
            running.add(number)
            assert len(running) <= max(limit for limit, _, _ in plan)
            try:
                await trio.sleep(seconds)
            finally:
                running.discard(number)
                turn.give_back()

    async def main() -> None:
        running: set[int] = set()
        async with trio.open_nursery() as nursery:
            for number, (at_once, seconds, how) in enumerate(plan):
                nursery.start_soon(worker, number, at_once, seconds, how, running)
                await trio.testing.wait_all_tasks_blocked()
        assert not running

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    times = [began[number] for number in sorted(began)]
    assert times == sorted(times)
    assert set(began) >= {number for number, (_, _, how) in enumerate(plan) if how == "stay"}
