"""The account's JSON, and the answer of a short call: a record or one error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from any_answers import FRAMINGS, KEY, LIMITS, framed, options
from invariants import Outcome, check_held, decoded, held, same_however_cut
from real_bytes import SUBSCRIPTION
from shaken import shaken

from nai_trio.errors import NovelAIError, ProtocolError
from nai_trio.protocol import Subscription, encode_vibe_call, parse_subscription, subscription_call

MEASURED = ("nai_trio.protocol.subscription", "nai_trio.protocol.call", "nai_trio.protocol.vibe")
LONGEST = 900
WORDS = (
    b'"tier":', b'"active":', b'"expiresAt":', b'"isGracePeriod":', b'"perks":{', b'"trainingStepsLeft":{',
    b'"usage":', b'"percent":', b"null", b"true", b"1e400", b"NaN", b"-0", b"{}", b"[]", b'""', b"1" * 20, b"1.5",
    b"<html", b"\xff",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any body is an account, or the bytes of a vibe, or one error. The first byte says which, and how it is framed."""
    choice, body = options(data)
    record, vibe = _parsed(body), bool(choice & 8)
    for text in shaken(body):
        _parsed(text)
    media_type = "application/binary" if vibe else "application/json"
    response = framed(body, media_type, FRAMINGS[choice % 3], cut=bool(choice & 4))
    outcome = same_however_cut(response, lambda pieces: _run(pieces, vibe=vibe))
    assert outcome.items in ([], [body if vibe else record])
    assert len(outcome.items) == (outcome.error is None)


def _parsed(body: bytes) -> Subscription | None:
    try:
        record = parse_subscription(body)
    except ProtocolError as error:
        assert len(str(error)) < 600
        return None
    assert record.anlas == record.training_steps.fixed + record.training_steps.purchased
    assert record.tier_name
    assert record.usage is None or math.isfinite(record.usage.percent)
    assert isinstance(json.loads(body), dict)
    return record


def _run(pieces: list[bytes], *, vibe: bool) -> Outcome:
    call = (
        encode_vibe_call(b"{}", api_key=KEY, host="localhost", limits=LIMITS)
        if vibe
        else subscription_call(api_key=KEY, host="localhost", limits=LIMITS)
    )
    call.data_to_send()
    own, answers = held(call), []

    class Once:
        """As a driver does, it stops where the call is complete."""

        @property
        def fault(self) -> NovelAIError | None:
            return call.fault

        def raise_fault(self) -> None:
            call.raise_fault()

        def feed(self, piece: bytes | memoryview) -> list[object]:
            return [] if call.complete else call.receive_data(piece)

    outcome = decoded(Once(), [*pieces, b""], most=0)  # type: ignore[arg-type]
    check_held(call, own + 4 * LIMITS.max_call_size + LIMITS.max_head_size + max(map(len, pieces), default=0))
    answers += outcome.items
    assert call.complete is bool(answers)
    assert not answers or call.answer == answers[0]
    return outcome


def seeds() -> Iterator[bytes]:
    text = json.dumps(SUBSCRIPTION, separators=(",", ":")).encode()
    yield b"\0" + text
    yield b"\1" + json.dumps({**SUBSCRIPTION, "usage": None, "tier": 9}).encode()
    yield b"\2" + text
    yield b"\2" + text[:-1]
    yield b"\4" + text
    yield b"\0" + text.replace(b"true", b"1")
    yield b"\x09\x01\x02 the bytes of a vibe"
    yield b"\x0a\x01\x02 the bytes of a vibe"
    yield b"\x08<!DOCTYPE html><title>no</title>"
    yield b'\x08{"message":"no"}'
    yield b"\x08"
    yield b"\0" + text + b" " * 400
