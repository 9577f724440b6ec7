"""What is asked of every client: parameter sets in this library's terms.

Everything that has a default which differs between clients is named in every wish (model, size, steps, scale, sampler,
schedule, presets), so that what is compared is the JSON of one wish and not of three tastes. Pictures are the names of
files that `wish_pictures` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from web_texts import NSFW_GUARDED, QUALITY, UNDESIRED

from nai_trio.params import SIZES

if TYPE_CHECKING:
    from pathlib import Path

V5, V5C = "nai-diffusion-5-full", "nai-diffusion-5-curated"
V45, V45C = "nai-diffusion-4-5-full", "nai-diffusion-4-5-curated"
V4, V4C = "nai-diffusion-4-full", "nai-diffusion-4-curated-preview"
V3, FURRY = "nai-diffusion-3", "nai-diffusion-furry-3"

PEERS = ("novelai-sdk", "nekoai-api")

_FAMILIES = {V5: "V5", V5C: "V5", V45: "V4.5", V45C: "V4.5", V4: "V4", V4C: "V4", V3: "V3", FURRY: "V3"}
_STANDARD: dict[str, Any] = {
    "prompt": "1girl, cat ears, rain",
    "size": "portrait",
    "steps": 23,
    "scale": 5,
    "sampler": "k_euler_ancestral",
    "noise_schedule": "karras",
    "seed": 1234567,
    "n_samples": 1,
    "cfg_rescale": 0,
    "quality": "standard",
    "uc_preset": "heavy",
    "negative_prompt": "umbrella, hat",
}


@attrs.frozen
class Wish:
    """One parameter set.

    Attributes:
        name: what it is about.
        fields: of `ImageParams`; pictures by the names of their files.
        stream: whether a peer that has the choice is to stream it.
        positive: the positive prompt as the web client composes it.
        pixels: the size that comes of it.
    """

    name: str
    fields: dict[str, Any]
    stream: bool
    positive: str
    pixels: tuple[int, int]

    @property
    def model(self) -> str:
        return self.fields["model"]

    @property
    def worker(self) -> str:
        """The model that does the work: V4.5 Curated inpaints for V5 Curated (wire document, section 2.2)."""
        return V45C if self.model == V5C and self.inpaint else self.model

    @property
    def family(self) -> str:
        return _FAMILIES[self.worker]

    @property
    def i2i(self) -> dict[str, Any]:
        return self.fields.get("i2i", {})

    @property
    def inpaint(self) -> dict[str, Any]:
        return self.fields.get("inpaint", {})

    @property
    def vibes(self) -> list[dict[str, Any]]:
        return self.fields.get("controlnet", {}).get("images", [])

    @property
    def references(self) -> list[dict[str, Any]]:
        return self.fields.get("character_references", [])

    @property
    def characters(self) -> list[dict[str, Any]]:
        return self.fields.get("characters", [])

    @property
    def negative(self) -> str:
        """The negative prompt as the web client composes it (wire document, section 2.6)."""
        preset = self.fields["uc_preset"]
        guarded = self.worker in NSFW_GUARDED and preset != "none" and "nsfw" not in self.fields["prompt"].lower()
        parts = ("nsfw" if guarded else "", UNDESIRED[self.worker][preset], self.fields["negative_prompt"])
        return ", ".join(part for part in parts if part)

    def with_files(self, folder: Path) -> dict[str, Any]:
        """The fields, with the pictures as the paths of their files."""
        return _with_files(self.fields, folder)

    def for_peer(self, folder: Path) -> dict[str, Any]:
        """The wish as a peer's script reads it."""
        known = {"name": self.name, "stream": self.stream, "pixels": self.pixels, "cells": CELLS}
        return {**known, "fields": self.with_files(folder)}


_CENTERS = (0.1, 0.3, 0.5, 0.7, 0.9)
CELLS = {
    f"{column}{row}": (x, y)
    for column, x in zip("ABCDE", _CENTERS, strict=True)
    for row, y in zip("12345", _CENTERS, strict=True)
}
"""Cell names to centers, columns first (wire document, section 2.5)."""


def _with_files(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {name: _with_files(each, folder) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_files(each, folder) for each in value]
    is_file = isinstance(value, str) and value.endswith((".png", ".jpg"))
    return str(folder / value) if is_file else value


def _wish(
    name: str,
    model: str = V45,
    /,
    *,
    stream: bool = True,
    positive: str = "",
    pixels: tuple[int, int] | None = None,
    **changes: Any,
) -> Wish:
    fields = {"model": model, **_STANDARD, **changes}
    if fields["size"] is None:
        del fields["size"]
    wish = Wish(name, fields, stream and _FAMILIES[model] != "V3", positive, pixels or _pixels(fields["size"]))
    if positive:
        return wish
    words = ["transparent background"] if fields.get("transparent_background") else []
    words.append(QUALITY[wish.worker][fields["quality"]])
    return attrs.evolve(wish, positive=", ".join(filter(None, [fields["prompt"], *words])))


def _pixels(size: str | tuple[int, int]) -> tuple[int, int]:
    return SIZES[size] if isinstance(size, str) else size


def _source(name: str, model: str = V45, /, *, size: Any = (128, 192), **changes: Any) -> Wish:
    return _wish(name, model, size=size, **changes)


def _vibe(image: str, strength: float = 0.6, information_extracted: float = 0.7) -> dict[str, Any]:
    return {"image": f"vibe-{image}.png", "strength": strength, "information_extracted": information_extracted}


def _people(count: int) -> list[dict[str, Any]]:
    names = [*CELLS][:: 25 // count]
    return [
        {"prompt": f"girl {index}, red hair", "negative_prompt": "hat", "position": names[index]}
        for index in range(count)
    ]


_ALICE, _BOB = {"prompt": "girl, red hair", "negative_prompt": "hat"}, {"prompt": "boy, blue coat"}
_PHOTO = {"image": "photo-128x192.png", "strength": 0.7, "seed": 77}
_REDRAWN = {"image": "photo-128x192.png", "mask": "mask-on-the-grid-128x192.png", "seed": 78}

_MODELS = [_wish(f"plain-{model}", model) for model in _FAMILIES]
_QUALITY = [
    *(_wish(f"no-quality-words-{model}", model, quality="none") for model in (V5, V45, V45C, V4, V4C, V3, FURRY)),
    _wish("light-quality-words", V5, quality="light"),
]
_UNDESIRED = [
    _wish(f"undesired-{preset}-{model}", model, uc_preset=preset)
    for model in _FAMILIES
    for preset in UNDESIRED[model]
    if preset != "heavy"
]
_TEXTS = [
    _wish("no-negative-prompt", negative_prompt=""),
    _wish("no-negative-prompt-v3", V3, negative_prompt="", uc_preset="light"),
    _wish("asks-for-nsfw", prompt="1girl, NSFW, rain"),
    _wish("asks-for-nsfw-v4", V4, prompt="1girl, nsfw"),
    _wish("asks-for-nsfw-curated", V45C, prompt="1girl, nsfw"),
    _wish("repeats-a-quality-word", prompt="1girl, masterpiece"),
    _wish("repeats-a-tag", V45C, prompt="rain, Rain, 1girl", negative_prompt="hat, lowres, hat"),
    _wish("japanese-and-weights", prompt="1girl, 1.3::雨::, {{猫}}, -2::sun::"),
    _wish(
        "words-to-be-drawn",
        prompt="1girl, sign, text: keep out",
        positive="1girl, sign, very aesthetic, masterpiece, no text, text: keep out",
    ),
    _wish(
        "two-parts",
        prompt="1girl, rain | 1boy, sun",
        positive="1girl, rain, very aesthetic, masterpiece, no text | 1boy, sun",
    ),
    _wish(
        "two-parts-v3",
        V3,
        prompt="1girl | 1boy",
        positive="1girl, best quality, amazing quality, very aesthetic, absurdres"
        " | 1boy, best quality, amazing quality, very aesthetic, absurdres",
    ),
]
_NUMBERS = [
    _wish("small-landscape", size="small_landscape", n_samples=6),
    _wish("square", V4, size="square", steps=28, n_samples=4),
    _wish("large-portrait", V5C, size="large_portrait", steps=50, scale=7),
    _wish("wallpaper", size="wallpaper_landscape", steps=1),
    _wish("own-size", V45C, size=(1280, 768), scale=0),
    _wish("smallest", V3, size=(64, 64), n_samples=8, scale=10),
    _wish("not-streamed", stream=False, n_samples=2),
    _wish("not-streamed-v5", V5, stream=False, scale=7),
    _wish("euler", sampler="k_euler", noise_schedule="exponential"),
    _wish("2s-ancestral", V4C, sampler="k_dpmpp_2s_ancestral", noise_schedule="polyexponential"),
    _wish("2m", V5, sampler="k_dpmpp_2m"),
    _wish("sde-v3", V3, sampler="k_dpmpp_sde", noise_schedule="exponential"),
    _wish("2m-sde", V45C, sampler="k_dpmpp_2m_sde"),
    _wish("ddim", V3, sampler="ddim_v3"),
    _wish("native", V3, noise_schedule="native"),
    _wish("lowest-seed", seed=0),
    _wish("high-seed", V4, seed=4294967288),
    _wish("highest-seed", V45C, seed=4294967295),
    _wish("rescaled", cfg_rescale=0.4, scale=6.2),
    _wish("rescaled-finely", cfg_rescale=0.37, scale=6.25),
]
_SWITCHES = [
    _wish("variety", variety_boost=True),
    _wish("variety-large", V45C, variety_boost=True, size="large_portrait"),
    _wish("variety-v4", V4, variety_boost=True),
    _wish("variety-v3", V3, variety_boost=True, size="square"),
    _wish("decrisper", decrisper=True, scale=10),
    _wish("smea", V3, smea=True),
    _wish("smea-dyn", FURRY, smea=True, smea_dyn=True),
    _wish("auto-smea", V4, auto_smea=True),
    _wish("legacy-uc", V4C, legacy_uc=True),
    _wish("png-by-name", image_format="png"),
    _wish("webp", image_format="webp"),
    _wish("webp-v5", V5C, image_format="webp"),
    _wish("straight-alpha", V5, straight_alpha=True),
    _wish("premultiplied-alpha", V5, straight_alpha=False),
    _wish("transparent", V5, transparent_background=True, straight_alpha=True),
    _wish("transparent-without-quality-words", V5C, transparent_background=True, quality="none"),
]
_CHARACTERS = [
    _wish("one-character", characters=[_ALICE]),
    _wish("two-characters-placed", characters=[{**_ALICE, "position": "B3"}, {**_BOB, "position": "D3"}]),
    _wish("placed-by-number", V4, characters=[{**_ALICE, "position": [0.3, 0.5]}, {**_BOB, "position": [0.7, 0.9]}]),
    _wish("placed-off-the-grid", V45C, characters=[{**_ALICE, "position": [0.24, 0.61]}, _BOB]),
    _wish("placed-on-the-rim", V4C, characters=[{**_ALICE, "position": [0, 1]}]),
    _wish("placed-in-the-middle", characters=[{**_ALICE, "position": "C3"}]),
    _wish("placed-freely", V5, characters=[{**_ALICE, "position": [0.123456, 0.98765]}, {**_BOB, "position": "E5"}]),
    _wish("one-disabled", characters=[{**_ALICE, "enabled": False}, _BOB]),
    _wish("a-disabled-one-placed", characters=[{**_ALICE, "enabled": False, "position": "A1"}, _BOB]),
    _wish("a-character-repeats-a-tag", characters=[{"prompt": "girl, hat, Hat", "negative_prompt": "red,blue"}]),
    _wish("six-characters", V4, characters=_people(6)),
    _wish("eight-characters", V5C, characters=_people(8)),
]
_SOURCES = [
    *(_source(f"i2i-{model}", model, i2i=_PHOTO) for model in _FAMILIES),
    _source("i2i-weak-and-noisy", i2i={**_PHOTO, "strength": 0.35, "noise": 0.2}),
    _source("i2i-own-noise-seed", V4, i2i={"image": "photo-128x192.png", "strength": 0.7}, seed=0),
    _source("i2i-resized", i2i={**_PHOTO, "image": "photo-200x300.png"}),
    _source("i2i-jpeg", V45C, i2i={**_PHOTO, "image": "photo-128x192.jpg"}),
    _source("i2i-jpeg-resized", V4, i2i={**_PHOTO, "image": "photo-200x300.jpg"}),
    _source("i2i-jpeg-much-larger", i2i={**_PHOTO, "image": "photo-512x768.jpg"}),
    _source("i2i-jpeg-turned", i2i={**_PHOTO, "image": "photo-turned-192x128.jpg"}),
    _source("i2i-grey", i2i={**_PHOTO, "image": "grey-128x192.png"}),
    _source("i2i-grey-resized", V4C, i2i={**_PHOTO, "image": "grey-200x300.png"}),
    _source("i2i-cutout", i2i={**_PHOTO, "image": "cutout-128x192.png"}),
    _source("i2i-cutout-resized", V3, i2i={**_PHOTO, "image": "cutout-200x300.png"}),
    _source("i2i-cutout-v5", V5, i2i={**_PHOTO, "image": "cutout-128x192.png"}),
    _source("i2i-cutout-resized-v5", V5C, i2i={**_PHOTO, "image": "cutout-200x300.png"}),
    _source("i2i-opaque-rgba", i2i={**_PHOTO, "image": "opaque-128x192.png"}),
    _source("i2i-marked-by-the-service", i2i={**_PHOTO, "image": "marked-128x192.png"}),
    _source("i2i-cropped", i2i={**_PHOTO, "image": "photo-192x192.png", "fit": "crop"}),
    _source("i2i-of-its-own-size", size=None, pixels=(192, 320), i2i={**_PHOTO, "image": "photo-200x300.png"}),
    *(_source(f"inpaint-{model}", model, inpaint=_REDRAWN) for model in _FAMILIES),
    _source("inpaint-weaker", inpaint={**_REDRAWN, "strength": 0.6}),
    _source("inpaint-overlaid", V45C, inpaint={**_REDRAWN, "add_original_image": True}),
    _source("inpaint-resized", V5, inpaint={**_REDRAWN, "image": "photo-150x130.png", "mask": "mask-100x150.png"}),
    *(
        _source(
            f"inpaint-{mask}", V45C if mask == "mask-rgb" else V45, inpaint={**_REDRAWN, "mask": f"{mask}-128x192.png"}
        )
        for mask in ("mask", "mask-of-the-web", "mask-rgb", "mask-alpha", "mask-opaque-rgba")
    ),
]
_LOOKS = [
    _wish("one-vibe", controlnet={"images": [_vibe("64x96")]}),
    _wish("two-vibes", V45C, controlnet={"images": [_vibe("64x96", 0.3), _vibe("96x64", 0.5, 1)], "strength": 0.8}),
    _wish("two-strong-vibes", V4, controlnet={"images": [_vibe("64x96", 0.6), _vibe("96x64", 0.9)]}),
    _wish(
        "two-strong-vibes-as-they-are",
        V4C,
        controlnet={"images": [_vibe("64x96", 0.6), _vibe("96x64", 0.9)], "normalize": False},
    ),
    _wish(
        "five-vibes",
        controlnet={
            "images": [_vibe(each, 0.2, 0.5) for each in ("64x96", "96x64", "80x80", "200x300", "448x448")],
            "normalize": False,
        },
    ),
    _wish("avoided-vibe", controlnet={"images": [_vibe("64x96", -0.4)]}),
    _wish("vibe-v3", V3, controlnet={"images": [_vibe("448x448", 0.5, 0.9)]}),
    _wish("two-vibes-v3", FURRY, controlnet={"images": [_vibe("448x448", 0.5), _vibe("200x300", 0.4, 1)]}),
    _wish("reference-tall", character_references=[{"image": "person-256x384.png"}]),
    _wish("reference-narrow", V45C, character_references=[{"image": "person-100x230.png", "type": "character"}]),
    _wish("reference-wide", character_references=[{"image": "person-240x150.png", "type": "style", "strength": 0.75}]),
    _wish("reference-square", character_references=[{"image": "person-120x120.png", "fidelity": 0.35}]),
    _wish(
        "reference-cutout",
        character_references=[{"image": "person-cutout-256x384.png", "fidelity": 0.123, "strength": 0.456}],
    ),
]
_TOGETHER = [
    _source(
        "characters-in-a-redrawn-picture",
        characters=[{**_ALICE, "position": "B2"}, {**_BOB, "position": "D4"}],
        i2i={**_PHOTO, "strength": 0.5},
        variety_boost=True,
        n_samples=2,
    ),
    _source("vibes-on-a-source", V4, i2i=_PHOTO, controlnet={"images": [_vibe("64x96", 0.4)]}, uc_preset="light"),
    _source("transparent-inpaint", V5, inpaint=_REDRAWN, transparent_background=True, straight_alpha=True, scale=7),
    _source(
        "character-inpainted",
        V45C,
        inpaint=_REDRAWN,
        characters=[{**_ALICE, "position": "C2"}],
        uc_preset="humanFocus",
        sampler="k_euler",
    ),
    _wish(
        "reference-and-characters",
        character_references=[{"image": "person-256x384.png", "type": "character", "fidelity": 0.8}],
        characters=[{**_ALICE, "position": "A4"}],
        image_format="webp",
        seed=99,
    ),
    _source("smea-on-a-source", V3, i2i=_PHOTO, smea=True, decrisper=True, variety_boost=True),
]

WISHES = (
    *_MODELS,
    *_QUALITY,
    *_UNDESIRED,
    *_TEXTS,
    *_NUMBERS,
    *_SWITCHES,
    *_CHARACTERS,
    *_SOURCES,
    *_LOOKS,
    *_TOGETHER,
)
