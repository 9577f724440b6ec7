"""The soak in small: every outcome as planned, and nothing left open. `make soak` does the same for ten minutes."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.testing
from soak_clients import Clients, Roads
from soak_ending import ending_of
from soak_judge import Result, judge
from soak_plan import REAL_ROUTES, Route, plan_of
from soak_run import Soak
from soak_service import Service, serve_everywhere
from soak_watch import Unraised, figures, flatness, flatness_under_load

from nai_trio import GenerationError, ProtocolError, QueueWait, RetryWait
from nai_trio.emulator import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEED = 20_261
FAULTS = (
    "Cut", "Stall", "StreamError", "StreamRetry", "WrongType", "Refuse", "HugePrefix", "MissingFinal", "BadBase64",
    "BadJSON", "MissingField", "none", "queue",
)  # fmt: skip
ERRORS = ("StreamInterrupted", "NetworkTimeout", "GenerationError", "ProtocolError", "LimitExceeded", "ServerError")


def numbers(routes: Mapping[Route, int], count: int) -> Callable[[], int | None]:
    """The first so many, but those that share a key come first, and some later ones with them, so that they meet."""
    queued = [number for number in range(1, 6 * count) if plan_of(SEED, number, routes).client == "queued"]
    others = [number for number in range(1, count) if number not in queued]
    left = iter([*queued, *others][:count])
    return lambda: next(left, None)


def told(soak: Soak, service: Service) -> str:
    return "\n".join(f"{number}: {words}" for number, words in [*soak.complaints, *service.complaints])


async def test_in_memory_every_generation_ends_as_planned(autojump_clock: trio.testing.MockClock) -> None:
    routes: Mapping[Route, int] = {"memory": 1}
    service = Service(SEED, pace=1.0, routes=routes, keep_alive=1.37)
    roads = Roads(None, memory=service.emulator.transport)
    before = figures()
    with Unraised() as unraised:
        async with Clients(roads, routes, pace=1.0, quiet=4.0) as clients:
            soak = Soak(SEED, clients, routes, pace=1.0, virtual=True)
            await soak.run(20, numbers(routes, 150))
            assert clients.lost == 0
            await trio.testing.wait_all_tasks_blocked()
            assert service.running == 0  # who has left is gone
            await trio.sleep(10)
            assert service.emulator.connections == 0  # what was idle is closed by now: none is left but unused
        assert unraised.take() == []
    assert told(soak, service) == ""
    assert (soak.done, soak.busy, soak.streams, service.running) == (150, 0, 0, 0)
    assert set(FAULTS) <= set(soak.troubles)
    assert {"finished", "cancelled", "left by the loop", "LoopError", *ERRORS} <= set(soak.outcomes)
    assert soak.retries > 0
    assert soak.queued > 0
    assert (service.emulator.connections, figures().tasks) == (0, before.tasks)
    assert figures().descriptors == before.descriptors


async def test_over_sockets_every_generation_ends_as_planned(tmp_path: Path) -> None:
    service = Service(SEED, pace=0.01, routes=REAL_ROUTES)
    before = figures()
    with Unraised() as unraised:
        async with trio.open_nursery() as nursery:
            roads = Roads(await nursery.start(serve_everywhere, service, tmp_path))
            async with Clients(roads, REAL_ROUTES, pace=0.01, quiet=2.0) as clients:
                soak = Soak(SEED, clients, REAL_ROUTES, pace=0.01)
                await soak.run(20, numbers(REAL_ROUTES, 80))
                assert clients.connections > clients.lost == 0
            nursery.cancel_scope.cancel()
        assert unraised.take() == []
    assert told(soak, service) == ""
    assert (soak.done, soak.busy, soak.streams) == (80, 0, 0)
    assert {"Break", "ProxyRefuses"} <= set(soak.troubles)
    assert figures().descriptors == before.descriptors
    assert figures().tasks == before.tasks


def test_a_leak_is_told_from_noise() -> None:
    """1.2 kB of every generation, among jumps of a megabyte up and down, over what ten minutes have."""
    draw = random.Random(1)
    times = [float(second) for second in range(480)]
    noise = [draw.choice((0.0, 0.0, 0.0, 1.0, -1.0)) for _ in times]
    leaking = [100 + 0.02 * second + jump for second, jump in zip(times, noise, strict=True)]
    steady = [100 + jump for jump in noise]
    assert not flatness(times, leaking, bound=8.0).flat
    assert flatness(times, leaking, bound=8.0).growth == pytest.approx(0.02 * 479, rel=0.1)
    assert flatness(times, steady, bound=0.5).flat
    assert flatness(times, steady, bound=0.5).middle == 100


def test_what_follows_the_load_is_no_leak_and_what_comes_on_top_is() -> None:
    times = [float(second) for second in range(480)]
    load = [200 + second / 10 + 20 * math.sin(second / 30) for second in times]
    sockets = [2 * busy + 10 for busy in load]
    assert flatness_under_load(times, sockets, load, bound=20.0).growth == pytest.approx(0, abs=1e-6)
    leaking = [held + second / 6 for held, second in zip(sockets, times, strict=True)]
    assert not flatness_under_load(times, leaking, load, bound=20.0).flat
    assert flatness_under_load(times, leaking, load, bound=20.0).growth == pytest.approx(479 / 6)


def test_a_bent_result_is_seen() -> None:
    """The judge itself: one thing wrong at a time, and each is named."""
    plans = (plan_of(SEED, number, {"memory": 1}) for number in itertools.count(1))
    plan = next(plan for plan in plans if isinstance(plan.fault, StreamError) and plan.steps > 2 and not plan.whole)
    plan = attrs.evolve(plan, fault=StreamError(2, "Out of luck", 500), leaving=None, framing="sse")
    ending = ending_of(plan)
    good = GenerationError("Out of luck", code=500)
    previews = {chunk.samp_ix: chunk for chunk in ending.chunks}
    good.attach(billing_unknown=True, previews=[previews[index] for index in sorted(previews)])
    chunks = list(ending.chunks)
    assert judge(plan, Result(chunks, good), exact_silence=True) == []
    bare = GenerationError("Out of luck", code=500)
    bare.attach(billing_unknown=False)
    for bent, words in [
        (Result(chunks[:1], good), "expected 2 chunks"),
        (Result(chunks), "got None"),
        (Result(chunks, ProtocolError("x")), "expected GenerationError"),
        (Result(chunks, bare), "billing_unknown is False"),
        (Result(chunks, bare), "previews, got 0"),
        (Result(chunks, good, cancelled=True), "nobody asked for"),
        (Result(chunks, good, left=True), "nobody asked for"),
        (Result(chunks, good, waits=[RetryWait(attempt=1, error=good, delay=1.0)]), "at most 0 retries"),
        (Result(chunks, good, waits=[QueueWait(place=1)]), "waited in a queue"),
    ]:
        assert words in "; ".join(judge(plan, bent, exact_silence=True))
