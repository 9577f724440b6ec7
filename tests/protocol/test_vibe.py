"""The call that encodes a vibe: its request, and what is a vibe and what is not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from calls import KEY, PICTURE, VIBE, drive, sent, vibe_call, vibe_response

from nai_trio import (
    ProtocolError,
)
from nai_trio.protocol import (
    encode_vibe_body,
)

if TYPE_CHECKING:
    pass


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
