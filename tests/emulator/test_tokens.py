"""Tokens of the emulator's own: made alike, told apart, and known again."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.emulator.tokens import TOKEN_SIZE, is_picture, make_token, sealed_for


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


@given(st.binary(max_size=50), st.sampled_from(["v4full", "v4curated", "v4-5full"]), st.floats(0.01, 1))
def test_a_token_has_the_services_size_and_knows_its_encoding(image: bytes, encoding: str, level: float) -> None:
    token = make_token(image, encoding, level)
    assert len(token) == TOKEN_SIZE
    assert sealed_for(text_of(token)) == encoding
    assert not is_picture(text_of(token))
    assert make_token(image, encoding, level) == token


def test_picture_encoding_and_extraction_each_make_another_token() -> None:
    tokens = {make_token(image, "v4full", level) for image in (b"a", b"b") for level in (0.5, 1)}
    tokens.add(make_token(b"a", "v4curated", 1))
    assert len(tokens) == 5
    assert make_token(b"a", "v4full", 1) == make_token(b"a", "v4full", 1.0)


@pytest.mark.parametrize("data", [b"", b"x", bytes(48_916), b"\x93made by somebody else" * 4])
def test_a_token_from_elsewhere_is_not_known(data: bytes) -> None:
    assert sealed_for(text_of(data)) is None


@pytest.mark.parametrize(
    ("data", "picture"),
    [
        (b"\x89PNG\r\n\x1a\n...", True),
        (b"\xff\xd8\xff\xe0", True),
        (b"RIFF....WEBP", True),
        (b"GIF89a", False),
        (b"", False),
    ],
)
def test_a_picture_is_told_by_its_first_bytes(data: bytes, picture: bool) -> None:
    assert is_picture(text_of(data)) is picture
