"""The copy in the lowest bit of alpha, written by the tests' own writer."""

from __future__ import annotations

import io
import json
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_bytes import COMMENT, SOURCE, chunk, packed, png, service_png, stealth_json, text_chunk, tiff
from PIL import Image
from stealth_writer import stealth_bits, stealth_picture, write_bits

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.claims import MAX_TEXT_SIZE
from nai_trio.pictures.metadata import PictureMetadata, read_metadata
from nai_trio.pictures.source import MAX_PIXELS

PAYLOAD = packed(stealth_json())
BITS = stealth_bits(PAYLOAD)


def refusal_of(data: bytes) -> str:
    with pytest.raises(InvalidParamsError) as caught:
        read_metadata(data)
    assert caught.value.field == "picture"
    return str(caught.value)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_the_copy_is_read_where_there_are_no_chunks(image_format: str) -> None:
    assert read_metadata(stealth_picture(BITS, image_format=image_format)) == PictureMetadata(
        description="1girl, solo",
        software="NovelAI",
        source=SOURCE,
        generation_time="2.4301666780374944",
        comment=COMMENT,
        image_format=image_format.lower(),  # type: ignore[arg-type]
        origin="stealth",
    )


@pytest.mark.parametrize("size", [(len(BITS), 1), (1, len(BITS)), (7, 400), (400, 7), (64, 64)])
def test_columns_of_any_height_are_read(size: tuple[int, int]) -> None:
    assert read_metadata(stealth_picture(BITS, size=size)).comment == COMMENT


def test_what_follows_the_copy_is_not_read() -> None:
    bits = stealth_bits(PAYLOAD, tail=b"\xff\xff\xff\xff and more")
    assert read_metadata(stealth_picture(bits)).comment == COMMENT


def test_transparent_pixels_hold_bits_as_well() -> None:
    image = Image.new("RGBA", (40, 50), (10, 20, 30, 0))
    marked = write_bits(image, BITS)
    marked.putalpha(marked.getchannel("A").point([value & 1 for value in range(256)]))
    target = io.BytesIO()
    marked.save(target, "PNG")
    assert read_metadata(target.getvalue()).comment == COMMENT


def with_chunks(picture: bytes, *chunks: bytes) -> bytes:
    return picture[:33] + b"".join(chunks) + picture[33:]


def test_chunks_come_before_the_copy() -> None:
    data = with_chunks(stealth_picture(BITS), text_chunk("Comment", '{"seed": 1}'))
    assert (read_metadata(data).comment, read_metadata(data).origin) == ({"seed": 1}, "chunks")


def test_chunks_without_a_comment_leave_all_to_the_copy() -> None:
    data = with_chunks(stealth_picture(BITS), text_chunk("Software", "a paint program"))
    assert (read_metadata(data).comment, read_metadata(data).software) == (COMMENT, "NovelAI")


def test_exif_without_a_comment_leaves_all_to_the_copy() -> None:
    target = io.BytesIO()
    marked = write_bits(Image.new("RGBA", (40, 50), (10, 20, 30, 255)), BITS)
    marked.save(target, "WEBP", lossless=True, exif=tiff(b'{"Source": "somebody"}'))
    assert (read_metadata(target.getvalue()).source, read_metadata(target.getvalue()).origin) == (SOURCE, "stealth")


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (8, 19), (40, 50)])
def test_a_picture_without_the_magic_has_no_metadata(mode: str, size: tuple[int, int]) -> None:
    assert "got a PNG without" in refusal_of(png(size=size, mode=mode))


def test_another_magic_is_no_metadata() -> None:
    assert "got a PNG without" in refusal_of(stealth_picture(stealth_bits(PAYLOAD, magic=b"stealth_rgbcomp")))


@pytest.mark.parametrize("length", [8 * len(PAYLOAD) + 1, 40 * 50, 2**32 - 8])
def test_a_length_beyond_the_pixels_or_within_a_byte_is_refused(length: int) -> None:
    assert f"one that claims {length}" in refusal_of(stealth_picture(stealth_bits(PAYLOAD, length=length)))


def test_a_copy_may_fill_the_picture_to_its_last_pixel() -> None:
    assert read_metadata(stealth_picture(BITS, size=(1, len(BITS)))).comment == COMMENT
    told = refusal_of(stealth_picture(BITS[:-1], size=(1, len(BITS) - 1)))
    assert f"claims {8 * len(PAYLOAD)}" in told


@pytest.mark.parametrize(
    ("payload", "came"),
    [
        (b"", "ends too early"),
        (b"no gzip", "broken data"),
        (PAYLOAD[:-1], "ends too early"),
        (PAYLOAD[:-8] + b"\0" * 8, "broken data"),
        (zlib.compress(stealth_json()), "broken data"),
        (packed(b"no JSON"), "'no JSON' (Expecting value"),
        (packed(b"[]"), "one that is an array"),
        (packed(b"{}"), "got a PNG without"),
        (packed(stealth_json(Comment="x")), "Comment as JSON, got 'x'"),
        (packed(stealth_json(Comment="[]")), "Comment that is a JSON object, got one that is an array"),
        (packed(b"[" * 100_000), "nested too deeply"),
    ],
)
def test_a_broken_copy_is_refused(payload: bytes, came: str) -> None:
    assert came in refusal_of(stealth_picture(stealth_bits(payload), size=(80, 80)))


def test_a_copy_that_unpacks_to_too_much_is_refused() -> None:
    bomb = packed(b" " * (MAX_TEXT_SIZE + 1))
    assert f"at most {MAX_TEXT_SIZE} bytes" in refusal_of(stealth_picture(stealth_bits(bomb), size=(200, 250)))


def test_a_picture_that_ends_within_the_length_has_no_metadata() -> None:
    assert "got a PNG without" in refusal_of(stealth_picture(BITS[:151], size=(1, 151)))


def test_a_picture_that_claims_too_many_pixels_is_refused_before_pillow_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = png(mode="RGBA")
    claimed = chunk(b"IHDR", (8193).to_bytes(4, "big") * 2 + data[24:29])
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert f"at most {MAX_PIXELS} pixels, got 8193x8193" in refusal_of(data[:8] + claimed + data[33:])


def test_a_second_header_does_not_get_around_the_limit() -> None:
    data = png(mode="RGBA")
    claimed = chunk(b"IHDR", (8193).to_bytes(4, "big") * 2 + data[24:29])
    assert f"8193x8193 pixels, and at most {MAX_PIXELS} are taken" in refusal_of(data[:33] + claimed + data[33:])


def test_a_picture_whose_pixels_are_broken_is_refused() -> None:
    data = stealth_picture(BITS)
    pixels = data.index(b"IDAT") + 4
    assert "can be decoded" in refusal_of(data[:pixels] + b"\xff" * 20 + data[pixels + 20 :])


def test_without_pillow_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data, bare, service = stealth_picture(BITS), png(), service_png()
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pip install 'nai-trio[images]'" in refusal_of(data)
    assert read_metadata(service).comment == COMMENT
    assert "got a PNG without" in refusal_of(bare)


@given(
    st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=30), max_size=5),
    st.integers(1, 90),
    st.binary(max_size=6),
)
@settings(max_examples=30)
def test_any_comment_comes_back_from_a_picture_of_any_height(
    comment: dict[str, object], height: int, tail: bytes
) -> None:
    bits = stealth_bits(packed(stealth_json(Comment=json.dumps(comment))), tail=tail)
    size = (-(-len(bits) // height), height)
    assert read_metadata(stealth_picture(bits, size=size)).comment == comment
