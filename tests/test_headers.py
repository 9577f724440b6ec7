"""Headers: a mapping in any case that keeps repeated lines apart."""

from __future__ import annotations

import copy
import pickle

import pytest

from nai_trio import Headers

HEADERS = Headers([("Content-Type", "text/plain"), ("X-A", "one"), ("x-a", "two")])


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_names_are_found_in_any_case(name: str) -> None:
    assert HEADERS[name] == "text/plain"
    assert name in HEADERS
    assert HEADERS.get(name) == "text/plain"


def test_repeated_lines_are_joined_by_lookup_and_kept_apart_otherwise() -> None:
    """RFC 9110, 5.3."""
    assert HEADERS["x-a"] == "one, two"
    assert HEADERS.get_all("X-A") == ("one", "two")
    assert HEADERS.fields == (("content-type", "text/plain"), ("x-a", "one"), ("x-a", "two"))


def test_what_is_not_there_is_missing() -> None:
    assert "x-b" not in HEADERS
    assert HEADERS.get("x-b") is None
    assert HEADERS.get_all("x-b") == ()
    with pytest.raises(KeyError, match="x-b"):
        HEADERS["x-b"]


def test_it_is_a_mapping() -> None:
    assert list(HEADERS) == ["content-type", "x-a"]
    assert len(HEADERS) == 2
    assert HEADERS == {"content-type": "text/plain", "x-a": "one, two"}
    assert dict(HEADERS) == {"content-type": "text/plain", "x-a": "one, two"}
    assert Headers() == {}
    assert Headers({"X-A": "1"}).fields == (("x-a", "1"),)
    assert Headers(HEADERS).fields == HEADERS.fields
    assert "text/plain" in repr(HEADERS)


def test_it_cannot_be_changed_and_can_be_copied() -> None:
    with pytest.raises(TypeError):
        HEADERS["x-a"] = "three"  # type: ignore[index]
    assert copy.deepcopy(HEADERS).fields == HEADERS.fields
    assert pickle.loads(pickle.dumps(HEADERS)).fields == HEADERS.fields
