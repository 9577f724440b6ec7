"""The call that encodes a vibe: its request, and what is a vibe and what is not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import h11
import pytest
import recorded

from nai_trio import (
    NovelAIError,
    ProtocolError,
)
from nai_trio.protocol import (
    CallExchange,
    Limits,
    encode_vibe_body,
    encode_vibe_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


KEY = "pst-not-a-real-key"
VIBE = bytes(range(256)) * 3
PICTURE = recorded.picture("PNG", 7)


def vibe_call(limits: Limits | None = None) -> CallExchange[bytes]:
    body = encode_vibe_body(PICTURE, model="nai-diffusion-4-5-full", information_extracted=0.7)
    return encode_vibe_call(body, api_key=KEY, host="h", limits=limits)


def vibe_response(content: bytes = VIBE, media_type: str = "application/binary", **options: Any) -> bytes:
    return recorded.response(content, media_type, **{"chunk": 100, **options})


def drive(call: CallExchange[Any], pieces: Iterable[bytes], *, eof: bool = False) -> NovelAIError | None:
    """Feed as a driver does, for as long as it would."""
    call.data_to_send()
    try:
        for piece in [*pieces, *([b""] if eof else [])]:
            if call.complete:
                break
            call.receive_data(piece)
        call.raise_fault()
    except NovelAIError as error:
        assert error is call.fault
        assert not call.complete
        return error
    return None


def sent(call: CallExchange[Any]) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(call.data_to_send())
    head = server.next_event()
    assert isinstance(head, h11.Request)
    data = server.next_event()
    return head, bytes(data.data) if isinstance(data, h11.Data) else b""


def test_a_vibes_request_is_a_post_of_json() -> None:
    head, body = sent(vibe_call())
    assert (head.method, head.target) == (b"POST", b"/ai/encode-vibe")
    assert dict(head.headers)[b"authorization"] == f"Bearer {KEY}".encode()
    assert json.loads(body) == {
        "image": base64.b64encode(PICTURE).decode(),
        "information_extracted": 0.7,
        "model": "nai-diffusion-4-5-full",
    }


@pytest.mark.parametrize(("level", "written"), [(1, b":1,"), (1.0, b":1,"), (0.01, b":0.01,")])
def test_a_whole_share_of_information_is_written_as_an_integer(level: float, written: bytes) -> None:
    assert written in encode_vibe_body(b"x", model="m", information_extracted=level)


@pytest.mark.parametrize(
    ("content", "media_type", "words"),
    [
        (b"", "application/binary", "an empty body"),
        (b'{"statusCode":500,"message":"try later"}', "application/json", "try later"),
        (b"<html><title>Just a moment</title></html>", "text/html; charset=utf-8", "Just a moment"),
        (PICTURE, "image/png", "image/png"),
        (b'{"statusCode":500,"message":"try later"}\n', "", "try later"),
        (b'{"statusCode":500,"message":"try later"}', "binary/octet-stream", "try later"),
        (b"\n<!DOCTYPE html><title>Just a moment</title>", "application/binary", "Just a moment"),
        (b"<HTML><title>Just a moment</title>", "", "Just a moment"),
    ],
)
def test_what_is_no_vibe_is_refused_with_what_came(content: bytes, media_type: str, words: str) -> None:
    error = drive(vibe_call(), [vibe_response(content, media_type)])
    assert type(error) is ProtocolError
    assert error.expected == "the bytes of an encoded vibe (application/binary)"
    assert words in error.received
    assert error.billing_unknown


@pytest.mark.parametrize(
    "media_type", ["application/binary", "Application/Octet-Stream; x=y", "binary/octet-stream", ""]
)
def test_a_vibe_comes_as_any_kind_of_bytes(media_type: str) -> None:
    call = vibe_call()
    assert drive(call, [vibe_response(media_type=media_type)]) is None
    assert call.answer == VIBE


@pytest.mark.parametrize("content", [b"{}\0\1", b"<", b"[1]", b"7", b'{"a":1', b"\xff\xfe{\0}\0\0"])
def test_bytes_that_only_begin_as_words_do_are_a_vibe_all_the_same(content: bytes) -> None:
    call = vibe_call()
    assert drive(call, [vibe_response(content)]) is None
    assert call.answer == content
