"""The client against the emulator, end to end: every fault is the right error, every leave is seen."""

from __future__ import annotations

import io
from typing import Any, Literal

import pytest
import trio
from PIL import Image
from sweep import cancelled_at_step

from nai_trio import (
    AuthenticationError,
    ConcurrencyLockedError,
    GenerationError,
    HTTPStatusError,
    ImageParams,
    LimitExceeded,
    Limits,
    NetworkTimeout,
    NovelAI,
    NovelAIError,
    PaymentRequiredError,
    ProtocolError,
    RateLimitError,
    RetryChunk,
    ServerError,
    StreamInterrupted,
    Timeouts,
)
from nai_trio.emulator import (
    BadBase64,
    BadJSON,
    Cut,
    Emulator,
    Fault,
    HugePrefix,
    MissingField,
    MissingFinal,
    Refuse,
    Stall,
    StreamError,
    StreamRetry,
    WrongType,
)
from nai_trio.params import MODELS
from nai_trio.protocol import Chunk

KEY = "pst-not-a-real-key"
PARAMS = ImageParams("1girl, cat ears", size=(64, 64), steps=5, seed=7)

Kind = Literal["sse", "msgpack"]
BOTH = pytest.mark.parametrize("kind", ["sse", "msgpack"])


async def stream_all(client: NovelAI, params: ImageParams = PARAMS, kind: Kind = "sse") -> list[Chunk]:
    async with client.image.generate_stream(params, stream=kind) as stream:
        return [chunk async for chunk in stream]


@pytest.mark.parametrize("n_samples", [1, 3])
@pytest.mark.parametrize("model", ["nai-diffusion-4-5-full", "nai-diffusion-5-curated", "nai-diffusion-4-full"])
async def test_both_framings_give_equal_chunks(model: Any, n_samples: int) -> None:
    params = PARAMS.replace(model=model, n_samples=n_samples)
    async with NovelAI(KEY, transport=Emulator().transport()) as client:
        over_sse = await stream_all(client, params, "sse")
        over_msgpack = await stream_all(client, params, "msgpack")
        finals = await client.image.generate(params)
    assert over_sse == over_msgpack
    assert finals == over_sse[-n_samples:]
    assert len(over_sse) == n_samples * PARAMS.steps
    assert [chunk.event_type for chunk in over_sse].count("final") == n_samples
    for chunk in over_sse:
        with Image.open(io.BytesIO(chunk.image)) as picture:  # type: ignore[union-attr]
            assert picture.size == (64, 64)


@pytest.mark.parametrize("model", ["nai-diffusion-3", "nai-diffusion-furry-3"])
async def test_v3_comes_as_a_zip(model: Any) -> None:
    async with NovelAI(KEY, transport=Emulator().transport()) as client:
        finals = await client.image.generate(PARAMS.replace(model=model, n_samples=2))
    assert [(final.samp_ix, final.image_format) for final in finals] == [(0, "png"), (1, "png")]


async def test_every_model_and_preset_is_taken() -> None:
    emulator = Emulator()
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        for model, info in MODELS.items():
            for uc_preset in info.uc_texts:
                params = PARAMS.replace(model=model, uc_preset=uc_preset, steps=1)  # type: ignore[arg-type]
                assert len(await client.image.generate(params)) == 1
    assert {job.state for job in emulator.jobs} == {"finished"}


FAULTS: list[tuple[Fault, type[NovelAIError], int]] = [
    (Cut(after=0), StreamInterrupted, 0),
    (Cut(after=2500), StreamInterrupted, 1),
    (Stall(after=2500), NetworkTimeout, 1),
    (StreamError(after_events=2, message="boom", code=500), GenerationError, 1),
    (MissingFinal(), StreamInterrupted, 1),
    (WrongType(kind="html"), ProtocolError, 0),
    (WrongType(kind="json"), GenerationError, 0),
    (BadJSON(after_events=2), ProtocolError, 1),
    (MissingField(name="image"), ProtocolError, 0),
    (Refuse(status=403, html=True), HTTPStatusError, 0),
    (Refuse(status=429, html=True), RateLimitError, 0),
    (Refuse(status=502, html=True), ServerError, 0),
    (Refuse(status=401), AuthenticationError, 0),
]


@BOTH
@pytest.mark.parametrize(("fault", "expected", "previews"), FAULTS, ids=[repr(each[0]) for each in FAULTS])
async def test_a_fault_is_the_matching_error_and_the_next_generation_works(
    autojump_clock: object, kind: Kind, fault: Fault, expected: type[NovelAIError], previews: int
) -> None:
    emulator = Emulator()
    emulator.inject(fault)
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        with pytest.raises(expected) as caught:
            await stream_all(client, kind=kind)
        assert type(caught.value) is expected
        assert len(caught.value.previews) == previews
        assert caught.value.finals == []
        await trio.testing.wait_all_tasks_blocked()
        assert len(await stream_all(client, kind=kind)) == PARAMS.steps


async def test_a_lying_prefix_is_refused_by_the_limit() -> None:
    emulator = Emulator()
    emulator.inject(HugePrefix(after_events=2))
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        with pytest.raises(LimitExceeded, match="max_frame_size") as caught:
            await stream_all(client, kind="msgpack")
    assert caught.value.limit == "max_frame_size"
    assert len(caught.value.previews) == 1


async def test_bad_base64_is_a_protocol_error() -> None:
    emulator = Emulator()
    emulator.inject(BadBase64(after_events=2))
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        with pytest.raises(ProtocolError, match="base64") as caught:
            await stream_all(client)
    assert len(caught.value.previews) == 1


@BOTH
@pytest.mark.parametrize("answer", ["zip", "sse", "msgpack"])
async def test_another_kind_of_good_answer_is_read_as_what_it_is(kind: Kind, answer: Any) -> None:
    emulator = Emulator()
    emulator.inject(WrongType(kind=answer))
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        chunks = await stream_all(client, kind=kind)
    assert chunks[-1].event_type == "final"


async def test_a_retry_notice_only_informs() -> None:
    emulator = Emulator()
    emulator.inject(StreamRetry(after_events=2, message="once more"))
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        chunks = await stream_all(client)
    assert [chunk.message for chunk in chunks if isinstance(chunk, RetryChunk)] == ["once more"]
    assert chunks[-1].event_type == "final"


async def test_a_wrong_key_an_empty_account_and_a_busy_one_are_told_apart() -> None:
    poor, strict, slow = Emulator(anlas=0), Emulator(api_keys={"pst-another-fake"}), Emulator(step_delay=0.01)
    for emulator, expected in ((poor, PaymentRequiredError), (strict, AuthenticationError)):
        async with NovelAI(KEY, transport=emulator.transport()) as client:
            with pytest.raises(expected):
                await stream_all(client)
    limits = Limits(max_concurrent_generations=2)
    async with NovelAI(KEY, transport=slow.transport(), limits=limits) as client:
        async with client.image.generate_stream(PARAMS) as stream:
            await anext(stream)
            with pytest.raises(ConcurrencyLockedError, match="Concurrent generation is locked") as caught:
                await stream_all(client)
            assert caught.value.retry_after is None
            async for _ in stream:
                pass
        await stream_all(client)


async def test_cancelling_at_every_step_frees_the_account_and_the_connection(autojump_clock: object) -> None:
    emulator = Emulator(step_delay=0.2)
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        step, cancelled = 0, True
        while cancelled:
            step += 1
            cancelled = await cancelled_at_step(step, lambda: stream_all(client))
            await trio.testing.wait_all_tasks_blocked()
            assert emulator.connections <= 1
            assert "running" not in {job.state for job in emulator.jobs}
    assert emulator.connections == 0
    assert {job.state for job in emulator.jobs} == {"finished", "disconnected"}


async def test_a_deadline_around_the_block_ends_the_job_at_once(autojump_clock: object) -> None:
    emulator = Emulator(step_delay=2)
    async with NovelAI(KEY, transport=emulator.transport(), timeouts=Timeouts(read=None)) as client:
        with trio.move_on_after(5) as scope:
            async with client.image.generate_stream(PARAMS) as stream:
                async for _ in stream:
                    pass
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(5, abs=0.01)
        assert len(stream.previews) == 1
        await trio.testing.wait_all_tasks_blocked()
        assert [job.state for job in emulator.jobs] == ["disconnected"]
        assert emulator.connections == 0
