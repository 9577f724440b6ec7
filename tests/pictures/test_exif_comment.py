"""The EXIF UserComment of a WebP."""

from __future__ import annotations

import json
import struct

import pytest
from picture_bytes import COMMENT, SOURCE, riff, riff_chunk, tiff, user_comment_text, webp
from PIL import Image

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.claims import MAX_TEXT_SIZE
from nai_trio.pictures.metadata import PictureMetadata, read_metadata

TEXT = user_comment_text()
ASCII = b"ASCII\0\0\0"
UNICODE = b"UNICODE\0"


def refusal_of(data: bytes) -> str:
    with pytest.raises(InvalidParamsError) as caught:
        read_metadata(data)
    assert caught.value.field == "picture"
    return str(caught.value)


def with_exif(exif: bytes) -> bytes:
    return riff(riff_chunk(b"VP8L", b"\x2f" + b"\0" * 5), riff_chunk(b"EXIF", exif))


def test_the_services_user_comment_is_read() -> None:
    assert read_metadata(webp(tiff(ASCII + TEXT.encode()))) == PictureMetadata(
        source=SOURCE, comment=COMMENT, image_format="webp", origin="exif"
    )


def test_exif_that_pillow_wrote_is_read() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description of another program"
    exif.get_ifd(0x8769)[0x9286] = ASCII + TEXT.encode()
    assert read_metadata(webp(exif.tobytes())).comment == COMMENT


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("where", ["exif", "first"])
@pytest.mark.parametrize("kind", [1, 2, 7])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_either_byte_order_and_directory_is_read(order: str, where: str, kind: int, prefix: bytes) -> None:
    exif = prefix + tiff(ASCII + TEXT.encode(), order=order, where=where, kind=kind)
    assert read_metadata(with_exif(exif)).comment == COMMENT


@pytest.mark.parametrize(
    "comment",
    [
        ASCII + TEXT.encode(),
        b"\0" * 8 + TEXT.encode(),
        b"JIS\0\0\0\0\0" + TEXT.encode(),
        TEXT.encode(),
        TEXT.encode() + b"\0\0 \0",
        UNICODE + TEXT.encode("utf-16-le"),
        UNICODE + TEXT.encode("utf-16-be"),
        UNICODE + TEXT.encode("utf-16"),
        UNICODE + b"\xfe\xff" + TEXT.encode("utf-16-be"),
        UNICODE + TEXT.encode("utf-16-le") + b"\0\0",
        UNICODE + TEXT.encode(),
        TEXT.encode("utf-16-le"),
    ],
)
def test_any_character_code_is_read_whatever_its_name(comment: bytes) -> None:
    assert read_metadata(with_exif(tiff(comment))).comment == COMMENT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_text_beyond_ascii_is_read(encoding: str) -> None:
    text = json.dumps({"Comment": {"prompt": "猫耳"}}, ensure_ascii=False).encode(encoding)
    assert read_metadata(with_exif(tiff(UNICODE + text))).comment == {"prompt": "猫耳"}


def test_a_comment_may_be_an_object_instead_of_its_text() -> None:
    text = json.dumps({"Comment": COMMENT, "Source": SOURCE, "Software": "NovelAI", "Generation_time": 2.5})
    found = read_metadata(with_exif(tiff(ASCII + text.encode())))
    assert (found.comment, found.software, found.generation_time) == (COMMENT, "NovelAI", None)


def test_chunks_of_odd_length_are_padded() -> None:
    data = riff(riff_chunk(b"ICCP", b"odd"), riff_chunk(b"EXIF", tiff(ASCII + TEXT.encode())))
    assert read_metadata(data).comment == COMMENT


def test_a_last_chunk_without_its_padding_is_read() -> None:
    exif = tiff(ASCII + TEXT.encode())
    exif += b" " * (1 - len(exif) % 2)
    body = b"WEBP" + riff_chunk(b"EXIF", exif).removesuffix(b"\0")
    assert read_metadata(b"RIFF" + struct.pack("<I", len(body)) + body).comment == COMMENT


def test_the_first_exif_chunk_counts() -> None:
    data = riff(riff_chunk(b"EXIF", tiff(ASCII + TEXT.encode())), riff_chunk(b"EXIF", tiff(b"{}")))
    assert read_metadata(data).comment == COMMENT


def test_bytes_after_the_riff_do_not_matter() -> None:
    assert read_metadata(webp(tiff(ASCII + TEXT.encode())) + b"whatever").comment == COMMENT


def test_a_webp_without_metadata_is_refused() -> None:
    assert "got a WEBP without" in refusal_of(webp())
    assert "got a WEBP without" in refusal_of(webp(tiff(ASCII + b'{"Source": "somebody"}')))


def test_a_webp_with_the_exif_of_a_camera_is_refused() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    assert "got a WEBP without" in refusal_of(webp(exif.tobytes()))


def test_a_webp_cut_at_any_byte_is_refused() -> None:
    whole = webp(tiff(ASCII + TEXT.encode()))
    for end in range(12, len(whole)):
        assert f"ends at byte {end}" in refusal_of(whole[:end])


def test_a_chunk_longer_than_the_file_is_refused() -> None:
    told = refusal_of(riff(struct.pack("<4sI", b"EXIF", 0xFFFFFFFF) + b"II"))
    assert "inside its chunk b'EXIF'" in told


@pytest.mark.parametrize(
    ("exif", "came"),
    [
        (b"", "byte order, II or MM, got b''"),
        (b"no TIFF at all", "got b'no T'"),
        (b"II*\0", "4 bytes that do not"),
        (b"II*\0\xff\xff\xff\xff", "8 bytes that do not"),
        (b"II*\0\x08\0\0\0\xff\xff", "10 bytes that do not"),
        (tiff(TEXT.encode())[:-1], "bytes that do not"),
        (tiff(TEXT.encode(), kind=4), "one of type 4"),
        (tiff(ASCII + b"hello"), "'hello' (Expecting value"),
        (tiff(b"abc"), "'abc' (Expecting value"),
        (tiff(b""), "'' (Expecting value"),
        (tiff(ASCII + b"[1]"), "one that is an array"),
        (tiff(ASCII + b'{"Comment": "x"}'), "Comment as JSON, got 'x'"),
        (tiff(ASCII + b'{"Comment": 7}'), "one that is a number"),
        (tiff(ASCII + b'{"Comment": null}'), "one that is null"),
    ],
)
def test_exif_that_cannot_be_read_is_refused(exif: bytes, came: str) -> None:
    assert came in refusal_of(with_exif(exif))


def test_a_user_comment_has_a_bound() -> None:
    entry = struct.pack("<HHII", 0x9286, 7, MAX_TEXT_SIZE + 1, 26)
    exif = b"II*\0\x08\0\0\0" + b"\1\0" + entry + b"\0\0\0\0"
    assert f"one of {MAX_TEXT_SIZE + 1} bytes" in refusal_of(with_exif(exif))


def test_a_directory_that_points_to_itself_ends() -> None:
    exif = b"II*\0\x08\0\0\0" + b"\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + b"\0\0\0\0"
    assert "got a WEBP without" in refusal_of(riff(riff_chunk(b"VP8L", b"\x2f" + b"\0" * 5), riff_chunk(b"EXIF", exif)))
