"""What `tape show` says of bodies: events in one line each, pictures by their size, and the beginning of the rest."""

from __future__ import annotations

import base64
import json
import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_bytes import png

from nai_trio.cli.tape_words import Body, json_lines, short_value, shortened

PICTURE = png(size=(64, 32))
TEXT = base64.b64encode(PICTURE).decode()
SHOWN = f"png 64x32, {len(PICTURE)} bytes"


def event(**fields: object) -> bytes:
    return f"event: {fields['event_type']}\ndata: {json.dumps(fields)}\n\n".encode()


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        (math.inf, "inf"),
        ("cat", "cat"),
        ("- " * 201, "- " * 200 + "... <402 characters>"),
        (TEXT, f"<base64, {SHOWN}>"),
        ("A" * 120, "<base64, 90 bytes>"),
        ("A" * 121, "<base64, 121 characters>"),
        (PICTURE, f"<{SHOWN}>"),
        (b"no picture", "<10 bytes>"),
        ({"a": (1, [PICTURE])}, {"a": [1, [f"<{SHOWN}>"]]}),
        ({1: 2}, {"1": 2}),
    ],
)
def test_a_value_is_shown_without_what_is_long_in_it(value: object, short: object) -> None:
    assert short_value(value) == short


def test_what_is_nested_deeply_is_shown_to_a_depth() -> None:
    nested: object = "core"
    for _ in range(40):
        nested = [nested]
    shown = json.dumps(short_value(nested))
    assert "core" not in shown
    assert shown.count("[") == 33


@given(
    st.recursive(
        st.none() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
        max_leaves=6,
    )
)
def test_any_value_becomes_strict_json(value: object) -> None:
    json.dumps(short_value(value), allow_nan=False)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_has_no_lines(body: bytes) -> None:
    assert shortened(body) is None
    assert json_lines(body) == []


def test_json_is_a_member_a_line() -> None:
    assert json_lines(json.dumps({"image": TEXT, "seed": 1}).encode()) == [
        "{",
        f'  "image": "<base64, {SHOWN}>",',
        '  "seed": 1',
        "}",
    ]


def test_events_of_both_framings_are_a_line_each_with_the_same_words() -> None:
    sse, packed = Body("Text/Event-Stream; charset=utf-8"), Body("application/x-msgpack")
    data = msgpack.packb({"event_type": "final", "samp_ix": 0, "image": PICTURE})
    [one] = sse.feed(event(event_type="final", samp_ix=0, image=TEXT))
    [other] = packed.feed(len(data).to_bytes(4, "big") + data)
    assert one[:2] == ("<", f"final samp_ix 0 image base64, {SHOWN}")
    assert other[:2] == ("<", f"final samp_ix 0 image {SHOWN}")
    assert other[2] == {"event_type": "final", "samp_ix": 0, "image": f"<{SHOWN}>"}
    assert sse.finish() is None


@pytest.mark.parametrize("data", [b"[1]", b"{", b"3"])
def test_an_event_that_is_no_object_is_told(data: bytes) -> None:
    [(mark, text, facts)] = Body("text/event-stream").feed(b"event: odd\ndata: " + data + b"\n\n")
    assert (mark, text) == ("<", f"odd, {len(data)} bytes that are no JSON object")
    assert facts == {"event_type": "odd"}


def test_events_that_break_off_are_told_once_and_the_rest_is_kept_as_bytes() -> None:
    body = Body("application/msgpack")
    [(mark, text, _)] = body.feed(b"\0\0\0\1\xc1")
    assert mark == "!"
    assert text.startswith("the events cannot be shown any further: ")
    assert list(body.feed(b"rest")) == []
    assert body.finish() == ("9 bytes of application/msgpack, beginning with b'rest'", [])


@pytest.mark.parametrize(
    ("content_type", "content", "said"),
    [
        ("application/json", b'{"a":1}', ("7 bytes of application/json", ["{", '  "a": 1', "}"])),
        ("text/plain", b"try  later\n", ("11 bytes of text/plain", ["try later"])),
        ("text/html", b"<title>No</title>", None),
        ("application/zip", b"PK\3\4....more", ("12 bytes of application/zip, beginning with b'PK\\x03\\x04....'", [])),
        ("", b"x", ("1 bytes of no type, beginning with b'x'", [])),
    ],
)
def test_another_body_is_told_at_its_end(content_type: str, content: bytes, said: tuple[str, list[str]] | None) -> None:
    body = Body(content_type)
    assert [told for byte in content for told in body.feed(bytes([byte]))] == []
    if said is None:
        assert "No" in str(body.finish())
    else:
        assert body.finish() == said


def test_nothing_is_nothing() -> None:
    assert Body("application/json").finish() is None


def test_of_a_long_body_the_beginning_is_kept_and_all_of_it_counted() -> None:
    body = Body("text/plain")
    for _ in range(3):
        list(body.feed(b"x" * 50_000))
    text, [words] = body.finish() or ("", [""])
    assert text == "150,000 bytes of text/plain"
    assert len(words) < 70_000
