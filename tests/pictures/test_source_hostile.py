"""Pillow images that are in odd modes, closed, cut or animated: a right picture comes out, or our error, and no more.

Warnings are errors in these tests, so that none of Pillow's gets out.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from typing import TYPE_CHECKING

import pytest
from drawn import decoded, drawing, encoded, noise
from fitting import SIZE, WORKS, difference, fitted, refused
from picture_bytes import with_segment
from PIL import Image

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource, canvas, read_header

if TYPE_CHECKING:
    import pathlib

GREY = drawing((60, 40), "L")


# Modes


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_an_image_of_any_mode_is_drawn_as_pillow_shows_it(mode: str) -> None:
    step = {"PA": "P", "RGBa": "RGBA"}.get(mode, "RGB")
    image = drawing(SIZE, step).convert(mode)
    shown = image.convert("RGBA").convert("RGB") if mode in {"RGBa", "PA"} else image.convert("RGB")
    for keep_alpha in (False, True):
        made = fitted(image, keep_alpha=keep_alpha)
        assert difference(made, shown) <= 1
        assert made.mode == ("RGBA" if mode in {"LA", "PA", "RGBA", "RGBa"} else "RGB")
    assert difference(decoded(ImageSource.of(image).read()), shown) <= 1


def sixteen_bits(mode: str = "I;16") -> Image.Image:
    """The grey picture in 16 bits, white being 65535."""
    values = [value * 257 for value in GREY.tobytes()]
    order = ">" if mode.endswith("B") else "<"
    return Image.frombytes(mode, GREY.size, struct.pack(f"{order}{len(values)}H", *values))


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_sixteen_bits_of_grey_are_scaled_not_clipped(mode: str) -> None:
    image = sixteen_bits(mode)
    assert fitted(image, GREY.size).convert("L").tobytes() == GREY.tobytes()
    bright = sum(GREY.point([value // 128 for value in range(256)]).tobytes())
    white = decoded(canvas.mask(ImageSource.of(image), (64, 64), fit="stretch")).getchannel("R").resize((1, 1))
    assert white.getpixel((0, 0)) == pytest.approx(255 * bright / (60 * 40), abs=16)


def test_a_png_of_sixteen_bits_is_scaled_and_one_with_a_transparent_value_is_drawn() -> None:
    for options in ({}, {"transparency": 257}):
        data = encoded(sixteen_bits(), **options)
        for work in WORKS.values():
            work(ImageSource.of(data))
    assert fitted(encoded(sixteen_bits()), (30, 20)).getextrema()[0][0] < 128


@pytest.mark.parametrize("mode", ["I", "F"])
def test_an_image_whose_values_mean_nothing_by_themselves_is_refused(mode: str) -> None:
    """0 to 1 or 0 to 255: guessed wrong, a black picture is paid for."""
    with pytest.raises(InvalidParamsError, match=rf"^mask: expected .* convert it to L or RGB, got .*{mode}") as caught:
        ImageSource.of(GREY.convert(mode), "mask")
    assert caught.value.field == "mask"


def test_an_image_of_a_mode_that_pillow_cannot_convert_is_refused() -> None:
    source = ImageSource.of(Image.new("La", (50, 50), (100, 128)))
    for work in (*WORKS.values(), ImageSource.read):
        assert "conversion from La" in refused(work, source)


@pytest.mark.parametrize("transparency", [bytes([255] * 256), bytes([0] * 128 + [255] * 128), 3])
def test_a_palette_with_transparency_makes_no_warning(transparency: object) -> None:
    data = encoded(drawing(SIZE, "P"), transparency=transparency)
    for given in (data, decoded(data)):
        for work in WORKS.values():
            assert decoded(work(ImageSource.of(given))).size == SIZE


def test_a_palette_png_that_hides_nothing_is_not_touched() -> None:
    data = encoded(drawing(SIZE, "P"), transparency=bytes([255] * 256))
    assert read_header(data).has_alpha
    assert canvas.fitted(ImageSource.of(data), SIZE, fit="stretch", keep_alpha=False) is data


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_transparent_color_is_seen_through(mode: str) -> None:
    image = drawing(SIZE, mode)
    image.paste(0, (0, 0, 20, 20))
    image.info["transparency"] = 0 if mode == "L" else (0, 0, 0)
    assert fitted(image).getpixel((10, 10)) == (255, 255, 255, 255)
    assert fitted(image, keep_alpha=True).getpixel((10, 10))[3] == 0
    assert decoded(canvas.letterboxed(ImageSource.of(image), SIZE)).getpixel((10, 10)) == (0, 0, 0, 255)


def test_a_color_profile_of_another_mode_is_not_kept() -> None:
    data = encoded(drawing(SIZE, "CMYK"), "JPEG", icc_profile=b"a profile for ink" * 20)
    assert "icc_profile" in decoded(data).info
    assert "icc_profile" not in fitted(data).info


# Pillow images that are not what they were


def test_a_closed_image_is_refused_when_it_is_needed() -> None:
    image = drawing((50, 50))
    source = ImageSource.of(image)
    image.close()
    for work in (*WORKS.values(), ImageSource.read):
        assert "Operation on closed image" in refused(work, source)


def test_an_image_that_was_opened_and_whose_file_is_closed_or_cut_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "noise.png"
    whole = encoded(noise((200, 200)))
    path.write_bytes(whole)
    with path.open("rb") as file:
        closed = Image.open(file)
    path.write_bytes(whole[:3000])
    with path.open("rb") as file:
        cut = Image.open(file)
        for work in (*WORKS.values(), ImageSource.read):
            assert "closed file" in refused(work, ImageSource.of(closed))
            assert "truncated" in refused(work, ImageSource.of(cut))


def test_an_image_that_was_opened_and_not_loaded_is_drawn_by_several_threads_at_once() -> None:
    data = encoded(noise((700, 700)))
    expected = canvas.fitted(ImageSource.of(decoded(data)), SIZE, fit="stretch", keep_alpha=False)
    for _ in range(5):
        source = ImageSource.of(Image.open(io.BytesIO(data)))
        made: list[object] = []
        threads = [threading.Thread(target=lambda: made.append(attempt(source))) for _ in range(4)]  # noqa: B023
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [expected] * 4


def attempt(source: ImageSource) -> object:
    try:
        return WORKS["fitted"](source)
    except BaseException as error:  # noqa: BLE001 - a thread's errors would be lost
        return error


def test_threads_leave_the_filters_of_warnings_as_they_were() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x010F, 2, 1000, 5000)
    data = with_segment(encoded(noise((300, 300)), "JPEG"), exif)
    before = list(warnings.filters)
    threads = [threading.Thread(target=attempt, args=(ImageSource.of(data),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_opened_by_pillow_is_drawn_by_the_frame_it_is_at(kind: str) -> None:
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(
        data, kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    image = Image.open(data)
    source = ImageSource.of(image)
    for index, color in enumerate([(255, 0, 0), (0, 0, 255)]):
        image.seek(index)
        assert fitted(image).convert("RGB").getpixel((5, 5)) == color
        assert decoded(source.read()).convert("RGB").getpixel((5, 5)) == color
        assert not getattr(decoded(source.read()), "is_animated", False)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_in_a_file_is_drawn_by_its_first_frame(kind: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(
        data, kind, save_all=True, append_images=[Image.new("RGB", (64, 64), "blue")], lossless=True
    )
    assert fitted(data.getvalue()).getpixel((5, 5))[:3] == (255, 0, 0)
