"""The API key: what it may hold, and that it shows nowhere."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import InvalidParamsError, MissingAPIKeyError
from nai_trio.protocol import APIKey

KEY = "pst-not-a-real-key"


def test_a_key_is_revealed_only_when_asked() -> None:
    key = APIKey(KEY)
    assert key.reveal() == KEY
    record = logging.LogRecord("n", logging.INFO, "p", 1, "key %s %r", (key, key), None)
    shown = [repr(key), str(key), f"{key}", f"{key!r}", record.getMessage(), repr([key]), repr({"key": key})]
    assert not [text for text in shown if KEY in text]


def test_a_key_wraps_another_and_compares_by_value() -> None:
    assert APIKey(APIKey(KEY)) == APIKey(KEY)
    assert hash(APIKey(KEY)) == hash(APIKey(KEY))
    assert APIKey(KEY) != APIKey("other")
    assert APIKey(KEY) != KEY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(APIKey(KEY), protocol)


def test_a_key_does_not_leave_by_other_doors() -> None:
    with pytest.raises(TypeError):
        copy.deepcopy(APIKey(KEY))
    with pytest.raises(TypeError):
        json.dumps(APIKey(KEY))
    with pytest.raises(TypeError):
        vars(APIKey(KEY))


def test_an_empty_key_is_a_missing_one() -> None:
    with pytest.raises(MissingAPIKeyError):
        APIKey("")


@pytest.mark.parametrize(
    "bad", [" ", f"{KEY} ", f"{KEY}\n", f"{KEY}\r\nX: 1", f"a\0{KEY}", f"\u00e9{KEY}", f"\x7f{KEY}"]
)
def test_a_key_that_would_break_its_header_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(InvalidParamsError, match="printable ASCII") as caught:
        APIKey(bad)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("bad", [None, 5, KEY.encode(), [KEY]])
def test_a_key_that_is_no_text_is_refused_and_not_repeated(bad: object) -> None:
    with pytest.raises(InvalidParamsError, match="expected text") as caught:
        APIKey(bad)  # type: ignore[arg-type]
    assert KEY not in str(caught.value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(min_size=1))
def test_any_text_is_a_key_of_printable_ascii_or_refused(text: str) -> None:
    try:
        assert APIKey(text).reveal() == text
    except InvalidParamsError:
        assert not (text.isascii() and text.isprintable() and " " not in text)
    else:
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text


def test_a_key_does_not_give_its_state_away() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        APIKey(KEY).__getstate__()
