"""Responses cut at every byte: the right error of ours, in time, with all that had arrived, and never a success.

What is right is one table, `cuts.TABLE`; what had arrived is told by `whole_events`, which shares nothing with the
library.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import trio
from answers import ANSWERS, FRAMINGS, Answer, Framing
from cuts import ENDS, End, check, drips, exchange_for, expected, fed, told
from cutting_service import CutClient, generated
from scripted import read_request
from whole_events import WholeResponse

from nai_trio import NovelAI, NovelAIError, Retry
from nai_trio.transports import MemoryTransport

KEY = "pst-not-a-real-key"
every_answer = pytest.mark.parametrize("answer", ANSWERS.values(), ids=str)
every_framing = pytest.mark.parametrize("framing", FRAMINGS)


def places(answer: Answer, whole: WholeResponse, stride: int) -> list[int]:
    """Every so many bytes, and both sides of every border."""
    borders = {0, whole.head_end, *whole.ends, len(whole.wire)}
    near = {border + offset for border in borders for offset in (-1, 0, 1)}
    return sorted({*range(0, len(whole.wire) + 1, stride), *(place for place in near if 0 <= place <= len(whole.wire))})


# The core alone.


@every_framing
@every_answer
def test_the_end_of_file_at_every_byte(answer: Answer, framing: Framing) -> None:
    whole = WholeResponse.of(answer, answer.response(framing))
    twice = answer.n_samples > 1 and framing != "chunked"  # the same once more: a part of it will do
    for count in places(answer, whole, 7) if twice else range(len(whole.wire) + 1):
        check(answer, whole, count, "end of file", fed(answer, whole.wire[:count]))


@every_framing
@every_answer
def test_each_byte_brings_what_it_completes_and_nothing_else(answer: Answer, framing: Framing) -> None:
    """Nothing is held back until more has come: what is whole is handed out with its last byte."""
    whole = WholeResponse.of(answer, answer.response(framing))
    exchange = exchange_for(answer)
    exchange.data_to_send()
    found = 0
    for count, byte in enumerate(whole.wire, 1):
        try:
            found += len(exchange.receive_data(bytes([byte])))
        except NovelAIError as error:
            assert told(answer, error) == expected(answer, whole, count, "silence")[0]
            assert type(error).__name__ == answer.error
            break
        assert found == len(whole.arrived(count).events) or (answer.delivery in {"zip", "json"} and not found)
        assert exchange.complete == (count == len(whole.wire) and framing != "close")


# The whole client, over streams in memory.


async def sweep_client(answer: Answer, framing: Framing, ends: tuple[End, ...], stride: int, **options: Any) -> None:
    whole = WholeResponse.of(answer, answer.response(framing))
    async with CutClient(answer, whole, **options) as client:
        for end in ends:
            for count in places(answer, whole, stride):
                if end != "drip" or drips(whole, count):
                    await client.check(count, end)


@pytest.mark.parametrize("end", ["end of file", "reset"])
@pytest.mark.parametrize("name", ["sse", "msgpack", "ConcurrencyLockedError-429"])
async def test_the_client_at_every_byte(name: str, end: End, autojump_clock: object) -> None:
    await sweep_client(ANSWERS[name], "chunked", (end,), 1)


@every_framing
@every_answer
async def test_the_client_at_every_61st_byte(answer: Answer, framing: Framing, autojump_clock: object) -> None:
    await sweep_client(answer, framing, ("end of file", "reset"), 61)


@every_framing
@every_answer
async def test_silence_from_every_97th_byte_on(answer: Answer, framing: Framing, autojump_clock: object) -> None:
    await sweep_client(answer, framing, ("silence",), 97)


@every_framing
@every_answer
async def test_a_drip_that_never_is_silent_for_long(answer: Answer, framing: Framing, autojump_clock: object) -> None:
    """Each byte undoes the silence on the wire, so that only the missing event, or answer, can end it."""
    await sweep_client(answer, framing, ("drip",), 97)


async def test_heartbeats_do_not_hide_that_no_event_comes(autojump_clock: object) -> None:
    answer = ANSWERS["sse"]
    whole = WholeResponse.of(answer, answer.response("close"))

    async def handler(stream: trio.abc.Stream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await read_request(stream)
            await stream.send_all(whole.wire[: whole.ends[1]])
            while True:
                await trio.sleep(20)
                await stream.send_all(b": still here\n\n")

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        run = await generated(client, answer)
    check(answer, whole, whole.ends[1], "drip", run)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ["sse", "msgpack", "json"])
async def test_three_bytes_at_a_time(name: str, end: End, autojump_clock: object) -> None:
    await sweep_client(ANSWERS[name], "chunked", (end,), 499, piece=3)


@every_framing
@pytest.mark.parametrize("name", ["sse", "msgpack", "zip", "json", "GenerationError-200"])
async def test_retries_send_nothing_again_that_may_be_billed(
    name: str, framing: Framing, autojump_clock: object
) -> None:
    """`CutClient` counts the requests."""
    await sweep_client(ANSWERS[name], framing, ENDS, 499, retry=Retry(attempts=3))
