"""Vibe transfer: pictures whose look is carried over (wire document, section 3.3).

V4 and V4.5 take pictures that the service has encoded before, at a price, for one model and one share of extracted
information; V3 takes the pictures themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from nai_trio.params.checks import Rule, SpecialRule, flag, number, refusal, text
from nai_trio.params.records import Record, to_record, to_records
from nai_trio.pictures.source import ImageInput, ImageSource, to_source

__all__ = ["ControlNet", "ControlNetLike", "EncodedVibe", "Vibe", "VibeLike"]

INFORMATION_EXTRACTED: Final = number(0.01, 1)
MAX_VIBES: Final = 16
"""The web client's limit."""


_TOKEN: Final = Rule(
    "bytes", "the bytes that the service made of a picture", lambda value: isinstance(value, bytes) and bool(value)
)


@attrs.frozen(kw_only=True)
class EncodedVibe:
    """A picture as the service has encoded it; made by `client.image.encode_vibe`, or read from a .naiv4vibe file.

    Attributes:
        token: the service's bytes.
        encoding: which models it is for: `ModelInfo.vibe_encoding`, e.g. "v4-5full".
        information_extracted: how much of the picture it holds, 0.01 to 1.
        image_id: the SHA-256 of the picture's bytes in hexadecimal; "" where the picture is not known.

    Raises:
        InvalidParamsError: a field has a wrong type or value.
    """

    token: bytes = attrs.field(validator=_TOKEN, repr=lambda token: f"<{len(token)} bytes>")
    encoding: str = attrs.field(validator=text(empty=False))
    information_extracted: float = attrs.field(validator=INFORMATION_EXTRACTED)
    image_id: str = attrs.field(default="", validator=text())


def _vibe_image(value: ImageInput | EncodedVibe) -> ImageSource | EncodedVibe:
    return value if isinstance(value, EncodedVibe) else to_source(value)


@attrs.frozen
class Vibe(Record):
    """One picture whose look is carried over.

    Attributes:
        image: bytes or path of a PNG, JPEG or WebP, or a Pillow image; or an `EncodedVibe`, which costs nothing again.
        strength: how much of it shows, -1 to 1; below 0 it is avoided.
        information_extracted: how much of the picture is used, 0.01 to 1. An `EncodedVibe` has its own, which counts.

    Raises:
        InvalidParamsError: a field has a wrong type or value, or the picture cannot be read.
    """

    image: ImageSource | EncodedVibe = attrs.field(converter=_vibe_image, metadata={"wire": "reference_image_multiple"})
    strength: float = attrs.field(
        default=0.6, kw_only=True, validator=number(-1, 1), metadata={"wire": "reference_strength_multiple"}
    )
    information_extracted: float = attrs.field(
        default=0.7,
        kw_only=True,
        validator=INFORMATION_EXTRACTED,
        metadata={"wire": "reference_information_extracted_multiple"},
    )


VibeLike: TypeAlias = Vibe | EncodedVibe | Mapping[str, Any]
"""A `Vibe`, an `EncodedVibe` with a `Vibe`'s defaults, or a mapping of a `Vibe`'s fields."""


def _to_vibe(value: VibeLike, place: str) -> Vibe:
    if isinstance(value, EncodedVibe):
        return Vibe(value, information_extracted=value.information_extracted)
    return to_record(Vibe, value, place)


def _to_vibes(value: Sequence[VibeLike]) -> tuple[Vibe, ...]:
    return to_records(Vibe, value, "images", _to_vibe)


_COUNT: Final = f"1 to {MAX_VIBES} vibes"


def _check_count(field: str, value: tuple[Vibe, ...]) -> None:
    if not 1 <= len(value) <= MAX_VIBES:
        raise refusal(field, f"{len(value)} vibes", _COUNT)


@attrs.frozen
class ControlNet(Record):
    """The vibes of one generation.

    Attributes:
        images: 1 to 16 vibes.
        strength: of all together, 0 to 1.
        normalize: divide the strengths by their sum where that exceeds 1, as the web client does; the service does not.

    Raises:
        InvalidParamsError: a field has a wrong type or value.
    """

    images: tuple[Vibe, ...] = attrs.field(
        converter=_to_vibes, validator=SpecialRule("list of Vibe", _COUNT, _check_count)
    )
    strength: float = attrs.field(
        default=1, kw_only=True, validator=number(0, 1), metadata={"wire": "controlnet_strength"}
    )
    normalize: bool = attrs.field(
        default=True, kw_only=True, validator=flag, metadata={"wire": "normalize_reference_strength_multiple"}
    )

    @property
    def strengths(self) -> tuple[float, ...]:
        """Each vibe's strength as it is sent."""
        given = tuple(vibe.strength for vibe in self.images)
        total = sum(map(abs, given))
        return tuple(each / total for each in given) if self.normalize and total > 1 else given


ControlNetLike: TypeAlias = ControlNet | Mapping[str, Any]
