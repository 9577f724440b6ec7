"""Records with pictures: their limits, what excludes what, which model has them, and the size taken from a source."""

from __future__ import annotations

import pytest
from drawn import drawing, encoded, mask_of
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError
from nai_trio.params import (
    MODELS,
    CharacterReference,
    ControlNet,
    EncodedVibe,
    ImageParams,
    ImageToImage,
    Inpaint,
    Vibe,
)
from nai_trio.params.references import canvas_size
from nai_trio.params.sizes import size_for_source
from nai_trio.params.support import EXCLUSIONS

PNG = encoded(drawing((64, 64)))
MASK = encoded(mask_of((64, 64), (0, 0, 32, 32)))
VIBE = {"image": PNG}
EVERYTHING = {
    "i2i": {"image": PNG},
    "inpaint": {"image": PNG, "mask": MASK},
    "controlnet": {"images": [VIBE]},
    "character_references": [{"image": PNG}],
}
V3 = {"nai-diffusion-3", "nai-diffusion-furry-3"}
V4 = {"nai-diffusion-4-full", "nai-diffusion-4-curated-preview"}
V45 = {"nai-diffusion-4-5-full", "nai-diffusion-4-5-curated"}
ABLE = {
    "i2i": set(MODELS),
    "inpaint": set(MODELS),
    "controlnet": V3 | V4 | V45,
    "character_references": V45,
}


def refused(**fields: object) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(**{"prompt": "cat", **fields})
    assert str(caught.value).startswith(f"{caught.value.field}: expected ")
    return caught.value


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


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (16, True), (17, False)])
def test_vibes_number_one_to_sixteen(count: int, taken: bool) -> None:
    if taken:
        params = ImageParams.from_fields(prompt="cat", controlnet={"images": [VIBE] * count})
        assert len(params.controlnet.images) == count
    else:
        assert refused(controlnet={"images": [VIBE] * count}).allowed == "1 to 16 vibes"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("field", EVERYTHING)
def test_each_model_takes_the_pictures_it_can_and_refuses_the_rest(field: str, model: str) -> None:
    fields = {"model": model, field: EVERYTHING[field]}
    if model in ABLE[field]:
        assert ImageParams.from_fields(prompt="cat", **fields).has_pictures
        return
    error = refused(**fields)
    assert error.field == field
    assert error.allowed.startswith(f"none with {model}; only ")
    assert {id_ for id_ in MODELS if id_ in error.allowed.partition("; only ")[2].replace(",", " ").split()} == ABLE[
        field
    ]


@pytest.mark.parametrize("model", MODELS)
def test_inpainting_below_full_strength_is_for_models_that_can(model: str) -> None:
    fields = {"model": model, "inpaint": {**EVERYTHING["inpaint"], "strength": 0.5}}
    if model in V3:
        error = refused(**fields)
        assert error.field == "inpaint.strength"
        assert error.allowed.startswith(f"1 with {model}; only nai-diffusion-5-full, ")
    else:
        assert ImageParams.from_fields(prompt="cat", **fields).inpaint.strength == 0.5


REASONS = {
    ("i2i", "inpaint"): "a picture is either drawn anew as a whole or in part",
    ("controlnet", "inpaint"): "the web client drops vibes when it inpaints",
    ("controlnet", "character_references"): "the service takes one kind of reference at a time",
}


@pytest.mark.parametrize(("one", "other"), REASONS)
def test_what_excludes_what(one: str, other: str) -> None:
    error = refused(**{name: EVERYTHING[name] for name in (one, other)})
    assert error.field == one
    assert error.allowed == f"none beside {other} ({REASONS[one, other]})"


def test_every_exclusion_in_the_table_is_tested_above_and_nothing_else_is_excluded() -> None:
    assert {(each.one, each.other) for each in EXCLUSIONS} == set(REASONS)
    for one, other in [("i2i", "controlnet"), ("i2i", "character_references"), ("inpaint", "character_references")]:
        assert ImageParams.from_fields(prompt="cat", **{name: EVERYTHING[name] for name in (one, other)}).has_pictures


def test_v5_curated_inpaints_as_v45_curated_in_every_respect() -> None:
    params = ImageParams.from_fields(prompt="cat", seed=3, model="nai-diffusion-5-curated", **inpaint())
    same = ImageParams.from_fields(prompt="cat", seed=3, model="nai-diffusion-4-5-curated", **inpaint())
    assert params.info.id == "nai-diffusion-4-5-curated"
    assert params.to_wire() == same.to_wire()
    assert (params.scale, params.straight_alpha) == (5, False)
    error = refused(model="nai-diffusion-5-curated", quality="light", **inpaint())
    doer = "nai-diffusion-4-5-curated, which does the inpainting of nai-diffusion-5-curated"
    assert error.allowed.startswith(f"one of standard, none with {doer}; only ")


def inpaint() -> dict[str, object]:
    return {"inpaint": EVERYTHING["inpaint"]}


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


def test_an_encoded_vibe_stands_for_a_vibe_with_its_extraction() -> None:
    vibe = EncodedVibe(token=b"token", encoding="v4full", information_extracted=0.4)
    assert ControlNet([vibe]).images == (Vibe(vibe, information_extracted=0.4),)
    assert "token=<5 bytes>" in repr(vibe)


@pytest.mark.parametrize(
    "fields", [{"token": b""}, {"token": "text"}, {"encoding": ""}, {"information_extracted": 0}, {"image_id": 3}]
)
def test_an_encoded_vibe_is_checked(fields: dict[str, object]) -> None:
    good = {"token": b"x", "encoding": "v4full", "information_extracted": 1}
    with pytest.raises(InvalidParamsError) as caught:
        EncodedVibe(**{**good, **fields})
    assert [caught.value.field] == list(fields)


@pytest.mark.parametrize(
    ("model", "needs"),
    [
        ("nai-diffusion-4-5-full", "one encoded as v4-5full, or a picture, with nai-diffusion-4-5-full"),
        ("nai-diffusion-3", "a picture with nai-diffusion-3"),
    ],
)
def test_an_encoded_vibe_is_for_its_own_model(model: str, needs: str) -> None:
    other = EncodedVibe(token=b"x", encoding="v4full", information_extracted=1)
    error = refused(model=model, controlnet={"images": [VIBE, other]})
    assert (error.field, error.allowed) == ("controlnet.images[1].image", needs)
    assert "encoding='v4full'" in str(error)


@pytest.mark.parametrize(
    ("strengths", "sent"),
    [
        ([0.6], (0.6,)),
        ([0.5, 0.5], (0.5, 0.5)),
        ([0.6, 0.6], (0.5, 0.5)),
        ([0.5, 0.52], (0.5 / 1.02, 0.52 / 1.02)),
        ([1, -1], (0.5, -0.5)),
        ([1, 1, 1, 1], (0.25,) * 4),
        ([0, 0], (0, 0)),
    ],
)
def test_strengths_that_add_up_to_more_than_one_are_divided(strengths: list[float], sent: tuple[float, ...]) -> None:
    vibes = [{**VIBE, "strength": each} for each in strengths]
    assert ControlNet.from_fields(images=vibes).strengths == sent
    assert ControlNet.from_fields(images=vibes, normalize=False).strengths == tuple(strengths)


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((832, 1216), (832, 1216)),
        ((1024, 1024), (1024, 1024)),
        ((900, 700), (896, 704)),
        ((1, 1), (64, 64)),
        ((20, 500), (64, 512)),
        ((4000, 3000), (1152, 896)),
        ((1664, 2432), (832, 1216)),
        ((8192, 64), (8192, 64)),
        ((60_000, 10), (16_384, 64)),
    ],
)
def test_a_size_follows_the_source(source: tuple[int, int], size: tuple[int, int]) -> None:
    assert size_for_source(*source) == size


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_any_source_gets_a_size_that_is_taken(width: int, height: int) -> None:
    size = size_for_source(width, height)
    assert ImageParams("cat", size=size).size == size
    assert size[0] * size[1] <= 1_048_576
    if width * height <= 1_048_576 and width % 64 == height % 64 == 0:
        assert size == (width, height)


@pytest.mark.parametrize(
    ("steps", "strength", "taken"), [(23, 0.7, 16), (28, 0.5, 14), (50, 0.99, 49), (1, 0.01, 1), (50, 0.58, 29)]
)
def test_starting_from_a_picture_takes_fewer_steps(steps: int, strength: float, taken: int) -> None:
    params = ImageParams("cat", steps=steps, i2i=ImageToImage(PNG, strength=strength))
    assert params.steps_taken == taken
    assert params.replace(i2i=None).steps_taken == steps


def test_a_size_that_is_given_counts_more_than_the_source() -> None:
    assert ImageParams("cat", i2i=ImageToImage(PNG)).size == (64, 64)
    assert ImageParams("cat", i2i=ImageToImage(PNG), size="square").size == "square"
    assert ImageParams("cat", size=None).size == "portrait"


def test_a_default_size_follows_when_the_source_is_replaced() -> None:
    params = ImageParams("cat", i2i=ImageToImage(PNG))
    other = encoded(drawing((128, 192)))
    assert params.replace(i2i={"image": other}).size == (128, 192)
    assert params.replace(i2i=None).size == "portrait"
    assert params.replace(size=(256, 256)).replace(i2i=None).size == (256, 256)
    assert ImageParams("cat").replace(i2i=ImageToImage(PNG)).size == (64, 64)


@pytest.mark.parametrize(
    ("size", "canvas"),
    [
        ((799, 1000), (1024, 1536)),
        ((800, 1000), (1472, 1472)),
        ((1000, 1000), (1472, 1472)),
        ((1250, 1000), (1472, 1472)),
        ((1251, 1000), (1536, 1024)),
    ],
)
def test_a_reference_gets_the_canvas_of_its_shape(size: tuple[int, int], canvas: tuple[int, int]) -> None:
    assert canvas_size(*size) == canvas
