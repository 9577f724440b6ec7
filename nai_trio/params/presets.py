"""The texts that presets put into prompts (wire document, section 2.6).

The service knows no presets: they act only through these words. They are written out as the web client sends
them; only where one is another with a tail, the tail alone is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

Texts: TypeAlias = Mapping[str, str]

TRANSPARENT_BACKGROUND: Final = "transparent background"
"""This text alone makes V5 draw no background."""

NSFW: Final = "nsfw"
"""Put before the undesired-content text of models that are not Curated, unless the prompt has it."""


def _texts(**texts: str) -> Texts:
    return MappingProxyType(texts)


QUALITY_V5: Final = _texts(
    standard="very aesthetic, masterpiece, no text",
    light="very aesthetic, amazing quality, no text",
    none="",
)
QUALITY_V45_FULL: Final = _texts(standard="very aesthetic, masterpiece, no text", none="")
QUALITY_V45_CURATED: Final = _texts(
    standard="very aesthetic, masterpiece, no text, -0.8::feet::, rating:general", none=""
)
QUALITY_V4_FULL: Final = _texts(standard="no text, best quality, very aesthetic, absurdres", none="")
QUALITY_V4_CURATED: Final = _texts(standard="rating:general, best quality, very aesthetic, absurdres", none="")
QUALITY_V3: Final = _texts(standard="best quality, amazing quality, very aesthetic, absurdres", none="")
QUALITY_FURRY_V3: Final = _texts(standard="{best quality}, {amazing quality}", none="")

_HEAVY = (
    "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg artifacts, "
    "very displeasing, chromatic aberration, dithering, halftone, screentone, multiple views, logo, "
    "too many watermarks, negative space, blank page"
)
_HUMAN_FOCUS = _HEAVY + ", @_@, mismatched pupils, glowing eyes, bad anatomy"
_FURRY_FOCUS = (
    "{worst quality}, distracting watermark, unfinished, bad quality, {widescreen}, upscale, {sequence}, "
    "{{grandfathered content}}, blurred foreground, chromatic aberration, sketch, everyone, "
    "[sketch background], simple, [flat colors], ych (character), outline, multiple scenes, "
    "[[horror (theme)]], comic"
)
UC_V5: Final = _texts(
    heavy=_HEAVY,
    light=(
        "lowres, bad hands, bad anatomy, artistic error, sepia, white haze, worst quality, "
        "very displeasing, jpeg artifacts, 0::ai-generated::"
    ),
    humanFocus=_HUMAN_FOCUS,
    furryFocus=_FURRY_FOCUS,
    none="",
)
UC_V45_FULL: Final = _texts(
    heavy=_HEAVY,
    light=(
        "lowres, artistic error, scan artifacts, worst quality, bad quality, jpeg artifacts, "
        "multiple views, very displeasing, too many watermarks, negative space, blank page"
    ),
    humanFocus=_HUMAN_FOCUS,
    furryFocus=_FURRY_FOCUS,
    none="",
)
UC_V45_CURATED: Final = _texts(
    heavy=(
        "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, worst quality, bad quality, "
        "jpeg artifacts, very displeasing, chromatic aberration, halftone, multiple views, logo, "
        "too many watermarks, negative space, blank page"
    ),
    light=(
        "blurry, lowres, upscaled, artistic error, scan artifacts, jpeg artifacts, logo, "
        "too many watermarks, negative space, blank page"
    ),
    humanFocus=(
        "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, bad anatomy, bad hands, "
        "worst quality, bad quality, jpeg artifacts, very displeasing, chromatic aberration, halftone, "
        "multiple views, logo, too many watermarks, @_@, mismatched pupils, glowing eyes, negative space, "
        "blank page"
    ),
    none="",
)
UC_V4_FULL: Final = _texts(
    heavy=(
        "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg artifacts, "
        "very displeasing, chromatic aberration, multiple views, logo, too many watermarks, "
        "white blank page, blank page"
    ),
    light=(
        "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, "
        "white blank page, blank page"
    ),
    none="",
)
UC_V4_CURATED: Final = _texts(
    heavy=(
        "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg artifacts, "
        "very displeasing, chromatic aberration, logo, dated, signature, multiple views, gigantic breasts, "
        "white blank page, blank page"
    ),
    light=(
        "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, logo, dated, "
        "signature, white blank page, blank page"
    ),
    none="",
)
_HEAVY_V3 = (
    "lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, bad quality, watermark, "
    "unfinished, displeasing, chromatic aberration, signature, extra digits, artistic error, username, "
    "scan, [abstract]"
)
UC_V3: Final = _texts(
    heavy=_HEAVY_V3,
    light="lowres, jpeg artifacts, worst quality, watermark, blurry, very displeasing",
    humanFocus=_HEAVY_V3 + ", bad anatomy, bad hands, @_@, mismatched pupils, heart-shaped pupils, glowing eyes",
    none="lowres",
)
UC_FURRY_V3: Final = _texts(
    heavy=(
        "{{worst quality}}, [displeasing], {unusual pupils}, guide lines, {{unfinished}}, {bad}, url, "
        "artist name, {{tall image}}, mosaic, {sketch page}, comic panel, impact (font), [dated], {logo}, "
        "ych, {what}, {where is your god now}, {distorted text}, repeated text, {floating head}, {1994}, "
        "{widescreen}, absolutely everyone, sequence, {compression artifacts}, hard translated, {cropped}, "
        "{commissioner name}, unknown text, high contrast"
    ),
    light=(
        "{worst quality}, guide lines, unfinished, bad, url, tall image, widescreen, "
        "compression artifacts, unknown text"
    ),
    none="lowres",
)
