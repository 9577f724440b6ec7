"""Helpers: a request body, and a peer that speaks h11 to an emulator over memory streams."""

from __future__ import annotations

import base64
import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import h11
import pytest
import trio
import trio.testing
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nai_trio.emulator import Emulator

KEY = "pst-not-a-real-key"


def make_request(**changes: Any) -> dict[str, Any]:
    """A V4.5 text-to-image request of 64×64 and 3 steps; `changes` go to its parameters, None deletes."""
    caption = {"caption": {"base_caption": "1girl", "char_captions": []}}
    parameters: dict[str, Any] = {
        "params_version": 3, "width": 64, "height": 64, "scale": 5, "sampler": "k_euler_ancestral", "steps": 3,
        "n_samples": 1, "seed": 7, "noise_schedule": "karras", "negative_prompt": "lowres", "stream": "sse",
        "v4_prompt": caption | {"use_coords": False, "use_order": True},
        "v4_negative_prompt": caption | {"legacy_uc": False},
    }  # fmt: skip
    parameters |= changes
    parameters = {name: value for name, value in parameters.items() if value is not None}
    return {"input": "1girl", "model": "nai-diffusion-4-5-full", "action": "generate", "parameters": parameters}


def encode_picture(image: Image.Image, image_format: str = "PNG", **options: Any) -> str:
    """A picture as a request carries it."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def add_characters(request: dict[str, Any], *characters: tuple[str, float, float], use_coords: bool = True) -> None:
    """Put characters, (caption, x, y) each, into a request."""
    prompt = {
        "base_caption": "1girl",
        "char_captions": [{"char_caption": text, "centers": [{"x": x, "y": y}]} for text, x, y in characters],
    }
    request["parameters"]["v4_prompt"] = {"caption": prompt, "use_coords": use_coords, "use_order": True}
    request["parameters"]["use_coords"] = use_coords


@attrs.define
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@attrs.define
class Peer:
    """A client of our own making: one connection, one request at a time."""

    stream: trio.abc.HalfCloseableStream
    h11: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))

    async def send(
        self, body: Any = None, *, path: str = "/ai/generate-image-stream", method: str = "POST",
        key: str | None = KEY, headers: tuple[tuple[str, str], ...] = (),
    ) -> None:  # fmt: skip
        data = body if isinstance(body, bytes) else json.dumps(make_request() if body is None else body).encode()
        sent = [("host", "127.0.0.1"), ("content-length", str(len(data))), *headers]
        if key is not None:
            sent.append(("authorization", f"Bearer {key}"))
        out = self.h11.send(h11.Request(method=method, target=path, headers=sent))
        out += self.h11.send(h11.Data(data=data)) + self.h11.send(h11.EndOfMessage())
        await self.stream.send_all(out)

    async def event(self) -> Any:
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(await self.stream.receive_some(65536))
        return event

    async def head(self) -> h11.Response:
        while isinstance(event := await self.event(), h11.InformationalResponse):
            pass
        assert isinstance(event, h11.Response)
        return event

    async def rest(self) -> tuple[bytes, bool]:
        """The body, and whether it ended as its framing says."""
        body = bytearray()
        try:
            while isinstance(event := await self.event(), h11.Data):
                body += event.data
        except h11.RemoteProtocolError:
            return bytes(body), False
        return bytes(body), isinstance(event, h11.EndOfMessage)

    async def answer(self) -> Answer:
        head = await self.head()
        body, complete = await self.rest()
        if complete and self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE:
            self.h11.start_next_cycle()
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(head.status_code, headers, body, complete)

    async def ask(self, body: Any = None, **options: Any) -> Answer:
        await self.send(body, **options)
        return await self.answer()


@asynccontextmanager
async def connected(emulator: Emulator) -> AsyncIterator[Peer]:
    """A peer on a new connection to the emulator; the emulator must be done with it soon after it is closed."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emulator.serve, theirs)
        async with ours:
            yield Peer(ours)
        with trio.fail_after(5):
            await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def request_body() -> Callable[..., dict[str, Any]]:
    return make_request


@pytest.fixture
def picture_text() -> Callable[..., str]:
    return encode_picture


@pytest.fixture
def with_characters() -> Callable[..., None]:
    return add_characters


@pytest.fixture
def connect() -> Callable[[Emulator], Any]:
    return connected


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Ask one thing on a connection of its own."""

    async def ask_once(emulator: Emulator, body: Any = None, **options: Any) -> Answer:
        async with connected(emulator) as peer:
            return await peer.ask(body, **options)

    return ask_once
