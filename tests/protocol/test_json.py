"""Strict JSON: what RFC 8259 has and no more, one kind of error for all that is wrong, and bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import LimitExceeded, Limits
from nai_trio.protocol._json import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.booleans())
def test_what_is_written_is_read(value: object, mutable: bool) -> None:
    text = json.dumps(value).encode()
    assert parse(bytearray(text) if mutable else text) == value


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"[-Infinity]", b'{"sigma": NaN}'])
def test_numbers_that_json_does_not_have_are_refused_by_name(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"(NaN|Infinity) is not JSON"):
        parse(text)


@pytest.mark.parametrize(
    "text", [b"", b" ", b"{", b"[1,]", b"{'a':1}", b"1 2", b'"\n"', b'"\xff"', b"\xff\xfe{", b"nul", b"+1"]
)
def test_what_is_no_json_is_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever words
        parse(text)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_is_bounded_exactly_and_before_anything_is_built(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    deep = opening * 31 + b"[]" + closing * 31
    assert parse(deep)
    with pytest.raises(LimitExceeded) as caught:
        parse(opening * 32 + b"[]" + closing * 32, offset=7)
    assert (caught.value.limit, caught.value.allowed, caught.value.offset) == ("max_depth", 32, 7)
    with pytest.raises(LimitExceeded):
        parse(opening * 200_000)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_that_is_allowed_and_that_python_cannot_follow_is_no_json(opening: bytes) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(opening * 200_000, limits=Limits(max_depth=10**6, max_members=10**6))


@pytest.mark.parametrize(
    ("few", "many"),
    [
        (b"[1,2,3]", b"[1,2,3,4]"),
        (b"[[],[],[]]", b"[[],[],[],[]]"),
        (b'{"a":1,"b":2,"c":3}', b'{"a":1,"b":2,"c":3,"d":4}'),
        (b'{"a":{"b":{"c":3}}}', b'{"a":{"b":{"c":{"d":4}}}}'),
    ],
)
def test_members_are_bounded_exactly(few: bytes, many: bytes) -> None:
    limits = Limits(max_members=3)
    assert parse(few, limits=limits)
    with pytest.raises(LimitExceeded) as caught:
        parse(many, limits=limits)
    assert (caught.value.limit, caught.value.allowed) == ("max_members", 3)


@pytest.mark.parametrize("text", [b'"[[[[,,,,]]]]"', b'["{,}\\\\",","]', b'{"a":",[{,"}'])
def test_what_stands_inside_of_strings_does_not_count(text: bytes) -> None:
    assert parse(text, limits=Limits(max_members=2, max_depth=1)) == json.loads(text)


def test_strings_that_are_no_json_count_too() -> None:
    with pytest.raises(LimitExceeded, match="max_members"):
        parse(b'["a"' + b'"b"' * 20 + b",,,]", limits=Limits(max_members=3, max_depth=1))


def test_text_beyond_ascii_has_a_bound_of_its_own() -> None:
    limits = Limits(max_text_size=10)
    assert parse(b'"%s"' % (b"x" * 100), limits=limits) == "x" * 100
    assert parse('"ééé"'.encode(), limits=limits) == "ééé"
    with pytest.raises(LimitExceeded) as caught:
        parse('"éééé1"'.encode(), limits=limits, offset=3)
    assert (caught.value.limit, caught.value.offset) == ("max_text_size", 3)


@given(VALUES)
def test_the_bounds_are_those_of_what_is_built(value: object) -> None:
    def depth(of: object) -> int:
        inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else []
        return 1 + max(map(depth, inner), default=0) if isinstance(of, dict | list) else 0

    text = json.dumps(value).encode()
    deepest = depth(value)
    if deepest:
        assert parse(text, limits=Limits(max_depth=deepest)) == value
    if deepest > 1:
        with pytest.raises(LimitExceeded):
            parse(text, limits=Limits(max_depth=deepest - 1))
