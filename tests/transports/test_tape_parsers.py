"""The recorded tapes (tests/tapes) against the parsers: equal framings, any cut, and the emulator of today."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio.testing

from nai_trio import NovelAIError
from nai_trio.pictures.header import read_header
from nai_trio.protocol import ImageExchange
from nai_trio.transports import ReplayTransport
from nai_trio.transports.tape_contents import Tape

if TYPE_CHECKING:
    from nai_trio import Chunk

FOLDER = Path(__file__).resolve().parents[1] / "tapes"
sys.path.insert(0, str(FOLDER))
from record import KEY, STEP, TAPES, Case, take  # noqa: E402 - where the tapes are made

sys.path.remove(str(FOLDER))

CASES = [pytest.param(FOLDER / f"{name}.tape", case, id=name) for name, case in TAPES.items()]


def tape_of(name: str) -> Tape:
    return Tape.load(FOLDER / f"{name}.tape")


def response_of(tape: Tape) -> list[bytes]:
    (exchange,) = tape.exchanges
    return [event.data for event in exchange.events if event.kind == "receive"]


def decode(case: Case, pieces: list[bytes]) -> tuple[list[Chunk], str]:
    """What the core makes of a response in these pieces, and the error's words."""
    exchange = ImageExchange(case.params, api_key=KEY, host="image.novelai.net", stream=case.stream)
    chunks: list[Chunk] = []
    try:
        for piece in [*pieces, b""]:
            if not exchange.complete:
                chunks += exchange.receive_data(piece)
        exchange.raise_fault()
    except NovelAIError as error:
        return chunks, f"{type(error).__name__}: {error}"
    assert exchange.complete
    return chunks, ""


def outlined(chunks: list[Chunk]) -> list[Any]:
    """Chunks with a picture's format and size in its place: its bytes depend on what Pillow is built with."""
    return [
        attrs.evolve(each, image=repr(read_header(each.image)).encode()) if hasattr(each, "image") else each
        for each in chunks
    ]


def test_every_tape_has_its_case_and_all_together_are_small() -> None:
    assert {path.stem for path in FOLDER.glob("*.tape")} == set(TAPES)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.tape")) < 500_000


@pytest.mark.parametrize(("path", "case"), CASES)
async def test_it_replays_as_it_was(path: Path, case: Case, autojump_clock: trio.testing.MockClock) -> None:
    transport = ReplayTransport(path)
    began = trio.current_time()
    assert (await take(case, transport))[1] == case.error
    assert transport.unused == ()
    (exchange,) = transport.tape.exchanges
    last = max((event.time for event in exchange.events if event.kind == "receive"), default=0)
    assert trio.current_time() - began == pytest.approx(last / 1e9)
    if case.stream in {"sse", "msgpack"} and case.fault is None and not case.error:
        assert last / 1e9 == pytest.approx(case.params.steps * STEP)


@pytest.mark.parametrize(("path", "case"), CASES)
async def test_the_emulator_answers_like_that_still(
    path: Path, case: Case, autojump_clock: trio.testing.MockClock
) -> None:
    recorded, error = await take(case, ReplayTransport(path))
    fresh, fresh_error = await take(case, case.emulator().transport())
    assert fresh_error == error
    assert outlined(fresh) == outlined(recorded)


@pytest.mark.parametrize(("path", "case"), CASES)
def test_the_request_is_the_one_that_is_made_today(path: Path, case: Case) -> None:
    (exchange,) = Tape.load(path).exchanges
    stream = case.stream if case.stream in {"sse", "msgpack"} else None
    assert json.loads(exchange.request.body) == json.loads(case.params.to_json(stream=stream))


@pytest.mark.parametrize("samples", ["", "-4-samples"])
def test_both_framings_have_the_same_chunks(samples: str) -> None:
    sse, msgpack = (decode(TAPES[name], response_of(tape_of(name))) for name in (f"sse{samples}", f"msgpack{samples}"))
    assert sse == msgpack
    assert len(sse[0]) == (32 if samples else 8)


@pytest.mark.parametrize(("path", "case"), CASES)
def test_any_cut_gives_the_same(path: Path, case: Case) -> None:
    whole = b"".join(response_of(Tape.load(path)))
    expected = decode(case, response_of(Tape.load(path)))
    assert expected[1].partition(":")[0] == case.error
    places = random.Random(path.name).sample(range(1, len(whole)), min(len(whole) - 1, 60))
    for place in places:
        assert decode(case, [whole[:place], whole[place:]]) == expected
    for size in (1, 7, 1000, len(whole)):
        if len(whole) // size < 20_000:
            assert decode(case, [whole[start : start + size] for start in range(0, len(whole), size)]) == expected


@pytest.mark.parametrize("name", ["sse", "msgpack", "sse-4-samples", "msgpack-4-samples"])
def test_a_tape_cut_short_anywhere_is_an_error_with_what_came(name: str) -> None:
    whole, case = b"".join(response_of(tape_of(name))), TAPES[name]
    chunks = decode(case, [whole])[0]
    for place in random.Random(name).sample(range(1, len(whole)), 60):
        found, error = decode(case, [whole[:place]])
        assert error.startswith("StreamInterrupted")
        assert found == chunks[: len(found)]


def test_no_tape_has_a_key_on_it() -> None:
    for path in FOLDER.glob("*.tape"):
        assert KEY.encode() not in path.read_bytes()
