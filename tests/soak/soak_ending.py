"""What a plan must end in, painted once more here: the chunks, and the error with all that hangs on it.

Written from the emulator's own events and from the documents, and not from the client's decoders.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import attrs

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    ConflictError,
    FinalChunk,
    GenerationError,
    HTTPStatusError,
    IntermediateChunk,
    InvalidRequestError,
    LimitExceeded,
    NetworkTimeout,
    NovelAIError,
    PaymentRequiredError,
    ProtocolError,
    RateLimitError,
    RetryChunk,
    ServerError,
    StreamInterrupted,
)
from nai_trio.emulator import (
    BadBase64,
    BadJSON,
    Cut,
    Generation,
    HugePrefix,
    MissingField,
    MissingFinal,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
    encode_msgpack,
    encode_sse,
    encode_zip,
)
from nai_trio.emulator.events import encode_images_json
from nai_trio.protocol import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from soak_plan import Framing, Plan

    from nai_trio.emulator import Refuse

__all__ = ["Ending", "ending_of", "sizes"]

_REFUSED: dict[int, type[HTTPStatusError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: HTTPStatusError,
    409: ConflictError,
    429: ConcurrencyLockedError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}


@attrs.frozen
class Ending:
    """How a generation ends when nobody leaves it and nothing below HTTP breaks.

    Attributes:
        chunks: what it brings before that.
        error: the class of its error, exactly, or None for success.
        billing_unknown: what the error must say of that.
        said: attributes of the error and their values.
    """

    chunks: tuple[Chunk, ...]
    error: type[NovelAIError] | None = None
    billing_unknown: bool = True
    said: Mapping[str, object] = attrs.field(factory=dict)


def ending_of(plan: Plan) -> Ending:
    """The ending of one plan."""
    if plan.refused is not None:
        return _refused(plan.refused)
    job = Generation(json.loads(_request(plan)), streamed=plan.streamed)
    if isinstance(plan.fault, WrongType):
        return _wrong_type(plan, job, plan.fault.kind)
    return _stream_ending(plan, list(job.events())) if plan.streamed else _plain_ending(plan, job)


def sizes(plan: Plan) -> list[int]:
    """Bytes of each event of an unspoilt stream, for framings that stream."""
    job = Generation(json.loads(_request(plan)), streamed=True)
    return [len(_encoded(plan.framing, event)) for event in job.events()]


def _request(plan: Plan) -> bytes:
    return plan.params.to_json(stream=plan.framing if plan.framing in {"sse", "msgpack"} else None)


def _encoded(framing: Framing, event: Mapping[str, object]) -> bytes:
    return encode_sse(event) if framing == "sse" else encode_msgpack(event)


def _refused(refusal: Refuse) -> Ending:
    kind = _REFUSED[refusal.status]
    if refusal.status == 429 and refusal.html:
        kind = RateLimitError
    said = {"status": refusal.status, "retry_after": refusal.retry_after}
    return Ending((), kind, billing_unknown=refusal.status > 500, said=said)


def _chunk(plan: Plan, event: Mapping[str, Any]) -> Chunk:
    if event["event_type"] == "final":
        return _final(plan, event, gen_id=event["gen_id"])
    return IntermediateChunk(
        samp_ix=event["samp_ix"],
        step_ix=event["step_ix"],
        steps=plan.steps,
        gen_id=event["gen_id"],
        sigma=event["sigma"],
        image=event["image"],
    )


def _final(plan: Plan, event: Mapping[str, Any], *, gen_id: int | None) -> FinalChunk:
    sample = event["samp_ix"]
    return FinalChunk(samp_ix=sample, gen_id=gen_id, image=event["image"], seed=plan.number + sample)


def _chunks(plan: Plan, events: Sequence[Mapping[str, Any]]) -> tuple[Chunk, ...]:
    return tuple(_chunk(plan, event) for event in events)


def _silence(plan: Plan) -> dict[str, object]:
    return {"phase": plan.timer}


def _stream_ending(plan: Plan, events: list[dict[str, Any]]) -> Ending:
    match plan.fault:
        case Cut(after=count) | Stall(after=count):
            return _struck(plan, events, count)
        case StreamRetry(after_events=count, message=message):
            before, after = _chunks(plan, events[:count]), _chunks(plan, events[count:])
            return Ending((*before, RetryChunk(message=message), *after))
        case MissingFinal():
            previews = [event for event in events if event["event_type"] != "final"]
            return Ending(_chunks(plan, previews), StreamInterrupted)
        case MissingField(name=name) if any(name in event for event in events):
            first = next(index for index, event in enumerate(events) if name in event)
            return Ending(_chunks(plan, events[:first]), ProtocolError)
    return _spoilt_event(plan, events)


def _spoilt_event(plan: Plan, events: list[dict[str, Any]]) -> Ending:
    """Good events, and then one that ends it."""
    match plan.fault:
        case StreamError(after_events=count, message=message, code=code):
            said = {"message": message, "code": code}
            return Ending(_chunks(plan, events[:count]), GenerationError, said=said)
        case HugePrefix(after_events=count) if plan.framing == "msgpack":
            return Ending(_chunks(plan, events[:count]), LimitExceeded, said={"limit": "max_frame_size"})
        case HugePrefix(after_events=count):
            return Ending(_chunks(plan, events[:count]), StreamInterrupted)
        case BadBase64(after_events=count) | BadJSON(after_events=count) if count < len(events):
            return Ending(_chunks(plan, events[:count]), ProtocolError)
    return Ending(_chunks(plan, events))


def _struck(plan: Plan, events: list[dict[str, Any]], count: int) -> Ending:
    ends = list(itertools.accumulate(len(_encoded(plan.framing, event)) for event in events))
    if count > ends[-1]:
        return Ending(_chunks(plan, events))
    whole = _chunks(plan, [event for event, end in zip(events, ends, strict=True) if end <= count])
    if isinstance(plan.fault, Cut):
        return Ending(whole, StreamInterrupted)
    return Ending(whole, NetworkTimeout, said=_silence(plan))


def _plain_ending(plan: Plan, job: Generation) -> Ending:
    events: list[Any] = list(job.finals())
    finals = tuple(_final(plan, event, gen_id=None) for event in events)
    match plan.fault:
        case Cut(after=count) | Stall(after=count):
            whole = encode_zip(events) if plan.framing == "zip" else encode_images_json(events, plan.number)
            if count > len(whole):
                return Ending(finals)
            if isinstance(plan.fault, Cut):
                return Ending((), StreamInterrupted)
            return Ending((), NetworkTimeout, said=_silence(plan))
        case StreamError(message=message):
            said = {"status": 500, "message": message}
            return Ending((), ServerError, billing_unknown=False, said=said)
        case MissingFinal():
            return Ending((), StreamInterrupted if plan.framing == "zip" else ProtocolError)
    return Ending(finals)


def _wrong_type(plan: Plan, job: Generation, kind: str) -> Ending:
    if kind in {"sse", "msgpack"}:
        return Ending(_chunks(plan, list(job.events())))
    if kind == "html":
        return Ending((), ProtocolError)
    if kind == "json":
        return Ending((), GenerationError, said={"code": 500})
    finals = tuple(_final(plan, event, gen_id=None) for event in job.finals())
    if kind == "zip":
        return Ending(finals)
    return Ending(finals[:1], None if plan.n_samples == 1 else StreamInterrupted)
