"""What events hold: nesting, members, texts, keys and types built to fill the memory, in both framings.

Each limit is met exactly, and one over it refused, at every cut of the bytes.
"""

from __future__ import annotations

import base64
import json
import struct
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import recorded
from hostile import FINAL, check_limit, ending, event_of, frame, generation, stream, with_member

from nai_trio import FinalChunk, LimitExceeded, Limits, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

as_frames = partial(generation, delivery="msgpack")


def members_of(data: bytes) -> int:
    """How many members everything in a JSON text has together."""

    def count(value: Any) -> int:
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        return len(inner) + sum(map(count, inner))

    return count(json.loads(data))


def both(fields: dict[str, Any]) -> list[tuple[Callable[..., Any], bytes]]:
    """A final with further members, in each framing."""
    data = {**FINAL, **fields}
    payload = msgpack.packb(data)
    return [
        (generation, stream(recorded.sse(data))),
        (as_frames, stream(frame(payload), "application/msgpack")),
        (as_frames, stream(payload, "application/msgpack")),
    ]


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize("depth", [2, 9])
def test_members_are_nested_so_deep_and_no_deeper(depth: int) -> None:
    for make, response in both({"more": nested(depth - 1)}):
        check_limit(make, response, "max_depth", depth)


def test_nesting_without_end_is_refused_in_either_framing_before_it_is_built() -> None:
    many = 200_000
    for opening in (b"[", b'{"a":'):
        outcome = ending(generation, stream(event_of(opening * many)), steps=())
        assert isinstance(outcome.error, LimitExceeded)
        assert (outcome.error.limit, outcome.error.allowed) == ("max_depth", 32)
    for opening in (b"\x91", b"\x81\xa1a"):
        for content in (frame(b"\x81\xa1a" + opening * many), b"\x81\xa1a" + opening * many):
            outcome = ending(as_frames, stream(content, "application/msgpack"), steps=())
            assert isinstance(outcome.error, LimitExceeded)
            assert (outcome.error.limit, outcome.error.allowed) == ("max_depth", 32)


FILLINGS: dict[str, Any] = {
    "numbers": list(range(50)),
    "empty lists": [[] for _ in range(50)],
    "empty maps": [{} for _ in range(50)],
    "members": {f"member {index}": index for index in range(50)},
    "lists of lists": [[[], [1]] for _ in range(10)],
    "texts with commas and brackets": [",[{" * 100],
}


@pytest.mark.parametrize("name", FILLINGS)
def test_an_event_has_so_many_members_and_no_more(name: str) -> None:
    shown = json.dumps({**FINAL, "image": "", "more": FILLINGS[name]}).encode()
    for make, response in both({"more": FILLINGS[name]}):
        check_limit(make, response, "max_members", members_of(shown))


def test_thousands_of_members_are_kept_as_they_came_and_tens_of_thousands_refused() -> None:
    few = {f"m{index}": index for index in range(4000)}
    for make, response in both(few):
        outcome = ending(make, response, steps=(4096,))
        assert outcome.error is None
        assert outcome.items[0].extra == few
    for make, response in both({f"m{index}": index for index in range(40_000)}):
        assert isinstance(ending(make, response, steps=()).error, LimitExceeded)


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"",', b'{"":""},'])
def test_json_that_would_fill_the_memory_is_refused_before_it_is_built(unit: bytes) -> None:
    response = stream(event_of(with_member(b"[" + unit * 400_000 + b"0]")))
    tracemalloc.start()
    try:
        error = ending(generation, response, steps=()).error
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, LimitExceeded)
    assert error.limit == "max_members"
    assert peak < 6 * len(response)  # h11, the line, the event: no more than copies


def test_frames_that_would_fill_the_memory_are_refused_before_they_are_built() -> None:
    lists = b"\xdc\x03\xe8" + (b"\xdc\x03\xe8" + b"\x90" * 1000) * 1000
    response = stream(frame(b"\x81\xa1x" + lists), "application/msgpack")
    tracemalloc.start()
    try:
        error = ending(as_frames, response, steps=()).error
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(error, LimitExceeded)
    assert error.limit == "max_members"
    assert peak < 6 * len(response)


def test_text_beyond_ascii_has_a_limit_since_python_widens_it() -> None:
    """One emoji makes a text of megabytes four times as large."""
    data = {**FINAL, "more": "x" * 500 + "😀"}
    shown = json.dumps({**data, "image": base64.b64encode(FINAL["image"]).decode()}, ensure_ascii=False).encode()
    check_limit(generation, stream(event_of(shown)), "max_text_size", len(shown))
    ascii_alone = ending(lambda: generation(Limits(max_text_size=10)), stream(recorded.sse(FINAL)))
    assert ascii_alone.error is None


@pytest.mark.parametrize("bare", [False, True], ids=["prefixed", "bare"])
def test_all_text_of_a_frame_has_a_limit(bare: bool) -> None:
    data = {**FINAL, "one": "x" * 300, "two": ["é" * 150], "three": {"k" * 40: ""}}
    text = sum(map(len, [*FINAL, "final", "one", "two", "three"])) + 300 + 300 + 40
    payload = msgpack.packb(data)
    content = payload if bare else frame(payload)
    check_limit(as_frames, stream(content, "application/msgpack"), "max_text_size", text)


def test_the_default_takes_the_largest_picture_as_text_in_a_frame() -> None:
    """A proxy was seen to put base64 into msgpack; the largest picture of all is an upscaled one."""
    assert Limits().max_text_size > 5_770_000 * 4 // 3 * 2


def repeated(count: int) -> list[tuple[Callable[..., Any], bytes]]:
    """A final whose picture is there so often; the last one is the good one."""
    other = base64.b64encode(b"\x89PNG other").decode()
    good = base64.b64encode(FINAL["image"]).decode()
    images = b", ".join([b'"image": "%s"' % other.encode()] * (count - 1) + [b'"image": "%s"' % good.encode()])
    data = b'{"event_type": "final", "samp_ix": 5, "samp_ix": 0, "gen_id": 1, ' + images + b"}"
    parts = [msgpack.packb("image") + msgpack.packb(b"\x89PNG other")] * (count - 1)
    start = msgpack.packb({"event_type": "final", "samp_ix": 0, "gen_id": 1})[1:]
    last = msgpack.packb("image") + msgpack.packb(FINAL["image"])
    payload = b"\xde" + struct.pack(">H", 3 + count) + start + b"".join(parts) + last
    return [
        (generation, stream(event_of(data))),
        (as_frames, stream(frame(payload), "application/msgpack")),
        (as_frames, stream(payload, "application/msgpack")),
    ]


@pytest.mark.parametrize("count", [2, 1000])
def test_of_a_member_that_comes_again_the_last_counts(count: int) -> None:
    for make, response in repeated(count):
        (chunk,) = ending(make, response, steps=(7,)).items
        assert isinstance(chunk, FinalChunk)
        assert chunk.image == FINAL["image"]


def test_a_member_that_comes_too_often_is_too_many_members() -> None:
    for make, response in repeated(5000):
        error = ending(make, response, steps=()).error
        assert isinstance(error, LimitExceeded)
        assert error.limit == "max_members"


EXTENSIONS = [
    msgpack.ExtType(5, b"anything"),
    msgpack.ExtType(127, b""),
    msgpack.Timestamp(1, 2),
    [msgpack.ExtType(0, bytes(300))],
]


@pytest.mark.parametrize("value", EXTENSIONS, ids=repr)
def test_extension_types_stay_what_they_are(value: Any) -> None:
    payload = msgpack.packb({**FINAL, "more": value})
    for content in (payload, frame(payload)):
        (chunk,) = ending(as_frames, stream(content, "application/msgpack")).items
        assert chunk.extra == {"more": value}


@pytest.mark.parametrize("name", ["samp_ix", "gen_id", "image", "event_type"])
def test_an_extension_or_bytes_where_a_member_is_promised_is_shown_short(name: str) -> None:
    for value in (msgpack.ExtType(5, bytes(10**6)), bytes(10**6), "\x01" * 10**6):
        if name == "image" and isinstance(value, bytes):
            continue
        payload = msgpack.packb({**FINAL, name: value})
        tracemalloc.start()
        try:
            error = ending(as_frames, stream(frame(payload), "application/msgpack"), steps=()).error
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 9 * 10**6, "a repr of a megabyte takes four, and as much again to be cut"
        if name != "event_type" or not isinstance(value, str):
            assert isinstance(error, ProtocolError)
            assert len(str(error)) < 300


@pytest.mark.parametrize("key", ["k" * 10**6, "\x01" * 10**6])
def test_an_enormous_key_is_shown_short(key: str) -> None:
    for make, response in (
        (generation, stream(recorded.sse({"event_type": "final", key: 1}))),
        (as_frames, stream(recorded.frames({"event_type": "final", key: 1}), "application/msgpack")),
    ):
        error = ending(make, response, steps=()).error
        assert isinstance(error, ProtocolError)
        assert len(str(error)) < 300


NUMBERS = [b"9" * 5000, b"-" + b"9" * 5000, b"1e999", b"0." + b"1" * 100_000, b"1" + b"0" * 400 + b".0"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number[:8]}...")
def test_enormous_numbers_are_refused_or_kept_but_crash_nothing(number: bytes) -> None:
    outcome = ending(generation, stream(event_of(with_member(number))), steps=(4096,))
    assert outcome.error is None or type(outcome.error) is ProtocolError
    sigma = (
        with_member(b"1").replace(b'"final"', b'"intermediate"').replace(b'"more": 1', b'"step_ix":0,"sigma":' + number)
    )
    assert ending(generation, stream(event_of(sigma)), steps=(4096,)).error is not None
