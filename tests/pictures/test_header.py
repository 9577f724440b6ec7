"""What a picture says of itself in its first bytes, against Pillow, and against anything else."""

from __future__ import annotations

import itertools

import pytest
from drawn import decoded, drawing, encoded, with_hole
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nai_trio.pictures import read_header

SIZES = [(1, 1), (64, 64), (333, 77), (3, 500)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_of_every_color_type(size: tuple[int, int], mode: str) -> None:
    image = Image.new(mode, size) if mode == "I;16" else drawing(size, mode)
    header = read_header(encoded(image))
    assert (header.format, header.size, header.has_alpha) == ("png", size, mode in {"LA", "RGBA"})


def test_a_palette_with_a_transparent_color_has_alpha() -> None:
    data = encoded(drawing((40, 30), "P"), transparency=3)
    assert read_header(data).has_alpha
    assert decoded(data).has_transparency_data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 5}, {"comment": b"x" * 60_000}])
def test_jpeg(size: tuple[int, int], options: dict[str, object]) -> None:
    header = read_header(encoded(drawing(size), "JPEG", **options))
    assert (header.format, header.size, header.has_alpha) == ("jpeg", size, False)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_of_other_colors(mode: str) -> None:
    assert read_header(encoded(drawing((33, 44), mode), "JPEG")).size == (33, 44)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_turned_jpeg_is_as_large_as_it_is_shown(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    header = read_header(encoded(drawing((30, 50)), "JPEG", exif=exif.tobytes()))
    assert header.size == ((50, 30) if orientation >= 5 else (30, 50))


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"XX*\0\0\0\0\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_is_no_orientation(exif: bytes) -> None:
    plain = encoded(drawing((30, 50)), "JPEG")
    segment = b"Exif\0\0" + exif
    data = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + plain[2:]
    assert read_header(data).size == (30, 50)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("mode", "lossless"), list(itertools.product(["RGB", "RGBA"], [True, False])))
def test_webp(size: tuple[int, int], mode: str, lossless: bool) -> None:
    image = drawing(size) if mode == "RGB" else with_hole(drawing(size), (0, 0, 1, 1))
    header = read_header(encoded(image, "WEBP", lossless=lossless))
    assert (header.format, header.size, header.has_alpha) == ("webp", size, mode == "RGBA")


def test_webp_with_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    header = read_header(encoded(drawing((70, 90)), "WEBP", exif=exif.tobytes()))
    assert (header.format, header.size) == ("webp", (70, 90))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no bytes at all"),
        (b"GIF89a" + bytes(20), "bytes that begin with b'GIF89a"),
        (b"<html>", "bytes that begin with b'<html>'"),
        (b"\x89PNG\r\n\x1a\n", "a picture that ends within its header"),
        (b"\x89PNG\r\n\x1a\n" + bytes(4) + b"tEXt" + bytes(20), "whose first chunk is b'tEXt'"),
        (b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + b"IHDR" + bytes(20), "a picture of 0x0 pixels"),
        (b"\xff\xd8\xff\xd9", "a JPEG without a frame header"),
        (b"\xff\xd8\xff\xda", "a JPEG without a frame header"),
        (b"\xff\xd8\xff\xe0\x00\x01", "a segment shorter than its own length"),
        (b"\xff\xd8\xff\xe0\x00\x02\x12\x34", "where a marker belongs"),
        (b"\xff\xd8\xff\xff\xff", "ends within its header"),
        (b"RIFF\0\0\0\0WEBPALPH" + bytes(20), "a WebP whose first chunk is b'ALPH'"),
        (b"RIFF\0\0\0\0WEBPVP8L" + bytes(20), "without its signature"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(20), "without a key frame"),
    ],
)
def test_other_bytes_are_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        read_header(data)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_cut_header_is_refused_at_every_byte(kind: str) -> None:
    data = encoded(drawing((20, 20)), kind)
    whole = read_header(data)
    for end in range(len(data)):
        try:
            assert read_header(data[:end]) == whole
        except ValueError as error:
            assert str(error)


@given(st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8X"]), st.binary(max_size=200))
def test_any_bytes_give_a_header_or_words(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(start + rest)
    except ValueError as error:
        assert str(error)
    else:
        assert header.width >= 1
        assert header.height >= 1
