from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.emulator import (
    BadBase64,
    BadJSON,
    Cut,
    Fault,
    HugePrefix,
    MissingField,
    MissingFinal,
    Refuse,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
    parse_fault,
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cut=5000", Cut(5000)), ("cut=0", Cut(0)), ("stall=12", Stall(12)), ("error=3", StreamError(3)),
        ("error", StreamError()), ("retry=1", StreamRetry(1)), ("wrong-type=zip", WrongType("zip")),
        ("refuse=403", Refuse(403)), ("refuse=502:html", Refuse(502, html=True)),
        ("refuse=429:30", Refuse(429, retry_after=30.0)), ("huge-prefix=2", HugePrefix(2)),
        ("missing-final", MissingFinal()), ("bad-base64=1", BadBase64(1)), ("bad-json", BadJSON()),
        ("missing-field=image", MissingField("image")), (" cut=1 ", Cut(1)),
    ],
)  # fmt: skip
def test_every_fault_has_a_spelling(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", "explode", "Cut=3", "cut 3"])
def test_an_unknown_fault_lists_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected one of cut=BYTES, stall=BYTES, .*missing-field=NAME, got"):
        parse_fault(text)


@pytest.mark.parametrize(
    "text",
    ["cut", "cut=-1", "cut=x", "cut=1.5", "stall=", "error=x", "wrong-type=gif", "wrong-type", "refuse=200",
     "refuse=x", "refuse=429:soon", "missing-final=1", "missing-field"],
)  # fmt: skip
def test_a_wrong_value_shows_the_usage_of_its_fault(text: str) -> None:
    name = text.partition("=")[0]
    with pytest.raises(ValueError, match=f"fault {name}: expected {name}"):
        parse_fault(text)


@given(st.text())
def test_any_text_is_a_fault_or_a_value_error(text: str) -> None:
    try:
        fault = parse_fault(text)
    except ValueError:
        return
    assert fault == parse_fault(text)


def test_faults_check_their_numbers() -> None:
    with pytest.raises(ValueError, match=r"Cut\.after: expected an integer of at least 0, got -1"):
        Cut(-1)
    with pytest.raises(ValueError, match=r"Refuse\.status: expected a status from 400 to 599, got 200"):
        Refuse(200)
