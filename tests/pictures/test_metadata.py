"""For any bytes: metadata or `InvalidParamsError`, nothing else."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from picture_bytes import (
    COMMENT,
    SIGNATURE,
    chunk,
    packed,
    riff,
    riff_chunk,
    service_png,
    stealth_json,
    tiff,
    user_comment_text,
    webp,
)
from stealth_writer import stealth_bits, stealth_picture

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.metadata import PictureMetadata, read_metadata

EXIF = tiff(b"ASCII\0\0\0" + user_comment_text().encode())
REAL = {
    "png": service_png(),
    "webp": webp(EXIF),
    "stealth png": stealth_picture(stealth_bits(packed(stealth_json()))),
    "stealth webp": stealth_picture(stealth_bits(packed(stealth_json())), image_format="WEBP"),
}


def read(data: bytes) -> PictureMetadata | None:
    """Metadata, or None where it was refused; anything else fails the test."""
    try:
        return read_metadata(data)
    except InvalidParamsError as error:
        assert error.field == "picture"
        assert len(str(error)) < 500
        return None


@given(st.binary(max_size=200), st.sampled_from([b"", SIGNATURE, b"RIFF\xff\0\0\0WEBP"]))
def test_arbitrary_bytes(data: bytes, start: bytes) -> None:
    assert read(start + data) is None


kinds = st.sampled_from([b"IHDR", b"tEXt", b"zTXt", b"iTXt", b"IDAT", b"IEND", b"tRNS", b"PLTE", b"eXIf", b"acTL"])
bodies = st.binary(max_size=60) | st.sampled_from([b"Comment\0{}", b"Comment\0\0x\x9c", b"Comment\0\0\0\0\0{}"])


@given(st.lists(st.builds(chunk, kinds, bodies), max_size=5))
def test_arbitrary_chunks_of_a_png(chunks: list[bytes]) -> None:
    read(SIGNATURE + b"".join(chunks) + chunk(b"IEND", b""))


HEADERS = st.builds(lambda width, depth, color: struct.pack(">IIBBBBB", width, 4, depth, color, 0, 0, 0),
                    st.integers(0, 2**32 - 1) | st.integers(0, 9), st.integers(0, 16), st.integers(0, 7))  # fmt: skip


@given(HEADERS, st.binary(max_size=90))
def test_arbitrary_pixels_of_a_png(header: bytes, pixels: bytes) -> None:
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    assert read(SIGNATURE + chunks) is None


riff_kinds = st.sampled_from([b"EXIF", b"VP8X", b"VP8L", b"VP8 ", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])


@given(st.lists(st.builds(riff_chunk, riff_kinds, st.binary(max_size=60)), max_size=4))
def test_arbitrary_chunks_of_a_webp(chunks: list[bytes]) -> None:
    assert read(riff(*chunks)) is None


@given(st.sampled_from([b"II*\0", b"MM\0*"]), st.binary(max_size=80))
@example(b"II*\0", b"\x08\0\0\0\x01\0\x86\x92\x07\0\xff\xff\xff\xff\0\0\0\0")
def test_arbitrary_exif_data(start: bytes, data: bytes) -> None:
    assert read(riff(riff_chunk(b"EXIF", start + data))) is None


@pytest.mark.parametrize("kind", REAL)
def test_real_pictures_are_read(kind: str) -> None:
    found = read(REAL[kind])
    assert found is not None
    assert found.comment == COMMENT


@pytest.mark.parametrize("kind", REAL)
def test_a_picture_cut_anywhere_is_refused(kind: str) -> None:
    assert [end for end in range(len(REAL[kind])) if read(REAL[kind][:end]) is not None] == []


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_a_png_with_a_changed_byte_is_refused_or_read_as_it_was(flip: int) -> None:
    whole, found = REAL["png"], 0
    for place in range(len(whole)):
        metadata = read(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        found += metadata is not None
        assert metadata is None or metadata.comment == COMMENT
    assert found


@pytest.mark.parametrize("kind", ["webp", "stealth png", "stealth webp"])
@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_another_picture_with_a_changed_byte_is_refused_or_read(kind: str, flip: int) -> None:
    whole = REAL[kind]
    for place in range(len(whole)):
        read(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])


edits = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), st.binary(max_size=12)), min_size=1, max_size=6)


@given(st.sampled_from(sorted(REAL)), edits)
@settings(max_examples=300)
def test_a_picture_with_pieces_taken_out_and_put_in(kind: str, changes: list[tuple[int, int, bytes]]) -> None:
    data = REAL[kind]
    for place, length, piece in changes:
        place %= len(data) + 1  # noqa: PLW2901 - a place in the file
        data = data[:place] + piece + data[place + length :]
    read(data)
