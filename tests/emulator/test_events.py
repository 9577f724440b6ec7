"""The encoders against totals worked out by hand from the wire document, section 4."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.emulator import encode_msgpack, encode_sse, encode_zip
from nai_trio.emulator.events import encode_images_json


def preview(image: bytes, sigma: float = 20000.0) -> dict[str, object]:
    return {
        "event_type": "intermediate", "samp_ix": 0, "step_ix": 0, "gen_id": 2807180, "sigma": sigma, "image": image,
    }  # fmt: skip


def final(image: bytes) -> dict[str, object]:
    return {"event_type": "final", "samp_ix": 0, "gen_id": 2807180, "image": image}


def test_sse_preview_is_byte_for_byte_the_documented_one() -> None:
    assert encode_sse(preview(b"\xff\xd8\xff\xe0\x00\x10")) == (
        b"event: intermediate\n"
        b'data: {"event_type":"intermediate","samp_ix":0,"step_ix":0,"gen_id":2807180,"sigma":20000,'
        b'"image":"/9j/4AAQ"}\n\n'
    )


def test_sse_final_is_byte_for_byte_the_documented_one() -> None:
    assert encode_sse(final(b"\x89PNG\r\n\x1a\n")) == (
        b'event: final\ndata: {"event_type":"final","samp_ix":0,"gen_id":2807180,"image":"iVBORw0KGgo="}\n\n'
    )


@pytest.mark.parametrize(
    ("sigma", "text"),
    [(20000.0, b":20000,"), (113.89996337890625, b":113.89996337890625,"), (1.0, b":1,"), (0.5, b":0.5,")],
)
def test_sse_writes_whole_sigmas_without_a_decimal_point(sigma: float, text: bytes) -> None:
    assert text in encode_sse(preview(b"x", sigma))


@pytest.mark.parametrize("size", [256, 9000, 18000, 65535])
def test_msgpack_preview_is_83_bytes_more_than_its_image(size: int) -> None:
    assert len(encode_msgpack(preview(b"x" * size))) == 83 + size


@pytest.mark.parametrize("size", [65536, 1_600_000])
def test_msgpack_final_over_64_kib_is_54_bytes_more_than_its_image(size: int) -> None:
    assert len(encode_msgpack(final(b"x" * size))) == 54 + size


def test_msgpack_frame_begins_with_its_length_and_the_documented_bytes() -> None:
    frame = encode_msgpack(preview(b"x" * 300))
    assert frame[:4] == struct.pack(">I", len(frame) - 4)
    assert frame[4:].startswith(b"\x86\xaaevent_type\xacintermediate\xa7samp_ix\x00\xa7step_ix\x00")


def test_msgpack_gen_id_is_uint32_and_sigma_float64_even_for_20000() -> None:
    frame = encode_msgpack(preview(b"x" * 300))
    assert b"\xa6gen_id\xce" + struct.pack(">I", 2807180) in frame
    assert b"\xa5sigma\xcb" + struct.pack(">d", 20000.0) in frame


def test_msgpack_image_is_bin16_below_64_kib_and_bin32_from_there() -> None:
    assert b"\xa5image\xc5" + struct.pack(">H", 65535) in encode_msgpack(final(b"x" * 65535))
    assert b"\xa5image\xc6" + struct.pack(">I", 65536) in encode_msgpack(final(b"x" * 65536))


def test_msgpack_final_map_has_four_members_and_no_sigma() -> None:
    frame = encode_msgpack(final(b"x"))
    assert frame[4] == 0x84
    assert b"sigma" not in frame
    assert b"step_ix" not in frame


@given(image=st.binary(max_size=2000), sigma=st.floats(0.015625, 20000, width=32))
def test_both_framings_carry_the_same_event(image: bytes, sigma: float) -> None:
    event = preview(image, sigma)
    frame = encode_msgpack(event)
    lines = encode_sse(event).split(b"\n")
    from_sse = json.loads(lines[1].removeprefix(b"data: "))
    from_sse["image"] = base64.b64decode(from_sse["image"], validate=True)
    assert msgpack.unpackb(frame[4:]) == from_sse == event
    assert list(from_sse) == list(event)


def test_zip_holds_numbered_pictures_deflated_with_data_descriptors() -> None:
    pictures = [b"\x89PNG\r\n\x1a\n" + bytes(5000), b"RIFF\0\0\0\0WEBP" + bytes(5000)]
    data = encode_zip([final(picture) for picture in pictures])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["image_0.png", "image_1.webp"]
        assert [archive.read(name) for name in archive.namelist()] == pictures
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    flags, sizes = struct.unpack("<H", data[6:8])[0], data[14:26]
    assert flags & 0x08
    assert sizes == bytes(12)


def test_zip_of_the_same_pictures_is_the_same_bytes() -> None:
    assert encode_zip([final(b"x")]) == encode_zip([final(b"x")])


def test_images_json_tells_each_seed() -> None:
    body = json.loads(encode_images_json([final(b"a"), final(b"b")], 2**32 - 1))
    assert body == {
        "images": [
            {"image": "YQ==", "index": 0, "seed": 2**32 - 1},
            {"image": "Yg==", "index": 1, "seed": 0},
        ]
    }
