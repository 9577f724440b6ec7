"""How a request differs from the one on a tape: member by member, in few words."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import params, stream_response
from scripted import answering

from nai_trio import NovelAI
from nai_trio.transport import Transport
from nai_trio.transports import MemoryTransport, RecordingTransport, ReplayMismatch, ReplayTransport
from nai_trio.transports.tape_compare import differences
from nai_trio.transports.tape_requests import TapedRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


KEY = "pst-not-a-real-key"
BASE = "https://service.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.tape"


async def record(path: Path, inner: Transport, use: Callable[[NovelAI], Awaitable[None]], **options: Any) -> None:
    async with NovelAI(KEY, image_base=BASE, transport=RecordingTransport(inner, path), **options) as client:
        await use(client)


def client_of(transport: Transport, **options: Any) -> NovelAI:
    return NovelAI("another key".replace(" ", "-"), image_base=BASE, transport=transport, **options)


async def generate(client: NovelAI, **changes: Any) -> None:
    await client.image.generate(params(**changes))


def sse(*, pieces: int = 0, **options: Any) -> MemoryTransport:
    return MemoryTransport(answering(stream_response("msgpack", **options), pieces=pieces))


@pytest.mark.parametrize(
    ("recorded", "asked", "expected"),
    [
        (b'{"a": 1}', b'{"a": 1.0}', []),
        (b'{"a": 1, "b": 2}', b'{"b":2,"a":1}', []),
        (b'{"a": 1}', b'{"a": true}', ["a: expected 1, got True"]),
        (
            b'{"a": [1, {"b": null}]}',
            b'{"a": [1, {"b": 0}, 3]}',
            ["a[1].b: expected None, got 0", "a[2]: expected nothing, got 3"],
        ),
        (b'{"a": {}}', b'{"a": []}', ["a: expected {}, got []"]),
        (b"[1]", b"1", ["the body: expected [1], got 1"]),
        (b"text", b"other", ["the body: expected b'text', got b'other'"]),
        (b"", b"{}", ["the body: expected b'', got b'{}'"]),
    ],
)
def test_bodies_are_compared_by_what_they_mean(recorded: bytes, asked: bytes, expected: list[str]) -> None:
    one, other = (TapedRequest(method="POST", target="/", headers=(), body=body) for body in (recorded, asked))
    assert differences(one, other) == expected


def test_pictures_that_differ_are_told_by_their_length() -> None:
    one, other = (
        TapedRequest(method="POST", target="/", headers=(), body=json.dumps({"image": letter * 200}).encode())
        for letter in "ab"
    )
    assert differences(one, other) == [
        "image: expected <base64, 200 characters, aaaaaaaa...>, got <base64, 200 characters, bbbbbbbb...>"
    ]


@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
    st.booleans(),
)
def test_any_body_matches_itself(body: bytes, masked: bool) -> None:
    headers = (("host", "x"), ("accept", "a"), ("accept", "b"))
    request = TapedRequest(method="POST", target="/", headers=headers, body=body, masked=masked)
    spaced = attrs.evolve(request, body=body + b" ")
    assert differences(request, request) == []
    assert isinstance(differences(request, spaced), list)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"steps": 23}, "parameters.steps: expected 4, got 23"),
        ({"seed": 8}, "parameters.seed: expected 7, got 8"),
        ({"prompt": "dog"}, "input: expected '1girl, cat ears, very aesthetic, masterpiece, no text', got 'dog, "),
        ({"dynamic_thresholding": True}, "parameters.dynamic_thresholding: expected False, got True"),
        ({"image_format": "webp"}, "parameters.image_format: expected 'png', got 'webp'"),
    ],
)
async def test_another_request_is_refused_with_what_differs(
    path: Path, change: dict[str, Any], difference: str
) -> None:
    await record(path, sse(), generate)
    if "dynamic_thresholding" in change:
        change = {"decrisper": True}
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch) as caught:
            await generate(client, **change)
    assert str(caught.value).startswith(f"the request is not the one on {path}: ")
    assert any(each.startswith(difference) for each in caught.value.differences), caught.value.differences
    assert not caught.value.billing_unknown


async def test_members_that_only_one_has_are_named(path: Path) -> None:
    await record(path, sse(), generate)
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch) as caught:
            await generate(client, characters=[{"prompt": "girl"}, {"prompt": "boy"}])
    found = caught.value.differences
    assert "parameters.v4_prompt.caption.char_captions[0]: expected nothing, got {'char_caption': 'girl'" in str(found)
    assert str(caught.value).endswith(f"; and {len(found) - 5} more")


async def test_a_long_text_is_shown_where_it_parts(path: Path) -> None:
    prompt = "word " * 30
    await record(path, sse(), partial(generate, prompt=prompt + "here"))
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(
            ReplayMismatch, match=r"input from character 140: expected 'word word here, .*got 'word word t"
        ):
            await generate(client, prompt=prompt + "there")


async def test_the_origin_and_the_host_have_to_be_the_same(path: Path) -> None:
    await record(path, sse(), generate)
    async with NovelAI(KEY, image_base="https://other.example", transport=ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch, match=r"expected https://service\.example:443, got https://other"):
            await generate(client)


async def test_what_was_struck_out_of_a_body_matches_whatever_stands_there(path: Path) -> None:
    await record(path, sse(), partial(generate, prompt=f"cat {KEY}"))
    other = "x" * len(KEY)
    async with client_of(ReplayTransport(path)) as client:
        await generate(client, prompt=f"cat {other}")
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch, match="input"):
            await generate(client, prompt=f"dog {other}")


async def test_asterisks_of_the_users_own_match_nothing_else(path: Path) -> None:
    await record(path, sse(), partial(generate, prompt="cat ***"))
    async with client_of(ReplayTransport(path)) as client:
        with pytest.raises(ReplayMismatch):
            await generate(client, prompt="cat abc")
