"""The account's JSON: what must be there, what may, and what is said when it is not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import ProtocolError, Subscription
from nai_trio.protocol import parse_subscription, subscription_call
from nai_trio.protocol.subscription import Perks, TrainingSteps, Usage

CAPTURED: dict[str, Any] = {
    "tier": 3,
    "active": True,
    "expiresAt": 1790000000,
    "isGracePeriod": False,
    "accountType": 0,
    "paymentProcessor": "…",
    "isPaypal": False,
    "perks": {
        "maxPriorityActions": 1000,
        "startPriority": 10,
        "contextTokens": 8192,
        "unlimitedMaxPriority": True,
        "moduleTrainingSteps": 10000,
    },
    "trainingStepsLeft": {"fixedTrainingStepsLeft": 9000, "purchasedTrainingSteps": 0},
    "usage": {"percent": 100, "isNegative": False, "timeUntilNextPercent": 7888},
}
"""Wire document, section 9."""


def parse(value: object) -> Subscription:
    return parse_subscription(json.dumps(value).encode() + b"\n")


def changed(path: tuple[str, ...], value: object = None, *, drop: bool = False) -> dict[str, Any]:
    whole = copy.deepcopy(CAPTURED)
    inner = whole
    for name in path[:-1]:
        inner = inner[name]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return whole


def test_a_captured_answer_is_read_whole() -> None:
    account = parse(CAPTURED)
    assert account == Subscription(
        tier=3,
        active=True,
        expires_at=1790000000,
        is_grace_period=False,
        perks=Perks(
            max_priority_actions=1000,
            start_priority=10,
            context_tokens=8192,
            unlimited_max_priority=True,
            module_training_steps=10000,
        ),
        training_steps=TrainingSteps(fixed=9000, purchased=0),
        usage=Usage(percent=100, is_negative=False, seconds_per_percent=7888),
        extra={"accountType": 0, "paymentProcessor": "…", "isPaypal": False},
    )
    assert hash(account) == hash(parse(CAPTURED))


@pytest.mark.parametrize(
    ("tier", "name"), [(0, "Paper"), (1, "Tablet"), (2, "Scroll"), (3, "Opus"), (4, "tier 4"), (99, "tier 99")]
)
def test_tiers_have_names(tier: int, name: str) -> None:
    assert parse(changed(("tier",), tier)).tier_name == name


@pytest.mark.parametrize(("tier", "active", "opus"), [(3, True, True), (3, False, False), (2, True, False)])
def test_opus_is_the_third_tier_while_it_runs(tier: int, active: bool, opus: bool) -> None:
    assert parse({**CAPTURED, "tier": tier, "active": active}).opus is opus


def test_anlas_are_both_kinds_together() -> None:
    steps = {"fixedTrainingStepsLeft": 17, "purchasedTrainingSteps": 400}
    assert parse({**CAPTURED, "trainingStepsLeft": steps}).anlas == 417


@pytest.mark.parametrize("account", [changed(("usage",), None), changed(("usage",), drop=True)])
def test_usage_is_of_opus_alone(account: dict[str, Any]) -> None:
    read = parse(account)
    assert read.usage is None
    assert "usage" not in read.extra


def test_what_nobody_knows_is_kept_and_not_shown() -> None:
    account = changed(("perks", "imageGeneration"), True)
    account["usage"]["since"] = "May"
    account["trainingStepsLeft"]["gift"] = 3
    account["paymentProcessorData"] = {"card": "1234"}
    read = parse(account)
    assert read.perks.extra == {"imageGeneration": True}
    assert read.usage is not None
    assert read.usage.extra == {"since": "May"}
    assert read.training_steps.extra == {"gift": 3}
    assert read.extra["paymentProcessorData"] == {"card": "1234"}
    assert "1234" not in repr(read)


REQUIRED = [
    ("tier",),
    ("active",),
    ("expiresAt",),
    ("isGracePeriod",),
    ("perks",),
    *(("perks", name) for name in CAPTURED["perks"]),
    ("trainingStepsLeft",),
    *(("trainingStepsLeft", name) for name in CAPTURED["trainingStepsLeft"]),
    *(("usage", name) for name in CAPTURED["usage"]),
]


@pytest.mark.parametrize("path", REQUIRED, ids=".".join)
def test_a_missing_member_is_named(path: tuple[str, ...]) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(changed(path, drop=True))
    assert repr(path[-1]) in caught.value.expected
    assert caught.value.received.startswith("one with")


@pytest.mark.parametrize("wrong", ["text", None, [], 1.5, {}])
@pytest.mark.parametrize("path", REQUIRED, ids=".".join)
def test_a_member_of_the_wrong_type_is_named_and_shown(path: tuple[str, ...], wrong: object) -> None:
    if path[-1] in ("percent", "timeUntilNextPercent") and wrong == 1.5:
        assert parse(changed(path, wrong)).usage is not None
        return
    with pytest.raises(ProtocolError) as caught:
        parse(changed(path, wrong))
    if not (wrong == {} and path[-1] in ("perks", "trainingStepsLeft")):  # an object, but what it has is missing
        assert repr(path[-1]) in caught.value.expected
        assert caught.value.received == repr(wrong)


@pytest.mark.parametrize("flag", ["active", "isGracePeriod"])
def test_a_number_is_no_flag_and_a_flag_no_number(flag: str) -> None:
    with pytest.raises(ProtocolError, match="true or false"):
        parse(changed((flag,), 1))
    with pytest.raises(ProtocolError, match="an integer"):
        parse(changed(("expiresAt",), True))


@pytest.mark.parametrize(
    ("body", "received"),
    [
        (b"", "b''"),
        (b"[]", "[]"),
        (b'"x"', "'x'"),
        (b"null", "None"),
        (b'{"tier":NaN}', "NaN is not JSON"),
        (b'{"tier":3', "b'{"),
        (b'{"tier":3} x', "Extra data"),
        (b"\xff\xfe\xfd", "codec"),
    ],
)
def test_what_is_no_json_object_is_no_subscription(body: bytes, received: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_subscription(body)
    assert caught.value.expected == "a subscription, a JSON object"
    assert received in caught.value.received


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_a_protocol_error(value: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(value)
    assert caught.value.expected
    assert caught.value.received


@given(st.sampled_from(REQUIRED), JSON)
def test_any_value_for_any_member_is_read_or_a_protocol_error(path: tuple[str, ...], value: object) -> None:
    try:
        read = parse(changed(path, value))
    except ProtocolError as error:
        assert error.expected
    else:
        assert isinstance(read.anlas, int)
        assert read.tier_name


@pytest.mark.parametrize("prefix", ["", "/novelai"])
def test_the_call_asks_under_the_services_path_and_reads_the_answer(prefix: str) -> None:
    call = subscription_call(api_key="pst-not-a-real-key", host="api.example", path_prefix=prefix)
    request = call.data_to_send()
    assert request.startswith(f"GET {prefix}/user/subscription HTTP/1.1\r\nHost: api.example\r\n".encode())
    assert b"Bearer pst-not-a-real-key\r\n" in request
    body = json.dumps(CAPTURED).encode()
    [answer] = call.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert answer == call.answer == parse(CAPTURED)
    assert not call.billed
