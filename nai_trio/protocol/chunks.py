"""What a generation yields: the records handed to the user, whatever the framing was.

Each is frozen and compares by value, so the same generation over SSE and over msgpack gives equal chunks. Pictures are
held as bytes, decoded once when they arrive (a broken base64 text must be an error then, not at some later read);
`image_base64` is made on demand.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping  # noqa: TC003 - attrs and cattrs resolve the fields' types at run time
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

ImageFormat: TypeAlias = Literal["jpeg", "png", "webp", "unknown"]

__all__ = [
    "Chunk",
    "FinalChunk",
    "ImageFormat",
    "IntermediateChunk",
    "RetryChunk",
    "UnknownChunk",
    "image_format",
]


def image_format(image: bytes) -> ImageFormat:
    """Tell a picture's format by its first bytes: "jpeg", "png", "webp", else "unknown"."""
    if image.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "webp"
    return "unknown"


def _show_image(image: bytes) -> str:
    return f"<{image_format(image)}, {len(image)} bytes>"


def _no_fields() -> Mapping[str, object]:
    return {}


class _Picture:
    """What every chunk with a picture can tell of it."""

    __slots__ = ()
    image: bytes

    @property
    def image_base64(self) -> str:
        """The picture as standard padded base64 text."""
        return base64.b64encode(self.image).decode("ascii")

    @property
    def image_format(self) -> ImageFormat:
        """The picture's format, told by its first bytes."""
        return image_format(self.image)


@attrs.frozen(kw_only=True)
class IntermediateChunk(_Picture):
    """A preview of one sample after one step.

    The service sends N-1 previews for N steps and then the final, so a progress bar is filled by the `FinalChunk`.

    Attributes:
        event_type: always "intermediate".
        samp_ix: which sample, 0-based.
        step_ix: which step, 0-based.
        steps: how many steps are taken: those asked for, or fewer where a picture is the start
            (`ImageParams.steps_taken`); from the request, it is not on the wire.
        gen_id: the service's number for this generation, the same for the whole response.
        sigma: the noise level left after this step, falling from 20000 towards 0.
        image: the preview's bytes, a JPEG.
        extra: members of the event that this version does not know.
    """

    event_type: Literal["intermediate"] = attrs.field(default="intermediate", init=False)
    samp_ix: int
    step_ix: int
    steps: int
    gen_id: int
    sigma: float
    image: bytes = attrs.field(repr=_show_image)
    extra: Mapping[str, object] = attrs.field(factory=_no_fields, hash=False)

    @property
    def progress(self) -> float:
        """How far this sample is, over 0 and below 1; only the final makes it 1."""
        return min(1.0, (self.step_ix + 1) / self.steps)


@attrs.frozen(kw_only=True)
class FinalChunk(_Picture):
    """The finished picture of one sample.

    Attributes:
        event_type: always "final".
        samp_ix: which sample, 0-based.
        gen_id: the service's number for this generation; None for pictures that came in a ZIP or bare.
        image: the picture's bytes, PNG or WebP.
        seed: what this sample was made from, 0 to 4294967295: the request's seed plus `samp_ix`, beyond the end from 0
            again; where the answer tells it (JSON alone does), what that says. None only on chunks made by hand. For a
            request with seed 0 older documents have the service pick its own.
        extra: members of the event that this version does not know.
    """

    event_type: Literal["final"] = attrs.field(default="final", init=False)
    samp_ix: int
    gen_id: int | None
    image: bytes = attrs.field(repr=_show_image)
    seed: int | None = None
    extra: Mapping[str, object] = attrs.field(factory=_no_fields, hash=False)


@attrs.frozen(kw_only=True)
class RetryChunk:
    """The service restarts the job by itself; it only informs, the stream goes on.

    Attributes:
        event_type: always "retry".
        message: the service's words.
        extra: the event's other members.
    """

    event_type: Literal["retry"] = attrs.field(default="retry", init=False)
    message: str
    extra: Mapping[str, object] = attrs.field(factory=_no_fields, hash=False)


if TYPE_CHECKING:
    # Not so: it is any other text. But only where each kind of chunk has a literal of its own do type checkers tell
    # them apart by `chunk.event_type == "intermediate"`; with `str` here they could not. `isinstance` works as ever.
    OtherKind: TypeAlias = Literal["(any other)"]
else:
    OtherKind = str


@attrs.frozen(kw_only=True)
class UnknownChunk:
    """An event of a kind that this version does not know, passed on whole.

    Attributes:
        event_type: the kind, as the service names it.
        fields: all members of the event, `event_type` among them.
    """

    event_type: OtherKind
    fields: Mapping[str, object] = attrs.field(hash=False)


Chunk: TypeAlias = IntermediateChunk | FinalChunk | RetryChunk | UnknownChunk
"""Anything that a generation yields; tell them apart by class or by `event_type`."""
