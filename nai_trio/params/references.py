"""Character (precise) references: who is drawn, or in whose style (wire document, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import attrs

from nai_trio.params.checks import choice, number
from nai_trio.params.records import Record
from nai_trio.pictures.source import ImageSource, to_source

__all__ = ["CharacterReference", "CharacterReferenceLike", "ReferenceType", "canvas_size"]

ReferenceType: TypeAlias = Literal["character", "style", "character&style"]

_TALL, _SQUARE, _WIDE = (1024, 1536), (1472, 1472), (1536, 1024)


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """The canvas that the service wants a picture of this size on."""
    shape = width / height
    if shape < 0.8:
        return _TALL
    return _WIDE if shape > 1.25 else _SQUARE


@attrs.frozen
class CharacterReference(Record):
    """A picture that says what somebody looks like, or how everything does; V4.5.

    Attributes:
        image: bytes or path of a PNG, JPEG or WebP, or a Pillow image; it is letterboxed on black.
        type: "character", "style" or "character&style": what is taken over.
        fidelity: how closely, 0 to 1, in hundredths.
        strength: how strongly, 0 to 1.

    Raises:
        InvalidParamsError: a field has a wrong type or value, or the picture cannot be read.
    """

    image: ImageSource = attrs.field(converter=to_source, metadata={"wire": "director_reference_images"})
    type: ReferenceType = attrs.field(
        default="character&style",
        kw_only=True,
        validator=choice(get_args(ReferenceType)),
        metadata={"wire": "director_reference_descriptions"},
    )
    fidelity: float = attrs.field(
        default=1,
        kw_only=True,
        validator=number(0, 1),
        metadata={"wire": "director_reference_secondary_strength_values"},
    )
    strength: float = attrs.field(
        default=1, kw_only=True, validator=number(0, 1), metadata={"wire": "director_reference_strength_values"}
    )


CharacterReferenceLike: TypeAlias = CharacterReference | Mapping[str, Any]
