"""The account: what it tells, and how its balance falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from PIL import Image

from nai_trio.emulator import Cut, Emulator, Refuse, StreamError, StreamRetry

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., Any]
    Body = Callable[..., dict[str, Any]]
    Connect = Callable[[Emulator], Any]
    PictureText = Callable[..., str]

PATH = "/user/subscription"


async def subscription(ask: Ask, emulator: Emulator) -> dict[str, Any]:
    answer = await ask(emulator, b"", path=PATH, method="GET")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json
    assert isinstance(found, dict)
    return found


async def balance(ask: Ask, emulator: Emulator) -> int:
    left = (await subscription(ask, emulator))["trainingStepsLeft"]
    return int(left["fixedTrainingStepsLeft"] + left["purchasedTrainingSteps"])


async def test_opus_has_tier_3_and_a_quota(ask: Ask) -> None:
    told = await subscription(ask, Emulator(opus=True, anlas=9000))
    assert (told["tier"], told["active"]) == (3, True)
    assert told["usage"] == {"percent": 100, "isNegative": False, "timeUntilNextPercent": 7888}
    assert told["trainingStepsLeft"] == {"fixedTrainingStepsLeft": 9000, "purchasedTrainingSteps": 0}
    assert set(told["perks"]) == {
        *("maxPriorityActions", "startPriority", "contextTokens", "unlimitedMaxPriority", "moduleTrainingSteps"),
    }


async def test_others_have_a_lower_tier_and_no_quota(ask: Ask) -> None:
    told = await subscription(ask, Emulator())
    assert told["tier"] == 2
    assert "usage" not in told
    assert set(told) == {
        *("tier", "active", "expiresAt", "isGracePeriod", "accountType", "paymentProcessor", "isPaypal", "perks"),
        "trainingStepsLeft",
    }


async def test_the_account_needs_a_known_key_and_is_read_only(ask: Ask) -> None:
    emulator = Emulator(api_keys=["pst-one"])
    assert (await ask(emulator, b"", path=PATH, method="GET")).status == 401
    assert (await ask(emulator, b"", path=PATH, method="GET", key="pst-one")).status == 200
    wrong = await ask(emulator, b"", path=PATH, method="POST", key="pst-one")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/user/data", "/user", "/user/subscription/"):
        assert (await ask(emulator, b"", path=path, method="GET", key="pst-one")).status == 404


async def test_head_is_answered_without_a_body(connect: Connect) -> None:
    async with connect(Emulator()) as peer:
        answer = await peer.ask(b"", path=PATH, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 100


async def test_by_default_the_balance_never_falls(ask: Ask) -> None:
    emulator = Emulator(anlas=2)
    for _ in range(2):
        assert (await ask(emulator)).status == 200
    assert await balance(ask, emulator) == 2
    assert [(job.cost, job.charged) for job in emulator.jobs] == [(2, 0)] * 2


@pytest.mark.parametrize("path", ["/ai/generate-image", "/ai/generate-image-stream"])
async def test_a_charging_emulator_takes_each_jobs_cost_until_nothing_is_left(
    ask: Ask, request_body: Body, path: str
) -> None:
    emulator = Emulator(anlas=5, charge=True)
    assert (await ask(emulator, path=path)).status == 200
    assert await balance(ask, emulator) == 3
    assert (await ask(emulator, path=path)).status == 200
    assert (await ask(emulator, path=path)).status == 402
    assert (await ask(emulator, request_body(steps=99), path=path)).status == 400
    assert await balance(ask, emulator) == 1
    assert [job.charged for job in emulator.jobs] == [2, 2]


async def test_encoding_a_vibe_costs_two(ask: Ask, picture_text: PictureText) -> None:
    body = {
        "image": picture_text(Image.new("RGB", (8, 8))), "information_extracted": 1, "model": "nai-diffusion-4-full",
    }  # fmt: skip
    emulator = Emulator(anlas=5, charge=True)
    statuses = [(await ask(emulator, body, path="/ai/encode-vibe")).status for _ in range(3)]
    assert statuses == [200, 200, 402]
    assert emulator.anlas == 1
    assert len(emulator.encodings) == 2


@pytest.mark.parametrize("path", ["/ai/generate-image", "/ai/generate-image-stream"])
async def test_a_job_that_the_service_gives_up_on_costs_nothing(ask: Ask, request_body: Body, path: str) -> None:
    emulator = Emulator(anlas=100, charge=True)
    emulator.inject(Refuse(500), StreamError())
    await ask(emulator, path=path)
    await ask(emulator, path=path)
    await ask(emulator, request_body(width=100), path=path)
    assert [job.state for job in emulator.jobs] == ["failed"] * 3
    assert [job.charged for job in emulator.jobs] == [0, 0, 0]
    assert emulator.anlas == 100


async def test_what_breaks_on_the_way_is_paid(ask: Ask) -> None:
    emulator = Emulator(anlas=100, charge=True)
    emulator.inject(Cut(100), StreamRetry())
    await ask(emulator)
    await ask(emulator)
    assert [job.charged for job in emulator.jobs] == [2, 2]
    assert emulator.anlas == 96


async def test_a_job_is_paid_when_it_begins_and_a_leaving_client_gets_nothing_back(
    connect: Connect, autojump_clock: trio.testing.MockClock
) -> None:
    emulator = Emulator(anlas=100, charge=True, step_delay=10)
    async with connect(emulator) as peer:
        await peer.send()
        await trio.testing.wait_all_tasks_blocked()
        assert emulator.anlas == 98
    assert (emulator.jobs[0].state, emulator.anlas) == ("disconnected", 98)


async def test_free_samples_cost_nothing(ask: Ask) -> None:
    emulator = Emulator(anlas=0, opus=True, charge=True)
    assert (await ask(emulator)).status == 200
    assert emulator.anlas == 0


async def test_jobs_with_large_bodies_are_forgotten_sooner(ask: Ask, request_body: Body, monkeypatch: Any) -> None:
    monkeypatch.setattr("nai_trio.emulator.server._KEPT_BYTES", 250_000)
    emulator = Emulator()
    for seed in range(4):
        await ask(emulator, request_body(seed=seed, width=100) | {"padding": "x" * 100_000})
    assert [job.request["parameters"]["seed"] for job in emulator.jobs] == [2, 3]  # type: ignore[index]
