"""What the alpha channel carries: transparency on V5, and the hidden copy of the metadata, read independently."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nai_trio.emulator import Generation
from nai_trio.emulator.stealth import hide_text

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    WithCharacters = Callable[..., None]

V5 = {"model": "nai-diffusion-5-full"}


def final(request: dict[str, Any]) -> Image.Image:
    (event,) = Generation(request).finals()
    image = event["image"]
    assert isinstance(image, bytes)
    return Image.open(io.BytesIO(image))


def transparent(request: dict[str, Any], *, words: str = "girl, red hair, transparent background") -> dict[str, Any]:
    request["parameters"]["v4_prompt"] = {"caption": {"base_caption": words, "char_captions": []}}
    return request | V5


def read_stealth(picture: Image.Image) -> dict[str, Any]:
    """Bit by bit, as the wire document says, without anything of the emulator's."""
    width, height = picture.size
    alpha = picture.getchannel("A").load()
    assert alpha is not None
    bits = (int(alpha[x, y]) & 1 for x in range(width) for y in range(height))  # type: ignore[arg-type]

    def take(count: int) -> bytes:
        return bytes(sum(next(bits) << (7 - place) for place in range(8)) for _ in range(count))

    assert take(15) == b"stealth_pngcomp"
    size = int.from_bytes(take(4), "big")
    assert size % 8 == 0
    found = json.loads(gzip.decompress(take(size // 8)))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("width", "height"), [(320, 256), (256, 320), (832, 1216)])
def test_the_hidden_copy_says_what_the_text_chunks_say(request_body: Body, width: int, height: int) -> None:
    picture = final(request_body(width=width, height=height))
    text = picture.text  # type: ignore[attr-defined]
    assert read_stealth(picture) == {
        "Description": text["Description"],
        "Software": "NovelAI",
        "Source": text["Source"],
        "Generation time": text["Generation_time"],
        "Comment": text["Comment"],
    }
    assert picture.getchannel("A").getextrema() == (254, 255)


def test_the_hidden_copy_repeats_byte_for_byte(request_body: Body) -> None:
    one, other = (final(request_body(width=320, height=256)).getchannel("A").tobytes() for _ in range(2))
    assert one == other


def test_a_picture_too_small_for_the_copy_stays_opaque(request_body: Body) -> None:
    assert final(request_body()).getchannel("A").getextrema() == (255, 255)


def test_webp_has_no_hidden_copy(request_body: Body) -> None:
    assert final(request_body(width=320, height=256, image_format="webp")).convert("RGBA").getextrema()[3] == (255, 255)


def test_the_copy_needs_every_pixel_and_one_less_is_too_few() -> None:
    packed = len(gzip.compress(b"x", mtime=0))
    needed = 8 * (15 + 4 + packed)
    assert hide_text(Image.new("L", (1, needed), 255), "x").getextrema() == (254, 255)
    assert hide_text(Image.new("L", (1, needed - 1), 255), "x").getextrema() == (255, 255)
    assert hide_text(Image.new("L", (needed, 1), 255), "x").getextrema() == (254, 255)


def test_the_words_alone_make_the_background_transparent_on_v5(request_body: Body) -> None:
    picture = final(transparent(request_body(width=256, height=320)))
    alpha = picture.getchannel("A")
    assert alpha.crop((0, 0, 30, 320)).getextrema()[1] <= 1  # type: ignore[operator]
    assert alpha.getpixel((128, 160)) in {254, 255}
    assert read_stealth(picture)["Software"] == "NovelAI"


@pytest.mark.parametrize("words", ["girl", "girl, simple background"])
def test_other_words_do_not(request_body: Body, words: str) -> None:
    assert final(transparent(request_body(), words=words)).getchannel("A").getextrema() == (255, 255)


def test_other_families_do_not_know_transparency(request_body: Body) -> None:
    request = transparent(request_body()) | {"model": "nai-diffusion-4-5-full"}
    assert final(request).getchannel("A").getextrema() == (255, 255)


def test_characters_stay_on_a_transparent_background(request_body: Body, with_characters: WithCharacters) -> None:
    request = request_body(width=256, height=256)
    with_characters(request, ("girl, blue coat", 0.25, 0.5), ("boy, red coat", 0.75, 0.5))
    request["parameters"]["v4_prompt"]["caption"]["base_caption"] = "Transparent Background"
    alpha = final(request | V5).getchannel("A")
    assert {alpha.getpixel((x, 128)) for x in (64, 192)} <= {254, 255}
    assert alpha.getpixel((128, 10)) in {0, 1}


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_straight_alpha_keeps_the_colours_and_premultiplied_dims_them(request_body: Body, image_format: str) -> None:
    changes = {"width": 256, "height": 320, "image_format": image_format}
    straight, multiplied, unsaid = (
        final(transparent(request_body(**changes, straight_alpha=flag))).convert("RGBA") for flag in (True, False, None)
    )
    assert multiplied.convert("RGB").tobytes() == unsaid.convert("RGB").tobytes()
    partly = 0
    for one, other in zip(pixels(straight), pixels(multiplied), strict=True):
        assert one[3] | 1 == other[3] | 1  # the lowest bit belongs to the hidden copy
        assert all(abs(dimmed - colour * one[3] / 255) <= 3 for colour, dimmed in zip(one[:3], other[:3], strict=True))
        partly += 16 < one[3] < 240 and max(one[:3]) > one[3] + 10
    assert partly > 100


def pixels(picture: Image.Image) -> list[bytes]:
    data = picture.tobytes()
    return [data[place : place + 4] for place in range(0, len(data), 4)]


def test_previews_of_a_transparent_picture_show_it_on_white(request_body: Body) -> None:
    events = list(Generation(transparent(request_body(width=256, height=320, steps=8))).events())
    preview = Image.open(io.BytesIO(events[-2]["image"]))  # type: ignore[arg-type]
    corner = preview.convert("L").crop((0, 0, 30, 30)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(corner, int)
    assert corner > 200
