"""Members of the Comment, right, missing and wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_metadata import SOURCES, caption, made_comment, made_metadata

from nai_trio.errors import InvalidParamsError
from nai_trio.params import Character, ImageParams
from nai_trio.params.recall import fields_from_metadata
from nai_trio.pictures.metadata import PictureMetadata


def recalled(**changes: Any) -> ImageParams:
    return ImageParams.from_fields(**fields_from_metadata(made_metadata(**changes)))


def refusal_of(**changes: Any) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        recalled(**changes)
    return caught.value


@pytest.mark.parametrize(
    ("family", "member", "value", "field"),
    [
        ("V4.5", "steps", 50, "steps"),
        ("V4.5", "scale", 5.5, "scale"),
        ("V4.5", "cfg_rescale", 0.25, "cfg_rescale"),
        ("V4.5", "seed", 2**32 - 1, "seed"),
        ("V4.5", "noise_schedule", "exponential", "noise_schedule"),
        ("V4.5", "sampler", "k_dpmpp_2m", "sampler"),
        ("V4.5", "dynamic_thresholding", True, "decrisper"),
        ("V3", "sm", True, "smea"),
        ("V3", "sm_dyn", True, "smea_dyn"),
        ("V5", "straight_alpha", False, "straight_alpha"),
    ],
)
def test_a_member_becomes_its_field(family: str, member: str, value: object, field: str) -> None:
    found = recalled(family=family, **{member: value})
    assert getattr(found, field) == value
    assert getattr(recalled(family=family), field) != value


def test_width_and_height_become_the_size() -> None:
    assert recalled(width=192, height=320).size == (192, 320)


@pytest.mark.parametrize(("sigma", "boost"), [(58, True), (88.87784456804029, True), (0, True), (None, False)])
@pytest.mark.parametrize("family", ["V3", "V4", "V4.5"])
def test_any_threshold_is_a_variety_boost(family: str, sigma: float | None, boost: bool) -> None:
    assert recalled(family=family, skip_cfg_above_sigma=sigma).variety_boost is boost


@pytest.mark.parametrize("legacy", [True, False])
def test_legacy_undesired_content_is_the_negative_objects(legacy: bool) -> None:
    negative = caption("hat", legacy_uc=legacy)
    assert recalled(v4_negative_prompt=negative, v4_prompt=caption("cat", legacy_uc=not legacy)).legacy_uc is legacy


@pytest.mark.parametrize("member", ["sm", "sm_dyn", "straight_alpha", "tag_hint_qt", "whatever"])
def test_members_of_other_models_do_not_matter(member: str) -> None:
    assert recalled(**{member: True}) == recalled()


def test_a_variety_threshold_does_not_matter_where_there_is_no_such_thing() -> None:
    assert recalled(family="V5", skip_cfg_above_sigma=58) == recalled(family="V5")


@pytest.mark.parametrize("member", ["cfg_rescale", "noise_schedule", "dynamic_thresholding", "skip_cfg_above_sigma"])
@pytest.mark.parametrize("gone", [None, ...])
def test_a_member_that_is_not_there_leaves_the_default(member: str, gone: object) -> None:
    assert recalled(**{member: gone}) == recalled()


@pytest.mark.parametrize("image_format", ["png", "webp"])
@pytest.mark.parametrize("origin", ["chunks", "exif", "stealth"])
def test_the_format_is_the_files(image_format: Any, origin: Any) -> None:
    metadata = PictureMetadata(source=SOURCES["V4.5"], comment=made_comment(), image_format=image_format, origin=origin)
    assert ImageParams.from_fields(**fields_from_metadata(metadata)).image_format == image_format


def test_img2img_gives_a_plain_generation() -> None:
    sent = recalled(request_type="Img2ImgRequest", strength=0.7, noise=0.1).to_wire()
    assert sent["action"] == "generate"
    assert sent == recalled().to_wire()


def characters(*positive: Any, negative: tuple[Any, ...] = (), **flags: Any) -> tuple[Character, ...]:
    return recalled(v4_prompt=caption("cat", *positive, **flags), v4_negative_prompt=caption("", *negative)).characters


def test_characters_have_positions_only_where_coordinates_are_used() -> None:
    girl, hat = ("girl", 0.1, 0.9), ("hat", 0.1, 0.9)
    assert characters(girl, negative=(hat,), use_coords=True) == (
        Character("girl", negative_prompt="hat", position=(0.1, 0.9)),
    )
    for flags in ({"use_coords": False}, {"use_coords": None}, {}):
        assert characters(girl, negative=(hat,), **flags) == (Character("girl", negative_prompt="hat"),)


@pytest.mark.parametrize("centers", [..., None, []])
def test_a_character_without_a_center_has_no_position(centers: object) -> None:
    entry = {"char_caption": "girl", "centers": centers}
    entry = {name: value for name, value in entry.items() if value is not ...}
    assert characters(entry, ("boy", 0.5, 0.5), use_coords=True) == (
        Character("girl"),
        Character("boy", position=(0.5, 0.5)),
    )


def test_the_first_of_several_centers_counts() -> None:
    entry = {"char_caption": "girl", "centers": [{"x": 0.3, "y": 0.7}, {"x": 0.9, "y": 0.9}]}
    assert characters(entry, use_coords=True) == (Character("girl", position=(0.3, 0.7)),)


def test_negative_texts_that_are_not_there_are_empty() -> None:
    found = characters(("girl", 0.5, 0.5), ("boy", 0.5, 0.5), negative=(("hat", 0.5, 0.5),))
    assert [each.negative_prompt for each in found] == ["hat", ""]
    assert [each.negative_prompt for each in characters(("girl", 0.5, 0.5))] == [""]


def test_more_negative_texts_than_characters_are_refused() -> None:
    error = refusal_of(v4_negative_prompt=caption("", ("hat", 0.5, 0.5)))
    assert error.field == "v4_negative_prompt.caption.char_captions"
    assert "at most 0 entries" in str(error)


@pytest.mark.parametrize("member", ["steps", "scale", "seed", "sampler", "width", "height"])
@pytest.mark.parametrize("gone", [None, ...])
def test_a_member_that_makes_the_picture_must_be_there(member: str, gone: object) -> None:
    error = refusal_of(**{member: gone})
    assert (error.field, error.value) == (member, None)


@pytest.mark.parametrize("gone", [None, ...])
def test_the_prompt_must_be_there(gone: object) -> None:
    assert refusal_of(prompt=gone, v4_prompt=gone).field == "prompt"
    assert refusal_of(prompt=gone, family="V3").field == "prompt"


@pytest.mark.parametrize(
    "source", ["", "NovelAI", "NovelAI Diffusion V9 ABC", "NovelAI Diffusion V4.5X", "Stable Diffusion 1D44365E"]
)
def test_an_unknown_source_is_refused_with_the_known_ones(source: str) -> None:
    error = refusal_of(source=source)
    assert (error.field, error.value) == ("Source", source)
    assert "NovelAI Diffusion V4.5, NovelAI Diffusion V4, Stable Diffusion XL" in str(error)


def test_a_director_tools_picture_is_refused() -> None:
    made = PictureMetadata(comment={"req_type": "lineart"}, image_format="png", origin="chunks")
    with pytest.raises(InvalidParamsError, match="which generated pictures have"):
        fields_from_metadata(made)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"steps": 51}, "steps"),
        ({"steps": 23.5}, "steps"),
        ({"steps": [23]}, "steps"),
        ({"steps": True}, "steps"),
        ({"scale": 11}, "scale"),
        ({"scale": float("inf")}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"scale": {}}, "scale"),
        ({"cfg_rescale": "0"}, "cfg_rescale"),
        ({"seed": 2**32}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 10**4000}, "seed"),
        ({"seed": "7"}, "seed"),
        ({"sampler": "k_dpm_2"}, "sampler"),
        ({"sampler": "ddim_v3"}, "sampler"),
        ({"sampler": []}, "sampler"),
        ({"noise_schedule": "native"}, "noise_schedule"),
        ({"noise_schedule": 0}, "noise_schedule"),
        ({"width": 100}, "size"),
        ({"height": "64"}, "size"),
        ({"width": [64], "height": {}}, "size"),
        ({"width": 2**20, "height": 2**20}, "size"),
        ({"dynamic_thresholding": 1}, "decrisper"),
        ({"skip_cfg_above_sigma": "58"}, "skip_cfg_above_sigma"),
        ({"skip_cfg_above_sigma": []}, "skip_cfg_above_sigma"),
        ({"skip_cfg_above_sigma": True}, "skip_cfg_above_sigma"),
        ({"family": "V3", "sm": "yes"}, "smea"),
        ({"family": "V5", "straight_alpha": []}, "straight_alpha"),
        ({"family": "V5", "tag_hint_transparent_background": 1}, "tag_hint_transparent_background"),
        ({"v4_prompt": []}, "v4_prompt"),
        ({"v4_prompt": "1girl"}, "v4_prompt"),
        ({"v4_prompt": {"caption": []}}, "v4_prompt.caption"),
        ({"v4_prompt": caption(["1girl"])}, "v4_prompt.caption.base_caption"),
        ({"v4_prompt": caption("half \ud800 of a pair")}, "prompt"),
        ({"v4_prompt": caption("  ")}, "prompt"),
        ({"v4_prompt": caption("cat", use_coords=1)}, "v4_prompt.use_coords"),
        ({"v4_prompt": {"caption": {"char_captions": {}}}}, "v4_prompt.caption.char_captions"),
        ({"v4_prompt": caption("cat", "girl")}, "v4_prompt.caption.char_captions[0]"),
        ({"v4_prompt": caption("cat", (7, 0.5, 0.5))}, "characters[0].prompt"),
        ({"v4_prompt": caption("cat", {})}, "characters[0].prompt"),
        ({"v4_prompt": caption("cat", ("girl", 2, 0.5), use_coords=True)}, "characters[0].position"),
        ({"v4_prompt": caption("cat", ("girl", None, 0.5), use_coords=True)}, "characters[0].position"),
        ({"v4_prompt": caption("cat", *[("girl", 0.5, 0.5)] * 7)}, "characters"),
        (
            {"v4_prompt": caption("cat", {"char_caption": "girl", "centers": 7}, use_coords=True)},
            "v4_prompt.caption.char_captions[0].centers",
        ),
        (
            {"v4_prompt": caption("cat", {"char_caption": "girl", "centers": [7]}, use_coords=True)},
            "v4_prompt.caption.char_captions[0].centers[0]",
        ),
        ({"v4_negative_prompt": 7}, "v4_negative_prompt"),
        ({"v4_negative_prompt": caption(7)}, "v4_negative_prompt.caption.base_caption"),
        ({"v4_negative_prompt": caption("hat", legacy_uc="no")}, "v4_negative_prompt.legacy_uc"),
        ({"family": "V3", "uc": {}}, "uc"),
        ({"family": "V3", "prompt": 7}, "prompt"),
    ],
)
def test_a_value_that_cannot_be_asked_for_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    error = refusal_of(**changes)
    assert error.field == field
    assert error.allowed
    assert len(str(error)) < 600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["caption", "base_caption", "char_captions", "char_caption", "centers", "x", "use_coords"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
members = st.sampled_from([*made_comment(), "model_name", "straight_alpha", "tag_hint_transparent_background"])


@given(st.sampled_from(sorted(SOURCES)), st.dictionaries(members, json_values, max_size=4))
@settings(max_examples=500)
def test_any_comment_is_recalled_or_refused(family: str, changes: dict[str, Any]) -> None:
    try:
        params = recalled(family=family, **changes)
    except InvalidParamsError as error:
        assert error.field
        assert error.allowed
    else:
        assert params.info.family == family
        params.to_json(stream=None)


def test_deep_nesting_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert refusal_of(seed=deep).field == "seed"
    assert refusal_of(v4_prompt=deep).field == "v4_prompt"


@pytest.mark.parametrize("piece", ["|", ", ", "very aesthetic, masterpiece, no text", "text:", "lowres, "])
@pytest.mark.parametrize("family", SOURCES)
def test_long_texts_are_read_in_linear_time(piece: str, family: str) -> None:
    text = f"cat, {piece * (200_000 // len(piece))}"
    metadata = made_metadata(text, text, family=family)
    assert ImageParams.from_fields(**fields_from_metadata(metadata)).info.family == family
