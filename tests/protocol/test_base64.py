"""Strict base64, with pybase64's C part and without: both take the same texts and refuse the same."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.protocol import _base64

if TYPE_CHECKING:
    from collections.abc import Callable

    Decode = Callable[[str | bytes], bytes]


def without_the_c_part() -> Decode:
    """The module as it is where pybase64 has no C part and does it by the standard library."""
    spec = importlib.util.spec_from_file_location("without_the_c_part", _base64.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pybase64", importlib.import_module("pybase64._fallback"))
        spec.loader.exec_module(module)
    assert module.pybase64.__name__ == "pybase64._fallback"
    return module.decode


WAYS = {"installed": _base64.decode, "without the C part": without_the_c_part()}
each_way = pytest.mark.parametrize("decode", WAYS.values(), ids=list(WAYS))


@each_way
@pytest.mark.parametrize(
    ("text", "data"),
    [("", b""), ("AA==", b"\0"), ("AAA=", b"\0\0"), ("AAAA", b"\0\0\0"), ("+/+/", b"\xfb\xff\xbf"), (b"aGk=", b"hi")],
)
def test_padded_text_of_the_standard_alphabet_is_decoded(decode: Decode, text: str | bytes, data: bytes) -> None:
    assert decode(text) == data
    assert type(decode(text)) is bytes


@each_way
@pytest.mark.parametrize(
    "text",
    ["A", "AA", "AA=", "AAA", "AA===", "AAAA=", "AAAA====", "=", "====", "A A=", "AAAA\n", "-_-_", "ä===", "A=A="],
)
def test_anything_else_is_refused(decode: Decode, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever words
        decode(text)


@given(st.binary(max_size=200))
def test_what_is_encoded_comes_back(data: bytes) -> None:
    text = base64.b64encode(data).decode("ascii")
    assert [decode(text) for decode in WAYS.values()] == [data, data]


@given(st.text(alphabet="ABz+/=- \n", max_size=12))
def test_both_ways_say_the_same_of_any_text(text: str) -> None:
    def verdict(decode: Decode) -> bytes | None:
        try:
            return decode(text)
        except ValueError:
            return None

    assert verdict(WAYS["installed"]) == verdict(WAYS["without the C part"])
