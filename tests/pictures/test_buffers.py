"""A buffer with room from the start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.pictures.buffers import roomy


@pytest.mark.parametrize("size", [0, 1, 4_000_000])
def test_the_room_is_there_before_anything_is_written(size: int) -> None:
    buffer = roomy(size)
    assert buffer.tell() == 0
    assert len(buffer.getbuffer()) >= size


@given(st.integers(0, 50), st.lists(st.binary(max_size=40), max_size=5))
def test_what_is_written_comes_out_whether_it_fits_or_not(size: int, parts: list[bytes]) -> None:
    buffer = roomy(size)
    for part in parts:
        buffer.write(part)
    buffer.truncate()
    assert buffer.getvalue() == b"".join(parts)
