"""Memory that is used again: what it holds, when it goes back, and that nobody takes what another left there."""

from __future__ import annotations

import base64
import json
import struct
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from cuttings import split_at
from hypothesis import given
from hypothesis import strategies as st

from nai_trio import NovelAIError
from nai_trio.params import ImageParams
from nai_trio.protocol import Buffers, Chunk, ImageExchange, MsgpackDecoder, SSEDecoder
from nai_trio.protocol.gather import SHARED, SLICE, Gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MIB = 1024 * 1024
PARAMS = ImageParams("1girl", size=(64, 64), steps=3, seed=1)
BODY = PARAMS.to_json(stream="sse")
PREVIEW = {"event_type": "intermediate", "samp_ix": 0, "step_ix": 1, "gen_id": 7, "sigma": 9.5, "image": b"\xff\xd8 1"}
FINAL = {"event_type": "final", "samp_ix": 0, "gen_id": 7, "image": b"\x89PNG" + bytes(range(200))}


def event(fields: dict[str, Any]) -> bytes:
    text = json.dumps({**fields, "image": base64.b64encode(fields["image"]).decode()})
    return b"event: %s\ndata: %s\n\n" % (fields["event_type"].encode(), text.encode())


def frame(fields: dict[str, Any]) -> bytes:
    payload = msgpack.packb(fields)
    return struct.pack(">I", len(payload)) + payload


def bare(fields: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed


def response(pack: Callable[[dict[str, Any]], bytes]) -> bytes:
    media_type = b"text/event-stream" if pack is event else b"application/msgpack"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % media_type
    return head + pack(PREVIEW) + pack(PREVIEW) + pack(FINAL)


each_framing = pytest.mark.parametrize("pack", [event, frame, bare])


def exchange(buffers: Buffers) -> ImageExchange:
    run = ImageExchange(PARAMS, api_key="pst-not-a-real-key", host="h", body=BODY, buffers=buffers)
    run.data_to_send()
    return run


def by_receive_data(run: ImageExchange, piece: bytes) -> list[Chunk]:
    return run.receive_data(piece)


def by_get_buffer(run: ImageExchange, piece: bytes) -> list[Chunk]:
    with run.get_buffer() as room:
        room[: len(piece)] = piece
    return run.buffer_updated(len(piece))


def results(buffers: Buffers, pieces: Iterable[bytes]) -> tuple[list[Chunk], str]:
    """The chunks of one response, and how it ended."""
    run, chunks = exchange(buffers), []
    try:
        for piece in [*filter(None, pieces), b""]:
            chunks += run.receive_data(piece)
        run.raise_fault()
    except NovelAIError as error:
        return chunks, f"{type(error).__name__}: {error}"
    return chunks, "complete" if run.complete else "incomplete"


class Counted(Buffers):
    """Knows what is lent out."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[bytearray] = []

    def lend(self) -> bytearray:
        self.out.append(super().lend())
        return self.out[-1]

    def give_back(self, memory: bytearray) -> None:
        self.out = [other for other in self.out if other is not memory]
        super().give_back(memory)


def test_a_room_has_one_user_at_a_time_and_is_used_again() -> None:
    buffers = Buffers()
    rooms = [buffers.lend_room() for _ in range(4)]
    assert {len(room) for room in rooms} == {SLICE}
    assert len({id(room) for room in rooms}) == 4
    for room in rooms:
        buffers.give_back_room(room)
    again = [buffers.lend_room() for _ in rooms]
    assert sum(any(room is other for other in rooms) for room in again) == 2  # more are not kept


def test_a_buffer_to_receive_into_stays_the_exchanges_own_until_it_was_updated() -> None:
    buffers = Buffers()
    one, other = exchange(buffers), exchange(buffers)
    with one.get_buffer() as first, one.get_buffer() as again, other.get_buffer() as others:
        assert first.obj is again.obj
        assert first.obj is not others.obj
        room = first.obj
        first[:6] = b"HTTP/1"
    assert one.buffer_updated(6) == []
    with pytest.raises(ValueError, match="count: expected 0 to"):
        other.buffer_updated(SLICE + 1)
    with exchange(buffers).get_buffer() as third:
        assert third.obj is room


def test_exchanges_that_were_given_no_memory_share_it() -> None:
    spare = bytearray(b"kept")
    while SHARED.lend():  # nothing of other tests
        pass
    SHARED.give_back(spare)
    whole = response(event)
    run = ImageExchange(PARAMS, api_key="pst-not-a-real-key", host="h", body=BODY)
    run.data_to_send()
    chunks = run.receive_data(whole[:-3])
    assert SHARED.lend() == b""  # it is in use
    chunks += [*run.receive_data(whole[-3:]), *run.receive_data(b"")]
    assert len(chunks) == 3
    assert SHARED.lend() is spare


def test_what_was_given_back_is_lent_again() -> None:
    buffers = Buffers()
    assert buffers.lend() == bytearray()
    memory = bytearray(b"stale")
    buffers.give_back(memory)
    assert buffers.lend() is memory
    assert buffers.lend() is not memory


def test_two_spares_are_kept_and_no_more() -> None:
    buffers = Buffers()
    given = [bytearray(b"%d" % number) for number in range(4)]
    for memory in given:
        buffers.give_back(memory)
    lent = [buffers.lend() for _ in given]
    assert sorted(lent) == [b"", b"", b"0", b"1"]


@pytest.mark.parametrize(("size", "kept"), [(8 * MIB, True), (8 * MIB + 1, False)])
def test_what_is_larger_than_eight_mebibytes_is_not_kept(size: int, kept: bool) -> None:
    buffers, memory = Buffers(), bytearray(size)
    buffers.give_back(memory)
    assert (buffers.lend() is memory) is kept


steps = st.one_of(st.binary(max_size=40), st.tuples(st.integers(0, 50), st.integers(0, 50)), st.just("release"))


@given(st.lists(steps, max_size=30), st.binary(max_size=60))
def test_a_gather_holds_what_was_written_and_not_removed(taken: list[Any], stale: bytes) -> None:
    buffers = Counted()
    buffers.give_back(bytearray(stale))
    gather, model = Gather(buffers), bytearray()
    for step in taken:
        if isinstance(step, bytes):
            gather.write(memoryview(step))
            model += step
        elif isinstance(step, tuple):
            start, end = sorted(place % (len(model) + 1) for place in step)
            gather.remove(start, end)
            del model[start:end]
        else:
            gather.release()
            model.clear()
        assert gather.size == len(model)
        assert gather.memory[: gather.size] == model
        if not model:
            assert (gather.memory, buffers.out) == (b"", [])


def test_its_memory_goes_back_when_nothing_is_held_and_not_before() -> None:
    buffers = Counted()
    gather = Gather(buffers)
    gather.write(memoryview(b"two"))
    memory = gather.memory
    gather.remove(0, 2)
    assert buffers.out == [memory]
    gather.remove(0, 1)
    assert buffers.out == []
    assert buffers.lend() is memory


def test_a_gather_that_holds_nothing_gives_nothing_back() -> None:
    buffers = Buffers()
    spare = bytearray(b"spare")
    buffers.give_back(spare)
    gather = Gather(buffers)
    gather.remove(0, 0)
    gather.write(memoryview(b""))
    gather.remove(0, 0)
    assert [len(buffers.lend()) for _ in range(2)] == [len(spare), 0]


def test_what_grows_byte_by_byte_is_moved_a_bounded_number_of_times() -> None:
    gather = Gather(Buffers())
    sizes = set()
    for _ in range(20_000):
        gather.write(memoryview(b"x"))
        sizes.add(len(gather.memory))
    assert max(sizes) <= 20_000 * 5 // 4 + 1
    assert len(sizes) < 60
    assert gather.memory[: gather.size] == b"x" * 20_000


def test_a_view_that_was_taken_of_it_is_not_left_behind() -> None:
    gather = Gather(Buffers())
    gather.write(memoryview(b"abc"))
    memory = gather.memory
    gather.release()
    memory.clear()  # fails where it is still looked at


@each_framing
def test_an_exchange_that_only_waits_holds_no_memory(pack: Callable[[dict[str, Any]], bytes]) -> None:
    buffers = Counted()
    runs = [exchange(buffers) for _ in range(20)]
    whole = response(pack).removesuffix(pack(FINAL))
    for run in runs:
        assert len(run.receive_data(whole[:-3])) == 1
        assert len(buffers.out) == 1
        assert len(run.receive_data(whole[-3:])) == 1
        assert buffers.out == []
    for run in runs:
        assert len(run.receive_data(pack(FINAL))) == 1
        assert not run.fault
    assert buffers.out == []


places = st.lists(st.integers(0, 3000), max_size=12)
framings = st.sampled_from([event, frame, bare])
ways = st.lists(st.sampled_from([by_receive_data, by_get_buffer]), min_size=1, max_size=5)


@given(st.lists(st.tuples(framings, places), min_size=2, max_size=4), ways)
def test_exchanges_that_share_memory_do_not_disturb_each_other(streams: list[Any], feeds: list[Any]) -> None:
    buffers = Counted()
    runs = [exchange(buffers) for _ in streams]
    chunks: list[list[Chunk]] = [[] for _ in streams]
    cut = [[piece for piece in split_at(response(pack), cuts) if piece] for pack, cuts in streams]
    for turn, pieces in enumerate(zip_longest(*cut)):
        for number, (run, piece) in enumerate(zip(runs, pieces, strict=True)):
            if piece is not None:
                chunks[number] += feeds[(turn + number) % len(feeds)](run, piece)
    for run, (pack, _), came in zip(runs, streams, chunks, strict=True):
        run.receive_data(b"")
        assert run.complete
        assert (came, "complete") == results(Buffers(), [response(pack)])
    assert buffers.out == []


@given(framings, framings, places, st.integers(0, 3000))
def test_what_an_earlier_exchange_left_is_never_taken_for_new(
    earlier: Callable[[dict[str, Any]], bytes], later: Callable[[dict[str, Any]], bytes], cuts: list[int], end: int
) -> None:
    whole = response(later)
    cut_off = whole[: end % (len(whole) + 1)]
    buffers = Buffers()
    results(buffers, [response(earlier)])
    assert results(buffers, split_at(cut_off, cuts)) == results(Buffers(), [cut_off])


@each_framing
def test_an_answer_that_is_cut_anywhere_is_not_completed_by_the_same_answer_before_it(
    pack: Callable[[dict[str, Any]], bytes],
) -> None:
    whole, buffers = response(pack), Buffers()
    complete = results(buffers, [whole])
    assert complete[1] == "complete"
    for end in range(whole.index(b"\r\n\r\n") + 4, len(whole)):
        chunks, ending = results(buffers, [whole[:end]])
        assert ending.startswith("StreamInterrupted")
        assert chunks == complete[0][: len(chunks)]
        assert len(chunks) < 3
        assert results(buffers, [whole[:-1], whole[-1:]]) == complete


class Stale(Buffers):
    """Lends memory with something in it."""

    def __init__(self, left: bytes) -> None:
        super().__init__()
        self._left = left

    def lend(self) -> bytearray:
        return bytearray(self._left * 3000)


LINES = b"event: x\ndata: 1\n\nid: 5\r\n\rdata\n\n: c\n\xef\xbb\xbfdata: 2\n\n" * 2
MAPS = b"\x81\xa1a\x01\x82\xa1b\xc4\x03abc\xa1c\xc0\x80"


@pytest.mark.parametrize("left", [b"\n", b"\r", b"\r\n", b":", b'"', b"\0", b"\x01", b"\x80", b"\xa1", b"data: 1\n\n"])
def test_parsers_never_look_behind_what_has_come(left: bytes) -> None:
    frames = struct.pack(">I", 4) + MAPS[:4] + struct.pack(">I", 11) + MAPS[4:15] + struct.pack(">I", 1) + b"\x80"
    for stream, make in ((LINES, SSEDecoder), (MAPS, MsgpackDecoder), (frames, MsgpackDecoder)):
        for end in range(len(stream) + 1):
            dirty, clean = make(buffers=Stale(left)), make()
            for piece in (stream[: end // 2], stream[end // 2 : end]):
                assert dirty.feed(piece) == clean.feed(piece)
            if isinstance(dirty, SSEDecoder):
                assert (dirty.unfinished, dirty.retry) == (clean.unfinished, clean.retry)
