"""The words that presets add to the user's (wire document, section 2.6)."""

from __future__ import annotations

import pytest

from nai_trio.params import MODELS, ImageParams

TAGS = "very aesthetic, masterpiece, no text"
V3_TAGS = "best quality, amazing quality, very aesthetic, absurdres"


def positive(prompt: str, **fields: object) -> str:
    text = ImageParams.from_fields(prompt=prompt, **fields).to_wire(stream=None)["input"]
    assert isinstance(text, str)
    return text


def negative(**fields: object) -> str:
    wanted = {"prompt": "1girl", **fields}
    text = ImageParams.from_fields(**wanted).to_wire(stream=None)["parameters"]["negative_prompt"]
    assert isinstance(text, str)
    return text


ALL_QUALITIES = [(info.id, quality) for info in MODELS.values() for quality in info.quality_texts]
ALL_UC = [(info.id, preset) for info in MODELS.values() for preset in info.uc_texts]


@pytest.mark.parametrize(("model", "quality"), ALL_QUALITIES)
def test_quality_words_follow_the_prompt(model: str, quality: str) -> None:
    words = MODELS[model].quality_texts[quality]
    assert positive("1girl", model=model, quality=quality) == (f"1girl, {words}" if words else "1girl")


@pytest.mark.parametrize(("model", "preset"), ALL_UC)
def test_undesired_content_goes_before_the_negative_prompt(model: str, preset: str) -> None:
    words = MODELS[model].uc_texts[preset]
    nsfw = "nsfw" if preset != "none" and "curated" not in model else ""
    wanted = ", ".join(filter(None, [nsfw, words, "hat"]))
    assert negative(model=model, uc_preset=preset, negative_prompt="hat") == wanted


@pytest.mark.parametrize(
    ("model", "preset", "text"),
    [
        (
            "nai-diffusion-4-5-full",
            "heavy",
            (
                "nsfw, lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, "
                "jpeg artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, "
                "multiple views, logo, too many watermarks, negative space, blank page"
            ),
        ),
        (
            "nai-diffusion-5-full",
            "light",
            (
                "nsfw, lowres, bad hands, bad anatomy, artistic error, sepia, white haze, worst quality, "
                "very displeasing, jpeg artifacts, 0::ai-generated::"
            ),
        ),
        (
            "nai-diffusion-5-curated",
            "humanFocus",
            (
                "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, "
                "jpeg artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, "
                "multiple views, logo, too many watermarks, negative space, blank page, @_@, "
                "mismatched pupils, glowing eyes, bad anatomy"
            ),
        ),
        (
            "nai-diffusion-4-full",
            "light",
            (
                "nsfw, blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, "
                "white blank page, blank page"
            ),
        ),
        (
            "nai-diffusion-3",
            "humanFocus",
            (
                "nsfw, lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, "
                "bad quality, watermark, unfinished, displeasing, chromatic aberration, signature, "
                "extra digits, artistic error, username, scan, [abstract], bad anatomy, bad hands, @_@, "
                "mismatched pupils, heart-shaped pupils, glowing eyes"
            ),
        ),
    ],
)
def test_undesired_content_texts_are_the_documented_ones(model: str, preset: str, text: str) -> None:
    assert negative(model=model, uc_preset=preset) == text


def test_defaults_are_standard_quality_and_heavy_undesired_content() -> None:
    assert positive("1girl") == f"1girl, {TAGS}"
    assert negative() == negative(uc_preset="heavy")


@pytest.mark.parametrize("prompt", ["1girl, nsfw", "NSFW, 1girl", "a Nsfw thing"])
def test_a_prompt_that_asks_for_nsfw_is_not_guarded(prompt: str) -> None:
    assert negative(prompt=prompt) == MODELS["nai-diffusion-4-5-full"].uc_texts["heavy"]


def test_no_preset_and_no_negative_prompt_make_an_empty_text() -> None:
    assert negative(uc_preset="none") == ""
    assert negative(uc_preset="none", negative_prompt="hat") == "hat"


@pytest.mark.parametrize("model", ["nai-diffusion-3", "nai-diffusion-furry-3"])
def test_v3_without_a_preset_still_says_lowres(model: str) -> None:
    assert negative(model=model, uc_preset="none") == "lowres"


@pytest.mark.parametrize(("given", "same_as"), [(True, "standard"), (False, "none")])
def test_quality_takes_a_bool(given: bool, same_as: str) -> None:
    assert ImageParams("cat", quality=given).quality == same_as


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("1girl, text: hello", f"1girl, {TAGS}, text: hello"),
        ("1girl, Text: hello, world", f"1girl, {TAGS}, Text: hello, world"),
        ("1girl text:hi", f"1girl, {TAGS}, text:hi"),
        ("text: hello", f"{TAGS}, text: hello"),
        ("context: school", f"context: school, {TAGS}"),
        ("1girl, 2::text::", f"1girl, 2::text::, {TAGS}"),
        ("1girl, text: a|b", f"1girl, {TAGS}, text: a|b"),
        ("1girl | 1boy", f"1girl, {TAGS} | 1boy"),
        ("1girl|1boy|dog", f"1girl, {TAGS}|1boy|dog"),
        ("1girl | 1boy, text: hi", f"1girl, {TAGS} | 1boy, text: hi"),
        ("| 1boy", f"{TAGS}| 1boy"),
    ],
)
def test_v4_and_later_put_the_words_before_text_and_in_the_first_part(prompt: str, text: str) -> None:
    assert positive(prompt) == text


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("cat|dog", f"cat, {V3_TAGS}|dog, {V3_TAGS}"),
        ("cat | dog", f"cat, {V3_TAGS} | dog, {V3_TAGS}"),
        ("cat, text: hi", f"cat, text: hi, {V3_TAGS}"),
    ],
)
def test_v3_puts_the_words_in_every_part(prompt: str, text: str) -> None:
    assert positive(prompt, model="nai-diffusion-3") == text


@pytest.mark.parametrize("prompt", ["cat|dog", "cat, text: hi", " cat ", "cat,"])
def test_without_quality_words_the_prompt_stays_as_it_is(prompt: str) -> None:
    assert positive(prompt, quality="none") == prompt


def test_transparent_words_stand_alone_when_quality_is_off() -> None:
    fields = {"model": "nai-diffusion-5-full", "quality": "none", "transparent_background": True}
    assert positive("cat, text: hi", **fields) == "cat, transparent background, text: hi"
