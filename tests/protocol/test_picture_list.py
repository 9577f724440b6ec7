"""The plain endpoint: what is asked for, and the JSON of finished pictures that it can answer with."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import h11
import pytest
import recorded
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import (
    FinalChunk,
    GenerationError,
    ImageParams,
    InvalidParamsError,
    LimitExceeded,
    NovelAIError,
    ProtocolError,
    StreamInterrupted,
)
from nai_trio.protocol import Chunk, ImageExchange, Limits

KEY = "pst-not-a-real-key"
PARAMS = ImageParams("1girl", size=(64, 64), steps=3, seed=2**32 - 2, n_samples=3)
PICTURES = [recorded.picture("PNG", 20 * index) for index in range(4)]
SEEDS = [2**32 - 2, 2**32 - 1, 0]


def entry(index: int, /, **changes: Any) -> dict[str, Any]:
    image = base64.b64encode(PICTURES[index]).decode()
    return {"image": image, "index": index, "seed": 1000 + index, **changes}


def answer(*entries: Any, **others: Any) -> bytes:
    return json.dumps({"images": list(entries), **others}).encode() + b"\n"


def chunk(index: int, **changes: Any) -> FinalChunk:
    fields = {"samp_ix": index, "gen_id": None, "image": PICTURES[index], "seed": 1000 + index, **changes}
    return FinalChunk(**fields)


WHOLE = answer(entry(0), entry(1), entry(2))
CHUNKS = [chunk(0), chunk(1), chunk(2)]


def drive(
    content: bytes,
    *,
    media_type: str = "application/json",
    stream: Any = "json",
    limits: Limits | None = None,
    size: int = 10**9,
    framing: Any = "chunked",
) -> tuple[list[Chunk], NovelAIError | None]:
    """Read a response to the end of file; the chunks and the error."""
    run = ImageExchange(PARAMS, api_key=KEY, host="h", stream=stream, limits=limits)
    run.data_to_send()
    response = recorded.response(content, media_type, framing=framing)
    chunks: list[Chunk] = []
    try:
        for start in range(0, len(response), size):
            chunks += run.receive_data(response[start : start + size])
        run.raise_fault()
        if not run.complete:
            chunks += run.receive_data(b"")
            run.raise_fault()
    except NovelAIError as error:
        finals = [chunk for chunk in chunks if isinstance(chunk, FinalChunk)]
        assert all(final in error.finals for final in finals)
        return chunks, error
    assert run.complete
    return chunks, None


@pytest.mark.parametrize(
    ("stream", "target", "accept", "member"),
    [
        ("sse", b"/ai/generate-image-stream", b"*/*", "sse"),
        ("msgpack", b"/ai/generate-image-stream", b"*/*", "msgpack"),
        ("zip", b"/ai/generate-image", b"*/*", None),
        (None, b"/ai/generate-image", b"*/*", None),
        ("json", b"/ai/generate-image", b"application/json", None),
    ],
)
def test_each_delivery_is_asked_for_in_its_way(stream: Any, target: bytes, accept: bytes, member: str | None) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(ImageExchange(PARAMS, api_key=KEY, host="h", stream=stream).data_to_send())
    head, body = server.next_event(), server.next_event()
    assert isinstance(head, h11.Request)
    assert isinstance(body, h11.Data)
    assert head.target == target
    assert dict(head.headers)[b"accept"] == accept
    assert json.loads(bytes(body.data))["parameters"].get("stream") == member


@pytest.mark.parametrize("stream", ["xml", "", "ZIP", 5, [], True])
def test_an_unknown_delivery_is_refused_with_those_there_are(stream: Any) -> None:
    with pytest.raises(InvalidParamsError, match="stream: expected one of sse, msgpack, zip, json, or None"):
        ImageExchange(PARAMS, api_key=KEY, host="h", stream=stream)


def test_a_body_that_was_built_before_is_sent_as_it_is() -> None:
    run = ImageExchange(PARAMS, api_key=KEY, host="h", stream="json", body=b'{"built":"before"}')
    assert run.data_to_send().endswith(b'\r\n\r\n{"built":"before"}')


@pytest.mark.parametrize("size", [1, 50, 10**9])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_the_pictures_come_with_the_seeds_that_the_answer_tells(size: int, framing: str) -> None:
    assert drive(WHOLE, size=size, framing=framing) == (CHUNKS, None)


@pytest.mark.parametrize("stream", ["sse", "msgpack", "zip", None])
@pytest.mark.parametrize("media_type", ["application/json", "application/octet-stream", "text/event-stream"])
def test_what_comes_is_told_by_the_response_not_by_what_was_asked_for(stream: Any, media_type: str) -> None:
    assert drive(WHOLE, stream=stream, media_type=media_type) == (CHUNKS, None)


@pytest.mark.parametrize(("stream", "early"), [("json", True), ("zip", False), ("sse", False)])
def test_json_is_accepted_early_only_where_it_was_asked_for(stream: Any, early: bool) -> None:
    run = ImageExchange(PARAMS, api_key=KEY, host="h", stream=stream)
    run.data_to_send()
    response = recorded.response(WHOLE, "application/json", framing="length")
    run.receive_data(response[: response.index(b"\r\n\r\n") + 4])
    assert run.accepted is early
    run.receive_data(WHOLE[:100])
    assert run.accepted is early
    run.receive_data(WHOLE[100:])
    assert run.accepted


def test_pictures_keep_the_answers_order_and_the_finals_that_of_their_index() -> None:
    run = ImageExchange(PARAMS, api_key=KEY, host="h", stream="json")
    run.data_to_send()
    chunks = run.receive_data(recorded.response(answer(entry(2), entry(0), entry(1)), "application/json"))
    assert chunks == [CHUNKS[2], CHUNKS[0], CHUNKS[1]]
    assert run.finals == CHUNKS


@pytest.mark.parametrize("seed", [{"seed": None}, {}])
def test_a_seed_that_is_not_told_is_the_requests(seed: dict[str, None]) -> None:
    entries = [{name: value for name, value in entry(index).items() if name != "seed"} | seed for index in range(3)]
    assert drive(answer(*entries)) == ([chunk(index, seed=SEEDS[index]) for index in range(3)], None)


def test_members_that_nobody_knows_are_kept() -> None:
    chunks, error = drive(answer(entry(0, mood="blue"), entry(1), entry(2), more=1))
    assert (chunks, error) == ([chunk(0, extra={"mood": "blue"}), *CHUNKS[1:]], None)


BAD_ENTRIES = {
    "no object": (5, "'images[1]', a JSON object"),
    "no image": ({"index": 1, "seed": 1}, "'image'"),
    "no index": ({"image": "aGk=", "seed": 1}, "'index'"),
    "an index twice": (entry(0), "one of [1, 2]"),
    "an index that was not asked for": (entry(3), "one of [1, 2]"),
    "a negative index": (entry(1, index=-1), "at least 0"),
    "a flag as index": (entry(1, index=True), "an integer"),
    "base64 that is none": (entry(1, image="%%%"), "valid base64"),
    "an empty image": (entry(1, image=""), "the bytes of a picture"),
    "a number as image": (entry(1, image=5), "the bytes of a picture"),
    "text as seed": (entry(1, seed="7"), "'seed'"),
    "a negative seed": (entry(1, seed=-1), "at least 0"),
    "a seed beyond 32 bits": (entry(1, seed=2**32), "4294967295"),
}


@pytest.mark.parametrize(("bad", "words"), BAD_ENTRIES.values(), ids=list(BAD_ENTRIES))
def test_a_bad_entry_is_named_behind_the_pictures_before_it(bad: object, words: str) -> None:
    chunks, error = drive(answer(entry(0), bad, entry(2)))
    assert chunks == CHUNKS[:1]
    assert type(error) is ProtocolError
    assert words in error.expected
    assert error.received
    assert error.billing_unknown


@pytest.mark.parametrize("images", [{}, {"a": 1}, "text", 5, True])
def test_images_that_are_no_list_are_no_answer(images: object) -> None:
    chunks, error = drive(json.dumps({"images": images}).encode())
    assert type(error) is ProtocolError
    assert chunks == []


def test_too_few_pictures_are_an_interruption_that_keeps_them() -> None:
    chunks, error = drive(answer(entry(1)))
    assert chunks == [CHUNKS[1]]
    assert type(error) is StreamInterrupted


def test_the_limits_on_pictures_hold() -> None:
    size = max(map(len, PICTURES[:3]))
    assert drive(WHOLE, limits=Limits(max_images=3, max_image_size=size)) == (CHUNKS, None)
    for limits, name in ((Limits(max_images=2), "max_images"), (Limits(max_image_size=size - 1), "max_image_size")):
        _, error = drive(WHOLE, limits=limits)
        assert isinstance(error, LimitExceeded)
        assert error.limit == name


def test_the_limit_on_a_body_holds_for_json() -> None:
    assert drive(WHOLE, limits=Limits(max_body_size=len(WHOLE))) == (CHUNKS, None)
    _, error = drive(WHOLE, limits=Limits(max_body_size=len(WHOLE) - 1))
    assert isinstance(error, LimitExceeded)
    assert error.finals == CHUNKS, "only the last line end was missing"


@pytest.mark.parametrize("framing", ["length", "close"])
def test_the_services_error_in_json_stays_its_error(framing: str) -> None:
    _, error = drive(b'{"statusCode":500,"message":"Internal Server Error"}', framing=framing)
    assert isinstance(error, GenerationError)
    assert (error.message, error.code, error.billing_unknown) == ("Internal Server Error", 500, True)


def test_an_unmarked_end_inside_the_json_is_an_interruption_at_every_byte() -> None:
    body = len(WHOLE.rstrip())
    for end in range(1, body, 7):
        chunks, error = drive(WHOLE[:end], framing="close")
        assert type(error) is StreamInterrupted
        assert chunks == []
    _, error = drive(WHOLE[: body - 1], framing="length")
    assert type(error) is ProtocolError, "marked, so it is no cut"


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for index in range(3):
            archive.writestr(f"image_{index}.png", PICTURES[index])
    return target.getvalue()


@pytest.mark.parametrize("stream", ["zip", "json", None])
def test_samples_out_of_a_zip_have_the_requests_seeds_beyond_the_end_from_zero(stream: Any) -> None:
    chunks, error = drive(zipped(), media_type="binary/octet-stream", stream=stream)
    assert (chunks, error) == ([chunk(index, seed=SEEDS[index]) for index in range(3)], None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**33) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["image", "index", "seed"]), inner),
    max_leaves=8,
)


@given(JSON, st.sampled_from([1, 9, 10**9]))
def test_any_value_in_place_of_the_list_is_one_of_our_errors(value: object, size: int) -> None:
    chunks, error = drive(json.dumps({"images": value}).encode(), size=size)
    assert error is not None
    assert len(chunks) < 3


@given(st.permutations([0, 1, 2]), st.integers(0, 2), JSON)
def test_any_entry_in_place_of_one_leaves_those_before_it(indices: list[int], place: int, bad: object) -> None:
    entries: list[object] = [entry(index) for index in indices]
    entries[place] = bad
    chunks, error = drive(answer(*entries))
    assert error is not None
    assert chunks[:place] == [chunk(index) for index in indices[:place]]
    assert len(chunks) <= 2


@pytest.mark.parametrize("blank", [b" ", b"\n\n\n\n", b"\xef\xbb\xbf \r\n\t", b"\n" * 56])
@pytest.mark.parametrize("media_type", ["application/json", "application/octet-stream", "", "text/event-stream"])
@pytest.mark.parametrize("size", [1, 5, 10**9])
def test_blanks_in_front_of_the_json_are_passed_over_however_it_is_cut(
    blank: bytes, media_type: str, size: int
) -> None:
    assert drive(blank + WHOLE, media_type=media_type, size=size) == (CHUNKS, None)


@given(
    st.text(" \t\r\n\v\f", max_size=70),
    st.booleans(),
    st.sampled_from(
        [WHOLE, b'{"message":"no"}', b"<html>", b": hi\n\n", recorded.body("sse"), recorded.body("msgpack")]
    ),
    st.sampled_from(["application/json", "application/octet-stream", "text/event-stream", "application/zip", "a/b"]),
    st.integers(1, 80),
)
def test_a_body_is_taken_for_the_same_however_it_is_cut(
    blank: str, bom: bool, content: bytes, media_type: str, size: int
) -> None:
    body = b"\xef\xbb\xbf" * bom + blank.encode() + content
    whole, pieces = (drive(body, media_type=media_type, size=each) for each in (10**9, size))
    assert whole[0] == pieces[0]
    assert type(whole[1]) is type(pieces[1])


@pytest.mark.parametrize("count", range(55, 70))
def test_where_the_blanks_become_too_many_is_the_same_in_every_cut(count: int) -> None:
    body = b"\n" * count + WHOLE
    verdicts = [drive(body, media_type="application/octet-stream", size=size) for size in (1, 64, 10**9)]
    if count <= 63:
        assert verdicts == [(CHUNKS, None)] * 3
    else:
        assert [type(error) for _, error in verdicts] == [LimitExceeded] * 3
