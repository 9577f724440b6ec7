"""Members of an object, taken one by one: each has its type, or the error says what was expected and what came."""

from __future__ import annotations

import base64
import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.errors import ProtocolError
from nai_trio.protocol.members import Members, show

NOT_TEXT = [None, 1, 1.5, True, b"x", [], {}]
NOT_FLAGS = [None, 0, 1, "true", [], {}]
NOT_INTEGERS = [None, 1.0, "1", True, False, [], {}]
NOT_NUMBERS = [None, "1", True, math.nan, math.inf, -math.inf, 10**400, [], {}]


def members(**fields: object) -> Members:
    return Members(fields, of="an event", offset=7)


def wrong(method: str, value: object, **options: object) -> ProtocolError:
    """The error of taking the member `x` that is this."""
    with pytest.raises(ProtocolError) as caught:
        getattr(members(x=value), method)("x", **options)
    assert caught.value.offset == 7
    return caught.value


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("take_text", "words"),
        ("take_text", ""),
        ("take_flag", False),
        ("take_integer", -3),
        ("take_integer", 2**70),
        ("take_index", 0),
        ("take_index", 5),
        ("take_number", 1.5),
    ],
)
def test_a_member_of_its_type_is_taken_and_gone(method: str, value: object) -> None:
    taken = members(x=value, other=1)
    assert getattr(taken, method)("x") == value
    assert taken.fields == {"other": 1}


def test_an_integer_does_for_a_number_and_comes_as_a_float() -> None:
    assert type(members(x=20000).take_number("x")) is float


@pytest.mark.parametrize(
    ("method", "expected", "value"),
    [
        *(("take_text", "text", value) for value in NOT_TEXT),
        *(("take_flag", "true or false", value) for value in NOT_FLAGS),
        *(("take_integer", "an integer", value) for value in NOT_INTEGERS),
        *(("take_index", "an integer of at least 0", value) for value in [*NOT_INTEGERS, -1]),
        *(("take_number", "a finite number", value) for value in NOT_NUMBERS),
    ],
)
def test_a_member_of_another_type_is_refused(method: str, expected: str, value: object) -> None:
    error = wrong(method, value)
    assert error.expected == f"an event whose 'x' is {expected}"
    assert error.received == show(value)


@pytest.mark.parametrize("value", [None, 1, "{}", [], True])
def test_an_object_within_must_be_one(value: object) -> None:
    assert wrong("take_members", value, of="perks").expected == "an event whose 'x' is an object"


def test_an_object_within_has_members_and_errors_of_its_own() -> None:
    inner = members(x={"a": 1}).take_members("x", of="perks")
    with pytest.raises(ProtocolError) as caught:
        inner.take_text("a")
    assert caught.value.expected == "perks whose 'a' is text"
    assert caught.value.offset == 7


def test_a_member_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(ProtocolError) as caught:
        members(b=1, a=2).take_index("x")
    assert caught.value.expected == "an event with 'x' (an integer)"
    assert caught.value.received == "one with 'a', 'b'"
    with pytest.raises(ProtocolError, match="one with no members"):
        members().take_index("x")


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(ProtocolError) as caught:
        members(**{f"name{index}": 1 for index in range(100)}).take_text("x")
    assert len(caught.value.received) < 140


@pytest.mark.parametrize("value", [None, 1, "text", [1], True])
def test_what_must_be_an_object_is_one(value: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        Members.of_object(value, of="an answer", offset=3)
    assert (caught.value.expected, caught.value.offset) == ("an answer, a JSON object", 3)


def test_the_object_given_is_not_changed() -> None:
    given_fields = {"x": 1}
    Members.of_object(given_fields, of="an answer").take_integer("x")
    assert given_fields == {"x": 1}


@pytest.mark.parametrize(("value", "there"), [(0, True), ("", True), (False, True), (None, False)])
def test_null_is_as_good_as_missing_where_a_member_may_be(value: object, there: bool) -> None:
    taken = members(x=value)
    assert taken.has("x") is there
    assert not taken.has("y")
    taken.drop("x")
    taken.drop("y")
    assert taken.fields == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"message": "again"}, "again"), ({"message": [1]}, "[1]"), ({"message": None}, "None"), ({}, "")],
)
def test_a_message_is_whatever_it_is(fields: dict[str, object], words: str) -> None:
    assert members(**fields).take_message() == words


@pytest.mark.parametrize("value", [b"\xff\xd8\xff", base64.b64encode(b"\xff\xd8\xff").decode()])
def test_a_picture_is_bytes_or_base64(value: bytes | str) -> None:
    assert members(image=value).take_image() == b"\xff\xd8\xff"


@pytest.mark.parametrize("value", [None, 1, [1], "", b"", {}])
def test_what_is_no_picture_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        members(image=value).take_image()
    assert caught.value.expected == "an event whose 'image' is the bytes of a picture"


@pytest.mark.parametrize("text", ["/9j", "/9j/ ", "/9j_", "é"])
def test_broken_base64_is_refused_with_its_reason(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        members(image=text).take_image()
    assert caught.value.expected.startswith("an event whose 'image' is valid base64 (")
    assert isinstance(caught.value.__cause__, ValueError)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=4), max_leaves=20
    )
)
def test_what_came_is_shown_short(value: object) -> None:
    assert len(show(value)) <= 80


@pytest.mark.parametrize("value", [None, True, -3, 1.5, "text", b"bytes", [1, "a"], {"a": [1]}])
def test_what_is_short_is_shown_as_it_is(value: object) -> None:
    assert show(value) == repr(value)


def test_what_is_nested_as_deep_as_the_peer_likes_is_shown_too() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert len(show(nested)) <= 80
    while nested:  # taken apart by hand: freeing it at once is deep as well
        nested = nested.pop()  # type: ignore[assignment]


@pytest.mark.parametrize("value", [b"x" * 10_000, [b"x" * 10_000], msgpack.ExtType(5, b"x" * 10_000)])
def test_what_is_long_is_shown_by_its_beginning(value: object) -> None:
    assert "x" * 10 in show(value)
    assert len(show(value)) <= 80


def test_a_type_of_msgpacks_own_is_named() -> None:
    assert show(msgpack.ExtType(5, b"ab")) == "ExtType(code=5, data=b'ab')"
