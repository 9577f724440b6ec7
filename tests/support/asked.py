"""Asking for pictures with pictures: small ones to ask with, and what comes of fields that are refused."""

from __future__ import annotations

import pytest
from drawn import drawing, encoded, mask_of

from nai_trio.errors import InvalidParamsError
from nai_trio.params import ImageParams

PNG = encoded(drawing((64, 64)))
MASK = encoded(mask_of((64, 64), (0, 0, 32, 32)))
VIBE = {"image": PNG}
EVERYTHING = {
    "i2i": {"image": PNG},
    "inpaint": {"image": PNG, "mask": MASK},
    "controlnet": {"images": [VIBE]},
    "character_references": [{"image": PNG}],
}
"""Each way to give a picture, as mappings."""


def kept(name: str, value: object, **fields: object) -> object:
    """What becomes of a field's value."""
    return getattr(ImageParams.from_fields(**{"prompt": "cat", **fields, name: value}), name)


def refused(**fields: object) -> InvalidParamsError:
    """The error for these fields; it names the one that is wrong."""
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(**{"prompt": "cat", **fields})
    assert str(caught.value).startswith(f"{caught.value.field}: expected ")
    return caught.value
