"""Ask nekoai-api for every wish, one after the other, through its public API.

Runs in that client's own environment, so it imports nothing of this repository.
Arguments: the server's address, a file of wishes (JSON). Prints one JSON line for each wish: its name, and the error
that came out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from nekoai import Action, CharacterPrompt, Model, NovelAI, NovelAIError, PositionCoords, Resolution

SIZES = {
    "small_portrait": Resolution.SMALL_PORTRAIT,
    "small_landscape": Resolution.SMALL_LANDSCAPE,
    "small_square": Resolution.SMALL_SQUARE,
    "portrait": Resolution.NORMAL_PORTRAIT,
    "landscape": Resolution.NORMAL_LANDSCAPE,
    "square": Resolution.NORMAL_SQUARE,
    "large_portrait": Resolution.LARGE_PORTRAIT,
    "large_landscape": Resolution.LARGE_LANDSCAPE,
    "large_square": Resolution.LARGE_SQUARE,
    "wallpaper_portrait": Resolution.WALLPAPER_PORTRAIT,
    "wallpaper_landscape": Resolution.WALLPAPER_LANDSCAPE,
}
SHORT = {"heavy": 0, "light": 1, "none": 3}
LONG = {"heavy": 0, "light": 1, "humanFocus": 2, "none": 3}
PRESETS = {
    "nai-diffusion-4-5-full": {"heavy": 0, "light": 1, "furryFocus": 2, "humanFocus": 3},
    "nai-diffusion-4-5-curated": LONG,
    "nai-diffusion-4-full": SHORT,
    "nai-diffusion-4-curated-preview": SHORT,
    "nai-diffusion-3": LONG,
    "nai-diffusion-furry-3": SHORT,
}
"""Its numbers mean what the model's table of texts says; 3 has no text but on V4.5 Full."""

SIGMAS = {"nai-diffusion-4-5-full": 58, "nai-diffusion-4-5-curated": 58}
QUALITY = {"standard": True, "none": False}
SAME = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "steps": "steps",
    "scale": "scale",
    "sampler": "sampler",
    "noise_schedule": "noise_schedule",
    "seed": "seed",
    "n_samples": "n_samples",
    "cfg_rescale": "cfg_rescale",
    "decrisper": "dynamic_thresholding",
    "smea": "sm",
    "smea_dyn": "sm_dyn",
    "auto_smea": "autoSmea",
    "legacy_uc": "legacy_uc",
}
I2I = {"image": "image", "strength": "strength", "noise": "noise", "seed": "extra_noise_seed"}
INPAINT = {
    "image": "image",
    "mask": "mask",
    "strength": "inpaintImg2ImgStrength",
    "seed": "extra_noise_seed",
    "add_original_image": "add_original_image",
}


def arguments(wish: dict[str, Any]) -> dict[str, Any]:
    """The wish in this client's words; a LookupError where it has none."""
    left = dict(wish["fields"])
    model = Model(left["model"]).value
    said = {SAME[name]: left.pop(name) for name in list(left) if name in SAME}
    said["model"] = left.pop("model")
    said["qualityToggle"] = word("quality", QUALITY, left.pop("quality"))
    said["ucPreset"] = word("uc_preset", PRESETS.get(model, LONG), left.pop("uc_preset"))
    if "size" not in left:
        raise LookupError("no argument for the source's size")
    said |= dimensions(left.pop("size"), wish["pixels"])
    if left.pop("variety_boost", False):
        said["skip_cfg_above_sigma"] = SIGMAS.get(model, 19)  # a number of the user's
    if "characters" in left:
        said["characterPrompts"] = [character(each, wish) for each in left.pop("characters")]
    if "i2i" in left:
        said |= {"action": Action.IMG2IMG, **renamed(I2I, left.pop("i2i"))}
    if "inpaint" in left:
        said |= {"action": Action.INPAINT, **renamed(INPAINT, left.pop("inpaint"))}
        said["model"] = f"{model.removesuffix('-preview')}-inpainting"
    if "controlnet" in left:
        said |= vibes(left.pop("controlnet"))
    if left:
        raise LookupError(f"no argument for {', '.join(left)}")
    return said


def word(field: str, known: dict[str, Any], value: str) -> Any:
    if value not in known:
        raise LookupError(f"no word for {field} {value}")
    return known[value]


def dimensions(size: str | list[int], pixels: list[int]) -> dict[str, Any]:
    if isinstance(size, str):
        return {"res_preset": SIZES[size]}
    return {"width": pixels[0], "height": pixels[1]}


def character(fields: dict[str, Any], wish: dict[str, Any]) -> CharacterPrompt:
    fields = dict(fields)
    position = fields.pop("position", None)
    center = PositionCoords()
    if isinstance(position, str):  # it has no names for cells: a user looks them up
        position = wish["cells"][position]
    if position is not None:
        center = PositionCoords(x=position[0], y=position[1])
    return CharacterPrompt(uc=fields.pop("negative_prompt", ""), center=center, **fields)


def renamed(names: dict[str, str], fields: dict[str, Any]) -> dict[str, Any]:
    unknown = fields.keys() - names.keys()
    if unknown:
        raise LookupError(f"no argument for {', '.join(unknown)}")
    return {names[name]: base64_of(value) if name in {"image", "mask"} else value for name, value in fields.items()}


def base64_of(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


def vibes(fields: dict[str, Any]) -> dict[str, Any]:
    images = fields["images"]
    return {
        "reference_image_multiple": [base64_of(each["image"]) for each in images],
        "reference_strength_multiple": [each["strength"] for each in images],
        "reference_information_extracted_multiple": [each["information_extracted"] for each in images],
        "controlnet_strength": fields.get("strength", 1),
        "normalize_reference_strength_multiple": fields.get("normalize", True),
    }


async def ask(client: NovelAI, wish: dict[str, Any]) -> None:
    said = arguments(wish)
    if wish["stream"]:
        async for _ in client.generate_image_stream(**said):
            pass
    else:
        await client.generate_image(**said)


def announce(url: str, wish: dict[str, Any]) -> None:
    urllib.request.urlopen(f"{url}/wish/{wish['name']}").close()


async def main(url: str, wishes: list[dict[str, Any]]) -> None:
    client = NovelAI(token="pst-not-a-real-key", host=url)
    for wish in wishes:
        announce(url, wish)
        error = ""
        try:
            await ask(client, wish)
        except (NovelAIError, ValueError, LookupError) as refused:  # pydantic's errors are ValueErrors
            error = f"{type(refused).__name__}: {refused}"
        print(json.dumps([wish["name"], error]))
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text("utf-8"))))
