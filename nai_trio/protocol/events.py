"""From the service's events to chunks: one mapping for both framings (wire document, section 4.1).

Both framings carry the same members; SSE has the picture as base64 text, msgpack as bytes (a proxy was seen to put
base64 into msgpack, so either is taken in both). Every member that the event's kind promises must be there and have its
type; members that are not known stay on the chunk, and so do whole events of unknown kind.
"""

from __future__ import annotations

import math
import reprlib
from typing import TYPE_CHECKING, Any, cast

import attrs

from nai_trio.errors import GenerationError, ProtocolError
from nai_trio.protocol import _base64
from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk, RetryChunk, UnknownChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nai_trio.protocol.chunks import OtherKind

__all__ = ["EventReader"]


@attrs.frozen(kw_only=True)
class EventReader:
    """Reads events of one generation.

    Attributes:
        steps: how many steps were asked for; put on each preview.
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
        event = _Event(dict(fields), offset)
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

    def _intermediate(self, event: _Event) -> IntermediateChunk:
        return IntermediateChunk(
            samp_ix=self._sample(event),
            step_ix=event.take_index("step_ix"),
            steps=self.steps,
            gen_id=event.take_index("gen_id"),
            sigma=event.take_number("sigma"),
            image=event.take_image(),
            extra=event.fields,
        )

    def _final(self, event: _Event) -> FinalChunk:
        return FinalChunk(
            samp_ix=self._sample(event),
            gen_id=event.take_index("gen_id"),
            image=event.take_image(),
            extra=event.fields,
        )

    def _sample(self, event: _Event) -> int:
        index = event.take_index("samp_ix")
        if index >= self.n_samples:
            raise event.wrong("samp_ix", f"an integer below {self.n_samples}", index)
        return index


def _error(event: _Event) -> GenerationError:
    code = event.fields.get("code")
    sample = event.fields.get("samp_ix")
    return GenerationError(
        event.take_message(),
        code=code if isinstance(code, int | str) else None,
        samp_ix=sample if isinstance(sample, int) else None,
    )


def _show(value: object) -> str:
    shown = reprlib.repr(value)  # stops at a depth; repr would recurse as deep as the peer likes
    return shown if len(shown) <= 60 else f"{shown[:57]}... ({type(value).__name__})"


class _Event:
    """The members of one event, taken one by one; what is left over is what nobody knew."""

    def __init__(self, fields: dict[str, Any], offset: int) -> None:
        self.fields = fields
        self._offset = offset

    def wrong(self, name: str, expected: str, value: object) -> ProtocolError:
        return ProtocolError.mismatch(
            expected=f"an event whose {name!r} is {expected}", received=_show(value), offset=self._offset
        )

    def _take(self, name: str, expected: str) -> object:
        try:
            return self.fields.pop(name)
        except KeyError:
            present = ", ".join(sorted(map(repr, self.fields)))[:120] or "no members"
            raise ProtocolError.mismatch(
                expected=f"an event with {name!r} ({expected})",
                received=f"one with {present}",
                offset=self._offset,
            ) from None

    def take_text(self, name: str) -> str:
        value = self._take(name, "text")
        if not isinstance(value, str):
            raise self.wrong(name, "text", value)
        return value

    def take_index(self, name: str) -> int:
        value = self._take(name, "an integer")
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(name, "an integer of at least 0", value)
        return value

    def take_number(self, name: str) -> float:
        value = self._take(name, "a number")
        try:
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                return float(value)
        except OverflowError:  # an integer beyond every float
            pass
        raise self.wrong(name, "a finite number", value)

    def take_message(self) -> str:
        """The words of an `error` or `retry`; their full form is not established, so anything is taken."""
        value = self.fields.pop("message", "")
        return value if isinstance(value, str) else _show(value)

    def take_image(self) -> bytes:
        value = self._take("image", "bytes or base64 text")
        if isinstance(value, str):
            try:
                value = _base64.decode(value)
            except ValueError as error:
                raise self.wrong("image", f"valid base64 ({error})", value) from error
        if not isinstance(value, bytes) or not value:
            raise self.wrong("image", "the bytes of a picture", value)
        return value
