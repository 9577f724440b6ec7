"""From the service's events to chunks: every member missing, wrong, or beyond what is known."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio import (
    FinalChunk,
    GenerationError,
    IntermediateChunk,
    ProtocolError,
    RetryChunk,
    UnknownChunk,
)
from nai_trio.protocol import _base64
from nai_trio.protocol.events import EventReader

JPEG = b"\xff\xd8\xff\xe0preview"
PNG = b"\x89PNG\r\n\x1a\nfinal"
READER = EventReader(steps=23, n_samples=2)

PREVIEW = {"event_type": "intermediate", "samp_ix": 1, "step_ix": 4, "gen_id": 2807180, "sigma": 20000, "image": JPEG}
FINAL = {"event_type": "final", "samp_ix": 1, "gen_id": 2807180, "image": PNG}


def refusal(fields: dict[str, Any]) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        READER.chunk(fields, offset=77)
    error = caught.value
    assert error.offset == 77
    assert str(error).endswith("at byte 77 of the body")
    return error


def test_a_preview() -> None:
    chunk = READER.chunk(PREVIEW, offset=0)
    assert chunk == IntermediateChunk(samp_ix=1, step_ix=4, steps=23, gen_id=2807180, sigma=20000.0, image=JPEG)
    assert isinstance(chunk, IntermediateChunk)
    assert isinstance(chunk.sigma, float)
    assert chunk.extra == {}


def test_a_final() -> None:
    assert READER.chunk(FINAL, offset=0) == FinalChunk(samp_ix=1, gen_id=2807180, image=PNG)


@pytest.mark.parametrize("event", [PREVIEW, FINAL], ids=["preview", "final"])
def test_the_picture_is_bytes_or_base64_in_either_framing(event: dict[str, Any]) -> None:
    text = base64.b64encode(event["image"]).decode()
    assert READER.chunk({**event, "image": text}, offset=0) == READER.chunk(event, offset=0)


@pytest.mark.parametrize("event", [PREVIEW, FINAL], ids=["preview", "final"])
def test_unknown_members_stay_on_the_chunk_and_the_callers_dict_is_left_alone(event: dict[str, Any]) -> None:
    given_fields = {**event, "seed": 5, "nested": {"a": [1]}}
    before = dict(given_fields)
    chunk = READER.chunk(given_fields, offset=0)
    assert isinstance(chunk, IntermediateChunk | FinalChunk)
    assert chunk.extra == {"seed": 5, "nested": {"a": [1]}}
    assert given_fields == before


MEMBERS = [("preview", PREVIEW, name) for name in PREVIEW] + [("final", FINAL, name) for name in FINAL]
BY_NAME = [f"{kind} {name}" for kind, _, name in MEMBERS]


@pytest.mark.parametrize(("event", "name"), [member[1:] for member in MEMBERS], ids=BY_NAME)
def test_a_missing_member_is_named(event: dict[str, Any], name: str) -> None:
    error = refusal({key: value for key, value in event.items() if key != name})
    assert repr(name) in error.expected
    assert "one with" in error.received


def test_an_empty_event_says_so() -> None:
    assert "no members" in refusal({}).received


INDEXES = ["samp_ix", "step_ix", "gen_id"]
NO_INDEX = [True, False, -1, 1.0, "1", None, [1], b"1", float("nan")]
NO_NUMBER = [True, "1", None, [1], b"1", float("nan"), float("inf"), float("-inf"), 10**400]
NO_IMAGE = [b"", "", None, 5, [255], {"a": 1}, True, bytearray(b"x")]
NO_BASE64 = [
    "QUJ",
    "QUJD=",
    "QUJDRA=",
    "QUJD====",
    "QU JD",
    "QUJD\n",
    "QU-_",
    "QQ==QQ==",
    "=",
    "====",
    "Q===",
    "\u00e9aaa",
]
NO_BASE64 += ["\ud800aaa", "data:image/png;base64,QUJD", "QUJD\u0661aaa"]
WRONG = [
    *itertools.product(INDEXES, NO_INDEX),
    *itertools.product(["sigma"], NO_NUMBER),
    *itertools.product(["image"], NO_IMAGE + NO_BASE64),
    *itertools.product(["event_type"], [None, 1, b"final", ["final"]]),
    ("samp_ix", 2),
    ("samp_ix", 10**300),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: repr(value)[:30].replace("\\", "/"))
def test_a_member_of_the_wrong_kind_is_named_and_shown(name: str, value: object) -> None:
    error = refusal({**PREVIEW, name: value})
    assert repr(name) in error.expected
    assert len(error.received) < 100
    if name in FINAL:
        refusal({**FINAL, name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("sigma", 0), ("sigma", 0.3121), ("sigma", -1.5), ("gen_id", 0), ("gen_id", 2**64)]
)
def test_numbers_that_are_odd_but_possible_are_taken(name: str, value: float) -> None:
    assert getattr(READER.chunk({**PREVIEW, name: value}, offset=0), name) == value


def test_a_large_wrong_value_is_shown_in_short() -> None:
    error = refusal({**FINAL, "image": "A" * 1_000_001})
    assert len(str(error)) < 300


def deep(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", list(PREVIEW))
def test_a_value_nested_deeper_than_python_recurses_is_an_error_of_ours(name: str) -> None:
    assert len(str(refusal({**PREVIEW, name: deep(5000)}))) < 300


@pytest.mark.parametrize("code", [500, "E500"])
def test_an_error_event_raises_with_its_code(code: int | str) -> None:
    with pytest.raises(GenerationError) as caught:
        READER.chunk({"event_type": "error", "message": "Error generating image", "code": code, "samp_ix": 1}, offset=0)
    error = caught.value
    assert (error.message, error.code, error.samp_ix) == ("Error generating image", code, 1)
    assert str(error) == f"Error generating image (code {code})"


def test_an_error_event_needs_no_more_than_its_type() -> None:
    with pytest.raises(GenerationError) as caught:
        READER.chunk({"event_type": "error"}, offset=0)
    assert (caught.value.message, caught.value.code, caught.value.samp_ix) == ("", None, None)


@pytest.mark.parametrize("odd", [None, [1], 1.5, {"a": 1}, deep(5000)], ids=["null", "list", "float", "map", "deep"])
def test_an_error_event_with_odd_members_is_still_that_error(odd: object) -> None:
    with pytest.raises(GenerationError) as caught:
        READER.chunk({"event_type": "error", "message": odd, "code": odd, "samp_ix": odd}, offset=0)
    assert (caught.value.code, caught.value.samp_ix) == (None, None)
    assert isinstance(caught.value.message, str)


def test_a_retry_informs_and_keeps_its_members() -> None:
    chunk = READER.chunk({"event_type": "retry", "message": "again", "attempt": 2}, offset=0)
    assert chunk == RetryChunk(message="again", extra={"attempt": 2})
    assert READER.chunk({"event_type": "retry"}, offset=0) == RetryChunk(message="")


@pytest.mark.parametrize("kind", ["queue", "", "Final", "FINAL", "newToken"])
def test_an_unknown_kind_is_passed_on_whole(kind: str) -> None:
    fields = {"event_type": kind, "position": 3}
    chunk = READER.chunk(fields, offset=0)
    assert chunk == UnknownChunk(event_type=kind, fields=fields)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from([*PREVIEW, "message", "code", "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.binary(max_size=8)
        | st.sampled_from(["intermediate", "final", "error", "retry", "QUJD", deep(3000)]),
    )
)
def test_any_members_give_a_chunk_or_one_of_our_errors(fields: dict[str, Any]) -> None:
    try:
        chunk = READER.chunk(fields, offset=0)
    except (ProtocolError, GenerationError):
        return
    assert chunk.event_type == fields["event_type"]


NUMBERS = [0, 1, 2, -1, 2**70, True, 0.0, -0.5, 20000, float("nan"), float("inf")]
values = st.sampled_from([*NUMBERS, None, "intermediate", "final", "", "QUJD", b"", JPEG, bytearray(b"no")])


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({name: st.just(value) | values for name, value in PREVIEW.items()}))
def test_an_event_with_all_members_and_no_other_is_read_as_any_event_is(fields: dict[str, Any]) -> None:
    def outcome(fields: dict[str, Any]) -> object:
        try:
            chunk = READER.chunk(fields, offset=5)
        except ProtocolError as error:
            return str(error)
        return attrs.evolve(chunk, extra={}) if isinstance(chunk, IntermediateChunk | FinalChunk) else type(chunk)

    assert repr(outcome(fields)) == repr(outcome({**fields, "unknown": 1}))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=30))
def test_base64_goes_there_and_back(data: bytes) -> None:
    assert _base64.decode(base64.b64encode(data).decode()) == data


def test_base64_is_four_letters_or_padded_ones_and_nothing_else() -> None:
    accepted = []
    for size in range(1, 7):
        for letters in itertools.product("AQ=\n", repeat=size):
            try:
                _base64.decode("".join(letters))
            except ValueError:
                continue
            accepted.append("".join(letters))
    assert {len(text) for text in accepted} == {4}
    # Four letters, three and one "=", two and two: no other shape, and no line break.
    assert len(accepted) == 2**4 + 2**3 + 2**2
