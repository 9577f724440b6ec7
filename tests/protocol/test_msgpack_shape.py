"""The walk over a msgpack value: it finds what msgpack finds, at every cut, and refuses before anything is built."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, Limits
from nai_trio.protocol.msgpack_shape import ValueShape, is_map_start

texts = st.text(max_size=40)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    texts,
    st.binary(max_size=300),
    st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=20) | st.dictionaries(texts, inner, max_size=20), max_leaves=30
)


def shape_of(data: bytes, **limits: int) -> ValueShape:
    shape = ValueShape(Limits(**limits), offset=5)
    shape.walk(bytearray(data))
    return shape


def counted(value: Any) -> tuple[int, int, int]:
    """Members, depth and bytes of text of a value."""
    if isinstance(value, str):
        return 0, 0, len(value.encode())
    if not isinstance(value, list | dict):
        return 0, 0, 0
    inner = [counted(each) for each in (value if isinstance(value, list) else [*value, *value.values()])]
    members = len(value) + sum(each[0] for each in inner)
    return members, 1 + max((each[1] for each in inner), default=0), sum(each[2] for each in inner)


@settings(max_examples=100)
@given(values, st.binary(max_size=3))
def test_the_size_is_what_msgpack_wrote_whatever_follows(value: Any, behind: bytes) -> None:
    data = msgpack.packb(value)
    shape = shape_of(data + behind)
    assert (shape.size, shape.whole) == (len(data), True)


@given(values)
def test_a_walk_goes_on_where_it_stopped(value: Any) -> None:
    data = msgpack.packb(value)
    shape = ValueShape(Limits(), offset=0)
    held = bytearray()
    for place, byte in enumerate(data):
        assert not shape.whole or shape.size > place
        held.append(byte)
        shape.walk(held)
    assert (shape.size, shape.whole) == (len(data), True)


@given(values)
def test_each_limit_is_exact(value: Any) -> None:
    data = msgpack.packb(value)
    names = ("max_members", "max_depth", "max_text_size")
    for name, count in zip((*names, "max_frame_size"), (*counted(value), len(data)), strict=True):
        assert shape_of(data, **{name: max(1, count)}).whole
        if count > 1:
            with pytest.raises(LimitExceeded) as caught:
                shape_of(data, **{name: count - 1})
            assert (caught.value.limit, caught.value.allowed, caught.value.offset) == (name, count - 1, 5)


@pytest.mark.parametrize(
    ("start", "limit"),
    [
        ("dc 1001", "max_members"),
        ("dd ffffffff", "max_members"),
        ("de 1001", "max_members"),
        ("df ffffffff", "max_members"),
        ("db 01000001", "max_text_size"),
        ("db ffffffff", "max_frame_size"),
        ("c6 04000000", "max_frame_size"),
        ("c9 ffffffff", "max_frame_size"),
    ],
)
def test_a_claim_beyond_the_default_is_refused_as_soon_as_it_is_read(start: str, limit: str) -> None:
    data = bytes.fromhex(start)
    for held in range(len(data)):
        assert not shape_of(data[:held]).whole
    with pytest.raises(LimitExceeded) as caught:
        shape_of(data)
    assert caught.value.limit == limit


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_over_or_refused(data: bytes) -> None:
    try:
        shape = shape_of(data, max_members=50, max_depth=8, max_text_size=100, max_frame_size=150)
    except LimitExceeded:
        return
    assert shape.whole or shape.size >= len(data) - 5


@pytest.mark.parametrize("first", range(256))
def test_a_map_is_told_by_its_first_byte(first: int) -> None:
    unpacker = msgpack.Unpacker()
    unpacker.feed(bytes([first]) + bytes(10))
    try:
        unpacker.read_map_header()
        begins_a_map = True
    except (ValueError, msgpack.OutOfData):
        begins_a_map = False
    assert is_map_start(first) is begins_a_map


def test_what_was_too_much_once_stays_so() -> None:
    shape = ValueShape(Limits(max_members=1), offset=5)
    for data in (b"\x82", b"\x82\xa1a", b"\x80"):
        with pytest.raises(LimitExceeded, match="2 or more in one frame"):
            shape.walk(data)
