"""What one exchange makes of a response that may be anything: the same at every cut, or the test fails."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import attrs
import recorded

from nai_trio import LimitExceeded, Limits, NovelAIError
from nai_trio.protocol import ImageExchange
from nai_trio.protocol.subscription import subscription_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.protocol.service import ServiceExchange

KEY = "pst-not-a-real-key"
HOST = "service.example"

STEPS = (1, 7, 4096)
"""Sizes of the pieces that a response is fed in, beside the whole of it."""


FINAL = recorded.events()[-1]


def stream(content: bytes, media_type: str = "text/event-stream") -> bytes:
    return recorded.response(content, media_type, framing="length")


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def event_of(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def with_member(value: bytes) -> bytes:
    """A final, as JSON, with one more member."""
    fields = json.dumps({**FINAL, "image": base64.b64encode(FINAL["image"]).decode()}).encode()
    return fields[:-1] + b', "more": ' + value + b"}"


@attrs.frozen
class Outcome:
    """What came of it.

    Attributes:
        items: the chunks, or the one answer of a call.
        error: what it ended in, None where it was taken.
        fed: how many bytes had been taken when it ended, at the finest cut.
    """

    items: list[Any]
    error: NovelAIError | None
    fed: int = attrs.field(eq=False)


def generation(limits: Limits | None = None, delivery: Any = "sse") -> ImageExchange:
    """A generation of one picture."""
    return ImageExchange(
        recorded.params(), api_key=KEY, host=HOST, stream=delivery, body=b"{}", limits=limits or Limits()
    )


def account(limits: Limits | None = None) -> ServiceExchange[Any]:
    """A call."""
    return subscription_call(api_key=KEY, host=HOST, limits=limits or Limits())


def ending(make: Callable[[], ServiceExchange[Any]], response: bytes, *, steps: tuple[int, ...] = STEPS) -> Outcome:
    """Feed a response, whole and in pieces, and the end of file; fail unless each cut ends alike."""
    first = _fed(make(), response, len(response))
    for step in steps:
        other = _fed(make(), response, step)
        assert _comparable(other) == _comparable(first), f"pieces of {step} bytes end otherwise"
        first = attrs.evolve(first, fed=min(first.fed, other.fed))
    return first


def check_limit(
    make: Callable[[Limits], ServiceExchange[Any]],
    response: bytes,
    limit: str,
    allowed: int,
    *,
    steps: tuple[int, ...] = STEPS,
) -> LimitExceeded:
    """Fail unless a response is taken with a limit of `allowed`, and with one less is refused, at every cut."""
    taken = ending(lambda: make(Limits(**{limit: allowed})), response, steps=steps)
    assert taken.error is None, f"refused at the limit: {taken.error}"
    error = ending(lambda: make(Limits(**{limit: allowed - 1})), response, steps=steps).error
    assert isinstance(error, LimitExceeded), f"taken over the limit: {error!r}"
    assert (error.limit, error.allowed) == (limit, allowed - 1)
    assert f"expected at most {allowed - 1} " in str(error)
    assert f"({limit})" in str(error)
    assert len(str(error)) < 300
    return error


def _fed(exchange: ServiceExchange[Any], response: bytes, step: int) -> Outcome:
    exchange.data_to_send()
    items: list[Any] = []
    fed = 0
    try:
        for start in range(0, len(response), step):
            if exchange.complete:
                break
            fed = start + step
            items += exchange.receive_data(response[start : start + step])
            exchange.raise_fault()
        if not exchange.complete:
            items += exchange.receive_data(b"")
        exchange.raise_fault()
    except NovelAIError as error:
        return Outcome(items, error, fed)
    return Outcome(items, None, fed)


def _comparable(outcome: Outcome) -> tuple[object, ...]:
    return outcome.items, type(outcome.error), str(outcome.error)
