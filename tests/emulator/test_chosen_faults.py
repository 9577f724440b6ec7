"""Faults that are chosen by request, and accounts that run more than one generation at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from nai_trio.emulator import BadJSON, Emulator, Fault, Job, MissingFinal, Refuse, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    Ask = Callable[..., Any]
    Connect = Callable[[Emulator], Any]


def seed_of(job: Job) -> Any:
    parameters: Any = job.request["parameters"]
    return parameters["seed"]


async def test_the_chooser_ties_a_fault_to_what_is_asked_whatever_the_order(ask: Ask, request_body: Body) -> None:
    faults: dict[int, Fault] = {11: Refuse(503), 12: MissingFinal()}
    emulator = Emulator(faults=lambda job: faults.get(seed_of(job)))
    answers = {seed: await ask(emulator, request_body(seed=seed)) for seed in (12, 10, 11, 12)}
    assert {seed: answer.status for seed, answer in answers.items()} == {10: 200, 11: 503, 12: 200}
    assert b"event: final" in answers[10].body
    assert b"event: final" not in answers[12].body
    assert [job.fault for job in emulator.jobs] == [MissingFinal(), None, Refuse(503), MissingFinal()]


async def test_the_chooser_sees_how_the_job_is_answered_and_none_that_was_refused(ask: Ask, request_body: Body) -> None:
    seen: list[tuple[str, str]] = []

    def note(job: Job) -> None:
        seen.append((job.path, job.stream))

    emulator = Emulator(api_keys={"pst-not-a-real-key"}, faults=note)
    assert (await ask(emulator, key="pst-another")).status == 401
    assert (await ask(emulator, request_body(steps=99))).status == 400
    await ask(emulator, request_body(stream="msgpack"))
    await ask(emulator, path="/ai/generate-image")
    assert seen == [("/ai/generate-image-stream", "msgpack"), ("/ai/generate-image", "zip")]


async def test_what_was_injected_goes_first_and_the_chooser_is_not_asked(ask: Ask) -> None:
    asked: list[Job] = []

    def choose(job: Job) -> Fault:
        asked.append(job)
        return BadJSON()

    emulator = Emulator(faults=choose)
    emulator.inject(Refuse(502))
    assert (await ask(emulator)).status == 502
    assert asked == []
    assert (await ask(emulator)).status == 200
    assert [job.fault for job in asked] == [BadJSON()]


async def test_a_job_that_a_chosen_fault_breaks_is_not_paid_for(ask: Ask, request_body: Body) -> None:
    emulator = Emulator(anlas=100, charge=True, faults=lambda job: StreamError() if seed_of(job) == 1 else None)
    await ask(emulator, request_body(seed=1))
    assert emulator.anlas == 100
    await ask(emulator, request_body(seed=2))
    assert emulator.anlas == 100 - emulator.jobs[-1].cost < 100


async def serve_one(emulator: Emulator, body: dict[str, Any]) -> None:
    """Let the emulator serve, in this task, a peer that asks for one generation."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with ours:
        content = json.dumps(body).encode()
        head = b"POST /ai/generate-image-stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer pst-not-a-real-key\r\n"
        await ours.send_all(head + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        await emulator.serve(theirs)


@pytest.mark.parametrize("wrong", ["cut=5", 0, Refuse], ids=repr)
async def test_what_is_no_fault_is_said_to_be_none(request_body: Body, wrong: Any) -> None:
    emulator = Emulator(faults=lambda _job: wrong)
    with pytest.raises(TypeError, match="expected it to return a fault or None, got"):
        await serve_one(emulator, request_body())
    assert emulator.jobs == []


async def test_what_the_chooser_raises_leaves_serve_and_charges_nothing(ask: Ask, request_body: Body) -> None:
    def choose(job: Job) -> None:
        if seed_of(job) == 1:
            raise LookupError("no plan")

    emulator = Emulator(anlas=100, charge=True, faults=choose)
    with pytest.raises(LookupError, match="no plan"):
        await serve_one(emulator, request_body(seed=1))
    assert (emulator.connections, emulator.jobs, emulator.anlas) == (0, [], 100)
    assert (await ask(emulator, request_body(seed=2))).status == 200  # the key is not locked


@pytest.mark.parametrize(("bound", "statuses"), [(1, [200, 429, 429]), (2, [200, 200, 429]), (None, [200, 200, 200])])
async def test_a_key_runs_as_many_generations_at_once_as_it_is_told(
    connect: Connect, autojump_clock: trio.testing.MockClock, bound: int | None, statuses: list[int]
) -> None:
    emulator = Emulator(step_delay=1.0, max_concurrent_generations=bound)
    async with connect(emulator) as one, connect(emulator) as two, connect(emulator) as three:
        heads = []
        for peer in (one, two, three):
            await peer.send()
            heads.append((await peer.head()).status_code)
        assert heads == statuses
        assert [job.state for job in emulator.jobs] == ["running"] * statuses.count(200)
        for peer in (one, two, three):
            await peer.rest()
    async with connect(emulator) as peer:
        assert (await peer.ask()).status == 200


async def test_a_bound_is_of_each_key_and_a_place_is_free_when_a_client_leaves(
    connect: Connect, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(step_delay=1.0, max_concurrent_generations=2)
    async with connect(emulator) as stays:
        await stays.send()
        async with connect(emulator) as leaves, connect(emulator) as another:
            await leaves.send()
            await leaves.head()
            await another.send(key="pst-another")
            assert (await another.head()).status_code == 200
        await trio.testing.wait_all_tasks_blocked()
        async with connect(emulator) as follows:
            assert (await follows.ask()).status == 200


@pytest.mark.parametrize("bound", [0, -1, True, 1.5, "2"], ids=repr)
def test_a_bound_is_a_number_of_at_least_one(bound: Any) -> None:
    with pytest.raises(ValueError, match="max_concurrent_generations: expected an integer of at least 1, or None, got"):
        Emulator(max_concurrent_generations=bound)
