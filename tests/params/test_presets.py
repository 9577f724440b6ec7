"""Every preset's words, once more as the wire document (section 2.6) has them: a slip in the table shows here."""

from __future__ import annotations

import pytest

from nai_trio.params import MODELS, ImageParams

QUALITY = [
    (
        ("nai-diffusion-5-full", "nai-diffusion-5-curated", "nai-diffusion-4-5-full"),
        "standard",
        "very aesthetic, masterpiece, no text",
    ),
    (
        ("nai-diffusion-5-full", "nai-diffusion-5-curated"),
        "light",
        "very aesthetic, amazing quality, no text",
    ),
    (
        ("nai-diffusion-4-5-curated",),
        "standard",
        "very aesthetic, masterpiece, no text, -0.8::feet::, rating:general",
    ),
    (
        ("nai-diffusion-4-full",),
        "standard",
        "no text, best quality, very aesthetic, absurdres",
    ),
    (
        ("nai-diffusion-4-curated-preview",),
        "standard",
        "rating:general, best quality, very aesthetic, absurdres",
    ),
    (
        ("nai-diffusion-3",),
        "standard",
        "best quality, amazing quality, very aesthetic, absurdres",
    ),
    (
        ("nai-diffusion-furry-3",),
        "standard",
        "{best quality}, {amazing quality}",
    ),
]

UNDESIRED = [
    (
        ("nai-diffusion-4-5-full", "nai-diffusion-5-full", "nai-diffusion-5-curated"),
        "heavy",
        (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, "
            "multiple views, logo, too many watermarks, negative space, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-5-full",),
        "light",
        (
            "lowres, artistic error, scan artifacts, worst quality, bad quality, jpeg artifacts, "
            "multiple views, very displeasing, too many watermarks, negative space, blank page"
        ),
    ),
    (
        ("nai-diffusion-5-full", "nai-diffusion-5-curated"),
        "light",
        (
            "lowres, bad hands, bad anatomy, artistic error, sepia, white haze, worst quality, very "
            "displeasing, jpeg artifacts, 0::ai-generated::"
        ),
    ),
    (
        ("nai-diffusion-4-5-full", "nai-diffusion-5-full", "nai-diffusion-5-curated"),
        "humanFocus",
        (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, "
            "multiple views, logo, too many watermarks, negative space, blank page, @_@, mismatched "
            "pupils, glowing eyes, bad anatomy"
        ),
    ),
    (
        ("nai-diffusion-4-5-full", "nai-diffusion-5-full", "nai-diffusion-5-curated"),
        "furryFocus",
        (
            "{worst quality}, distracting watermark, unfinished, bad quality, {widescreen}, upscale, "
            "{sequence}, {{grandfathered content}}, blurred foreground, chromatic aberration, "
            "sketch, everyone, [sketch background], simple, [flat colors], ych (character), outline, "
            "multiple scenes, [[horror (theme)]], comic"
        ),
    ),
    (
        ("nai-diffusion-4-5-curated",),
        "heavy",
        (
            "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, worst quality, "
            "bad quality, jpeg artifacts, very displeasing, chromatic aberration, halftone, multiple "
            "views, logo, too many watermarks, negative space, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-5-curated",),
        "light",
        (
            "blurry, lowres, upscaled, artistic error, scan artifacts, jpeg artifacts, logo, too "
            "many watermarks, negative space, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-5-curated",),
        "humanFocus",
        (
            "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, bad anatomy, bad "
            "hands, worst quality, bad quality, jpeg artifacts, very displeasing, chromatic "
            "aberration, halftone, multiple views, logo, too many watermarks, @_@, mismatched "
            "pupils, glowing eyes, negative space, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-full",),
        "heavy",
        (
            "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, multiple views, logo, too many "
            "watermarks, white blank page, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-full",),
        "light",
        (
            "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, "
            "white blank page, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-curated-preview",),
        "heavy",
        (
            "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, logo, dated, signature, multiple "
            "views, gigantic breasts, white blank page, blank page"
        ),
    ),
    (
        ("nai-diffusion-4-curated-preview",),
        "light",
        (
            "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, "
            "logo, dated, signature, white blank page, blank page"
        ),
    ),
    (
        ("nai-diffusion-3",),
        "heavy",
        (
            "lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, bad "
            "quality, watermark, unfinished, displeasing, chromatic aberration, signature, extra "
            "digits, artistic error, username, scan, [abstract]"
        ),
    ),
    (
        ("nai-diffusion-3",),
        "light",
        "lowres, jpeg artifacts, worst quality, watermark, blurry, very displeasing",
    ),
    (
        ("nai-diffusion-3",),
        "humanFocus",
        (
            "lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, bad "
            "quality, watermark, unfinished, displeasing, chromatic aberration, signature, extra "
            "digits, artistic error, username, scan, [abstract], bad anatomy, bad hands, @_@, "
            "mismatched pupils, heart-shaped pupils, glowing eyes"
        ),
    ),
    (
        ("nai-diffusion-furry-3",),
        "heavy",
        (
            "{{worst quality}}, [displeasing], {unusual pupils}, guide lines, {{unfinished}}, {bad}, "
            "url, artist name, {{tall image}}, mosaic, {sketch page}, comic panel, impact (font), "
            "[dated], {logo}, ych, {what}, {where is your god now}, {distorted text}, repeated text, "
            "{floating head}, {1994}, {widescreen}, absolutely everyone, sequence, {compression "
            "artifacts}, hard translated, {cropped}, {commissioner name}, unknown text, high contrast"
        ),
    ),
    (
        ("nai-diffusion-furry-3",),
        "light",
        (
            "{worst quality}, guide lines, unfinished, bad, url, tall image, widescreen, compression "
            "artifacts, unknown text"
        ),
    ),
    (
        ("nai-diffusion-3", "nai-diffusion-furry-3"),
        "none",
        "lowres",
    ),
]


def wire(model: str, **fields: object) -> dict[str, object]:
    params = ImageParams.from_fields(prompt="nsfw, cat", model=model, **fields)
    return params.to_wire(stream=None)


@pytest.mark.parametrize(("models", "preset", "words"), QUALITY)
def test_quality_words_are_the_documented_ones(models: tuple[str, ...], preset: str, words: str) -> None:
    for model in models:
        assert wire(model, quality=preset)["input"] == f"nsfw, cat, {words}"


@pytest.mark.parametrize(("models", "preset", "words"), UNDESIRED)
def test_undesired_words_are_the_documented_ones(models: tuple[str, ...], preset: str, words: str) -> None:
    for model in models:
        assert wire(model, uc_preset=preset)["parameters"]["negative_prompt"] == words


@pytest.mark.parametrize(("table", "column"), [(QUALITY, "quality_texts"), (UNDESIRED, "uc_texts")])
def test_no_preset_with_words_is_left_out_here(table: list[tuple[tuple[str, ...], str, str]], column: str) -> None:
    listed = {(model, preset) for models, preset, _words in table for model in models}
    for info in MODELS.values():
        assert {(info.id, preset) for preset, words in getattr(info, column).items() if words} <= listed
