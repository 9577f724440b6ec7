"""What is packed in a picture is unpacked with a bound, and what cannot be is refused in words."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.claims import GZIP, MAX_TEXT_SIZE, ZLIB, decoded, inflated, refused, shown

PACK = {ZLIB: zlib.compress, GZIP: gzip.compress}
each_packing = pytest.mark.parametrize("packing", PACK)


def refusal(data: bytes, packing: int) -> str:
    with pytest.raises(InvalidParamsError) as caught:
        inflated(data, packing, "a comment")
    assert caught.value.field == "picture"
    return str(caught.value)


@each_packing
@given(text=st.binary(max_size=300), behind=st.binary(max_size=5))
def test_what_is_packed_comes_out_whatever_follows_it(packing: int, text: bytes, behind: bytes) -> None:
    assert inflated(PACK[packing](text) + behind, packing, "a comment") == text


@each_packing
def test_the_bound_is_exact(packing: int) -> None:
    assert len(inflated(PACK[packing](bytes(MAX_TEXT_SIZE)), packing, "a comment")) == MAX_TEXT_SIZE
    wanted = f"picture: expected a comment of at most {MAX_TEXT_SIZE} bytes, got one that unpacks to more"
    assert refusal(PACK[packing](bytes(MAX_TEXT_SIZE + 1)), packing) == wanted


@each_packing
def test_what_is_cut_anywhere_is_refused(packing: int) -> None:
    packed = PACK[packing](b"a comment of some length, with nothing in it twice: 0123456789")
    for end in range(len(packed)):
        assert refusal(packed[:end], packing).endswith("that can be unpacked, got data that ends too early")


@each_packing
def test_what_is_no_packed_text_is_refused_with_the_reason(packing: int) -> None:
    assert "a comment that can be unpacked, got broken data (" in refusal(b"no packed text", packing)


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"cat", "cat"), ("chat, été".encode(), "chat, été"), ("été".encode("latin-1"), "été"), (b"", "")],
)
def test_text_is_utf_8_where_it_can_be_and_latin_1_else(data: bytes, text: str) -> None:
    assert decoded(data) == text


def test_a_long_text_is_shown_by_its_beginning() -> None:
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60) + "..."


def test_a_refusal_says_what_was_expected_and_what_came() -> None:
    error = refused("a PNG", "a text")
    assert str(error) == "picture: expected a PNG, got a text"
    assert (error.field, error.allowed, error.value) == ("picture", "a PNG", "a text")
