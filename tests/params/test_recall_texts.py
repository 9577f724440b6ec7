"""Which words were the presets', and which the user's."""

from __future__ import annotations

from typing import Any

import pytest
from made_metadata import SOURCES, caption, made_metadata

from nai_trio.params import MODELS, ImageParams
from nai_trio.params.recall import fields_from_metadata

FULL = "nai-diffusion-4-5-full"
CURATED = "nai-diffusion-4-5-curated"
TAGS = "very aesthetic, masterpiece, no text"
V3_TAGS = "best quality, amazing quality, very aesthetic, absurdres"
HEAVY = MODELS[FULL].uc_texts["heavy"]
CURATED_HEAVY = MODELS[CURATED].uc_texts["heavy"]


def recalled(*texts: str, **changes: Any) -> ImageParams:
    params = ImageParams.from_fields(**fields_from_metadata(made_metadata(*texts, **changes)))
    sent = params.to_wire(stream=None)
    uc = texts[1] if len(texts) > 1 else "hat"
    assert (sent["input"], sent["parameters"]["negative_prompt"]) == (texts[0] if texts else "1girl, solo", uc)
    return params


def words(params: ImageParams) -> tuple[str, str, str, str]:
    return params.prompt, params.quality, params.negative_prompt, params.uc_preset


@pytest.mark.parametrize(
    ("positive", "negative", "found"),
    [
        ("1girl", "hat", ("1girl", "none", "hat", "none")),
        ("1girl", "", ("1girl", "none", "", "none")),
        (f"1girl, {TAGS}", f"nsfw, {HEAVY}", ("1girl", "standard", "", "heavy")),
        (f"1girl, {TAGS}", f"nsfw, {HEAVY}, hat", ("1girl", "standard", "hat", "heavy")),
        (f"1girl, nsfw, {TAGS}", f"{HEAVY}, hat", ("1girl, nsfw", "standard", "hat", "heavy")),
        (f"1girl, {TAGS}, text: hi", "", ("1girl, text: hi", "standard", "", "none")),
        (f"1girl, {TAGS}, text: {TAGS}", "", (f"1girl, text: {TAGS}", "standard", "", "none")),
        (f"1girl, {TAGS} | dog, {TAGS}", "", (f"1girl | dog, {TAGS}", "standard", "", "none")),
        (f"{TAGS}, text: hi", "", ("text: hi", "standard", "", "none")),
        (f"{TAGS}, 1girl, {TAGS}", "", (f"{TAGS}, 1girl", "standard", "", "none")),
    ],
)
def test_words_that_a_preset_makes_are_the_presets(
    positive: str, negative: str, found: tuple[str, str, str, str]
) -> None:
    assert words(recalled(positive, negative)) == found


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        (TAGS, ""),  # without them no prompt would be left
        (f"1girl,{TAGS}", ""),
        (f"1girl, {TAGS}, 1boy", ""),
        (f"1girl, {TAGS.upper()}", ""),
        (f"1girl, text: hi, {TAGS}", ""),
        (f"1girl | dog, {TAGS}", ""),
        ("1girl", HEAVY),  # the guard is missing
        ("1girl, nsfw", f"nsfw, {HEAVY}"),  # and here it should not be
        ("1girl", f"hat, nsfw, {HEAVY}"),
        ("1girl", f"nsfw, {HEAVY}."),
        ("1girl", "nsfw"),
    ],
)
def test_words_that_no_preset_puts_there_stay_the_users(positive: str, negative: str) -> None:
    assert words(recalled(positive, negative)) == (positive, "none", negative, "none")


def test_of_two_presets_the_one_that_explains_more_is_taken() -> None:
    human = MODELS[FULL].uc_texts["humanFocus"]
    assert human.startswith(HEAVY)
    assert words(recalled("1girl", f"nsfw, {human}, hat"))[2:] == ("hat", "humanFocus")
    assert words(recalled("1girl", f"nsfw, {HEAVY}, @_@"))[2:] == ("@_@", "heavy")


def test_a_negative_prompt_that_repeats_the_preset_keeps_the_repetition() -> None:
    assert words(recalled("1girl", f"nsfw, {HEAVY}, nsfw, {HEAVY}"))[2:] == (f"nsfw, {HEAVY}", "heavy")


@pytest.mark.parametrize(
    ("positive", "negative", "model"),
    [
        (f"1girl, {MODELS[CURATED].quality_texts['standard']}", "hat", CURATED),
        (f"1girl, {TAGS}", "hat", FULL),
        ("1girl", CURATED_HEAVY, CURATED),
        ("1girl", f"nsfw, {HEAVY}", FULL),
        (f"1girl, {TAGS}", CURATED_HEAVY, CURATED),  # more words are explained than by the other model's quality
        ("1girl", "hat", FULL),
    ],
)
def test_the_presets_tell_full_from_curated(positive: str, negative: str, model: str) -> None:
    assert recalled(positive, negative).model == model


@pytest.mark.parametrize("family", SOURCES)
def test_the_source_tells_the_family(family: str) -> None:
    found = recalled("1girl", "lowres, hat", family=family)
    assert found.info.family == family
    assert found.info is next(row for row in MODELS.values() if row.family == family)


@pytest.mark.parametrize(
    ("scale", "model"), [(6.2, "nai-diffusion-furry-3"), (5, "nai-diffusion-3"), (6, "nai-diffusion-3")]
)
def test_where_words_are_silent_a_models_own_guidance_tells(scale: float, model: str) -> None:
    assert recalled("cat", "lowres", family="V3", scale=scale).model == model


def test_v5_names_its_model() -> None:
    for model in ("nai-diffusion-5-full", "nai-diffusion-5-curated"):
        assert recalled(family="V5", model_name=model).model == model


def test_v5_may_name_the_model_that_inpaints_for_it() -> None:
    assert recalled("1girl", HEAVY, family="V5").model == "nai-diffusion-5-curated"
    inpainted = recalled("1girl", HEAVY, family="V5", model_name="nai-diffusion-5-full-inpainting")
    assert words(inpainted) == ("1girl", "none", HEAVY, "none")
    assert inpainted.model == "nai-diffusion-5-full"


@pytest.mark.parametrize("name", ["", "whatever", FULL, None, 7, ["nai-diffusion-5-curated"]])
def test_a_model_name_that_is_none_of_the_family_does_not_matter(name: object) -> None:
    assert recalled(family="V5", model_name=name).model == "nai-diffusion-5-full"


def test_a_source_without_its_hash_is_enough() -> None:
    assert recalled(source="NovelAI Diffusion V4").info.family == "V4"


def test_v3_has_the_words_in_every_part() -> None:
    found = recalled(f"cat, {V3_TAGS} | dog, {V3_TAGS}", "lowres", family="V3")
    assert (found.prompt, found.quality) == ("cat | dog", "standard")
    kept = recalled(f"cat | dog, {V3_TAGS}", "lowres", family="V3")
    assert (kept.prompt, kept.quality) == (f"cat | dog, {V3_TAGS}", "none")


@pytest.mark.parametrize(("uc", "rest"), [("lowres", ""), ("lowres, hat", "hat"), ("lowres, lowres", "lowres")])
def test_on_v3_no_preset_is_a_word_as_well(uc: str, rest: str) -> None:
    assert words(recalled("cat", uc, family="V3"))[2:] == (rest, "none")


@pytest.mark.parametrize("uc", ["", "hat", "lowress", "hat, lowres"])
def test_on_v3_a_negative_text_without_that_word_gets_it(uc: str) -> None:
    found = ImageParams.from_fields(**fields_from_metadata(made_metadata("cat", uc, family="V3")))
    assert words(found)[2:] == (uc, "none")
    sent = found.to_wire(stream=None)["parameters"]["negative_prompt"]
    assert sent == ", ".join(filter(None, ["lowres", uc]))


def test_transparency_is_the_hints_not_the_words() -> None:
    text = f"cat, transparent background, {TAGS}"
    hinted = recalled(text, family="V5", tag_hint_transparent_background=True)
    assert (hinted.prompt, hinted.transparent_background, hinted.quality) == ("cat", True, "standard")
    for hint in (False, None, ...):
        by_hand = recalled(text, family="V5", tag_hint_transparent_background=hint)
        assert (by_hand.prompt, by_hand.transparent_background) == ("cat, transparent background", False)


def test_a_hint_without_the_words_cannot_be_asked_for() -> None:
    assert not recalled("cat", family="V5", tag_hint_transparent_background=True).transparent_background


SDK_TAGS = ", very aesthetic, masterpiece, no text"
SDK_HEAVY = f", {HEAVY}, "


@pytest.mark.parametrize("family", ["V4", "V4.5", "V5"])
def test_the_texts_of_a_client_that_appends_its_own_words_stay_as_they_are(family: str) -> None:
    """One peer puts one string of quality words on every model, and undesired content after the user's."""
    found = recalled(f"1girl{SDK_TAGS}", f"hat{SDK_HEAVY}", family=family)
    assert (found.negative_prompt, found.uc_preset) == (f"hat{SDK_HEAVY}", "none")
    # Its words are those of V4.5 Full and V5: there they are the preset's, and make the same text.
    same = "no text" in MODELS[found.model].quality_texts["standard"].rpartition(", ")[2]
    assert (found.prompt, found.quality) == (("1girl", "standard") if same else (f"1girl{SDK_TAGS}", "none"))
    assert same == (family != "V4")


def test_the_texts_of_a_client_with_words_of_its_own_stay_as_they_are() -> None:
    """Another peer guards with nsfw on V4.5 Full alone, and has other words on Curated."""
    positive = "1girl, location, masterpiece, no text, -0.8::feet::, rating:general"
    assert words(recalled(positive, f"nsfw, {HEAVY}"))[:2] == (positive, "none")


def test_the_objects_texts_count_before_the_plain_ones() -> None:
    found = recalled(f"1girl, {TAGS}", f"nsfw, {HEAVY}", prompt="raw", uc="raw")
    assert words(found) == ("1girl", "standard", "", "heavy")


@pytest.mark.parametrize("gone", [..., None, {}, {"caption": None}, {"caption": {}}])
def test_without_the_objects_the_plain_texts_count(gone: object) -> None:
    found = recalled(f"1girl, {TAGS}", f"nsfw, {HEAVY}", v4_prompt=gone, v4_negative_prompt=gone)
    assert words(found) == ("1girl", "standard", "", "heavy")


def test_on_v3_objects_mean_nothing() -> None:
    found = recalled("cat", "lowres", family="V3", v4_prompt=caption("dog", ("girl", 0.1, 0.1)), v4_negative_prompt=7)
    assert (found.prompt, found.characters) == ("cat", ())


def test_a_missing_negative_text_is_an_empty_one() -> None:
    assert recalled("cat", "", uc=..., v4_negative_prompt=...).negative_prompt == ""
