"""The four ways that pictures come, and generations with pictures of their own, against the emulator."""

from __future__ import annotations

import base64
import io
import threading
from typing import TYPE_CHECKING, Any, Literal

import pytest
import recorded
import trio
from PIL import Image
from scripted import ScriptedTransport, read_request
from sweep import cancelled_at_step

from nai_trio import (
    ControlNet,
    GenerationError,
    ImageParams,
    ImageToImage,
    InvalidParamsError,
    NetworkTimeout,
    NovelAI,
    PaymentRequiredError,
    ProtocolError,
    Retry,
    StreamInterrupted,
    Vibe,
)
from nai_trio.emulator import Cut, Emulator, Fault, Refuse, Stall, WrongType
from nai_trio.params import MODELS
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from pathlib import Path

KEY = "pst-not-a-real-key"
PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=2**32 - 1, n_samples=2)
PICTURES = [recorded.picture("PNG", 10 * index) for index in range(4)]

Way = Literal["sse", "msgpack", "zip", "json"]
each_way = pytest.mark.parametrize("way", ["sse", "msgpack", "zip", "json"])
each_plain_way = pytest.mark.parametrize("way", ["zip", "json"])


def client_of(emulator: Emulator, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=emulator.transport(), **options)


def pixels(image: bytes) -> tuple[tuple[int, int], bytes]:
    """Size and colours; the rest differs, for the metadata (and its hidden copy in alpha) tells the way it came."""
    with Image.open(io.BytesIO(image)) as picture:
        return picture.size, picture.convert("RGB").tobytes()


@pytest.mark.parametrize("model", ["nai-diffusion-4-5-full", "nai-diffusion-5-curated", "nai-diffusion-4-full"])
async def test_all_four_bring_equal_pictures_with_their_seeds(model: Any) -> None:
    params = PARAMS.replace(model=model)
    emulator = Emulator()
    ways: list[Way] = ["sse", "msgpack", "zip", "json"]
    async with client_of(emulator) as client:
        found = [await client.image.generate(params, stream=way) for way in ways]
    pictures = [[pixels(final.image) for final in finals] for finals in found]
    assert pictures == [pictures[0]] * 4
    assert pictures[0][0] != pictures[0][1]
    assert [[(final.samp_ix, final.seed) for final in finals] for finals in found] == [[(0, 2**32 - 1), (1, 0)]] * 4
    assert [job.stream for job in emulator.jobs] == ways


@pytest.mark.parametrize("model", ["nai-diffusion-3", "nai-diffusion-furry-3"])
@pytest.mark.parametrize("way", ["zip", "json", None])
async def test_v3_comes_by_the_plain_endpoint(model: Any, way: Any) -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        finals = await client.image.generate(PARAMS.replace(model=model), stream=way)
    assert [(final.samp_ix, final.seed, final.image_format) for final in finals] == [
        (0, 2**32 - 1, "png"),
        (1, 0, "png"),
    ]
    assert emulator.jobs[0].stream == (way or "zip")


async def test_by_default_a_model_that_streams_streams_frames() -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        for model, info in MODELS.items():
            await client.image.generate(PARAMS.replace(model=model))
            assert emulator.jobs[-1].stream == ("msgpack" if info.streams else "zip")


@pytest.mark.parametrize(
    ("way", "model", "words"),
    [
        ("xml", "nai-diffusion-4-5-full", "one of sse, msgpack, zip, json, or None"),
        (5, "nai-diffusion-4-5-full", "one of sse"),
        (False, "nai-diffusion-4-5-full", "one of sse"),
        ("sse", "nai-diffusion-3", "nai-diffusion-3"),
        ("msgpack", "nai-diffusion-furry-3", "does not stream"),
    ],
)
async def test_a_way_that_cannot_be_is_refused_before_any_connection(way: Any, model: Any, words: str) -> None:
    transport = ScriptedTransport()
    async with NovelAI(KEY, transport=transport) as client:
        with pytest.raises(InvalidParamsError, match=words):
            await client.image.generate(PARAMS.replace(model=model), stream=way)
    assert transport.origins == []


PLAIN_FAULTS: list[tuple[Fault, type[Exception]]] = [
    (Cut(after=0), StreamInterrupted),
    (Cut(after=500), StreamInterrupted),
    (Stall(after=500), NetworkTimeout),
    (WrongType(kind="html"), ProtocolError),
    (Refuse(status=402), PaymentRequiredError),
]


@each_plain_way
@pytest.mark.parametrize(("fault", "expected"), PLAIN_FAULTS, ids=[repr(each[0]) for each in PLAIN_FAULTS])
async def test_a_fault_is_the_matching_error_and_the_next_generation_works(
    autojump_clock: object, way: Way, fault: Fault, expected: type[Exception]
) -> None:
    emulator = Emulator()
    emulator.inject(fault)
    async with client_of(emulator) as client:
        with pytest.raises(expected) as caught:
            await client.image.generate(PARAMS, stream=way)
        assert type(caught.value) is expected
        assert len(await client.image.generate(PARAMS, stream=way)) == 2


async def test_an_error_in_json_is_the_services_in_every_way() -> None:
    for way in ("sse", "msgpack", "zip", "json"):
        emulator = Emulator()
        emulator.inject(WrongType(kind="json"))
        async with client_of(emulator) as client:
            with pytest.raises(GenerationError):
                await client.image.generate(PARAMS, stream=way)  # type: ignore[arg-type]


@each_plain_way
async def test_cancelling_a_plain_generation_at_every_step(way: Way) -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        step, cancelled = 0, True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, lambda: client.image.generate(PARAMS, stream=way))
            await trio.testing.wait_all_tasks_blocked()
            assert emulator.connections <= 1
    assert emulator.connections == 0
    assert {job.state for job in emulator.jobs} <= {"finished", "disconnected"}
    assert step > 5


async def test_no_thread_is_used_without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", refuse)
    async with client_of(Emulator()) as client:
        await client.image.generate(PARAMS)


def with_source(**changes: Any) -> ImageParams:
    start = ImageToImage(PICTURES[1], **changes)
    return PARAMS.replace(n_samples=1, i2i=start, size=(64, 64))


@each_way
async def test_a_source_picture_is_sent_in_every_way(way: Way) -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        (final,) = await client.image.generate(with_source(), stream=way)
    sent: Any = emulator.jobs[0].request
    assert sent["action"] == "img2img"
    with Image.open(io.BytesIO(base64.b64decode(sent["parameters"]["image"]))) as picture:
        assert picture.size == (64, 64)
    assert final.image_format == "png"


async def test_a_request_with_pictures_is_built_once_in_a_thread_whatever_the_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []
    build = ImageParams.to_json

    def counting(self: ImageParams, **options: Any) -> bytes:
        threads.append(threading.get_ident())
        return build(self, **options)

    monkeypatch.setattr(ImageParams, "to_json", counting)
    bodies: list[bytes] = []

    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            for status in (503, 429, 200):
                _, body = await read_request(stream)
                bodies.append(body)
                busy = recorded.response(b'{"message":"busy"}', "application/json", status=status, framing="length")
                await stream.send_all(busy if status != 200 else recorded.stream_response("msgpack"))

    params = recorded.params(i2i=ImageToImage(PICTURES[1]), size=(64, 64))
    retry = Retry(attempts=3, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(handler), retry=retry) as client:
        await client.image.generate(params)
    assert len(threads) == 1
    assert threads != [threading.get_ident()]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


async def test_a_source_that_is_gone_is_refused_on_entering_and_before_any_connection(tmp_path: Path) -> None:
    path = tmp_path / "source.png"
    path.write_bytes(PICTURES[1])
    params = PARAMS.replace(i2i=ImageToImage(path), size=(64, 64))
    path.unlink()
    transport = ScriptedTransport()
    async with NovelAI(KEY, transport=transport) as client:
        generation = client.image.generate_stream(params)
        with pytest.raises(InvalidParamsError, match=r"source\.png"):
            async with generation:
                raise AssertionError("entered")
    assert transport.origins == []


def with_vibes(*images: Any, **changes: Any) -> ImageParams:
    return PARAMS.replace(n_samples=1, controlnet=ControlNet([Vibe(image) for image in images]), **changes)


async def test_raw_vibes_are_encoded_first_and_kept_for_the_next_generation() -> None:
    emulator = Emulator(anlas=1000, charge=True)
    params = with_vibes(PICTURES[0], PICTURES[1], PICTURES[0])
    async with client_of(emulator) as client:
        for _ in range(2):
            async with client.image.generate_stream(params) as stream:
                assert len(emulator.encodings) == 2
                async for _ in stream:
                    pass
        known = await client.image.encode_vibe(PICTURES[1])
    assert len(emulator.encodings) == 2
    sent: Any = emulator.jobs[0].request
    tokens = [base64.b64decode(text) for text in sent["parameters"]["reference_image_multiple"]]
    first, second = (encoding.token for encoding in emulator.encodings)
    assert tokens == [first, second, first]
    assert known.token == second
    assert params.controlnet is not None
    assert not hasattr(params.controlnet.images[0].image, "token"), "the caller's parameters stay as they are"


async def test_vibes_that_are_encoded_already_cost_nothing_again() -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        vibe = await client.image.encode_vibe(PICTURES[0], information_extracted=0.3)
        await client.image.generate(with_vibes(vibe, PICTURES[1]))
    assert [encoding.information_extracted for encoding in emulator.encodings] == [0.3, 0.7]


async def test_v3_gets_the_pictures_themselves() -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        await client.image.generate(with_vibes(PICTURES[0], model="nai-diffusion-3"))
    assert emulator.encodings == []
    sent: Any = emulator.jobs[0].request
    (text,) = sent["parameters"]["reference_image_multiple"]
    assert base64.b64decode(text).startswith(b"\x89PNG")


async def test_a_vibe_that_cannot_be_paid_ends_the_generation_before_it_begins() -> None:
    emulator = Emulator(anlas=1)
    async with client_of(emulator) as client:
        with pytest.raises(PaymentRequiredError):
            await client.image.generate(with_vibes(PICTURES[0]))
    assert emulator.jobs == []


async def test_cancelling_a_generation_with_vibes_at_every_step_pays_for_each_vibe_once() -> None:
    emulator = Emulator()
    params = with_vibes(PICTURES[0], PICTURES[1])
    async with client_of(emulator) as client:
        step, cancelled = 0, True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, lambda: client.image.generate(params))
            await trio.testing.wait_all_tasks_blocked()
            assert emulator.connections <= 1
            assert "running" not in {job.state for job in emulator.jobs}
        answered = len(emulator.encodings)
        await client.image.generate(params)
        assert len(emulator.encodings) == answered
    assert emulator.connections == 0
    assert step > 10
