"""Bytes without what stands between chunks: whole, cut, and what only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.transports.tape_chunks import Chunks


@pytest.mark.parametrize(
    ("data", "joined"),
    [
        (b"sec\r\n5\r\nret", b"secret"),
        (b"a\r\n1f;name=value\r\nb\r\nABCDEF01 \t\r\nc", b"abc"),
        (b"\r\n5\r\nret", b"ret"),
        (b"sec\r\n5\r\n", b"sec"),
        (b"ab\r\n5", b"ab"),
        (b"ab\r", b"ab"),
        (b"ab\r\n5\r\ncd\r\n7;x", b"abcd"),
    ],
)
def test_what_stands_between_two_chunks_is_left_out(data: bytes, joined: bytes) -> None:
    chunks = Chunks(data)
    assert chunks
    assert chunks.joined == joined


@pytest.mark.parametrize(
    "data", [b"", b"secret", b"x\ny", b"x\r\ny", b"x\r\n0\r\ny", b"x\r\n123456789\r\ny", b"5\n", b"x\r\n5y"]
)
def test_without_anything_of_the_kind_it_is_false(data: bytes) -> None:
    chunks = Chunks(data)
    assert not chunks
    assert chunks.joined == b""


def test_what_stands_before_the_start_is_not_looked_at() -> None:
    data = b"a\r\n5\r\nbc\r\n5\r\nd"
    assert Chunks(data).joined == b"abcd"
    assert Chunks(data, 6).joined == b"bcd"


@given(
    st.lists(st.binary(max_size=5).map(lambda part: part.replace(b"\r", b"x")), min_size=2, max_size=5),
    st.sampled_from([b"\r\n5\r\n", b"\r\n1F;a=b\r\n", b"\r\nff \r\n"]),
    st.integers(0, 3),
)
def test_every_byte_knows_its_place_in_the_data(parts: list[bytes], between: bytes, start: int) -> None:
    data = bytes(start) + between.join(parts)
    chunks = Chunks(bytearray(data), start)
    assert chunks.joined == b"".join(parts)
    assert bytes(data[chunks.place(index)] for index in range(len(chunks.joined))) == chunks.joined
