"""What a request will cost in Anlas, worked out before it is spent (wire document, section 8).

The formula is the one that the service's clients use; the service has the last word, and where its sources differ, or
something was never seen, the estimate says so (`caveats`). All that depends on the model comes from the model table.

Arithmetic is in floats and in the clients' order of operations: a price of 8.5 is rounded up like one of 8.1, and what
a float makes of a product decides which one it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import attrs

from nai_trio.params.checks import refusal
from nai_trio.params.vibes import EncodedVibe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.params.image import ImageParams

__all__ = ["MAX_PRICE", "AnlasEstimate", "check_price", "estimate"]

MAX_PRICE: Final = 140
"""The most Anlas that one picture may cost; the service refuses what costs more."""

_PER_PIXEL: Final = 2.951823174884865e-6
_PER_PIXEL_AND_STEP: Final = 5.753298233447344e-7
_SMEA, _SMEA_DYN = 1.2, 1.4
_LEAST_PRICE: Final = 2
_FREE_AREA, _FREE_STEPS = 1_048_576, 28
_ENCODING: Final = 2
_VIBES_INCLUDED, _EXTRA_VIBE = 4, 2
_REFERENCE: Final = 5


@attrs.frozen(kw_only=True)
class _Bill:
    """The parts of an estimate; Anlas, but for the numbers of pictures."""

    per_picture: int
    pictures: int
    free_pictures: int
    vibe_encoding: int
    extra_vibes: int
    references: int
    caveats: tuple[str, ...]

    @property
    def total(self) -> int:
        paid = self.pictures - self.free_pictures
        return self.per_picture * paid + self.vibe_encoding + self.extra_vibes + self.references

    def parts(self) -> Iterator[str]:
        many = "pictures" if self.pictures > 1 else "picture"
        free = f", {self.free_pictures} of them free" if self.free_pictures else ""
        yield f"{self.pictures} {many} at {self.per_picture}{free}"
        extras = {
            "encoding vibes": self.vibe_encoding,
            f"vibes beyond {_VIBES_INCLUDED}": self.extra_vibes,
            "character references": self.references,
        }
        yield from (f"{price} for {what}" for what, price in extras.items() if price)


class AnlasEstimate(int):
    """What a request will cost: the total in Anlas, an int in every respect, that knows its parts.

    Made by `ImageParams.estimate_anlas` and never changed. Text made of it (`str`, f-strings) is the plain number.
    """

    _bill: _Bill

    def __new__(cls, bill: _Bill) -> Self:
        """Add up the parts."""
        self = super().__new__(cls, bill.total)
        self.__dict__["_bill"] = bill
        return self

    @property
    def per_picture(self) -> int:
        """Anlas for each picture that is not free, references aside; 2 to 140."""
        return self._bill.per_picture

    @property
    def free_pictures(self) -> int:
        """How many pictures the subscription covers: 0 or 1."""
        return self._bill.free_pictures

    @property
    def vibe_encoding(self) -> int:
        """Anlas for encoding the vibes that are still pictures: 2 for each picture and share of information."""
        return self._bill.vibe_encoding

    @property
    def extra_vibes(self) -> int:
        """Anlas for encoded vibes in use beyond the fourth: 2 each."""
        return self._bill.extra_vibes

    @property
    def references(self) -> int:
        """Anlas for character references: 5 each for every picture, free ones included."""
        return self._bill.references

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is not certain about this very estimate, in sentences."""
        return self._bill.caveats

    @property
    def breakdown(self) -> str:
        """How the total comes about, e.g. "2 pictures at 20, 1 of them free + 10 for character references"."""
        return " + ".join(self._bill.parts())

    def __str__(self) -> str:
        return int.__repr__(self)

    def __repr__(self) -> str:
        return f"<{int(self)} Anlas: {self.breakdown}>"

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise AttributeError(f"{name}: an estimate cannot be changed")

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self._bill,)


def estimate(params: ImageParams, *, opus: bool) -> AnlasEstimate:
    """Work out what a request will cost.

    Args:
        params: the request.
        opus: whether the account has an active Opus subscription (tier 3), which has one picture of at most 1,048,576
            pixels and 28 steps in each request for free.

    Raises:
        InvalidParamsError: `opus` is no bool.
    """
    if not isinstance(opus, bool):
        raise refusal("opus", opus, "True or False")
    free = opus and params.width * params.height <= _FREE_AREA and params.steps <= _FREE_STEPS
    bill = _Bill(
        per_picture=_price(params, params.steps),
        pictures=params.n_samples,
        free_pictures=int(free),
        vibe_encoding=_ENCODING * _pictures_to_encode(params),
        extra_vibes=_EXTRA_VIBE * max(_encoded_vibes(params) - _VIBES_INCLUDED, 0),
        references=_REFERENCE * len(params.character_references) * params.n_samples,
        caveats=(),
    )
    return AnlasEstimate(attrs.evolve(bill, caveats=tuple(_caveats(params, bill))))


def check_price(params: ImageParams) -> None:
    """Refuse a request whose single picture costs more than the service allows.

    Raises:
        InvalidParamsError: for `steps`, saying how many would do at this size.
    """
    price = _price(params, params.steps)
    if price > MAX_PRICE:
        fewer = max(steps for steps in range(1, params.steps) if _price(params, steps) <= MAX_PRICE)
        allowed = (
            f"at most {fewer} at {params.width}x{params.height} with {params.info.id}, or a smaller size (the service"
            f" refuses pictures of more than {MAX_PRICE} Anlas; this one would cost {price})"
        )
        raise refusal("steps", params.steps, allowed)


def _price(params: ImageParams, steps: int) -> int:
    """Anlas for one picture, were it made in so many steps."""
    area = params.width * params.height
    base = math.ceil(_PER_PIXEL * area + _PER_PIXEL_AND_STEP * area * steps)
    return max(math.ceil(base * _smea(params) * params.info.price_factor * _strength(params)), _LEAST_PRICE)


def _smea(params: ImageParams) -> float:
    if not params.smea:
        return 1
    return _SMEA_DYN if params.smea_dyn else _SMEA


def _strength(params: ImageParams) -> float:
    start = params.inpaint or params.i2i
    return 1 if start is None else start.strength


def _pictures_to_encode(params: ImageParams) -> int:
    """The client encodes the same picture at the same share of information once."""
    if params.controlnet is None or params.info.vibes != "encoded":
        return 0
    vibes = params.controlnet.images
    raw = {(each.image, each.information_extracted) for each in vibes if not isinstance(each.image, EncodedVibe)}
    return len(raw)


def _encoded_vibes(params: ImageParams) -> int:
    if params.controlnet is None or params.info.vibes != "encoded":
        return 0
    return len(params.controlnet.images)


def _caveats(params: ImageParams, bill: _Bill) -> Iterator[str]:
    yield "This is the formula that the service's clients use; the account's balance is the authority."
    yield "Whether a request that breaks off before its end is charged is not known."
    yield from _price_caveats(params, bill)
    if bill.vibe_encoding:
        yield "A vibe that the client has in its cache is not encoded, and not charged, again."
    if bill.free_pictures and bill.references:
        yield (
            "Sources differ on whether a picture stays free with a character reference: it may cost"
            f" {bill.per_picture} Anlas more."
        )


def _price_caveats(params: ImageParams, bill: _Bill) -> Iterator[str]:
    factor = params.info.price_factor
    if factor != 1:
        yield f"That {params.info.id} costs {factor:g} times as much as older models was measured on one job only."
    if params.info.usage_quota and bill.free_pictures:
        yield f"{params.info.id} is free only while the subscription's usage quota is not negative."
    if params.auto_smea:
        yield f"One client counts {_SMEA} times as much with auto_smea, the others do not."
    if _strength(params) < 1:
        yield "Sources differ on whether a strength below 1 makes a picture cheaper."
