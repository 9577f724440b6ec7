"""Pictures that come with a request: what is refused before a job begins, in which words."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nai_trio.emulator.checks import refusal
from nai_trio.emulator.inputs import MAX_PIXELS, UnreadablePictureError, decode_picture, open_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]
    PictureText = Callable[..., str]


def message(request: dict[str, Any]) -> str:
    refused = refusal(request)
    assert refused is not None
    assert refused.status == 400
    return refused.message


def as_bytes(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))


def webp_that_claims(width: int, height: int) -> bytes:
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    body = b"WEBP" + extended + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "data:image/..."),
        ("ref_multiple_0", "ref_multipl..."),
        ("image", "image"),
        ("iVBORw0KGgo=\n", "iVBORw0KGgo..."),
        ("\u00e9\ud800", "\u00e9\ud800"),
    ],
)
def test_what_is_not_base64_is_taken_for_an_unknown_part(request_body: Body, value: str, shown: str) -> None:
    request = request_body(image=value, strength=0.5) | {"action": "img2img"}
    assert message(request) == f'image field references unknown form part "{shown}"'


def test_each_member_is_named(request_body: Body, picture_text: PictureText) -> None:
    image = picture_text(Image.new("RGB", (8, 8)))
    infill = {"model": "nai-diffusion-4-5-full-inpainting", "action": "infill"}
    assert message(request_body(image=image, mask="mask!") | infill).startswith("mask field references unknown form")
    vibes = request_body(reference_image_multiple=["AAAA", "a b"], reference_strength_multiple=[1, 1])
    assert message(vibes) == 'reference_image_multiple[1] field references unknown form part "a b"'


@pytest.mark.parametrize("image_format", ["GIF", "BMP", "TIFF", "ICO"])
def test_only_png_jpeg_and_webp_are_read(request_body: Body, picture_text: PictureText, image_format: str) -> None:
    request = request_body(image=picture_text(Image.new("RGB", (16, 16)), image_format)) | {"action": "img2img"}
    assert message(request) == "Validation error: image is not a readable PNG, JPEG or WebP picture"


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_is_refused(request_body: Body, picture_text: PictureText, image_format: str) -> None:
    whole = base64.b64decode(picture_text(Image.effect_noise((64, 64), 80).convert("RGB"), image_format))
    cut = base64.b64encode(whole[: len(whole) // 2]).decode()
    request = request_body(image=cut) | {"action": "img2img"}
    assert message(request) == "Validation error: image is not a readable PNG, JPEG or WebP picture"


@pytest.mark.parametrize(
    "bomb",
    [
        png_that_claims(4096, 3073), png_that_claims(30_000, 30_000), png_that_claims(9500, 9500),
        png_that_claims(2**31 - 1, 2**31 - 1), webp_that_claims(16_000, 16_000),
    ],
)  # fmt: skip
def test_a_small_file_that_claims_a_huge_picture_is_not_unpacked(request_body: Body, bomb: bytes) -> None:
    request = request_body(image=base64.b64encode(bomb).decode()) | {"action": "img2img"}
    assert message(request).startswith("Validation error: image is ")


def test_the_bound_on_pixels_is_exact() -> None:
    row = b"\0" + b"\0" * (4096 // 8)
    header = struct.pack(">IIBBBBB", 4096, 3072, 1, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(row * 3072)) + chunk(b"IEND", b"")
    assert open_picture(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data).size == (4096, 3072)
    assert MAX_PIXELS == 4096 * 3072
    with pytest.raises(UnreadablePictureError, match="is too large: 12587008 pixels, maximum is 12582912"):
        open_picture(png_that_claims(4096, 3073))


def test_only_what_the_action_uses_is_unpacked(request_body: Body, picture_text: PictureText) -> None:
    image = picture_text(Image.new("RGB", (8, 8)))
    assert refusal(request_body(mask="not base64!")) is None
    assert refusal(request_body(image=image, mask="not base64!") | {"action": "img2img"}) is None


SAMPLES = [as_bytes(Image.linear_gradient("L").resize((24, 24)), kind) for kind in ("PNG", "JPEG", "WEBP")]


@given(st.sampled_from(SAMPLES), st.data())
def test_any_damage_is_read_or_refused(sample: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = open_picture(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    except UnreadablePictureError as error:
        assert str(error).startswith("is ")
    else:
        assert picture.mode == "RGBA"
        assert picture.width * picture.height <= MAX_PIXELS


@given(st.binary() | st.sampled_from(SAMPLES).flatmap(lambda sample: st.binary().map(lambda tail: sample[:12] + tail)))
def test_any_bytes_are_judged_without_raising(data: bytes) -> None:
    request = {
        "input": "x", "model": "nai-diffusion-3", "action": "img2img",
        "parameters": {"width": 64, "height": 64, "image": base64.b64encode(data).decode()},
    }  # fmt: skip
    refused = refusal(request)
    assert refused is not None
    assert refused.message.startswith(("Validation error: image is ", "Validation error: image is required"))


def test_a_picture_is_decoded_or_refused_in_words(picture_text: PictureText) -> None:
    grey = Image.new("I;16", (2, 1))
    grey.putpixel((0, 0), 0x8000)
    read = decode_picture(picture_text(grey))
    assert read.mode == "RGBA"
    assert [read.getpixel((x, 0)) for x in (0, 1)] == [(128, 128, 128, 255), (0, 0, 0, 255)]
    with pytest.raises(UnreadablePictureError, match="is not base64"):
        decode_picture("no base64!")
    with pytest.raises(UnreadablePictureError, match="is not a readable PNG, JPEG or WebP picture"):
        decode_picture("AAAA")
