"""Picture files that lie, are broken, cut, or change: a right picture comes out, or our error, and no more.

Warnings are errors in these tests, so that none of Pillow's gets out.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from drawn import decoded, drawing, encoded, mask_of, noise, with_hole
from fitting import SIZE, WORKS, difference, fitted, refused
from picture_bytes import SIGNATURE, chunk, with_segment
from PIL import Image, ImageOps

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource, canvas, read_header
from nai_trio.pictures.source import MAX_PIXELS

if TYPE_CHECKING:
    import pathlib


def png(
    size: tuple[int, int], *extra: bytes, kind: int = 2, depth: int = 8, rows: int | None = None, channels: int = 3
) -> bytes:
    """A PNG put together by hand: its rows need not be as many as it says."""
    row = b"\0" + bytes([100]) * (size[0] * channels * depth // 8)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(row * (size[1] if rows is None else rows)))
    return SIGNATURE + head + b"".join(extra) + pixels + chunk(b"IEND", b"")


# JPEGs


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_s_jpeg_with_a_second_picture_in_it_is_turned_too(orientation: int) -> None:
    """Pillow calls it MPO."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    drawing((100, 60)).save(target, "MPO", save_all=True, append_images=[drawing((100, 60), "L")], exif=exif)
    assert Image.open(target).format == "MPO"
    upright = ImageOps.exif_transpose(Image.open(target))
    assert read_header(target.getvalue()).size == upright.size
    assert difference(fitted(target.getvalue(), upright.size), upright) == 0


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(drawing(SIZE), "JPEG", exif=exif.tobytes())
    assert read_header(data).orientation == 1
    assert difference(fitted(data), decoded(data)) == 0


def test_broken_exif_data_turn_the_picture_and_make_no_warning() -> None:
    entries = [struct.pack("<HHII", 0x0112, 3, 1, 6), struct.pack("<HHII", 0x010F, 2, 1000, 5000)]
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 9) + b"".join(entries)
    data = with_segment(encoded(drawing((100, 60)), "JPEG"), exif)
    assert read_header(data).size == (60, 100)
    upright = decoded(encoded(drawing((100, 60)), "JPEG")).transpose(Image.Transpose.ROTATE_270)
    assert difference(fitted(data, (60, 100)), upright) == 0


def test_a_jpeg_with_megabytes_before_its_size_is_read_from_a_file_too(tmp_path: pathlib.Path) -> None:
    """Some cameras store a depth map there."""
    data = with_segment(encoded(drawing(SIZE), "JPEG"), bytes(65_000), 40)
    path = tmp_path / "deep.jpg"
    path.write_bytes(data)
    assert ImageSource.of(path).header == ImageSource.of(data).header
    assert difference(fitted(path), decoded(data)) == 0


def test_a_jpeg_that_claims_more_than_it_has_is_drawn_or_refused() -> None:
    data = bytearray(encoded(drawing(SIZE), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 3000, 3000)
    assert read_header(bytes(data)).size == (3000, 3000)
    for work in WORKS.values():
        try:
            assert decoded(work(ImageSource.of(bytes(data)))).size == SIZE
        except InvalidParamsError as error:
            assert error.field == "image"


# Walks through headers


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SIGNATURE + chunk(b"IHDR", bytes(3) + b"\x05" * 10) + chunk(b"aaAa", b"") * 10_001, "than 10000 chunks"),
        (b"\xff\xd8" + b"\xff" * 100_000, "ends within its header"),
        (b"\xff\xd8" + b"\xff\xe0\0\x02" * 10_001, "than 10000 segments"),
        (b"\xff\xd8" + b"\xff\xd0" * 10_001, "than 10000 segments"),
    ],
    ids=["empty chunks", "padding", "empty segments", "markers"],
)
def test_tens_of_thousands_of_empty_parts_are_not_walked_through(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_header(data)


def test_thousands_of_parts_are() -> None:
    assert read_header(png((5, 6), *[chunk(b"aaAa", b"")] * 9_000)).size == (5, 6)
    assert read_header(with_segment(encoded(drawing((5, 6)), "JPEG"), b"", 9_000)).size == (5, 6)
    padded = encoded(drawing((5, 6)), "JPEG").replace(b"\xff\xc0", b"\xff" * 50_000 + b"\xc0")
    assert read_header(padded).size == (5, 6)


# PNGs


@pytest.mark.parametrize("rows", [0, 30, 90])
def test_a_png_with_fewer_or_more_rows_than_it_says_is_drawn_or_refused(rows: int) -> None:
    data = png((60, 60), rows=rows)
    for work in list(WORKS.values())[:3]:
        try:
            assert decoded(work(ImageSource.of(data))).size == SIZE
        except InvalidParamsError as error:
            assert error.field == "image"


def test_a_second_header_does_not_get_around_the_limit() -> None:
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 8193, 8192, 8, 2, 0, 0, 0))
    for work in WORKS.values():
        words = refused(work, ImageSource.of(png((60, 60), second)))
        assert f"8193x8192 pixels, and at most {MAX_PIXELS} are taken" in words


def test_a_second_header_does_not_make_a_picture_of_another_size() -> None:
    opaque = Image.new("RGBA", (32, 32), (1, 2, 3, 255))
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, 8, 6, 0, 0, 0))
    data = SIGNATURE + first + encoded(opaque)[len(SIGNATURE) :]
    assert read_header(data).size == SIZE
    assert decoded(data).size == (32, 32)
    assert decoded(canvas.fitted(ImageSource.of(data), SIZE, fit="stretch", keep_alpha=False)).size == SIZE


@pytest.mark.parametrize(
    "bomb",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000))),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(100_000_000))),
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000))),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_a_bomb_in_a_chunk_does_not_go_off(bomb: bytes) -> None:
    for work in WORKS.values():
        assert "too large" in refused(work, ImageSource.of(png((60, 60), bomb)))


@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_png_of_sixteen_bits_per_channel(kind: int, channels: int) -> None:
    data = png(SIZE, kind=kind, depth=16, channels=channels)
    assert fitted(data, (64, 64)).convert("RGBA").getpixel((3, 3))[0] in range(99, 195)  # on white where half clear


def test_an_interlaced_png() -> None:
    flat = Image.new("L", (8, 8), 77)
    passes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)]
    rows = b"".join((b"\0" + bytes([77]) * width) * height for width, height in passes)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
    data = SIGNATURE + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert fitted(data, (8, 8)).tobytes() == flat.tobytes()
    assert difference(fitted(data), flat.resize(SIZE)) == 0


# Sent as they are


@pytest.mark.parametrize("keep_alpha", [False, True])
def test_a_cut_png_of_the_right_size_is_not_sent_as_it_is(keep_alpha: bool) -> None:
    data = encoded(noise(SIZE))
    for end in (60, len(data) // 2, len(data) - 5):
        try:
            made = canvas.fitted(ImageSource.of(data[:end]), SIZE, fit="stretch", keep_alpha=keep_alpha)
        except InvalidParamsError as error:
            assert "can be decoded" in str(error)
        else:
            assert decoded(made).tobytes() == noise(SIZE).tobytes()
    assert "can be decoded" in refused(WORKS["letterboxed"], ImageSource.of(data[: len(data) // 2]))


def test_a_file_that_became_another_picture_is_fitted_anew(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(drawing(SIZE)))
    source = ImageSource.of(path)
    path.write_bytes(encoded(with_hole(drawing((300, 300)), (0, 0, 300, 300))))
    for name in ("fitted", "letterboxed"):
        assert decoded(WORKS[name](source)).size == SIZE
    assert decoded(WORKS["fitted"](source)).convert("RGB").getextrema() == ((255, 255),) * 3


def test_a_file_that_grew_past_the_limit_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(drawing((50, 50))))
    source = ImageSource.of(path)
    path.write_bytes(png((8193, 8192), rows=1))
    for work in WORKS.values():
        assert "8193x8192" in refused(work, source)
    assert "8193x8192" in refused(ImageSource.read, source)


def test_a_file_that_is_gone_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(mask_of((50, 50), (0, 0, 25, 25))))
    source = ImageSource.of(path)
    path.unlink()
    for work in (*WORKS.values(), ImageSource.read, ImageSource.stream):
        assert f"got the path {str(path)!r}, which cannot be read (No such file" in refused(work, source)


def test_an_error_has_no_address_of_a_buffer_in_it() -> None:
    data = png((60, 60), kind=2, depth=8)
    odd = data[:24] + b"\x07\x09" + data[26:]  # no such depth and color type
    words = refused(WORKS["fitted"], ImageSource.of(odd))
    assert "object at" not in words
    assert "Pillow does not know its format, or its header is broken" in words
