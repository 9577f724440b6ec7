"""From the service's events to chunks: one mapping for both framings (wire document, section 4.1).

Both framings carry the same members; SSE has the picture as base64 text, msgpack as bytes (a proxy was seen to put
base64 into msgpack, so either is taken in both). Every member that the event's kind promises must be there and have its
type; members that are not known stay on the chunk, and so do whole events of unknown kind.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import attrs

from nai_trio.errors import GenerationError
from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk
from nai_trio.protocol.members import Members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nai_trio.protocol.chunks import OtherKind

__all__ = ["EventReader"]

_PREVIEW = ("event_type", "samp_ix", "step_ix", "gen_id", "sigma", "image")
_PREVIEW_MEMBERS = frozenset(_PREVIEW)
_preview_values = itemgetter(*_PREVIEW)

_NUMBERS = (int, float)
_LARGEST = 2**53
"""Integers up to there are floats without a loss."""


@attrs.frozen(kw_only=True)
class EventReader:
    """Reads events of one generation.

    Attributes:
        steps: how many steps are taken; put on each preview.
        n_samples: how many samples were asked for; an event for another one is a `ProtocolError`.
    """

    steps: int
    n_samples: int

    def chunk(self, fields: Mapping[str, Any], *, offset: int) -> Chunk:
        """Turn one event into a chunk.

        Args:
            fields: the event's members.
            offset: where in the body the event starts, for errors.

        Raises:
            GenerationError: the event is an `error`.
            ProtocolError: a member is missing, or is not what it must be.
        """
        usual = self._usual_preview(fields)
        if usual is not None:
            return usual
        event = Members(fields, of="an event", offset=offset)
        kind = event.take_text("event_type")
        if kind == "intermediate":
            return self._intermediate(event)
        if kind == "final":
            return self._final(event)
        if kind == "retry":
            return RetryChunk(message=event.take_message(), extra=event.fields)
        if kind == "error":
            raise _error(event)
        return UnknownChunk(event_type=cast("OtherKind", kind), fields=fields)

    def _usual_preview(self, fields: Mapping[str, Any]) -> IntermediateChunk | None:
        """The preview in an event that has just the members that it should; None where it takes the general way.

        Nearly all events are such; that makes all of a generation take six tenths of the time (benchmarks/tricks.py).
        """
        if fields.keys() != _PREVIEW_MEMBERS:
            return None
        kind, sample, step, gen_id, sigma, image = _preview_values(fields)
        if not (type(sample) is type(step) is type(gen_id) is int and type(sigma) in _NUMBERS and type(image) is bytes):
            return None
        if not (kind == "intermediate" and 0 <= sample < self.n_samples and step >= 0 and gen_id >= 0 and image):
            return None
        if not -_LARGEST < sigma < _LARGEST:  # neither is what is not a number
            return None
        return IntermediateChunk(
            samp_ix=sample, step_ix=step, steps=self.steps, gen_id=gen_id, sigma=float(sigma), image=image
        )

    def _intermediate(self, event: Members) -> IntermediateChunk:
        return IntermediateChunk(
            samp_ix=self._sample(event),
            step_ix=event.take_index("step_ix"),
            steps=self.steps,
            gen_id=event.take_index("gen_id"),
            sigma=event.take_number("sigma"),
            image=event.take_image(),
            extra=event.fields,
        )

    def _final(self, event: Members) -> FinalChunk:
        return FinalChunk(
            samp_ix=self._sample(event),
            gen_id=event.take_index("gen_id"),
            image=event.take_image(),
            extra=event.fields,
        )

    def _sample(self, event: Members) -> int:
        index = event.take_index("samp_ix")
        if index >= self.n_samples:
            raise event.wrong("samp_ix", f"an integer below {self.n_samples}", index)
        return index


def _error(event: Members) -> GenerationError:
    code = event.fields.get("code")
    sample = event.fields.get("samp_ix")
    return GenerationError(
        event.take_message(),
        code=code if isinstance(code, int | str) else None,
        samp_ix=sample if isinstance(sample, int) else None,
    )
