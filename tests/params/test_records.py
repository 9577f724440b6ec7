"""Records: built from a mapping, from unchecked names, or in place; what is none is named with its place."""

from __future__ import annotations

from types import MappingProxyType

import attrs
import pytest
from asked import PNG, VIBE, refused

from nai_trio.errors import InvalidParamsError
from nai_trio.params import Character, CharacterReference, ControlNet, ImageParams, ImageToImage, Vibe


@pytest.mark.parametrize(
    ("fields", "field", "allowed"),
    [
        ({"i2i": "picture.png"}, "i2i", "an ImageToImage, or a mapping of its fields"),
        ({"inpaint": [PNG]}, "inpaint", "an Inpaint, or a mapping of its fields"),
        ({"controlnet": [VIBE]}, "controlnet", "a ControlNet, or a mapping of its fields"),
        ({"controlnet": {"images": VIBE}}, "controlnet.images", "a list or tuple of Vibe"),
        ({"controlnet": {"images": [PNG]}}, "controlnet.images[0]", "a Vibe, or a mapping of its fields"),
        ({"character_references": PNG}, "character_references", "a list or tuple of CharacterReference"),
        ({"i2i": {1: PNG}}, "i2i", "an ImageToImage, or a mapping of its fields"),
    ],
)
def test_what_is_no_record_is_refused(fields: dict[str, object], field: str, allowed: str) -> None:
    error = refused(**fields)
    assert (error.field, error.allowed) == (field, allowed)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"i2i": {}}, "i2i.image"),
        ({"i2i": {"image": None}}, "i2i.image"),
        ({"inpaint": {"image": PNG}}, "inpaint.mask"),
        ({"inpaint": {"mask": PNG}}, "inpaint.image"),
        ({"inpaint": {"image": PNG, "mask": b"no"}}, "inpaint.mask"),
        ({"controlnet": {"images": [VIBE, {}]}}, "controlnet.images[1].image"),
        ({"character_references": [{"image": PNG}, {"image": 3}]}, "character_references[1].image"),
    ],
)
def test_a_picture_that_is_missing_or_none_is_named(fields: dict[str, object], field: str) -> None:
    error = refused(**fields)
    assert error.field == field
    assert "expected a PNG, JPEG or WebP picture" in str(error)


def test_a_misspelt_field_of_a_record_is_named_with_the_one_meant() -> None:
    error = refused(i2i={"image": PNG, "strenght": 0.5})
    assert str(error) == "i2i.strenght: expected a field of ImageToImage (did you mean 'strength'?), got 0.5"


class Loud(str):
    """Text of a subclass that changes what is joined to it, as libraries for HTML do."""

    __slots__ = ()

    def __add__(self, other: str) -> Loud:
        return Loud(str.__add__(self, other.upper()))

    def __str__(self) -> str:
        return "other text"


def test_any_mapping_does_for_a_record() -> None:
    params = ImageParams.from_fields(prompt="cat", i2i=MappingProxyType({Loud("image"): PNG, "strength": 0.5}))
    assert params.i2i == ImageToImage(PNG, strength=0.5)


def test_text_of_a_subclass_becomes_the_plain_text_that_it_holds() -> None:
    character = Character(Loud("girl"), negative_prompt=Loud("hat"))
    assert [(type(text), text) for text in (character.prompt, character.negative_prompt)] == [
        (str, "girl"),
        (str, "hat"),
    ]


@pytest.mark.parametrize("cls", [Character, ImageToImage, CharacterReference, Vibe, ControlNet])
def test_a_field_that_is_missing_is_named_as_a_wrong_one_is(cls: type[Character]) -> None:
    first = attrs.fields(cls)[0].name
    with pytest.raises(InvalidParamsError) as caught:
        cls.from_fields()
    assert caught.value.field == first
    assert str(caught.value).endswith("got None")


def test_the_record_itself_is_taken_and_no_copy_made() -> None:
    vibe = Vibe(PNG)
    assert ControlNet((vibe,)).images[0] is vibe


def test_a_mapping_is_not_kept() -> None:
    given = {"image": PNG, "strength": 0.5}
    characters = [{"prompt": "girl"}]
    params = ImageParams.from_fields(prompt="cat", i2i=given, characters=characters)
    given["strength"] = 0.9
    characters.append({"prompt": "boy"})
    assert params.i2i.strength == 0.5
    assert len(params.characters) == 1
