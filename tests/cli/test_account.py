"""What it costs and what is left: `--estimate`, `nai-trio account`."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
from emulator_thread import KEY, Served, emulator_on_a_port

from nai_trio.cli import main
from nai_trio.cli.account import _lines, _record
from nai_trio.protocol.subscription import parse_subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

OPUS = {
    "tier": 3, "active": True, "expiresAt": 1790000000, "isGracePeriod": False,
    "perks": {"maxPriorityActions": 1000, "startPriority": 10, "contextTokens": 8192, "unlimitedMaxPriority": True,
              "moduleTrainingSteps": 10000},
    "trainingStepsLeft": {"fixedTrainingStepsLeft": 9000, "purchasedTrainingSteps": 12},
    "usage": {"percent": 62.5, "isNegative": False, "timeUntilNextPercent": 7888},
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with emulator_on_a_port() as served:
        yield served


def lines_of(**changes: Any) -> list[str]:
    return list(_lines(parse_subscription(json.dumps({**OPUS, **changes}).encode())))


@pytest.mark.parametrize("arguments", [["generate", "x", "--estimate"], ["account", "--emulator"]])
def test_a_full_stdout_is_told(
    arguments: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 9
    assert capfd.readouterr().err == "nai-trio: error: cannot write to stdout: no space left on device\n"


def test_the_account_of_the_emulator(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVELAI_API_KEY", raising=False)
    assert main(["account", "--emulator"]) == 0
    text = capfd.readouterr().out
    assert main(["account", "--emulator", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert text.startswith(f"tier: {record['tier_name']}, ")
    assert f"Anlas: {record['anlas']} (" in text
    assert record["anlas"] == record["anlas_fixed"] + record["anlas_purchased"]


def test_the_account_of_a_service(
    served: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    assert main(["account", "--json", "--image-base", served.url]) == 0
    assert set(json.loads(capfd.readouterr().out)) >= {"tier", "anlas", "opus", "active"}
    monkeypatch.setenv("NOVELAI_API_KEY", "pst-not-a-real-key-either")
    assert main(["account", "--image-base", served.url]) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert err == f"nai-trio: error: 401: Unauthorized ({served.url} does not take the key in NOVELAI_API_KEY)\n"
    assert main(["account", "--image-base", "http://127.0.0.1:9"]) == 7
    assert capfd.readouterr().err.startswith("nai-trio: error: connect via tcp to http://127.0.0.1:9: refused")
    monkeypatch.delenv("NOVELAI_API_KEY")
    assert main(["account"]) == 3
    assert "set NOVELAI_API_KEY" in capfd.readouterr().err


def test_a_service_that_says_nothing_is_given_up_by_the_time_limit_or_a_signal(
    start: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent() -> Any:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        base = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        code = await trio.to_thread.run_sync(start("account", "--image-base", base, "--timeout", 0.2).finish)
        waiting = start("account", "--image-base", base)
        await (await listener.accept()).aclose()  # the first one's connection
        async with await listener.accept() as stream:
            await stream.receive_some()
            waiting.send(signal.SIGTERM)
            stopped = await trio.to_thread.run_sync(waiting.finish)
        await listener.aclose()
        return code, stopped

    limited, stopped = trio.run(silent)
    assert (limited.code, limited.err) == (7, "nai-trio: error: not finished within 0.2 s (--timeout)\n")
    assert (stopped.code, stopped.out, stopped.err) == (143, "", "nai-trio: stopped by SIGTERM\n")


def test_the_lines_tell_tier_anlas_and_what_is_left_of_opus() -> None:
    assert lines_of() == [
        "tier: Opus, active until 2026-09-21",
        "Anlas: 9012 (9000 of the month, 12 bought)",
        "V5: 62.5 % left; one more percent takes 7888 s",
    ]
    assert lines_of(usage=None, tier=1)[:1] == ["tier: Tablet, active until 2026-09-21"]
    assert len(lines_of(usage=None)) == 2
    assert lines_of(active=False)[0] == "tier: Opus, not active"
    assert lines_of(isGracePeriod=True)[0].endswith(", the payment is late")
    assert "used up" in lines_of(usage={"percent": -1, "isNegative": True, "timeUntilNextPercent": 1})[2]
    assert lines_of(tier=9)[0].startswith("tier: tier 9, ")


@pytest.mark.parametrize("seconds", [10**20, -(10**20), 2**62])
def test_an_end_that_no_calendar_has_is_still_told(seconds: int) -> None:
    assert lines_of(expiresAt=seconds)[0] == f"tier: Opus, active until second {seconds}"


def test_the_record_has_what_scripts_need() -> None:
    assert _record(parse_subscription(json.dumps(OPUS).encode())) == {
        "tier": 3, "tier_name": "Opus", "active": True, "opus": True, "expires_at": 1790000000,
        "is_grace_period": False, "anlas": 9012, "anlas_fixed": 9000, "anlas_purchased": 12,
        "usage": {"percent": 62.5, "is_negative": False, "seconds_per_percent": 7888},
    }  # fmt: skip
