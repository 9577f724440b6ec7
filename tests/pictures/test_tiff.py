"""Directories of a TIFF, made by hand and by Pillow; every offset in them is a claim."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nai_trio.pictures.tiff import BYTE_ORDERS, find_tag, first_directory

each_order = pytest.mark.parametrize("mark", [b"II", b"MM"])


def tiff(mark: bytes, tags: list[int], *, at: int = 8) -> bytes:
    """A TIFF whose one directory has these tags, each with its own number as value."""
    order = BYTE_ORDERS[mark]
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, tag) for tag in tags)
    head = mark + struct.pack(f"{order}HI", 42, at)
    return head.ljust(at, b"\0") + struct.pack(f"{order}H", len(tags)) + entries


@each_order
@pytest.mark.parametrize("at", [8, 100])
def test_a_tag_is_found_in_both_byte_orders_wherever_the_directory_stands(mark: bytes, at: int) -> None:
    data, order = tiff(mark, [1, 2, 0x9286], at=at), BYTE_ORDERS[mark]
    directory = first_directory(data, order)
    assert directory == at
    place = find_tag(data, order, directory, 0x9286)
    assert place is not None
    assert struct.unpack_from(f"{order}HHII", data, place) == (0x9286, 4, 1, 0x9286)


@each_order
@pytest.mark.parametrize("tags", [[], [1, 2]])
def test_a_tag_that_is_not_there_is_none(mark: bytes, tags: list[int]) -> None:
    assert find_tag(tiff(mark, tags), BYTE_ORDERS[mark], 8, 3) is None


def test_the_first_of_two_alike_counts() -> None:
    assert find_tag(tiff(b"II", [7, 7]), "<", 8, 7) == 10


def test_a_directory_that_pillow_writes_is_read() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    exif[0x0131] = "NovelAI"
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    order = BYTE_ORDERS[data[:2]]
    for tag in (0x010E, 0x0131):
        place = find_tag(data, order, first_directory(data, order), tag)
        assert place is not None
        assert struct.unpack_from(f"{order}H", data, place) == (tag,)


@each_order
def test_data_that_end_too_early_say_so(mark: bytes) -> None:
    data, order = tiff(mark, [1, 2]), BYTE_ORDERS[mark]
    with pytest.raises(struct.error):
        first_directory(data[:7], order)
    for end in range(8, len(data) - 10):  # the last entry's value is not looked at
        with pytest.raises(struct.error):
            find_tag(data[:end], order, 8, 3)


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1), st.sampled_from(["<", ">"]))
def test_any_bytes_have_a_tag_have_none_or_end_too_early(data: bytes, directory: int, order: str) -> None:
    try:
        place = find_tag(data, order, directory, 1)
    except struct.error:
        return
    assert place is None or struct.unpack_from(f"{order}H", data, place) == (1,)
