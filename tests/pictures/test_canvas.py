"""Pictures made to fit: what they look like afterwards, pixel by pixel, and what is left alone."""

from __future__ import annotations

import sys

import pytest
from drawn import decoded, drawing, encoded, mask_of, noise, with_hole
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource, canvas

SIZE = (128, 64)


def fitted(picture: object, size: tuple[int, int] = SIZE, *, fit: str = "stretch", keep_alpha: bool = False) -> bytes:
    return canvas.fitted(ImageSource.of(picture), size, fit=fit, keep_alpha=keep_alpha)


def mask(picture: object, size: tuple[int, int] = SIZE, fit: str = "stretch") -> Image.Image:
    return decoded(canvas.mask(ImageSource.of(picture), size, fit=fit))


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any value."""
    return max(high for _low, high in ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getextrema())


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "1"])
def test_a_png_that_fits_is_not_touched(mode: str) -> None:
    data = encoded(drawing(SIZE, mode))
    assert fitted(data) is data


@pytest.mark.parametrize("lowest", [254, 255])
def test_a_png_whose_alpha_hides_nothing_is_not_touched(lowest: int) -> None:
    image = drawing(SIZE, "RGBA")
    image.putalpha(255)
    image.putpixel((3, 3), (1, 2, 3, lowest))
    data = encoded(image)
    assert fitted(data) is data


def test_a_transparent_png_is_flattened_onto_white() -> None:
    data = encoded(with_hole(drawing(SIZE), (10, 10, 30, 30)))
    flat = decoded(fitted(data))
    assert flat.getpixel((20, 20)) == (255, 255, 255, 255)
    assert flat.getpixel((40, 40)) == (*drawing(SIZE).getpixel((40, 40)), 255)
    assert flat.getchannel("A").getextrema() == (255, 255)


def test_half_transparent_colors_are_mixed_with_white() -> None:
    image = Image.new("RGBA", SIZE, (200, 100, 0, 102))  # 40 percent
    assert decoded(fitted(encoded(image))).getpixel((5, 5)) == (233, 193, 153, 255)


def test_a_model_that_knows_transparency_gets_it() -> None:
    data = encoded(with_hole(drawing(SIZE), (10, 10, 30, 30)))
    assert fitted(data, keep_alpha=True) is data
    larger = decoded(fitted(data, (256, 128), keep_alpha=True))
    assert larger.mode == "RGBA"
    assert larger.getpixel((40, 40))[3] == 0
    assert larger.getpixel((200, 100))[3] == 255


def test_without_pillow_a_transparent_png_that_fits_goes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(with_hole(drawing(SIZE), (10, 10, 30, 30)))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert fitted(data) is data


@pytest.mark.parametrize("work", ["resize", "jpeg", "mask", "reference"])
def test_without_pillow_what_must_be_redrawn_is_refused(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    png, jpeg = encoded(drawing(SIZE)), encoded(drawing(SIZE), "JPEG")
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(InvalidParamsError, match=r"pip install 'nai-trio\[images\]'"):
        if work == "mask":
            canvas.mask(ImageSource.of(png), SIZE, fit="stretch")
        elif work == "reference":
            canvas.letterboxed(ImageSource.of(png), (64, 64))
        else:
            fitted(png if work == "resize" else jpeg, (64, 64) if work == "resize" else SIZE)


def test_without_pillow_a_reference_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    png = encoded(drawing(SIZE))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert canvas.letterboxed(ImageSource.of(png), SIZE) is png


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_formats_become_png_pixel_by_pixel(kind: str) -> None:
    data = encoded(drawing(SIZE), kind)
    redrawn = decoded(fitted(data))
    assert redrawn.format == "PNG"
    assert difference(redrawn, decoded(data)) == 0


def test_stretching_is_pillows_lanczos() -> None:
    data = encoded(drawing((300, 300)))
    expected = drawing((300, 300)).resize(SIZE, Image.Resampling.LANCZOS)
    assert difference(decoded(fitted(data)), expected) == 0


def letterbox(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    factor = min(size[0] / image.width, size[1] / image.height)
    inner = image.resize((int(image.width * factor), int(image.height * factor)), Image.Resampling.LANCZOS)
    board = Image.new(image.mode, size, 0 if image.mode == "L" else (0, 0, 0, 255)[: len(image.mode)])
    board.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return board


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(64, 64), (192, 192), (128, 640), (704, 64)])
@pytest.mark.parametrize("source", [(300, 300), (333, 77), (50, 410)])
def test_every_fit_is_as_pillow_does_it_at_once(mode: str, size: tuple[int, int], source: tuple[int, int]) -> None:
    image = drawing(source, mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(source))
    whole = {
        "stretch": image.resize(size, Image.Resampling.LANCZOS),
        "crop": ImageOps.fit(image, size, Image.Resampling.LANCZOS),
        "letterbox": letterbox(image, size),
    }
    for fit, expected in whole.items():
        made = decoded(fitted(image, size, fit=fit, keep_alpha=True))
        assert difference(made, expected.convert(made.mode)) <= 1, fit
        if mode == "RGBA":
            assert difference(made.getchannel("A"), expected.getchannel("A")) <= 1, fit


@pytest.mark.parametrize("source", [(1200, 1000), (1100, 2000)])
def test_a_large_picture_is_as_pillow_does_it_one_way_after_the_other(source: tuple[int, int]) -> None:
    """Pillow takes the way that is less work first; strips can tip that, and rounding shows it."""
    image, size = drawing(source), (640, 576)
    made = decoded(fitted(image, size))
    across = image.resize((size[0], source[1]), Image.Resampling.LANCZOS).resize(size, Image.Resampling.LANCZOS)
    down = image.resize((source[0], size[1]), Image.Resampling.LANCZOS).resize(size, Image.Resampling.LANCZOS)
    assert min(difference(made, each) for each in (across, down)) <= 1


def test_cropping_takes_the_middle() -> None:
    left_to_right = Image.new("RGB", (300, 100))
    left_to_right.paste((9, 200, 9), (100, 0, 200, 100))
    assert decoded(fitted(left_to_right, (64, 64), fit="crop")).resize((1, 1)).getpixel((0, 0)) == (9, 200, 9)


def test_letterboxing_keeps_all_of_it_on_black() -> None:
    boxed = decoded(fitted(encoded(Image.new("RGB", (100, 100), (200, 10, 10))), fit="letterbox"))
    assert boxed.getpixel((0, 30)) == boxed.getpixel((127, 30)) == (0, 0, 0)
    assert boxed.crop((32, 0, 96, 64)).getextrema() == ((200, 200), (10, 10), (10, 10))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_turned_back(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(drawing(SIZE), "JPEG", exif=exif.tobytes())
    upright = ImageOps.exif_transpose(decoded(data))
    assert difference(decoded(fitted(data, upright.size)), upright) == 0


def test_a_large_jpeg_is_decoded_small() -> None:
    """What it looks like is the same; that it needs less memory is measured in benchmarks/."""
    data = encoded(drawing((1024, 512)), "JPEG", quality=95)
    plain = decoded(data).resize(SIZE, Image.Resampling.LANCZOS)
    assert difference(decoded(fitted(data)), plain) <= 24


def test_a_large_jpeg_is_not_decoded_smaller_than_either_side_needs() -> None:
    stripes = Image.new("L", (1024, 1024))
    for left in range(0, 1024, 4):
        stripes.paste(255, (left, 0, left + 2, 1024))
    data = encoded(stripes, "JPEG", quality=95)
    low, high = decoded(fitted(data, (1024, 64))).convert("L").getextrema()
    assert (low < 20, high > 235) == (True, True)


def test_a_pillow_image_is_left_as_it_was() -> None:
    image = drawing((300, 300), "RGBA")
    before = image.tobytes()
    fitted(image)
    assert image.tobytes() == before


def test_a_reference_stands_on_black_even_where_it_is_transparent() -> None:
    data = encoded(with_hole(Image.new("RGB", (100, 100), (9, 200, 9)), (40, 40, 60, 60)))
    boxed = decoded(canvas.letterboxed(ImageSource.of(data), (100, 200)))
    assert boxed.getpixel((50, 100)) == boxed.getpixel((50, 10)) == (0, 0, 0, 255)
    assert boxed.getpixel((10, 60)) == (9, 200, 9, 255)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P"])
def test_a_mask_is_white_where_the_source_is(mode: str) -> None:
    made = mask(mask_of(SIZE, (16, 16, 32, 48)).convert(mode))
    assert made.mode == "RGBA"
    assert made.getchannel("A").getextrema() == (255, 255)
    assert made.getchannel("R").getbbox() == (16, 16, 32, 48)
    assert sorted(color for _count, color in made.getcolors()) == [(0, 0, 0, 255), (255, 255, 255, 255)]


def test_a_mask_with_transparent_parts_is_white_where_it_is_opaque() -> None:
    drawn = with_hole(Image.new("RGB", SIZE), (0, 0, 64, 64))  # black, and opaque on the right half alone
    assert mask(encoded(drawn)).getchannel("R").getbbox() == (64, 0, 128, 64)


def test_an_opaque_mask_with_an_alpha_channel_is_read_by_its_light() -> None:
    opaque = mask_of(SIZE, (16, 16, 32, 48)).convert("RGBA")
    assert mask(encoded(opaque)).getchannel("R").getbbox() == (16, 16, 32, 48)


def test_a_finished_mask_stays_what_it_is() -> None:
    once = canvas.mask(ImageSource.of(mask_of(SIZE, (3, 5, 77, 33))), SIZE, fit="stretch")
    assert canvas.mask(ImageSource.of(once), SIZE, fit="stretch") == once


@pytest.mark.parametrize(("width", "white"), [(3, False), (4, True), (5, True), (8, True)])
def test_a_cell_is_white_when_half_of_it_is(width: int, white: bool) -> None:
    made = mask(mask_of(SIZE, (8, 8, 8 + width, 16), (64, 0, 72, 8)))
    assert made.getpixel((12, 12))[0] == (255 if white else 0)


def test_a_mask_is_resized_like_its_source() -> None:
    assert mask(mask_of((256, 128), (32, 32, 64, 96))).getchannel("R").getbbox() == (16, 16, 32, 48)
    assert mask(mask_of((64, 64), (0, 0, 64, 64)), fit="letterbox").getchannel("R").getbbox() == (32, 0, 96, 64)


@pytest.mark.parametrize("picture", [Image.new("L", SIZE), with_hole(Image.new("RGB", SIZE), (0, 0, *SIZE))])
def test_a_mask_without_white_is_refused(picture: Image.Image) -> None:
    with pytest.raises(InvalidParamsError, match="expected a mask with something white"):
        mask(picture)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(64, 64), (128, 64), (64, 192)]))
def test_any_mask_lies_on_the_grid_of_cells(seed: int, size: tuple[int, int]) -> None:
    band = mask(noise((50, 40), "L", seed), size).getchannel("R")
    cells = band.resize((size[0] // 8, size[1] // 8), Image.Resampling.NEAREST).resize(size, Image.Resampling.NEAREST)
    assert cells.tobytes() == band.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_cannot_be_decoded_is_refused(kind: str) -> None:
    data = encoded(noise((200, 100)), kind)
    broken = data[: len(data) // 2]
    with pytest.raises(InvalidParamsError, match="expected a picture that can be decoded") as caught:
        fitted(broken)
    assert caught.value.field == "image"


@settings(max_examples=60)
@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(20, 2000), st.binary(min_size=1, max_size=40))
def test_damaged_pictures_become_pictures_or_our_error(kind: str, place: int, damage: bytes) -> None:
    data = bytearray(encoded(drawing((60, 40)), kind))
    place = min(place, len(data) - 1)
    data[place : place + len(damage)] = damage
    try:
        assert decoded(fitted(bytes(data))).size == SIZE
    except InvalidParamsError as error:
        assert str(error)
