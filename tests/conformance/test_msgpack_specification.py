"""Msgpack against its specification: each format in a frame and in a bare map, and every way in which bytes are none.

Ids carry the specification's names of formats (tests/support/msgpack_formats.py). What is ours and not the
specification's says so: text keys alone, one map per frame, limits on what is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from cuttings import byte_by_byte, cuttings, split_at
from hypothesis import given, settings
from hypothesis import strategies as st
from msgpack_formats import EXAMPLES, FORMATS, Encoded, Example, encoded_maps, same

from nai_trio import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.protocol import Limits, MsgpackDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MEMBER = b"\x81\xa1v"
"""A map of one member whose value is still to come."""

EMPTY = b"\0\0\0\1\x80"
"""A frame that holds an empty map."""

SMALL = 300
"""Streams up to this size are cut at every place; longer ones around the first bytes and the last."""


def prefixed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


each_format = pytest.mark.parametrize("examples", FORMATS.values(), ids=[name.replace(" ", "-") for name in FORMATS])
both_framings = pytest.mark.parametrize("frame", [prefixed, bytes], ids=["prefixed", "bare"])


def pieces_of(stream: bytes) -> Iterator[list[bytes]]:
    if len(stream) <= SMALL:
        yield from cuttings(stream)
        return
    yield [stream]
    yield split_at(stream, range(0, len(stream), 4096))
    yield [*byte_by_byte(stream[:24]), stream[24:-8], *byte_by_byte(stream[-8:])]
    for place in (*range(1, 24), *range(len(stream) - 8, len(stream))):
        yield [stream[:place], stream[place:]]


def read(pieces: Iterable[bytes], *, limit: int = 64 * 2**20) -> tuple[list[dict[str, Any]], NovelAIError | None]:
    """Feed to the end and close; the error may come at any of the steps."""
    decoder = MsgpackDecoder(max_frame_size=limit)
    maps: list[dict[str, Any]] = []
    try:
        for piece in pieces:
            maps += decoder.feed(piece)
        decoder.close()
    except NovelAIError as error:
        assert error is decoder.fault
        return maps, error
    return maps, None


@both_framings
@each_format
def test_the_format_is_read_in_every_cut(examples: list[Example], frame: Callable[[bytes], bytes]) -> None:
    for example in examples:
        stream = frame(MEMBER + example.encoded) + frame(b"\x80")
        for pieces in pieces_of(stream):
            maps, fault = read(pieces)
            assert fault is None, example.note
            assert same(maps, [{"v": example.value}, {}]), example.note


def test_the_examples_show_every_first_byte_but_the_reserved_one() -> None:
    assert {example.encoded[0] for example in EXAMPLES} == set(range(256)) - {0xC1}


@given(st.lists(encoded_maps, max_size=4), st.booleans(), st.lists(st.integers(0, 2000), max_size=10))
@settings(max_examples=100)
def test_any_value_in_any_format_that_holds_it_is_read(maps: list[Encoded], bare: bool, cuts: list[int]) -> None:
    stream = b"".join(encoded if bare else prefixed(encoded) for encoded, _ in maps)
    read_maps, fault = read(split_at(stream, cuts))
    assert fault is None
    assert same(read_maps, [value for _, value in maps])


@each_format
def test_a_value_cut_short_by_its_frame_is_refused(examples: list[Example]) -> None:
    for example in examples:
        whole = MEMBER + example.encoded
        for size in {*range(min(len(whole), 24)), len(whole) - 1}:
            maps, fault = read([EMPTY, prefixed(whole[:size]), EMPTY])
            assert maps == [{}]
            assert type(fault) is ProtocolError
            assert fault.offset == len(EMPTY)


@each_format
def test_a_value_with_a_byte_behind_it_in_its_frame_is_refused(examples: list[Example]) -> None:
    for example in examples:
        maps, fault = read([EMPTY, prefixed(MEMBER + example.encoded + b"\xc0")])
        assert maps == [{}]
        assert type(fault) is ProtocolError
        assert fault.offset == len(EMPTY)


@both_framings
@each_format
def test_only_a_map_may_stand_at_the_top(examples: list[Example], frame: Callable[[bytes], bytes]) -> None:
    for example in examples:
        for pieces in pieces_of(frame(b"\x80") + frame(example.encoded)):
            maps, fault = read(pieces)
            if isinstance(example.value, dict):
                assert (maps, fault) == ([{}, example.value], None)
            else:
                assert maps == [{}]
                assert type(fault) is ProtocolError
                assert (fault.expected, fault.received) == (
                    "a msgpack map with text keys",
                    type(example.value).__name__,
                )


@each_format
def test_only_text_may_be_a_key(examples: list[Example]) -> None:
    for example in examples:
        maps, fault = read([EMPTY, prefixed(b"\x81" + example.encoded + b"\xc0")])
        if isinstance(example.value, str):
            assert (maps, fault) == ([{}, {example.value: None}], None)
        else:
            assert maps == [{}]
            assert type(fault) is ProtocolError
            assert fault.offset == len(EMPTY)


@attrs.frozen
class Refused:
    """A map that must be refused.

    Attributes:
        name: formats and fault.
        encoded: its bytes.
        limit: the limit of ours that it exceeds, where that is what is wrong with it.
        waits: whether without a prefix it is only not whole yet.
    """

    name: str
    encoded: bytes
    limit: str | None = attrs.field(default=None, kw_only=True)
    waits: bool = attrs.field(default=False, kw_only=True)


def spelled(digits: str) -> bytes:
    return bytes.fromhex(digits)


TOO_MANY = (Limits().max_members + 1).to_bytes(2, "big")

REFUSED = [
    Refused("never-used-c1-as-a-value", MEMBER + b"\xc1"),
    Refused("never-used-c1-as-a-key", spelled("81 c1 c0")),
    Refused("never-used-c1-in-an-array", MEMBER + spelled("92 c0 c1")),
    Refused("never-used-c1-at-the-top", b"\xc1"),
    Refused("str-UTF-8-broken-in-a-value", MEMBER + spelled("a2 c328")),
    Refused("str-UTF-8-cut-off-in-a-value", MEMBER + spelled("a2 e282")),
    Refused("str-UTF-8-overlong", MEMBER + spelled("a2 c0af")),
    Refused("str-UTF-8-surrogate", MEMBER + spelled("a3 eda080")),
    Refused("str-UTF-8-beyond-the-last", MEMBER + spelled("a4 f4908080")),
    Refused("str-UTF-8-broken-in-a-key", spelled("81 a1ff c0")),
    Refused("str-8-UTF-8-broken", MEMBER + spelled("d9 01 ff")),
    Refused("map-key-nil-inside", MEMBER + spelled("81 c0 c0")),
    Refused("map-key-integer-inside", MEMBER + spelled("81 01 c0")),
    Refused("map-key-array-inside", MEMBER + spelled("81 90 c0")),
    Refused("map-key-float-inside", MEMBER + spelled("81 ca00000000 c0")),
    Refused("map-16-more-members-than-there-are", spelled("de 0003 a161 c0 a162 c0"), waits=True),
    Refused("map-32-of-4-billion-members", spelled("df ffffffff"), limit="max_members"),
    Refused("array-16-more-members-than-there-are", MEMBER + spelled("dc 0003 c0 c0"), waits=True),
    Refused("array-32-of-4-billion-members", MEMBER + spelled("dd ffffffff"), limit="max_members"),
    Refused("str-32-of-4-GiB", MEMBER + spelled("db ffffffff"), limit="max_frame_size"),
    Refused("bin-32-of-4-GiB", MEMBER + spelled("c6 ffffffff"), limit="max_frame_size"),
    Refused("ext-32-of-4-GiB", MEMBER + spelled("c9 ffffffff 05"), limit="max_frame_size"),
    Refused("ext-type-reserved--2", MEMBER + spelled("d4 fe 00")),
    Refused("ext-type-reserved--128", MEMBER + spelled("d4 80 00")),
    Refused("timestamp-of-no-bytes", MEMBER + spelled("c7 00 ff")),
    Refused("timestamp-of-1-byte", MEMBER + spelled("d4 ff 00")),
    Refused("timestamp-of-2-bytes", MEMBER + spelled("d5 ff 0000")),
    Refused("timestamp-of-16-bytes", MEMBER + spelled("d8 ff") + bytes(16)),
    Refused("timestamp-64-of-1000000000-nanoseconds", MEMBER + spelled("d7 ff ee6b280000000000")),
    Refused("timestamp-96-of-1000000000-nanoseconds", MEMBER + spelled("c7 0c ff 3b9aca00 0000000000000000")),
    Refused("ours-array-of-too-many", MEMBER + b"\xdc" + TOO_MANY + b"\xc0" * 2**16, limit="max_members"),
    Refused("ours-map-of-too-many", b"\xde" + TOO_MANY + b"\xa0\xc0" * 2**16, limit="max_members"),
    Refused("ours-arrays-too-deep", MEMBER + b"\x91" * Limits().max_depth + b"\xc0", limit="max_depth"),
    Refused("ours-maps-too-deep", b"\x81\xa1k" * Limits().max_depth + b"\x80", limit="max_depth"),
    Refused("ours-arrays-5000-deep", MEMBER + b"\x91" * 5000 + b"\xc0", limit="max_depth"),
]


@both_framings
@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_what_is_no_map_of_ours_is_one_error_in_every_cut(refused: Refused, frame: Callable[[bytes], bytes]) -> None:
    good = frame(MEMBER + b"\x01")
    behind = b"" if refused.waits else good
    verdicts = set()
    for pieces in pieces_of(good + frame(refused.encoded) + behind):
        maps, fault = read(pieces)
        assert maps == [{"v": 1}]
        assert isinstance(fault, ProtocolError)
        assert fault.offset == len(good)
        assert (fault.limit if isinstance(fault, LimitExceeded) else None) == refused.limit
        verdicts.add(str(fault))
    assert len(verdicts) == 1


@both_framings
def test_the_last_of_equal_keys_counts(frame: Callable[[bytes], bytes]) -> None:
    """The specification leaves it open; so does JSON, where the other stream format takes the last one too."""
    for pieces in cuttings(frame(spelled("83 a161 01 a162 02 d901 61 03"))):
        assert read(pieces) == ([{"a": 3, "b": 2}], None)


@both_framings
def test_bytes_may_be_keys_below_the_top(frame: Callable[[bytes], bytes]) -> None:
    assert read([frame(MEMBER + spelled("81 c401ff c0"))]) == ([{"v": {b"\xff": None}}], None)


@pytest.mark.parametrize("format_", ["fixmap", "map 16", "map 32"])
def test_a_stream_that_starts_with_a_map_has_no_prefixes(format_: str) -> None:
    for example in FORMATS[format_]:
        for pieces in pieces_of(example.encoded + b"\x80"):
            assert read(pieces) == ([example.value, {}], None)


SEVEN = spelled("83 a161 01 a162 02")  # two members of the three that it claims


@attrs.frozen
class Framing:
    """Prefixes and payloads, right or wrong.

    Attributes:
        name: what it shows.
        stream: its bytes.
        maps: how many of the empty maps in it are read.
        error: the kind of error, or None.
        offset: the byte of the stream where the refused frame starts.
        limit: `max_frame_size`.
    """

    name: str
    stream: bytes
    maps: int
    error: type[NovelAIError] | None = None
    offset: int = 0
    limit: int = attrs.field(default=64 * 2**20, kw_only=True)


MIB64 = spelled("04000000")

FRAMINGS = [
    Framing("nothing", b"", 0),
    Framing("one", EMPTY, 1),
    Framing("three", EMPTY * 3, 3),
    Framing("length-zero", EMPTY + spelled("00000000") + EMPTY, 1, ProtocolError, 5),
    Framing("length-zero-first", spelled("00000000") + EMPTY, 0, ProtocolError),
    Framing("length-one-short", EMPTY + spelled("00000002 81a176 01") + EMPTY, 1, ProtocolError, 5),
    Framing("length-one-long", EMPTY + spelled("00000002 80") + EMPTY, 1, ProtocolError, 5),
    Framing("length-one-long-at-the-end", EMPTY + spelled("00000002 80"), 1, ProtocolError, 5),
    Framing("length-of-two-maps", EMPTY + spelled("00000002 80 80"), 1, ProtocolError, 5),
    Framing("length-little-endian", EMPTY + spelled("01000000 80"), 1, ProtocolError, 5),
    Framing("length-of-two-bytes", EMPTY + spelled("0001 80") + EMPTY, 1, ProtocolError, 5),
    Framing("length-alone", EMPTY + spelled("00000001"), 1, ProtocolError, 5),
    Framing("length-cut-off", EMPTY + spelled("000000"), 1, ProtocolError, 5),
    Framing("payload-cut-off", EMPTY + spelled("00000007") + SEVEN[:-1], 1, ProtocolError, 5),
    Framing("payload-whole-map-not", EMPTY + spelled("00000007") + SEVEN + EMPTY, 1, ProtocolError, 5),
    Framing("length-of-4-GiB", EMPTY + spelled("ffffffff 80"), 1, LimitExceeded, 5),
    Framing("length-of-4-GiB-first", spelled("ffffffff 80"), 0, LimitExceeded),
    Framing("length-of-2-GiB", EMPTY + spelled("80000000 80"), 1, LimitExceeded, 5),
    Framing("length-over-64-MiB", EMPTY + spelled("04000001 80"), 1, LimitExceeded, 5),
    Framing("length-of-64-MiB-is-waited-for", EMPTY + MIB64 + spelled("80"), 1, ProtocolError, 5),
    Framing("length-at-the-limit-is-waited-for", EMPTY + spelled("0000000a 81"), 1, ProtocolError, 5, limit=10),
    Framing("length-one-over-the-limit", EMPTY + spelled("0000000b 81"), 1, LimitExceeded, 5, limit=10),
    Framing("length-at-a-limit-of-one", EMPTY * 2, 2, limit=1),
    Framing("length-over-a-limit-of-one", EMPTY + prefixed(b"\xde\0\0"), 1, LimitExceeded, 5, limit=2),
    Framing("bare-map-at-a-limit-of-one", b"\x80\x80", 2, limit=1),
    Framing("bare-map-over-a-limit-of-one", b"\x80\xde\0\0", 1, LimitExceeded, 1, limit=2),
    Framing("bare-map-then-a-prefix", b"\x80" + EMPTY, 1, ProtocolError, 1),
    Framing("prefix-then-a-bare-map", EMPTY + b"\x80\xa0\xa0\xa0", 1, LimitExceeded, 5),
    Framing("prefix-then-a-bare-map-at-the-end", EMPTY + b"\x80", 1, ProtocolError, 5),
    Framing("bare-map-cut-off", b"\x80\xde\0", 1, ProtocolError, 1),
    Framing("bare-array-first-is-a-length", b"\x90\x80\x80\x80", 0, LimitExceeded),
    Framing("text-first-is-a-length", b"data: x\n\n", 0, LimitExceeded),
]


@pytest.mark.parametrize("framing", FRAMINGS, ids=[framing.name for framing in FRAMINGS])
def test_framing_has_one_verdict_in_every_cut(framing: Framing) -> None:
    verdicts = set()
    for pieces in cuttings(framing.stream):
        maps, fault = read(pieces, limit=framing.limit)
        assert maps == [{}] * framing.maps
        assert (None if fault is None else type(fault)) is framing.error
        assert fault is None or (isinstance(fault, ProtocolError) and fault.offset == framing.offset)
        verdicts.add(str(fault))
    assert len(verdicts) == 1


def test_names_are_unique() -> None:
    for table in (REFUSED, FRAMINGS):
        names = [row.name for row in table]
        assert len(set(names)) == len(names)
