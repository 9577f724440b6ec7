"""Vibes that are being encoded: tasks that wait for one, money that may be spent, threads that stand still."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from scripted import read_request

import nai_trio.vibe_cache
import nai_trio.vibes
from nai_trio import (
    ControlNet,
    EncodedVibe,
    ImageParams,
    ImageToImage,
    InvalidParamsError,
    NovelAI,
    PaymentRequiredError,
    Retry,
    StreamInterrupted,
    Vibe,
    VibeCache,
)
from nai_trio.emulator import Emulator
from nai_trio.pictures import ImageSource
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

KEY = "pst-not-a-real-key"
PICTURE = recorded.picture("PNG", 7)
OTHER = recorded.picture("PNG", 8)
FILE_NAME = f"{hashlib.sha256(PICTURE).hexdigest()}-v4-5full-0.7.vibe.json"
PATIENCE = 10.0
"""Seconds after which a thread that nobody lets go has held its task up."""


def client_of(emulator: Emulator, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=emulator.transport(), **options)


def with_vibes(*images: Any, **changes: Any) -> ImageParams:
    control = ControlNet([image if isinstance(image, Vibe) else Vibe(image) for image in images])
    return ImageParams("1girl", size=(64, 64), steps=recorded.STEPS, seed=7, controlnet=control, **changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Attempts:
    """An `encode` that waits until the test ends each attempt, well or not."""

    def __init__(self) -> None:
        self.over: list[trio.Event] = []
        self.failures: dict[int, Exception] = {}

    async def encode(self) -> bytes:
        number = len(self.over)
        self.over.append(trio.Event())
        await self.over[number].wait()
        if number in self.failures:
            raise self.failures[number]
        return b"token %d" % number

    async def end(self, number: int) -> None:
        self.over[number].set()
        await trio.testing.wait_all_tasks_blocked()


async def until(true: Callable[[], bool]) -> None:
    """Let the other tasks, and their threads, go on until that is so."""
    while not true():
        await trio.lowlevel.checkpoint()


def waiting(cache: VibeCache) -> int:
    """How many tasks wait for another one that asks."""
    return sum(lock.statistics().tasks_waiting for lock in cache._encoding.values())


async def get(cache: VibeCache, encode: Callable[[], Awaitable[bytes]]) -> EncodedVibe:
    return await cache.get_or_encode(encode, image_id="a", encoding="v4full", information_extracted=0.5)


async def test_whoever_comes_while_the_second_asks_waits_for_it() -> None:
    cache, attempts = VibeCache(), Attempts()
    attempts.failures[0] = refused = PaymentRequiredError("no Anlas", status=402)
    outcomes: list[object] = []

    async def ask() -> None:
        try:
            outcomes.append((await get(cache, attempts.encode)).token)
        except PaymentRequiredError as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await attempts.end(0)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert len(attempts.over) == 2
        await attempts.end(1)
    assert outcomes == [refused, b"token 1", b"token 1"]
    assert not cache._encoding


async def test_a_waiter_that_gives_up_leaves_the_one_that_asks_alone() -> None:
    cache, attempts = VibeCache(), Attempts()
    found: list[bytes] = []

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            found.append((await get(cache, attempts.encode)).token)

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(ask, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert scopes[1].cancelled_caught
        assert len(attempts.over) == 1
        await attempts.end(0)
    assert found == [b"token 0"] * 2
    assert not cache._encoding


async def test_a_task_that_is_cancelled_before_its_turn_takes_nobody_elses_place_away() -> None:
    """It wakes up only after its lock was given up, and another one made by a task that is asking."""
    cache, attempts = VibeCache(), Attempts()

    async def fail() -> bytes:
        raise PaymentRequiredError("no Anlas", status=402)

    async def cancelled() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await get(cache, attempts.encode)

    async def twice() -> None:
        with pytest.raises(PaymentRequiredError):
            await get(cache, fail)
        await get(cache, attempts.encode)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancelled)
        nursery.start_soon(twice)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(get, cache, attempts.encode)
        await trio.testing.wait_all_tasks_blocked()
        assert len(attempts.over) == 1
        await attempts.end(0)
    assert not cache._encoding


async def test_a_token_that_comes_with_the_cancellation_is_kept_and_written_when_next_asked_for(tmp_path: Path) -> None:
    cache, attempts = VibeCache(tmp_path), Attempts()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, cache, attempts.encode)
            await until(lambda: len(attempts.over) == 1)
            attempts.over[0].set()
            scope.cancel()
    assert scope.cancelled_caught
    assert names(tmp_path) == []
    assert (await get(cache, attempts.encode)).token == b"token 0"
    assert len(attempts.over) == 1
    assert (await get(VibeCache(tmp_path), attempts.encode)).token == b"token 0"
    (name,) = names(tmp_path)
    (tmp_path / name).unlink()
    await get(cache, attempts.encode)
    assert names(tmp_path) == [], "what was written is not written again"


class Gate:
    """Something that a worker thread does, and stands still in until the test lets it go on, to no use."""

    def __init__(self) -> None:
        self.entered = trio.Event()
        self.open = threading.Event()
        self.left = threading.Event()
        self.was_let_go = False

    def stand(self, *arguments: object, **options: object) -> Any:
        trio.from_thread.run_sync(self.entered.set)
        self.was_let_go = self.open.wait(PATIENCE)
        self.left.set()
        raise OSError("too late")


async def encode(client: NovelAI) -> None:
    await client.image.encode_vibe(PICTURE)


async def generate(client: NovelAI) -> None:
    await client.image.generate(with_vibes(PICTURE))


STANDS: dict[str, tuple[Callable[[NovelAI], Awaitable[None]], object, str, int]] = {
    "the picture is looked at": (encode, ImageSource, "of", 0),
    "the picture is read": (encode, ImageSource, "read", 0),
    "the cache's file is read": (encode, nai_trio.vibe_cache, "_read", 0),
    "the call's body is built": (encode, nai_trio.vibes, "encode_vibe_body", 0),
    "the cache's file is written": (encode, os, "fsync", 1),
    "the generation's body is built": (generate, ImageParams, "to_json", 1),
}


@pytest.mark.parametrize("place", STANDS)
async def test_a_cancellation_never_waits_for_a_thread(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, owner, name, paid = STANDS[place]
    emulator, gate, scope = Emulator(), Gate(), trio.CancelScope()
    monkeypatch.setattr(owner, name, gate.stand)
    async with client_of(emulator, vibe_cache=tmp_path / "vibes") as client:

        async def run() -> None:
            with scope:
                await act(client)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await gate.entered.wait()
            scope.cancel()
        gate.open.set()
        assert gate.left.wait(PATIENCE)
        assert gate.was_let_go, "the task waited for the thread"
        assert scope.cancelled_caught
        assert not client.vibe_cache._encoding
        monkeypatch.undo()
        assert len(emulator.encodings) == paid
        await encode(client)
        assert len(emulator.encodings) == 1
        assert [name for name in names(tmp_path / "vibes") if name.endswith(".vibe.json")] == [FILE_NAME]


async def test_leaving_the_client_ends_the_task_that_asks_and_those_that_wait() -> None:
    asked = trio.Event()

    async def silent(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            asked.set()
            await trio.sleep_forever()

    errors: list[trio.ClosedResourceError] = []
    client = NovelAI(KEY, transport=MemoryTransport(silent))
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(trio.ClosedResourceError) as caught:
                await encode(client)
            errors.append(caught.value)

        async with client:
            for _ in range(3):
                nursery.start_soon(ask)
            await until(lambda: asked.is_set() and waiting(client.vibe_cache) == 2)
    assert len({id(error) for error in errors}) == 3
    assert not client.vibe_cache._encoding


async def test_a_lost_answer_is_each_tasks_own_error_and_may_have_cost_each() -> None:
    requests = 0
    errors: list[StreamInterrupted] = []
    cache = VibeCache()

    async def deaf(stream: trio.abc.Stream) -> None:
        nonlocal requests
        async with stream:
            await read_request(stream)
            requests += 1
            await until(lambda: waiting(cache) == 2 - requests)

    async def ask() -> None:
        with pytest.raises(StreamInterrupted) as caught:
            await encode(client)
        errors.append(caught.value)

    async with (
        NovelAI(KEY, transport=MemoryTransport(deaf), vibe_cache=cache) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(2):
            nursery.start_soon(ask)
    assert len({id(error) for error in errors}) == requests == 2
    assert all(error.billing_unknown for error in errors)
    assert not cache._encoding


class Service:
    """Gives the answers that the test lists, one to each request, and keeps the targets."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.targets: list[bytes] = []

    async def __call__(self, stream: trio.abc.Stream) -> None:
        async with stream:
            while self.answers:
                head, _ = await read_request(stream)
                self.targets.append(head.target)
                answer = self.answers.pop(0)
                if not answer:
                    return
                await stream.send_all(answer)


def busy(status: int) -> bytes:
    return recorded.response(b'{"message":"busy"}', "application/json", status=status, framing="length")


ENCODE, GENERATE = b"/ai/encode-vibe", b"/ai/generate-image-stream"
TOKEN = recorded.response(bytes(range(256)), "application/binary", framing="length")
PICTURES = recorded.stream_response("msgpack")


async def test_a_vibe_and_its_generation_are_each_sent_again_as_often_as_asked() -> None:
    service = Service(busy(503), TOKEN, busy(429), PICTURES)
    retry = Retry(attempts=2, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=retry) as client:
        assert len(await client.image.generate(with_vibes(PICTURE))) == 1
    assert service.targets == [ENCODE, ENCODE, GENERATE, GENERATE]


async def test_a_vibe_whose_answer_is_lost_may_be_billed_and_its_generation_is_not_sent() -> None:
    service = Service(TOKEN, b"")
    retry = Retry(attempts=3, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=retry) as client:
        with pytest.raises(StreamInterrupted) as caught:
            await client.image.generate(with_vibes(PICTURE, OTHER))
        assert caught.value.billing_unknown
        assert service.targets == [ENCODE, ENCODE]
        service.answers = [TOKEN, PICTURES]
        await client.image.generate(with_vibes(PICTURE, OTHER))
    assert service.targets == [ENCODE, ENCODE, ENCODE, GENERATE], "the first vibe was kept"


async def test_a_generation_that_is_lost_does_not_pay_for_its_vibes_again() -> None:
    service = Service(TOKEN, b"", PICTURES)
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        with pytest.raises(StreamInterrupted) as caught:
            await client.image.generate(with_vibes(PICTURE))
        assert caught.value.billing_unknown
        service.answers = [PICTURES]
        await client.image.generate(with_vibes(PICTURE))
    assert service.targets == [ENCODE, GENERATE, GENERATE]


async def test_each_vibe_is_encoded_at_its_own_share_of_information() -> None:
    emulator = Emulator()
    images = [Vibe(PICTURE, information_extracted=level) for level in (0.2, 1, 0.2)]
    async with client_of(emulator) as client:
        await client.image.generate(with_vibes(*images))
    assert [encoding.information_extracted for encoding in emulator.encodings] == [0.2, 1]


async def test_no_vibe_is_paid_for_a_generation_that_cannot_be_sent(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    path.write_bytes(OTHER)
    params = with_vibes(PICTURE, i2i=ImageToImage(path))
    emulator = Emulator()
    async with client_of(emulator) as client:
        await client.image.generate(params)
        path.unlink()
        with pytest.raises(InvalidParamsError, match=r"source\.png"):
            await client.image.generate(params.replace(controlnet={"images": [{"image": OTHER}]}))
    assert len(emulator.encodings) == 1
    sent: Any = emulator.jobs[0].request
    assert "image" in sent["parameters"]
    assert len(sent["parameters"]["reference_image_multiple"]) == 1
