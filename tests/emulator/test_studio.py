"""img2img and inpainting: how much of the source stays, and where."""

from __future__ import annotations

import base64
import io
import random
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from nai_trio.emulator import Generation

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    PictureText = Callable[..., str]

SIDE = 128
LARGE = {"width": SIDE, "height": SIDE, "seed": 3}
INPAINTING = {"model": "nai-diffusion-4-5-full-inpainting", "action": "infill"}


def source(size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Something that no landscape looks like: coarse stripes in strong colours, with noise that shows lost bits."""
    picture = Image.new("RGB", size)
    colours = ("#ff2000", "#10e020", "#2030ff", "#fff000")
    for index in range(8):
        step = size[0] // 8
        picture.paste(colours[index % 4], (index * step, 0, (index + 1) * step, size[1]))
    noise = random.Random(5).randbytes(3 * size[0] * size[1])
    return ImageChops.add(picture, Image.frombytes("RGB", size, noise).point(lambda value: value // 32))


def mask(box: tuple[int, int, int, int], size: tuple[int, int] = (SIDE, SIDE), mode: str = "L") -> Image.Image:
    image = Image.new("L", size)
    image.paste(255, box)
    return image.convert(mode)


def opened(image: object) -> Image.Image:
    assert isinstance(image, bytes)
    return Image.open(io.BytesIO(image)).convert("RGB")


def final(request: dict[str, Any]) -> Image.Image:
    (event,) = Generation(request).finals()
    return opened(event["image"])


def distance(one: Image.Image, other: Image.Image) -> float:
    total = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).resize((1, 1), Image.Resampling.BOX)
    return sum(total.tobytes())


def test_the_less_strength_the_more_of_the_source_stays(request_body: Body, picture_text: PictureText) -> None:
    image = picture_text(source())
    strengths = (0.01, 0.2, 0.4, 0.6, 0.8, 0.99)
    finals = [
        final(request_body(**LARGE, image=image, strength=strength) | {"action": "img2img"}) for strength in strengths
    ]
    distances = [distance(picture, source()) for picture in finals]
    assert distances == sorted(distances)
    assert distances[0] < 30
    assert distances[-1] > 5 * distances[0]
    from_the_other_end = [distance(picture, final(request_body(**LARGE))) for picture in finals]
    assert from_the_other_end == sorted(from_the_other_end, reverse=True)


def test_noise_takes_more_of_the_source_away(request_body: Body, picture_text: PictureText) -> None:
    request = {"image": picture_text(source()), "strength": 0.4}
    quiet, noisy = (
        distance(final(request_body(**LARGE, **request, noise=noise) | {"action": "img2img"}), source())
        for noise in (0, 0.9)
    )
    assert noisy > quiet


def test_previews_begin_from_the_source_and_not_from_noise_alone(request_body: Body, picture_text: PictureText) -> None:
    request = request_body(**LARGE, steps=23, strength=0.7, image=picture_text(source())) | {"action": "img2img"}
    pictures = [opened(event["image"]) for event in Generation(request).events()]
    from_noise = [opened(event["image"]) for event in Generation(request_body(**LARGE, steps=23)).events()]
    assert len(pictures) == 16
    blurred = source().resize((8, 1), Image.Resampling.BOX)
    first, pure = (picture.resize((8, 1), Image.Resampling.BOX) for picture in (pictures[0], from_noise[0]))
    assert distance(first, blurred) < 0.8 * distance(pure, blurred)
    # On the way the source gives way to the new picture.
    assert distance(pictures[-2], pictures[-1]) < distance(pictures[0], pictures[-1])


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(SIDE, SIDE), (37, 91), (300, 200)])
def test_sources_of_any_format_and_size_are_taken(
    request_body: Body, picture_text: PictureText, image_format: str, size: tuple[int, int]
) -> None:
    image = picture_text(source(size), image_format)
    picture = final(request_body(**LARGE, image=image, strength=0.01) | {"action": "img2img"})
    assert picture.size == (SIDE, SIDE)
    assert distance(picture, source(size).resize((SIDE, SIDE), Image.Resampling.LANCZOS)) < 60


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_sources_of_any_mode_are_taken(request_body: Body, picture_text: PictureText, mode: str) -> None:
    if mode == "I;16":  # 16 bits are scaled, not clipped
        picture, shown = Image.new("I;16", (64, 64), 0x8000), (128, 128, 128)
    else:
        picture, shown = Image.new("RGB", (64, 64), "white").convert(mode), (255, 255, 255)
    image = picture_text(picture, "JPEG" if mode == "CMYK" else "PNG")
    result = final(request_body(image=image, strength=0.01) | {"action": "img2img"})
    assert distance(result, Image.new("RGB", (64, 64), shown)) < 30


def test_samples_share_the_source_and_differ(request_body: Body, picture_text: PictureText) -> None:
    request = request_body(**LARGE, n_samples=2, strength=0.5, image=picture_text(source())) | {"action": "img2img"}
    one, other = (opened(event["image"]) for event in Generation(request).finals())
    assert distance(one, other) > 0
    assert distance(one, source()) < distance(final(request_body(**LARGE)), source())


def test_extra_noise_seed_changes_previews_and_not_the_final(request_body: Body, picture_text: PictureText) -> None:
    image = picture_text(source())
    one, other = (
        [opened(event["image"]).tobytes() for event in Generation(
            request_body(**LARGE, steps=8, strength=0.7, image=image, extra_noise_seed=seed) | {"action": "img2img"}
        ).events()]
        for seed in (1, 2)
    )  # fmt: skip
    assert one[0] != other[0]
    assert one[-1] == other[-1]


BOX = (32, 40, 96, 104)


@pytest.mark.parametrize("image_format", ["png", "webp"])
@pytest.mark.parametrize(
    "masked",
    [
        mask(BOX), mask(BOX, mode="RGBA"), mask(BOX, mode="RGB"), mask(BOX, mode="1"),
        mask((4, 5, 12, 13), (SIDE // 8, SIDE // 8)),
    ],
    ids=["grey", "rgba", "rgb", "1-bit", "eighth"],
)  # fmt: skip
def test_outside_of_the_mask_every_pixel_is_the_sources(
    request_body: Body, picture_text: PictureText, masked: Image.Image, image_format: str
) -> None:
    request = request_body(
        **LARGE, image=picture_text(source()), mask=picture_text(masked), image_format=image_format
    ) | INPAINTING  # fmt: skip
    picture = final(request)
    untouched = source()
    untouched.paste(0, BOX)
    outside = picture.copy()
    outside.paste(0, BOX)
    assert outside.tobytes() == untouched.tobytes()
    # Inside is the new scene, grain and all: the same as without a source.
    assert picture.crop(BOX).tobytes() == final(request_body(**LARGE)).crop(BOX).tobytes()


def test_previews_keep_the_source_outside_of_the_mask_too(request_body: Body, picture_text: PictureText) -> None:
    smooth = source().resize((8, 8), Image.Resampling.BOX).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    request = request_body(**LARGE, steps=8, image=picture_text(smooth), mask=picture_text(mask(BOX))) | INPAINTING
    events = list(Generation(request).events())
    assert len(events) == 8
    corner = (0, 0, SIDE, 32)
    for event in events[:-1]:
        assert distance(opened(event["image"]).crop(corner), smooth.crop(corner)) < 30
    first, last = opened(events[0]["image"]), opened(events[-1]["image"])
    assert distance(first.crop(BOX), last.crop(BOX)) > 60


def test_the_strength_of_inpainting_mixes_the_source_in(request_body: Body, picture_text: PictureText) -> None:
    images = {"image": picture_text(source()), "mask": picture_text(mask(BOX))}
    distances = [
        distance(
            final(request_body(**LARGE, **images, inpaintImg2ImgStrength=strength) | INPAINTING).crop(BOX),
            source().crop(BOX),
        )
        for strength in (0.1, 0.4, 0.7, 1)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0]


def test_an_empty_mask_changes_nothing_and_a_full_one_all(request_body: Body, picture_text: PictureText) -> None:
    image = picture_text(source())
    nothing, everything = (
        final(request_body(**LARGE, image=image, mask=picture_text(Image.new("L", (16, 16), value))) | INPAINTING)
        for value in (0, 255)
    )
    assert nothing.tobytes() == source().tobytes()
    assert everything.tobytes() == final(request_body(**LARGE)).tobytes()


def test_a_mask_outside_of_infill_is_ignored(request_body: Body, picture_text: PictureText) -> None:
    request = request_body(**LARGE, image=picture_text(source()), strength=0.5) | {"action": "img2img"}
    masked = request_body(**LARGE, image=picture_text(source()), strength=0.5, mask="neither looked at") | {
        "action": "img2img"
    }
    assert final(request).tobytes() == final(masked).tobytes()


def test_before_v5_an_empty_source_lies_on_white_and_marked_pixels_are_opaque(
    request_body: Body, picture_text: PictureText
) -> None:
    empty = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    empty.paste((0, 0, 200, 254), (0, 0, 32, 64))
    request = request_body(image=picture_text(empty), mask=picture_text(Image.new("L", (8, 8)))) | INPAINTING
    picture = final(request)
    assert picture.getpixel((50, 10)) == (255, 255, 255)
    assert picture.getpixel((10, 10)) == (0, 0, 200)


def test_v5_keeps_the_sources_alpha(request_body: Body, picture_text: PictureText) -> None:
    empty = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    empty.paste((0, 0, 200, 255), (0, 0, 32, 64))
    request = request_body(
        image=picture_text(empty), mask=picture_text(Image.new("L", (8, 8))), straight_alpha=True
    ) | INPAINTING | {"model": "nai-diffusion-5-full-inpainting"}  # fmt: skip
    (event,) = Generation(request).finals()
    picture = Image.open(io.BytesIO(event["image"]))  # type: ignore[arg-type]
    assert picture.getpixel((50, 10)) == (200, 0, 0, 0)
    assert picture.getpixel((10, 10)) == (0, 0, 200, 255)


def test_the_same_source_gives_the_same_bytes_in_both_framings(request_body: Body, picture_text: PictureText) -> None:
    changes = {"image": picture_text(source()), "mask": picture_text(mask(BOX)), **LARGE}
    one, other = (
        list(Generation(request_body(**changes, stream=kind) | INPAINTING).events()) for kind in ("sse", "msgpack")
    )
    assert one == other


def test_a_finished_picture_can_be_the_next_source(request_body: Body) -> None:
    (event,) = Generation(request_body(**LARGE)).finals()
    assert isinstance(event["image"], bytes)
    image = base64.b64encode(event["image"]).decode()
    request = request_body(**LARGE, image=image, strength=0.01) | {"action": "img2img"}
    assert distance(final(request), opened(event["image"])) < 40
