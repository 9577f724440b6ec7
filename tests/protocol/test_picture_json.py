"""Pictures read where they gathered: None, or just what the standard library's `json` and `base64` make of them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from cuttings import cuttings, split_at
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from nai_trio import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.params import ImageParams
from nai_trio.protocol import Chunk, FinalChunk, ImageExchange, IntermediateChunk, Limits, bodies
from nai_trio.protocol.picture_json import fields_with_picture

if TYPE_CHECKING:
    from collections.abc import Iterable

PARAMS = ImageParams("1girl", size=(64, 64), steps=3, seed=1)
BODY = PARAMS.to_json(stream="sse")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
IMAGE = b"\x89PNG" + bytes(range(100))
TEXT = base64.b64encode(IMAGE).decode()
PREVIEW = {"event_type": "intermediate", "samp_ix": 0, "step_ix": 1, "gen_id": 7, "sigma": 9.5, "image": TEXT}
FINAL = {"event_type": "final", "samp_ix": 0, "gen_id": 7, "image": TEXT}
LIMITS = Limits()


def fast(text: bytes, *, before: bytes = b"data: ", behind: bytes = b"\n\n", limits: Limits = LIMITS) -> Any:
    """What the fast way makes of a text that has something before and behind it."""
    memory = bytearray(before + text + behind)
    fields = fields_with_picture(memory, len(before), len(before) + len(text), limits=limits)
    memory.clear()  # fails where it is still looked at
    return fields


def strict_base64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    assert len(text) == (len(data) + 2) // 3 * 4, "surplus padding"
    return data


def refuse(name: str) -> None:
    raise AssertionError(f"{name} was taken")


def by_the_book(text: bytes) -> dict[str, Any]:
    """The event's members, the picture decoded; fails for anything that is no event with a picture."""
    fields: dict[str, Any] = json.loads(text.decode(), parse_constant=refuse)
    assert fields["event_type"] in {"intermediate", "final"}
    return {**fields, "image": strict_base64(fields["image"])}


def assert_fast(text: bytes) -> None:
    fields = fast(text)
    expected = by_the_book(text)
    assert fields == expected
    assert list(fields.items()) == list(expected.items())
    assert type(fields["image"]) is bytes


def moved(fields: dict[str, Any], place: int) -> dict[str, Any]:
    """The picture as the member of that number."""
    items = [item for item in fields.items() if item[0] != "image"]
    return dict([*items[:place], ("image", fields["image"]), *items[place:]])


@pytest.mark.parametrize("fields", [PREVIEW, FINAL, {**FINAL, "extra": "text", "more": None, "n": 1e-7}])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,", " :"), ("\t,\n", " : ")])
def test_a_picture_may_be_any_member_however_json_is_spaced(
    fields: dict[str, Any], separators: tuple[str, str]
) -> None:
    for place in range(len(fields)):
        assert_fast(json.dumps(moved(fields, place), separators=separators).encode())


START = b'{"event_type":"final",'
GOOD = b'"image":"%s"' % TEXT.encode()

OTHERS = {
    "no picture": b'"samp_ix":1}',
    "empty": b'"image":""}',
    "null": b'"image":null}',
    "a list": b'"image":["AAAA"]}',
    "two": GOOD + b"," + GOOD + b"}",
    "two, the second no text": GOOD + b',"image":1}',
    "two, the second with its name escaped": GOOD + b',"\\u0069mage":"AAAA"}',
    "its name escaped": b'"\\u0069mage":"AAAA"}',
    "an escape in the picture": b'"image":"AA\\/A"}',
    "an escaped quote in the picture": b'"image":"AAA\\"}',
    "broken base64": b'"image":"AAA"}',
    "surplus padding": b'"image":"AAAA===="}',
    "URL-safe base64": b'"image":"-_-_"}',
    "a line end in it": b'"image":"AAAA\nAAAA"}',
    "inside of an object": b'"more":{"image":"AAAA"}}',
    "inside of an object and itself": b'"more":{"image":"AAAA"},' + GOOD + b"}",
    "beside an object": b'"more":{},' + GOOD + b"}",
    "beside a list": b'"more":[],' + GOOD + b"}",
    "inside of a text": b'"more":"\\"image\\":\\"AAAA\\""}',
    "a name that ends so": b'"my\\"image":"AAAA"}',
    "a name that ends so and itself": b'"my\\"image":"AAAA",' + GOOD + b"}",
    "too many spaces": b'"image":  "AAAA"}',
    "NaN": GOOD + b',"sigma":NaN}',
    "NaN in a text": GOOD + b',"who":"NaNa"}',
    "NaN in its place and another one": b'"image":NaN,"x":"image","image":"AAAA"}',
    "Infinity": GOOD + b',"sigma":Infinity}',
    "-Infinity": GOOD + b',"sigma":-Infinity}',
    "text beyond ASCII": GOOD + ',"who":"é"}'.encode(),
    "a control character": GOOD + b',"who":"\t"}',
    "something behind it": GOOD + b"}1",
    "a space behind it": GOOD + b"} ",
    "no end": GOOD,
    "no end of the picture": b'"image":"AAAA',
    "no more than its name": b'"image":',
    "of another kind": b'"event_type":"retry",' + GOOD + b"}",
    "a kind that is a number": b'"event_type":1,' + GOOD + b"}",
    "a kind that is null": b'"event_type":null,' + GOOD + b"}",
    "far from the beginning": b'"x":"%s",' % (b"x" * 600) + GOOD + b"}",
    "far from the end": GOOD + b',"x":"%s"}' % (b"x" * 4100),
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=list(OTHERS))
@pytest.mark.parametrize("behind", [b"\n\n", b'"}\n\n', b'image":"AAAA"}', b'"AAAA"}'])
def test_anything_that_is_not_plain_goes_the_general_way(text: bytes, behind: bytes) -> None:
    assert fast(START + text, behind=behind) is None


@pytest.mark.parametrize("text", [b"", b"{}", b"[" + GOOD + b"]", GOOD, b" {" + GOOD + b"}", b"NaN", b'"image"'])
def test_what_is_no_object_with_a_kind_goes_the_general_way(text: bytes) -> None:
    assert fast(text) is None


def test_the_picture_must_begin_in_the_first_half_kilobyte_and_end_near_the_end() -> None:
    for length, taken in ((512, True), (513, False)):
        opening = START + b'"x":"",' + b'"image":"'
        text = opening.replace(b'""', b'"' + b"x" * (length - len(opening)) + b'"') + b'AAAA"}'
        assert (fast(text) is not None) is taken
    for length, taken in ((4096, True), (4097, False)):
        closing = b'","x":""}'
        text = START + b'"image":"AAAA' + closing.replace(b'""', b'"' + b"x" * (length - len(closing)) + b'"')
        assert (fast(text) is not None) is taken


def test_more_members_than_the_limit_go_the_general_way() -> None:
    text = json.dumps(PREVIEW).encode()
    assert fast(text, limits=Limits(max_members=6)) == by_the_book(text)
    assert fast(text, limits=Limits(max_members=5)) is None


KIND = b'"event_type":"final"'
MEMBERS = [part.rstrip(b"}") for part in OTHERS.values() if len(part) < 400]
MEMBERS += [GOOD, b'"image" : "AAAA"', b'"image": "AA=="', b'"image":"AB=="', b'"image":"%s"' % (b"A" * 9000)]
MEMBERS += [KIND, b'"event_type":"intermediate"', b'"samp_ix":0', b'"gen_id":7', b'"step_ix":1']
MEMBERS += [b'"sigma":1.5', b'"x":"\\ud83d"', b'"x":"{["', b'"\\\\":1', b'"x":"\\\\"', b'"":""', b'"a":true']
texts = st.builds(
    lambda parts, comma, start, end: start + comma.join(parts) + end,
    st.lists(st.sampled_from(MEMBERS), max_size=6).map(lambda parts: [KIND, *parts]),
    st.sampled_from([b",", b", ", b" ,"]),
    st.sampled_from([b"{", b"{", b"{", b"[", b" {", b'{"event_type":"final",']),
    st.sampled_from([b"}", b"}", b"}", b"]", b"}}", b" }", b'"}', b""]),
)
plain_texts = st.builds(
    lambda parts, odd, comma: b"{" + comma.join([*parts[:3], *odd, *parts[3:]]) + b"}",
    st.permutations([GOOD, *MEMBERS[-12:]]).map(lambda parts: sorted({*parts[:6], KIND, GOOD}, key=parts.index)),
    st.lists(st.sampled_from(MEMBERS), max_size=1),
    st.sampled_from([b",", b", ", b" ,"]),
)
any_text = st.one_of(texts, plain_texts)
changes = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from([b"", b'"', b"\\", b"N", b"{", b"=", b":"])), max_size=2
)


def changed(text: bytes, places: list[tuple[int, bytes]]) -> bytes:
    for place, piece in places:
        start = place % (len(text) + 1)
        text = text[:start] + piece + text[start + 1 :]
    return text


@settings(max_examples=600)
@given(any_text, changes, st.sampled_from([b"\n\n", b'"', b'"image":"AAAA"}']))
def test_any_text_gives_nothing_or_what_the_standard_library_says(
    text: bytes, places: list[tuple[int, bytes]], behind: bytes
) -> None:
    text = changed(text, places)
    fields = fast(text, behind=behind)
    if fields is not None:
        assert list(fields.items()) == list(by_the_book(text).items())


def event(text: bytes, name: bytes = b"final") -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name, text)


def results(pieces: Iterable[bytes], limits: Limits = LIMITS) -> tuple[list[Chunk], tuple[object, ...]]:
    """The chunks of one response; the error's type, offset, limit and words."""
    run = ImageExchange(PARAMS, api_key="pst-not-a-real-key", host="h", body=BODY, limits=limits)
    run.data_to_send()
    chunks: list[Chunk] = []
    try:
        for piece in [HEAD, *filter(None, pieces), b""]:
            chunks += run.receive_data(piece)
        run.raise_fault()
    except NovelAIError as error:
        place = error.offset if isinstance(error, ProtocolError) else None
        return chunks, (type(error), place, error.limit if isinstance(error, LimitExceeded) else "", str(error))
    assert run.complete
    return chunks, ()


def in_general(stream: bytes, limits: Limits = LIMITS) -> tuple[list[Chunk], tuple[object, ...]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "fields_with_picture", lambda *_, **__: None)
        return results([stream], limits)


USUAL = event(json.dumps(PREVIEW).encode(), b"intermediate") + event(json.dumps(FINAL).encode())


def test_usual_events_take_the_fast_way_in_every_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the general way was taken")

    monkeypatch.setattr(bodies, "_any_fields", fail)
    preview = IntermediateChunk(samp_ix=0, step_ix=1, steps=3, gen_id=7, sigma=9.5, image=IMAGE)
    expected = [preview, FinalChunk(samp_ix=0, gen_id=7, image=IMAGE, seed=1)], ()
    compact = event(json.dumps(FINAL, separators=(",", ":")).encode())
    for pieces in cuttings(USUAL):
        assert results(pieces) == expected
    assert results([compact]) == (expected[0][1:], ())
    with pytest.raises(AssertionError, match="the general way was taken"):
        results([event(b'{"event_type":"final"}')])


cuts = st.lists(st.integers(0, 2000), max_size=6)
names = st.sampled_from([b"final", b"intermediate", b"message", b"x"])


@settings(max_examples=200)
@given(any_text, changes, names, cuts, st.integers(1, 9))
@example(START + GOOD + b',"samp_ix":0,"gen_id":7}', [], b"intermediate", [], 9)
@example(START + GOOD + b',"samp_ix":0,"gen_id":7,"\\ud800":"\\ud800"}', [], b"final", [], 9)
def test_a_response_comes_out_as_it_does_where_all_events_go_the_general_way(
    text: bytes, places: list[tuple[int, bytes]], name: bytes, cut: list[int], most: int
) -> None:
    text = changed(text, places)
    assume(b"\n" not in text)
    stream = (
        event(json.dumps(PREVIEW).encode(), b"intermediate") + event(text, name) + event(json.dumps(FINAL).encode())
    )
    for limits in (LIMITS, Limits(max_members=most, max_depth=most, max_text_size=most)):
        expected = in_general(stream, limits)
        assert repr(results([stream], limits)) == repr(expected)
        assert repr(results(split_at(stream, cut), limits)) == repr(expected)
