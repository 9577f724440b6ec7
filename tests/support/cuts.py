"""How a response that was cut must end: one table, and the check of a run against it.

A run is given the first `count` bytes of a response and then the end of file, a reset, silence, or a drip: one byte now
and then. The table says which
error is right; `whole_events` says independently what had arrived and must not be lost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import attrs

from nai_trio import HTTPStatusError, NetworkTimeout, NovelAIError, Timeouts
from nai_trio.protocol import ImageExchange

if TYPE_CHECKING:
    from answers import Answer
    from whole_events import Arrived, Phase, WholeResponse

    from nai_trio import Chunk

KEY = "pst-not-a-real-key"
End = Literal["end of file", "reset", "silence", "drip"]
ENDS: tuple[End, ...] = ("end of file", "reset", "silence", "drip")

DRIP = 50.0
"""Seconds before each further byte of a drip: less than any timeout that watches the wire."""

INTERRUPTED = ("StreamInterrupted", "StreamInterrupted")
NO_HEAD = (*INTERRUPTED, "NetworkTimeout response", "NetworkTimeout response")
NO_MORE = (*INTERRUPTED, "NetworkTimeout read", "NetworkTimeout event")
REFUSED = ("the refusal", "the refusal", "the refusal", "the refusal")
NO_ANSWER = NO_HEAD
"""A 2xx body that can only be an error never begins to be an answer, so the answer is still waited for."""

TABLE: dict[str, dict[Phase, tuple[str, str, str, str]]] = {
    "pictures": {  # streamed, and all at the end alike
        "before the head": NO_HEAD,
        "in the head": NO_HEAD,
        "in the framing": NO_MORE,
        "in an event": NO_MORE,
        "between events": NO_MORE,
    },
    "a refusal": {
        "before the head": NO_HEAD,
        "in the head": NO_HEAD,
        "in the framing": REFUSED,
        "in an event": REFUSED,
        "between events": REFUSED,
    },
    "an error under 200": {
        "before the head": NO_HEAD,
        "in the head": NO_HEAD,
        "in the framing": NO_ANSWER,
        "in an event": NO_ANSWER,
        "between events": NO_ANSWER,
    },
}
"""What a cut ends in, for each end of `ENDS`. What the service said in whole before it stands: see `expected`."""

TIMEOUTS = Timeouts()
SECONDS = {
    "NetworkTimeout read": TIMEOUTS.read or 0.0,
    "NetworkTimeout event": TIMEOUTS.event or 0.0,
    "NetworkTimeout response": TIMEOUTS.response or 0.0,
    "the refusal": TIMEOUTS.response or 0.0,
}
"""After how long a silence or a drip ends; in a refusal it is the answer that is still waited for."""


@attrs.frozen
class Run:
    """What came of one.

    Attributes:
        chunks: those that were handed out.
        error: what it ended in, None for success.
        seconds: of virtual time.
    """

    chunks: list[Chunk]
    error: NovelAIError | None
    seconds: float = 0.0


def expected(answer: Answer, whole: WholeResponse, count: int, end: End) -> tuple[str, float]:
    """What must come of it, and after how many seconds.

    Returns:
        The name of an error, with the phase of a timeout; "the refusal"; or "" for success.
    """
    if any(each["event_type"] == "error" for each in whole.arrived(count).events):
        return "GenerationError", 0.0
    group = "a refusal" if answer.status >= 300 else "pictures" if answer.promises_pictures else "an error under 200"
    phase = whole.phase(count)
    if _looks_whole(answer, whole, count, end):
        return "", 0.0
    if group == "pictures" and whole.body_bytes(count) < answer.telling:
        group = "an error under 200"  # as good as one: it has not begun to be an answer
    if phase == "whole":
        if whole.framing != "close" or end == "end of file":  # without a length, the end of file is the proof
            return "the refusal" if group == "a refusal" else answer.error, 0.0
        phase = "between events"
    wanted = TABLE[group][phase][ENDS.index(end)]
    return wanted, SECONDS[wanted] if end in {"silence", "drip"} else 0.0


def _looks_whole(answer: Answer, whole: WholeResponse, count: int, end: End) -> bool:
    """Whether it cannot be told that more was to come: all pictures and whole events, and the connection's end."""
    if whole.framing != "close" or end != "end of file" or answer.delivery not in {"sse", "msgpack"}:
        return False
    return whole.phase(count) == "between events" and len(whole.arrived(count).finals) == answer.n_samples


def drips(whole: WholeResponse, count: int) -> bool:
    """Whether the bytes that drip behind the first `count` complete nothing, so that the table holds for them."""
    last = count + int(max(SECONDS.values()) / DRIP) + 1
    completes = {whole.head_end, *whole.ends, len(whole.wire)}
    return count < len(whole.wire) and not any(count < place <= last for place in completes)


def check(answer: Answer, whole: WholeResponse, count: int, end: End, run: Run) -> None:
    """Fail unless a run came out as it must."""
    where = f"{answer} {whole.framing}: {end} after {count} of {len(whole.wire)} bytes ({whole.phase(count)})"
    wanted, seconds = expected(answer, whole, count, end)
    assert told(answer, run.error) == wanted, f"{where}: expected {wanted or 'success'}, got {run.error!r}"
    assert math.isclose(run.seconds, seconds, abs_tol=1e-6), f"{where}: {run.seconds} s"
    arrived = whole.arrived(count)
    if run.error is None or answer.delivery in {"sse", "msgpack"}:
        events = [each for each in arrived.events if each["event_type"] != "error"]
        assert [_of_chunk(chunk) for chunk in run.chunks] == [_of_event(each) for each in events], where
    if run.error is not None:
        _check_error(run.error, answer, arrived, where)


def exchange_for(answer: Answer) -> ImageExchange:
    """The core, with the request for that answer."""
    return ImageExchange(answer.params, api_key=KEY, host="service.example", stream=answer.delivery, body=b"{}")


def fed(answer: Answer, data: bytes) -> Run:
    """What the core makes of these bytes and the end of file behind them."""
    exchange = exchange_for(answer)
    exchange.data_to_send()
    run = Run([], None)
    try:
        for piece in (data, b""):
            if piece or not exchange.complete:
                run.chunks.extend(exchange.receive_data(piece))
        exchange.raise_fault()
    except NovelAIError as error:
        assert not exchange.complete
        return Run(run.chunks, error)
    assert exchange.complete
    return run


def told(answer: Answer, error: NovelAIError | None) -> str:
    if isinstance(error, HTTPStatusError) and error.status == answer.status:
        return "the refusal"
    if isinstance(error, NetworkTimeout):
        return f"NetworkTimeout {error.phase}"
    return "" if error is None else type(error).__name__


def _check_error(error: NovelAIError, answer: Answer, arrived: Arrived, where: str) -> None:
    """All that had arrived hangs on the error, and it says whether it may be billed."""
    assert {each.samp_ix: each.image for each in error.previews} == arrived.previews, where
    assert {each.samp_ix: each.image for each in error.finals} == arrived.finals, where
    assert error.billing_unknown == (not isinstance(error, HTTPStatusError) or answer.status > 500), where


_MEMBERS = {"intermediate": ("samp_ix", "step_ix", "sigma", "image"), "final": ("samp_ix", "image")}


def _of_chunk(chunk: Any) -> list[Any]:
    return [chunk.event_type, *(getattr(chunk, name) for name in _MEMBERS.get(chunk.event_type, ("message",)))]


def _of_event(fields: dict[str, Any]) -> list[Any]:
    return [fields["event_type"], *(fields[name] for name in _MEMBERS.get(fields["event_type"], ("message",)))]
