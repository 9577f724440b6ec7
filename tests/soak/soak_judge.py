"""Compare what came out of a generation with what its plan must end in; every difference is one line of words."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

import attrs
from PIL import Image
from soak_ending import Ending, ending_of, sizes
from soak_plan import Break, Cancel, Leave, Plan, ProxyRefuses

from nai_trio import (
    ConnectError,
    FinalChunk,
    IntermediateChunk,
    NetworkError,
    NetworkTimeout,
    NovelAIError,
    ProxyAuthenticationError,
    ProxyError,
    QueueWait,
    RetryWait,
    StreamInterrupted,
)
from nai_trio.protocol import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LoopError", "Result", "judge"]

_HEAD, _PIECE = 500, 12
"""More than what HTTP puts before a body, and around each piece of it."""


class LoopError(Exception):
    """What the loop's own body raises."""


@attrs.define
class Result:
    """What came of one generation.

    Attributes:
        chunks: handed to the loop; of `generate`, its finals.
        error: what came out of it, `Cancelled` not counted.
        cancelled: whether the caller's deadline ended it.
        left: whether the loop's body ended it.
        waits: what `on_wait` was told.
    """

    chunks: list[Chunk] = attrs.field(factory=list)
    error: BaseException | None = None
    cancelled: bool = False
    left: bool = False
    waits: list[QueueWait | RetryWait] = attrs.field(factory=list)

    @property
    def kind(self) -> str:
        """The outcome in one word, for the closing table."""
        if self.cancelled:
            return "cancelled"
        if self.left:
            return "left by the loop"
        return "finished" if self.error is None else type(self.error).__name__


def judge(plan: Plan, result: Result, *, exact_silence: bool) -> list[str]:
    """What is wrong with a result; empty where nothing is.

    Args:
        plan: what was asked for.
        result: what came.
        exact_silence: whether time is virtual. On a busy machine a timer can run out before all has come that came
            before the silence.
    """
    ending = ending_of(plan)
    found = [*_check_waits(plan, result), *_check_pictures(result)]
    if result.cancelled:
        return [*found, *_check_cancelled(plan, result, ending)]
    if isinstance(result.error, LoopError) or result.left:
        return [*found, *_check_left(plan, result, ending)]
    if plan.network is not None:
        return [*found, *_check_network(plan, result, ending)]
    return [*found, *_check_ending(plan, result, ending, exact=exact_silence or not plan.silent)]


def _prefix(chunks: Sequence[Chunk], whole: Sequence[Chunk]) -> bool:
    return list(chunks) == list(whole[: len(chunks)])


def _evidence(chunks: Sequence[Chunk]) -> tuple[list[IntermediateChunk], list[FinalChunk]]:
    """The last preview of each sample and the finals, in order."""
    previews = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, IntermediateChunk)}
    finals = {chunk.samp_ix: chunk for chunk in chunks if isinstance(chunk, FinalChunk)}
    return [previews[index] for index in sorted(previews)], [finals[index] for index in sorted(finals)]


def _check_waits(plan: Plan, result: Result) -> Iterator[str]:
    places = [wait.place for wait in result.waits if isinstance(wait, QueueWait)]
    if places and plan.client != "queued":
        yield f"waited in a queue: {places}"
    if any(place < 1 for place in places) or places != sorted(set(places), reverse=True):
        yield f"places in the queue: expected ever smaller ones down to 1, got {places}"
    retries = [wait for wait in result.waits if isinstance(wait, RetryWait)]
    asked = [refusal.retry_after for refusal in plan.refusals[: plan.retried]]
    if plan.network is None and len(retries) > len(asked):
        yield f"expected at most {len(asked)} retries, got {retries}"
    if [wait.attempt for wait in retries] != list(range(1, len(retries) + 1)):
        yield f"attempts are not counted from 1: {retries}"
    for wait, seconds in zip(retries, asked, strict=False):
        if seconds is not None and wait.delay != seconds:
            yield f"Retry-After {seconds}: waited {wait.delay}"


def _check_pictures(result: Result) -> Iterator[str]:
    """Pictures that hang on an error open."""
    if not isinstance(result.error, NovelAIError):
        return
    for chunk in [*result.error.previews, *result.error.finals]:
        try:
            with Image.open(io.BytesIO(chunk.image)) as picture:
                picture.load()
                if picture.size != (64, 64):
                    yield f"a picture of {picture.size}"
        except OSError as broken:
            yield f"a picture on the error does not open: {broken}"


def _check_cancelled(plan: Plan, result: Result, ending: Ending) -> Iterator[str]:
    if not isinstance(plan.leaving, Cancel):
        yield "cancelled, which nobody asked for"
    if result.error is not None:
        yield f"cancelled, and yet raised {result.error!r}"
    if not _prefix(result.chunks, ending.chunks):
        yield "cancelled: chunks that are not the beginning of what was to come"


def _check_left(plan: Plan, result: Result, ending: Ending) -> Iterator[str]:
    if not isinstance(plan.leaving, Leave):
        yield "left, which nobody asked for"
        return
    if len(result.chunks) != plan.leaving.at + 1:
        yield f"left at chunk {plan.leaving.at}, with {len(result.chunks)} chunks"
    if not _prefix(result.chunks, ending.chunks):
        yield "left: chunks that are not the beginning of what was to come"
    if (plan.leaving.how == "error") != isinstance(result.error, LoopError):
        yield f"left by {plan.leaving.how}: raised {result.error!r}"


def _check_ending(plan: Plan, result: Result, ending: Ending, *, exact: bool = True) -> Iterator[str]:
    came, meant = list(result.chunks), list(ending.chunks)
    if isinstance(plan.leaving, Leave) and plan.leaving.at < len(meant) and exact:
        yield f"was to be left at chunk {plan.leaving.at}, and was not"
    if plan.whole and ending.error is None:
        meant = [chunk for chunk in meant if isinstance(chunk, FinalChunk)]
    as_meant = came == meant if exact else _prefix(came, meant)
    if not as_meant and (not plan.whole or ending.error is None):
        yield f"expected {_names(meant)}, got {_names(came)}"
    yield from _check_error(result, ending, plan)
    if ending.error is not None and isinstance(result.error, NovelAIError):
        seen = came if not exact and not plan.whole else list(ending.chunks)
        if exact or not plan.whole:
            yield from _check_evidence(result.error, seen)
        told = len(result.error.earlier)  # after a 2xx head the attempts before it are no part of the story
        if told != plan.retried and (told or plan.refused is not None):
            yield f"expected {plan.retried} earlier errors, got {result.error.earlier}"


def _names(chunks: Sequence[Chunk]) -> str:
    return f"{len(chunks)} chunks {[chunk.event_type[:1] for chunk in chunks]}"


def _check_error(result: Result, ending: Ending, plan: Plan) -> Iterator[str]:
    error = result.error
    if ending.error is None:
        if error is not None:
            yield f"expected success, got {error!r}"
        return
    if type(error) is not ending.error:
        yield f"expected {ending.error.__name__}, got {error!r}"
        return
    if error.billing_unknown is not ending.billing_unknown:
        yield f"{error!r}: billing_unknown is {error.billing_unknown}"
    for name, value in ending.said.items():
        if getattr(error, name) != value:
            yield f"{error!r}: {name} is {getattr(error, name)!r}, expected {value!r}"
    if plan.refused is not None and not plan.refused.html and not str(error).startswith(f"{plan.refused.status}: "):
        yield f"{error} does not begin with its status"


def _check_evidence(error: NovelAIError, chunks: Sequence[Chunk]) -> Iterator[str]:
    previews, finals = _evidence(chunks)
    if error.previews != previews:
        yield f"{error!r}: expected {len(previews)} previews, got {len(error.previews)}, or others"
    if error.finals != finals:
        yield f"{error!r}: expected {len(finals)} finals, got {len(error.finals)}, or others"


def _check_network(plan: Plan, result: Result, ending: Ending) -> Iterator[str]:
    """Where bytes are cut below HTTP (and TLS) only bounds are known of how many chunks had come."""
    error = result.error
    if error is None:
        if not _may_succeed(plan):
            yield "expected the network's fault, got success"
        yield from _check_ending(plan, result, ending)
        return
    if not isinstance(error, _classes(plan)) or not isinstance(error, NetworkError):
        yield f"expected {[kind.__name__ for kind in _classes(plan)]}, got {error!r}"
        return
    begun = isinstance(error, StreamInterrupted) or getattr(error, "phase", "") in {"response", "read", "event"}
    if error.billing_unknown is not begun:
        yield f"{error!r}: billing_unknown is {error.billing_unknown}"
    if not begun and plan.attempts > 1 and not result.waits:
        yield f"{error!r}: was not tried again"
    if not plan.whole:
        if not _prefix(result.chunks, ending.chunks):
            yield "chunks that are not the beginning of what was to come"
        yield from _check_evidence(error, result.chunks)
    elif not any(not list(_check_evidence(error, ending.chunks[:count])) for count in range(len(ending.chunks) + 1)):
        yield "what hangs on the error is not the beginning of what was to come"
    yield from _check_bytes(plan, error, result, ending)


def _may_succeed(plan: Plan) -> bool:
    """A byte can lie beyond the end; a fault before the request is through may be followed by another attempt."""
    if isinstance(plan.network, Break) and plan.network.way != "connect":
        return True
    return plan.attempts > 1


def _classes(plan: Plan) -> tuple[type[NovelAIError], ...]:
    network = plan.network
    if isinstance(network, ProxyRefuses):
        return (ProxyAuthenticationError,) if network.status == 407 else (ProxyError,)
    assert network is not None
    if network.how == "silence":
        return (NetworkTimeout,)
    if network.way == "connect":
        return (ConnectError,)
    return (StreamInterrupted, NetworkError)  # by chance: in the handshake, while sending, or later


def _check_bytes(plan: Plan, error: NovelAIError, result: Result, ending: Ending) -> Iterator[str]:
    """Without TLS the bytes are known but for HTTP's own."""
    network = plan.network
    if not (isinstance(network, Break) and network.way == "response" and plan.route == "proxy" and plan.streamed):
        return
    ends = list(itertools.accumulate(sizes(plan)))
    most = sum(end <= network.after for end in ends)
    least = sum(end + _HEAD + _PIECE * number <= network.after for number, end in enumerate(ends, 1))
    count = len(result.chunks)
    if plan.whole:
        count = max(n for n in range(len(ends) + 1) if not list(_check_evidence(error, ending.chunks[:n])))
    if not (least if network.how == "close" else 0) <= count <= most:
        yield f"{network}: expected {least} to {most} chunks, got {count}"
