"""How each field of `ImageParams` takes what it is given: lists for pairs, mappings for records, True for a name."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - attrs reads the annotations
from typing import cast

from nai_trio.params.character import Character, CharacterLike
from nai_trio.params.image_to_image import ImageToImage, ImageToImageLike, Inpaint, InpaintLike
from nai_trio.params.names import Quality, Size  # noqa: TC001 - as above
from nai_trio.params.records import to_record, to_records
from nai_trio.params.references import CharacterReference, CharacterReferenceLike
from nai_trio.params.vibes import ControlNet, ControlNetLike

__all__ = [
    "to_characters",
    "to_controlnet",
    "to_flag",
    "to_i2i",
    "to_inpaint",
    "to_number",
    "to_quality",
    "to_references",
    "to_size",
]


def to_size(value: Size | list[int] | None) -> Size:
    """None stays, until the constructor puts a size in its place."""
    return cast("Size", tuple(value) if isinstance(value, list) else value)


def to_number(value: float | None) -> float:
    """None stays, as for sizes."""
    return cast("float", value)


def to_flag(value: bool | None) -> bool:
    """None stays, as for sizes."""
    return cast("bool", value)


def to_quality(value: Quality | bool) -> Quality:
    """True and False stand for "standard" and "none"."""
    if isinstance(value, bool):
        return "standard" if value else "none"
    return value


def to_i2i(value: ImageToImageLike | None) -> ImageToImage | None:
    """Take a record, a mapping, or None."""
    return None if value is None else to_record(ImageToImage, value, "i2i")


def to_inpaint(value: InpaintLike | None) -> Inpaint | None:
    """Take a record, a mapping, or None."""
    return None if value is None else to_record(Inpaint, value, "inpaint")


def to_controlnet(value: ControlNetLike | None) -> ControlNet | None:
    """Take a record, a mapping, or None."""
    return None if value is None else to_record(ControlNet, value, "controlnet")


def to_characters(value: Sequence[CharacterLike]) -> tuple[Character, ...]:
    """Take a list or tuple of records or mappings."""
    return to_records(Character, value, "characters")


def to_references(value: Sequence[CharacterReferenceLike]) -> tuple[CharacterReference, ...]:
    """Take a list or tuple of records or mappings."""
    return to_records(CharacterReference, value, "character_references")
