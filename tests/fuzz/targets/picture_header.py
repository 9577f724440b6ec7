"""A picture's header, and its pixels where they are few: a picture or an error in words, never Pillow's own."""

from __future__ import annotations

import io
from collections.abc import Iterator

from invariants import ways_to_cut
from picture_bytes import chunk, png, tiff, webp, with_segment
from PIL import Image

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource, PictureHeader, read_header
from nai_trio.pictures.canvas import fitted
from nai_trio.pictures.header import CutHeader

MEASURED = (
    "nai_trio.pictures.header",
    "nai_trio.pictures.tiff",
    "nai_trio.pictures.source",
    "nai_trio.pictures.decoding",
)
LONGEST = 900
WORDS = (
    b"\x89PNG\r\n\x1a\n", b"IHDR", b"tRNS", b"IDAT", b"IEND\xaeB`\x82", b"PLTE", b"acTL", b"eXIf", b"iCCP",
    b"\xff\xd8\xff", b"\xff\xe1", b"\xff\xc0", b"\xff\xda", b"\xff\xd9", b"Exif\0\0", b"II*\0\x08\0\0\0", b"MM\0*",
    b"RIFF", b"WEBP", b"VP8X", b"VP8L", b"VP8 ", b"ALPH", b"ANIM", b"EXIF", b"\x9d\x01\x2a", b"\x12\x01\x03\0",
)  # fmt: skip
_FEW = 10_000
"""Pixels that are decoded; more would be Pillow's time, not ours."""


def check(data: bytes) -> None:
    """Any bytes are a header or a ValueError; a picture that claims to be small is decoded, or refused."""
    header = _header(data)
    for pieces in ways_to_cut(data):
        _check_beginning(b"".join(pieces[: len(pieces) // 2]), header)
    if header is None:
        return
    assert header.width > 0
    assert header.height > 0
    assert header.orientation in range(1, 9)
    if header.width * header.height <= _FEW:
        _check_pixels(data)


def _header(data: bytes) -> PictureHeader | None:
    try:
        return read_header(data)
    except ValueError as error:
        assert 0 < len(str(error)) < 200
        return None


def _check_beginning(data: bytes, whole: PictureHeader | None) -> None:
    """The beginning of a picture is the same picture, as far as it tells; or it says that it is cut."""
    try:
        header = read_header(data)
    except CutHeader:
        return
    except ValueError:
        assert whole is None or len(data) < 12, "more bytes made a picture of what was none"
        return
    if whole is not None:  # tRNS may come later
        assert (header.format, header.size, header.orientation) == (whole.format, whole.size, whole.orientation)


def _check_pixels(data: bytes) -> None:
    try:
        source = ImageSource.of(data)
        png = fitted(source, (16, 8), fit="crop", keep_alpha=False)
    except InvalidParamsError as error:
        assert "image" in str(error)
        return
    assert source.read() == data
    if png == data:  # fits, and goes as it is, without being decoded
        return
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.size) == ("PNG", (16, 8))


def seeds() -> Iterator[bytes]:
    def saved(mode: str, kind: str, **options: object) -> bytes:
        target = io.BytesIO()
        Image.new(mode, (16, 8)).save(target, kind, **options)
        return target.getvalue()

    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield saved(mode, "PNG")
    yield png(chunk(b"tRNS", bytes(6)))
    jpeg = saved("L", "JPEG", quality=5)
    yield jpeg
    yield with_segment(jpeg, b"Exif\0\0" + b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    yield webp()
    yield webp(tiff(b"ASCII\0\0\0{}"), mode="RGBA")
    yield saved("RGB", "WEBP", quality=1)
    yield saved("RGB", "PNG")[:40]
