"""What each field of `ImageParams` takes in place of a record."""

from __future__ import annotations

import pytest
from asked import EVERYTHING, MASK, PNG, kept

from nai_trio.params import Character, CharacterReference, ControlNet, ImageParams, ImageToImage, Inpaint, Vibe


def test_records_and_mappings_are_the_same() -> None:
    records = {
        "i2i": ImageToImage(PNG),
        "inpaint": Inpaint(PNG, MASK),
        "controlnet": ControlNet([Vibe(PNG)]),
        "character_references": (CharacterReference(PNG),),
    }
    for name, record in records.items():
        one, other = (
            ImageParams.from_fields(prompt="cat", seed=1, **{name: each}) for each in (record, EVERYTHING[name])
        )
        assert one == other
        assert hash(one) == hash(other)


@pytest.mark.parametrize(("given", "taken"), [(True, "standard"), (False, "none"), ("light", "light")])
def test_quality_is_a_name_or_a_switch(given: object, taken: str) -> None:
    assert kept("quality", given, model="nai-diffusion-5-full") == taken


def test_none_is_the_models_own_choice() -> None:
    params = ImageParams("cat", size=None, scale=None, seed=None, straight_alpha=None)
    assert (params.size, params.scale, params.straight_alpha) == ("portrait", params.info.default_scale, False)
    assert params.seed > 0


def test_none_is_no_picture() -> None:
    params = ImageParams("cat", i2i=None, inpaint=None, controlnet=None)
    assert (params.i2i, params.inpaint, params.controlnet, params.has_pictures) == (None, None, None, False)


def test_lists_become_tuples_so_that_a_record_cannot_change() -> None:
    characters, references, size = [{"prompt": "boy"}], [CharacterReference(PNG)], [832, 1216]
    params = ImageParams("cat", characters=characters, character_references=references, size=size)
    characters.clear(), references.clear(), size.clear()
    assert params.characters == (Character("boy"),)
    assert params.character_references == (CharacterReference(PNG),)
    assert params.size == (832, 1216)
