"""Everything that makes a picture fit, and how what comes of it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from drawn import decoded
from PIL import ImageChops

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource, canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

SIZE = (128, 64)
WORKS = {
    "fitted": lambda source: canvas.fitted(source, SIZE, fit="stretch", keep_alpha=False),
    "fitted with alpha": lambda source: canvas.fitted(source, SIZE, fit="crop", keep_alpha=True),
    "letterboxed": lambda source: canvas.letterboxed(source, SIZE),
    "mask": lambda source: canvas.mask(source, SIZE, fit="letterbox"),
}


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any value."""
    return max(high for _low, high in ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getextrema())


def fitted(picture: object, size: tuple[int, int] = SIZE, *, keep_alpha: bool = False) -> Image.Image:
    return decoded(canvas.fitted(ImageSource.of(picture), size, fit="stretch", keep_alpha=keep_alpha))


def refused(work: Callable[[ImageSource], object], source: ImageSource) -> str:
    with pytest.raises(InvalidParamsError) as caught:
        work(source)
    assert caught.value.field == "image"
    return str(caught.value)
