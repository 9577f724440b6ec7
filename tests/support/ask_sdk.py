"""Ask novelai-sdk for every wish, one after the other, through its public API.

Runs in that client's own environment, so it imports nothing of this repository.
Arguments: the server's address, a file of wishes (JSON). Prints one JSON line for each wish: its name, and the error
that came out.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from novelai import NovelAI, NovelAIError
from novelai.types import (
    Character,
    CharacterReference,
    ControlNet,
    ControlNetImage,
    GenerateImageParams,
    GenerateImageStreamParams,
    I2iParams,
    InpaintParams,
)

MODELS = {
    "nai-diffusion-4-curated-preview": "nai-diffusion-4-curated",
    "nai-diffusion-furry-3": "nai-diffusion-3-furry",
}
SIZES = ("portrait", "landscape", "square", "large_portrait", "large_landscape")
PRESETS = {
    "heavy": "strong",
    "light": "light",
    "humanFocus": "human_focus",
    "furryFocus": "furry_focus",
    "none": "none",
}
QUALITY = {"standard": True, "none": False}
SAME = (
    "prompt",
    "negative_prompt",
    "steps",
    "scale",
    "sampler",
    "noise_schedule",
    "seed",
    "n_samples",
    "cfg_rescale",
    "variety_boost",
    "image_format",
    "straight_alpha",
)


def arguments(wish: dict[str, Any]) -> dict[str, Any]:
    """The wish in this client's words; a LookupError where it has none."""
    left = dict(wish["fields"])
    said = {name: left.pop(name) for name in SAME if name in left}
    said["model"] = MODELS.get(left["model"], left["model"])
    del left["model"]
    said["quality"] = word("quality", QUALITY, left.pop("quality"))
    said["uc_preset"] = word("uc_preset", PRESETS, left.pop("uc_preset"))
    if "size" in left:
        size = left.pop("size")
        said["size"] = size if size in SIZES else tuple(wish["pixels"])
    if "transparent_background" in left:
        said["tag_hint_transparent_background"] = left.pop("transparent_background")
    if "characters" in left:
        said["characters"] = [Character(**each) for each in left.pop("characters")]
    if "i2i" in left:
        said["i2i"] = record(I2iParams, left.pop("i2i"))
    if "inpaint" in left:
        said["inpaint"] = record(InpaintParams, left.pop("inpaint"))
    if "controlnet" in left:
        said["controlnet"] = control_net(left.pop("controlnet"), said["model"])
    if "character_references" in left:
        said["character_references"] = [record(CharacterReference, each) for each in left.pop("character_references")]
    if left:
        raise LookupError(f"no argument for {', '.join(left)}")
    return said


def word(field: str, known: dict[str, Any], value: str) -> Any:
    if value not in known:
        raise LookupError(f"no word for {field} {value}")
    return known[value]


def record(cls: Any, fields: dict[str, Any]) -> Any:
    """One of the client's records, of a wish's record; pictures are paths."""
    unknown = fields.keys() - cls.model_fields.keys()
    if unknown:
        raise LookupError(f"no argument for {', '.join(unknown)}")
    return cls(**{name: Path(value) if name in {"image", "mask"} else value for name, value in fields.items()})


def control_net(fields: dict[str, Any], model: str) -> ControlNet:
    fields = dict(fields)
    fields.pop("normalize", None)  # nothing can be said; strengths always go out as they are
    images = [
        ControlNetImage(
            image=Path(each["image"]),
            strength=each["strength"],
            info_extracted=each["information_extracted"],
            controlnet_model=model,
        )
        for each in fields.pop("images")
    ]
    return ControlNet(images=images, **fields)


def ask(client: NovelAI, wish: dict[str, Any]) -> None:
    said = arguments(wish)
    if wish["stream"]:
        for _ in client.image.generate_stream(GenerateImageStreamParams(**said)):
            pass
    else:
        client.image.generate(GenerateImageParams(**said))


def main(url: str, wishes: str) -> None:
    client = NovelAI(api_key="pst-not-a-real-key", image_base=url)
    for wish in json.loads(Path(wishes).read_text("utf-8")):
        urllib.request.urlopen(f"{url}/wish/{wish['name']}").close()
        error = ""
        try:
            ask(client, wish)
        except (NovelAIError, ValueError, LookupError) as refused:  # pydantic's errors are ValueErrors
            error = f"{type(refused).__name__}: {refused}"
        print(json.dumps([wish["name"], error]))
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
