"""What clients send for a wish, worked out from the wish and the wire document alone: the values that records pin.

Nothing here calls the library's own building or drawing code.
"""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture_server import vibe_token
from compare import Picture
from PIL import Image, ImageOps
from web_texts import QUALITY, UNDESIRED
from wishes import CELLS, FURRY, V4, V4C, V45, V45C

if TYPE_CHECKING:
    from collections.abc import Callable

    from compare import Case

_BLANK_PAGES = ", white blank page, blank page"
_NEKOAI_WORDS = {
    V45C: "location, masterpiece, no text, -0.8::feet::, rating:general",
    V4C: "rating:general, amazing quality, very aesthetic, absurdres",
}
SDK_IDS = {V4C: "nai-diffusion-4-curated", FURRY: "nai-diffusion-3-furry"}
_CENTER = (0.5, 0.5)
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def field(name: str, default: Any = None) -> Callable[[Case], Any]:
    """A field of the wish."""
    return lambda case: case.wish.fields.get(name, default)


def positive(case: Case) -> str:
    return case.wish.positive


def negative(case: Case) -> str:
    return case.wish.negative


def sdk_positive(case: Case) -> str:
    words = ", very aesthetic, masterpiece, no text" if case.wish.fields["quality"] == "standard" else ""
    return case.wish.fields["prompt"] + words


def sdk_negative(case: Case) -> str:
    """V4.5 Full's texts for every model, after the user's, with a comma at the end."""
    return f"{case.wish.fields['negative_prompt']}, {UNDESIRED[V45][case.wish.fields['uc_preset']]}, "


def nekoai_positive(case: Case) -> str:
    words = {**{model: texts["standard"] for model, texts in QUALITY.items()}, **_NEKOAI_WORDS}[case.wish.worker]
    wanted = case.wish.fields["quality"] == "standard"
    return without_repeats(f"{case.wish.fields['prompt']}, {words}" if wanted else case.wish.fields["prompt"])


def nekoai_negative(case: Case) -> str:
    preset = case.wish.fields["uc_preset"]
    words = "" if preset == "none" else UNDESIRED[case.wish.worker][preset]
    if case.wish.worker == V45:
        words = f"nsfw, {words}"
    if case.wish.worker in {V4, V4C}:
        words = words.removesuffix(_BLANK_PAGES)
    return without_repeats(f"{words}, {case.wish.fields['negative_prompt']}")


def without_repeats(text: str) -> str:
    """The tags of a text, each once whatever its case, with one comma and one space between."""
    tags: dict[str, str] = {}
    for tag in filter(None, map(str.strip, text.split(","))):
        tags.setdefault(tag.lower(), tag)
    return ", ".join(tags.values())


def variety(case: Case) -> float:
    """The web client's value: a sigma for 832x1216, scaled by the square root of the area in latent cells."""
    width, height = case.wish.pixels
    return variety_sigma(case) * math.sqrt((width // 8) * (height // 8) / (104 * 152))


def variety_sigma(case: Case) -> int:
    return 58 if case.wish.family == "V4.5" else 19


def source_strength(case: Case) -> float:
    return case.wish.i2i.get("strength", 0.7) if case.wish.i2i else case.wish.inpaint.get("strength", 1)


def sdk_img2img(case: Case) -> dict[str, Any]:
    return {"color_correct": True, "strength": source_strength(case)}


def seed_before(case: Case) -> int:
    return (case.wish.fields["seed"] or 2**32) - 1


def given_center(case: Case) -> dict[str, float]:
    return _point(_position(_character(case)))


def grid_center(case: Case) -> dict[str, float]:
    return _point(_snapped(_position(_character(case))))


def fine_center(case: Case) -> dict[str, float]:
    x, y = _position(_character(case))
    return _point((round(x, 3), round(y, 3)))


def nekoai_coords(case: Case) -> bool:
    return any(_position(each) != _CENTER for each in case.wish.characters)


def negative_captions(case: Case) -> list[dict[str, Any]]:
    """One for each enabled character, on the grid."""
    return [_caption(each, _snapped(_position(each))) for each in case.wish.characters if each.get("enabled", True)]


def nekoai_negative_captions(case: Case) -> list[dict[str, Any]]:
    """Those that say something, where they were put."""
    captions = [_caption(each, _position(each)) for each in case.wish.characters if each.get("enabled", True)]
    return [each for each in captions if each["char_caption"]]


def character_text(name: str) -> Callable[[Case], str]:
    """A text of the character at hand."""
    return lambda case: _character(case).get(name, "")


def character_text_without_repeats(name: str) -> Callable[[Case], str]:
    return lambda case: without_repeats(_character(case).get(name, ""))


def _character(case: Case) -> dict[str, Any]:
    """The one that a member is about; captions are there for enabled ones alone."""
    captions = "char_captions" in case.member
    characters = [each for each in case.wish.characters if each.get("enabled", True) or not captions]
    return characters[case.index[0]]


def _caption(character: dict[str, Any], center: tuple[float, float]) -> dict[str, Any]:
    return {"char_caption": character.get("negative_prompt", ""), "centers": [_point(center)]}


def _position(character: dict[str, Any]) -> tuple[float, float]:
    position = character.get("position", _CENTER)
    return CELLS[position] if isinstance(position, str) else tuple(position)


def _snapped(center: tuple[float, float]) -> tuple[float, float]:
    x, y = ((min(math.floor(5 * value), 4) * 2 + 1) / 10 for value in center)
    return x, y


def _point(center: tuple[float, float]) -> dict[str, float]:
    return {"x": center[0], "y": center[1]}


def strengths(case: Case) -> list[float]:
    return [each["strength"] for each in case.wish.vibes]


def shares(case: Case) -> list[float]:
    given = strengths(case)
    return [each / sum(given) for each in given]


def extractions(case: Case) -> list[float]:
    return [each["information_extracted"] for each in case.wish.vibes]


def sdk_vibe_token(case: Case) -> str:
    vibe = case.wish.vibes[case.index[0]]
    return base64.b64encode(vibe_token(_vibe_file(case).read_bytes(), vibe["information_extracted"])).decode()


def vibe_as_it_is(case: Case) -> Picture:
    return Picture.decoded(_vibe_file(case).read_bytes())


def padded_vibe(case: Case) -> Picture:
    return Picture.of(_on_canvas(Image.open(_vibe_file(case)), (448, 448)))


def _vibe_file(case: Case) -> Path:
    return case.pictures / case.wish.vibes[case.index[0]]["image"]


def reference(case: Case) -> Picture:
    """On black, on the canvas nearest its shape."""
    with _open_reference(case) as image:
        flat = image.convert("RGB")
        if image.mode == "RGBA":
            flat = Image.new("RGB", image.size, _BLACK)
            flat.paste(image, mask=image.getchannel("A"))
        return Picture.of(_on_canvas(flat, canvas(image.width / image.height)))


def sdk_reference(case: Case) -> Picture:
    with _open_reference(case) as image:
        return Picture.of(_on_canvas(image.convert("RGB"), (1024, 1536)))


def reference_strengths(case: Case) -> list[float]:
    return [each.get("strength", 1) for each in case.wish.references]


def rounded_reference_strengths(case: Case) -> list[float]:
    return [round(each, 2) for each in reference_strengths(case)]


def canvas(shape: float) -> tuple[int, int]:
    if shape < 0.8:
        return 1024, 1536
    return (1536, 1024) if shape > 1.25 else (1472, 1472)


def _open_reference(case: Case) -> Image.Image:
    return Image.open(case.pictures / case.wish.references[case.index[0]]["image"])


def _on_canvas(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """As large as fits, centered on black; what is no whole number is cut to one."""
    shape = image.width / image.height
    fitting = (size[0], int(size[0] / shape)) if shape > size[0] / size[1] else (int(size[1] * shape), size[1])
    canvas = Image.new("RGB", size, _BLACK)
    place = [int((outer - inner) / 2) for outer, inner in zip(size, fitting, strict=True)]
    canvas.paste(image.resize(fitting, Image.Resampling.LANCZOS), (place[0], place[1]))
    return canvas


def source_file(case: Case) -> Path:
    return case.pictures / (case.wish.i2i or case.wish.inpaint)["image"]


def source_as_it_is(case: Case) -> Picture:
    return Picture.decoded(source_file(case).read_bytes())


def source_resized(case: Case) -> Picture:
    """The file's pixels at the size asked for; the file itself if it has that size."""
    with Image.open(source_file(case)) as image:
        if image.size == case.wish.pixels:
            return Picture.of(image, str(image.format))
        return Picture.of(image.resize(case.wish.pixels, Image.Resampling.LANCZOS))


def source(case: Case) -> frozenset[Picture]:
    """As shown, on white but for V5, at the size asked for, as PNG; a JPEG decoded no larger than that needs.

    Two answers where it is resized: across first or down first, which differ by what is rounded in between.
    """
    with Image.open(source_file(case)) as image:
        image.draft("RGB", (max(case.wish.pixels),) * 2)
        shown = ImageOps.exif_transpose(image)
    if shown.mode == "RGBA" and case.wish.family == "V5":
        shown = shown.convert("RGBa")  # resized with colors weighed by alpha
    else:
        flat = Image.new("RGB", shown.size, _WHITE)
        flat.paste(shown, mask=shown.getchannel("A") if shown.mode == "RGBA" else None)
        shown = flat
    width, height = case.wish.pixels
    halves = ((width, shown.height), (shown.width, height))
    return frozenset(Picture.of(_lanczos(_lanczos(shown, half), case.wish.pixels)) for half in halves)


def _lanczos(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def mask_as_it_is(case: Case) -> Picture:
    return Picture.decoded((case.pictures / case.wish.inpaint["mask"]).read_bytes())


def mask(case: Case) -> Picture:
    """Black and white by the cells of 8 by 8 pixels that are mostly white, or mostly opaque where that varies."""
    size = case.wish.pixels
    with Image.open(case.pictures / case.wish.inpaint["mask"]) as image:
        varies = image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)
        light = (image.getchannel("A") if varies else image.convert("L")).resize(size, Image.Resampling.BILINEAR)
    cells = light.resize((size[0] // 8, size[1] // 8), Image.Resampling.BOX)
    return Picture.of(cells.point([0] * 128 + [255] * 128).resize(size, Image.Resampling.NEAREST))


def white_mask(case: Case) -> Picture:
    return Picture.of(Image.new("RGB", case.wish.pixels, _WHITE))
