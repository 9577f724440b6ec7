"""Answers that are read whole, and refusals: without end, packed as bombs, or of thousands of parts."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import recorded
from hostile import account, check_limit, ending, generation

from nai_trio import FinalChunk, HTTPStatusError, LimitExceeded, Limits, ProtocolError, ServerError
from nai_trio.protocol import ImageExchange
from nai_trio.protocol.vibe import encode_vibe_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.protocol.call import CallExchange

PICTURE = recorded.picture("PNG", 3)
as_zip, as_json = partial(generation, delivery="zip"), partial(generation, delivery="json")


def vibe(limits: Limits | None = None) -> CallExchange[bytes]:
    return encode_vibe_call(b"{}", api_key="pst-not-a-real-key", host="service.example", limits=limits)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def zip_answer(files: dict[str, bytes], **options: Any) -> bytes:
    return recorded.response(zipped(files, **options), "application/zip", framing="length")


def json_answer(*pictures: bytes) -> bytes:
    images = [
        {"image": base64.b64encode(picture).decode(), "index": index, "seed": 1}
        for index, picture in enumerate(pictures)
    ]
    return recorded.response(json.dumps({"images": images}).encode(), "application/json", framing="length")


def peak_of(make: Callable[[], Any], response: bytes) -> tuple[int, Exception | None]:
    """The most memory that taking a response needed, and the error it ended in."""
    tracemalloc.start()
    try:
        error = ending(make, response, steps=()).error
        return tracemalloc.get_traced_memory()[1], error
    finally:
        tracemalloc.stop()


# Refusals


@pytest.mark.parametrize("status", [300, 400, 401, 429, 500, 503])
@pytest.mark.parametrize("make", [generation, as_zip, account, vibe])
def test_of_a_refusal_so_many_bytes_are_read_and_the_rest_is_left(make: Any, status: int) -> None:
    words = b'{"message":"' + b"no" * 40
    head = recorded.response(words, "application/json", status=status, framing="close").removesuffix(words)
    for size in (len(words), 1000):
        content = words + b" " * (1000 - len(words))
        limits = Limits(max_error_size=size)
        outcome = ending(lambda: make(limits), head + content[:size] + b"x" * 3000)  # noqa: B023 - called at once
        assert isinstance(outcome.error, HTTPStatusError)
        assert not isinstance(outcome.error, LimitExceeded)
        assert outcome.error.status == status
        assert "nonono" in outcome.error.message
        assert outcome.fed == len(head) + size + 1


def test_a_refusal_at_the_limit_has_its_words() -> None:
    content = json.dumps({"message": "m" * 200}).encode()
    response = recorded.response(content, "application/json", status=402)
    for size, whole in ((len(content), True), (len(content) - 1, False)):
        error = ending(lambda: generation(Limits(max_error_size=size)), response).error  # noqa: B023 - called at once
        assert isinstance(error, HTTPStatusError)
        assert (error.message == "m" * 200) == whole


def test_a_refusal_without_end_takes_little_memory() -> None:
    head = b"HTTP/1.1 500 Oh\r\ncontent-type: text/html\r\n\r\n"
    size = Limits().max_error_size
    assert ending(generation, head + b"<p>" * size, steps=(4096,)).fed <= size + 3 * 4096
    peak, error = peak_of(generation, head + b"<p>" * 10 * size)
    assert isinstance(error, ServerError)
    assert peak < 3 * 10 * 3 * size  # the bytes that were fed at once, not more


# Answers that are read whole


@pytest.mark.parametrize(
    ("make", "response", "limit"),
    [
        (as_zip, zip_answer({"a.png": PICTURE}), "max_answer_size"),
        (as_json, json_answer(PICTURE), "max_answer_size"),
        (generation, recorded.response(PICTURE, "image/png", framing="length"), "max_image_size"),
        (account, recorded.response(json.dumps(recorded.ACCOUNT).encode(), "application/json"), "max_call_size"),
        (vibe, recorded.response(bytes(500), "application/binary"), "max_call_size"),
    ],
    ids=["zip", "json", "bare picture", "account", "vibe"],
)
def test_an_answer_has_so_many_bytes_and_no_more(make: Any, response: bytes, limit: str) -> None:
    outcome = ending(make, response)
    size = len(response.partition(b"\r\n\r\n")[2])
    if b"chunked" in response:
        size = 500 if make is vibe else len(json.dumps(recorded.ACCOUNT))
    assert outcome.error is None
    check_limit(make, response, limit, size)


@pytest.mark.parametrize("make", [as_zip, as_json, generation, account, vibe])
@pytest.mark.parametrize("media_type", ["application/zip", "application/json", "image/png", "application/binary"])
def test_an_answer_without_end_is_refused_at_a_limit_whatever_it_says_it_is(make: Any, media_type: str) -> None:
    starts = {"application/zip": b"PK\x03\x04", "application/json": b'{"a": "', "image/png": b"\x89PNG\r\n\x1a\n"}
    limits = Limits(max_answer_size=2000, max_image_size=2000, max_call_size=2000, max_error_size=2000)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n\r\n".encode() + starts.get(media_type, b"")
    outcome = ending(lambda: make(limits), head + b"x" * 10_000)
    assert isinstance(outcome.error, ProtocolError)
    assert outcome.fed <= len(head) + 2001


# ZIP


def test_a_picture_in_a_zip_has_so_many_bytes_and_no_more() -> None:
    check_limit(as_zip, zip_answer({"a.png": bytes(5000)}), "max_image_size", 5000, steps=(7,))
    check_limit(
        as_zip, zip_answer({"a.png": bytes(5000)}, method=zipfile.ZIP_STORED), "max_image_size", 5000, steps=(7,)
    )


def test_all_pictures_of_a_zip_together_have_so_many_bytes_and_no_more() -> None:
    files = {f"{index}.png": bytes(1000) for index in range(5)}
    check_limit(as_zip, zip_answer(files), "max_answer_size", 5000, steps=(7,))


def test_a_zip_has_so_many_pictures_and_no_more() -> None:
    files = {f"{index}.png": PICTURE for index in range(5)}
    check_limit(as_zip, zip_answer(files), "max_images", 5, steps=(7,))
    check_limit(as_zip, zip_answer({f"{index}.png": PICTURE for index in range(64)}), "max_images", 64, steps=())


def test_a_zip_bomb_is_stopped_one_byte_over_the_limit() -> None:
    limits = Limits(max_image_size=10**6)
    response = zip_answer({"bomb.png": bytes(50 * 10**6)})
    assert len(response) < 10**5
    peak, error = peak_of(lambda: as_zip(limits), response)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "max_image_size"
    assert peak < 4 * 10**6


def test_entries_that_lie_over_one_another_are_bounded_by_what_comes_out() -> None:
    """Many entries, one packed body: what makes an archive of kilobytes unpack to terabytes."""
    one = zipped({"a": bytes(10**6)})
    start, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    directory = one[start:end] * 60
    tail = bytearray(one[end:])
    tail[8:12] = (60).to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    archive = one[:start] + directory + bytes(tail)
    response = recorded.response(archive, "application/zip", framing="length")
    peak, error = peak_of(lambda: as_zip(Limits(max_answer_size=5 * 10**6)), response)
    assert isinstance(error, ProtocolError)
    assert peak < 12 * 10**6


def test_a_directory_of_many_thousand_entries_is_refused_before_it_is_read() -> None:
    response = zip_answer({f"{index}/": b"" for index in range(30_000)})
    peak, error = peak_of(as_zip, response)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "max_images"
    assert peak < 4 * len(response)


def test_a_name_of_many_kilobytes_is_shown_short() -> None:
    for name, size in (("n" * 60_000, 100), ("\x01" * 60_000, 0)):
        error = ending(lambda: as_zip(Limits(max_image_size=99)), zip_answer({name: bytes(size)}), steps=()).error
        assert isinstance(error, ProtocolError)
        assert len(str(error)) < 300


# JSON


def test_a_picture_in_json_has_so_many_bytes_and_no_more() -> None:
    check_limit(as_json, json_answer(PICTURE), "max_image_size", len(PICTURE), steps=(7,))


def test_a_json_answer_has_so_many_pictures_and_no_more() -> None:
    def four(limits: Limits | None = None) -> Any:
        return ImageExchange(
            recorded.params(n_samples=4),
            api_key="pst-not-a-real-key",
            host="h",
            stream="json",
            body=b"{}",
            limits=limits,
        )

    check_limit(four, json_answer(*[PICTURE] * 4), "max_images", 4, steps=(7,))


@pytest.mark.parametrize("make", [generation, as_json, account])
@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"",'])
def test_json_that_would_fill_the_memory_is_refused_before_it_is_built(make: Any, unit: bytes) -> None:
    content = b'{"images": [' + unit * 300_000 + b"0]}"
    response = recorded.response(content, "application/json", framing="length")
    peak, error = peak_of(make, response)
    assert isinstance(error, LimitExceeded)
    assert error.limit == "max_members"
    assert peak < 7 * len(response)


@pytest.mark.parametrize("make", [generation, as_json, account])
def test_json_that_is_nested_without_end_is_refused(make: Any) -> None:
    response = recorded.response(b'{"images": ' + b"[" * 10**6, "application/json", framing="length")
    error = ending(make, response, steps=()).error
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.allowed) == ("max_depth", 32)


def test_a_vibe_may_hold_any_bytes_that_look_like_json() -> None:
    """Its syntax is not known, so nothing about brackets and commas is a reason to lose what was paid for."""
    for content in (b"\xff[[[[" + b",[{" * 20_000, bytes(range(256)) * 200):
        outcome = ending(vibe, recorded.response(content, "application/binary", framing="length"), steps=(4096,))
        assert (outcome.items, outcome.error) == ([content], None)


def test_words_under_a_2xx_are_looked_for_at_the_beginning_alone() -> None:
    limits = Limits(max_error_size=1000)
    said = b'{"message": "no more", "more": "%s"}'
    for size, heard in ((100, True), (5000, False)):
        response = recorded.response(said % (b"x" * size), "application/json", framing="length")
        outcome = ending(lambda: generation(limits), response)
        assert (getattr(outcome.error, "message", None) == "no more") == heard
        assert "no more" in str(outcome.error)


def test_every_final_that_came_before_hangs_on_the_error() -> None:
    outcome = ending(
        lambda: as_zip(Limits(max_image_size=1000)), zip_answer({"a": PICTURE, "b": bytes(2000)}), steps=(7,)
    )
    assert [type(item) for item in outcome.items] == [FinalChunk]
    assert isinstance(outcome.error, LimitExceeded)
    assert [final.image for final in outcome.error.finals] == [PICTURE]
