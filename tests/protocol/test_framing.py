"""Each way to mark off a body, alone: cut anywhere, up to its limits, and both ways through chunks.

What h11 makes of the same bytes is held by tests/conformance/test_http_framing.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from cuttings import cuttings, split_at
from hypothesis import example, given
from hypothesis import strategies as st

from nai_trio import LimitExceeded, ProtocolError
from nai_trio.protocol import HTTPExchange, Limits, json_request
from nai_trio.protocol.framing import ChunkedFraming, CloseFraming, Framing, LengthFraming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIMITS = Limits()


@attrs.frozen
class Outcome:
    """What became of a body.

    Attributes:
        content: what was handed on, joined.
        taken: how many bytes belong to the message.
        fault: type and words of the error.
    """

    content: bytes
    taken: int
    ended: bool
    trailers: bytes = b""
    fault: tuple[type, str] | None = None


def outcome(framing: Framing, pieces: Iterable[bytes]) -> Outcome:
    """Read as an exchange does: until the end, or a fault."""
    content, taken, fault = bytearray(), 0, None
    try:
        for piece in pieces:
            if not framing.ended:
                taken += framing.read(memoryview(piece), content.extend)
    except ProtocolError as error:
        fault, taken = (type(error), str(error)), -1
    return Outcome(bytes(content), taken, framing.ended, framing.trailers, fault)


FRAMING = "expected a valid HTTP/1.1 body framing"


def refusal(verdicts: set[Outcome], content: bytes, kind: type = ProtocolError) -> str:
    """The words of the one verdict that all cuts must get."""
    [verdict] = verdicts
    assert verdict.fault is not None
    assert (verdict.content, verdict.fault[0], verdict.ended) == (content, kind, False)
    return verdict.fault[1]


class GeneralWay(ChunkedFraming):
    """Reads chunks without the loop for usual ones."""

    def _read_usual(self, data: memoryview, place: int, write: Callable[[memoryview], object]) -> int:
        return place


both_ways = pytest.mark.parametrize("chunked", [ChunkedFraming, GeneralWay])


def chunks(*contents: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(content), content) for content in contents) + end


def test_a_body_of_a_known_length_ends_with_its_last_byte() -> None:
    for pieces in cuttings(b"hello and more"):
        assert outcome(LengthFraming(5, LIMITS), pieces).content == b"hello"
        framing = LengthFraming(5, LIMITS)
        taken = [framing.read(memoryview(piece), bytes) for piece in pieces if not framing.ended]
        assert (sum(taken), framing.ended) == (5, True)
        assert not LengthFraming(15, LIMITS).ended


def test_a_body_of_a_known_length_goes_on_until_it_is_whole() -> None:
    for pieces in cuttings(b"hello"):
        assert outcome(LengthFraming(6, LIMITS), pieces) == Outcome(b"hello", 5, ended=False)
        assert outcome(LengthFraming(6, LIMITS), [*pieces, b"!?"]) == Outcome(b"hello!", 6, ended=True)


def test_a_body_without_an_end_of_its_own_takes_all() -> None:
    stream = b"5\r\nhello\r\n0\r\n\r\n"
    for pieces in cuttings(stream):
        assert outcome(CloseFraming(LIMITS), pieces) == Outcome(stream, len(stream), ended=False)


@both_ways
def test_a_chunked_body_ends_behind_its_trailers(chunked: type[ChunkedFraming]) -> None:
    for trailers in (b"\r\n", b"\n", b"A: 1\r\n\r\n", b"A: 1\nB: 2\r\n\n", b"A: 1\r\n b\n\r\n"):
        stream = chunks(b"hello", b"\r\n3\r\n", b"x" * 20, end=b"0\r\n" + trailers)
        expected = Outcome(b"hello\r\n3\r\n" + b"x" * 20, len(stream), ended=True, trailers=trailers)
        for pieces in cuttings(stream + b"HTTP/1.1 200 OK\r\n"):
            assert outcome(chunked(LIMITS), pieces) == expected
        for pieces in cuttings(stream[:-1]):
            assert not outcome(chunked(LIMITS), pieces).ended


HEADERS = [
    *(b"5", b"005", b"5;", b"5;a=b", b'5; a="5\r"', b"5 ", b"5\t", b"5;a \t", b"000000005", b"0" * 19 + b"5"),
    *(b"0000005", b"00000005"),
]


@both_ways
@pytest.mark.parametrize("header", HEADERS)
def test_a_chunk_header_says_the_same_however_it_is_written(chunked: type[ChunkedFraming], header: bytes) -> None:
    stream = chunks(b"one", end=b"") + header + b"\r\nhello\r\n" + chunks(b"z" * 10).upper()
    for pieces in cuttings(stream):
        assert outcome(chunked(LIMITS), pieces) == Outcome(b"onehello" + b"Z" * 10, len(stream), True, b"\r\n")


WRONG = [b"\r\n", b"g\r\n", b"+5\r\n", b"0x5\r\n", b"-5\r\n", b" 5\r\n", b"5 a\r\n", b"5\n\r\n", b"0" * 20 + b"5\r\n"]
WRONG += [b"5_0\r\n", b"\xd9\xa5\r\n", b";a\r\n", b"\xef\xbc\x95\r\n"]


@both_ways
@pytest.mark.parametrize("header", WRONG)
def test_a_chunk_header_that_is_none_is_refused_with_what_came(chunked: type[ChunkedFraming], header: bytes) -> None:
    verdicts = {outcome(chunked(LIMITS), pieces) for pieces in cuttings(chunks(b"one", end=b"") + header)}
    assert refusal(verdicts, b"one") == f"{FRAMING} (a chunk header), got {header!r}"


@both_ways
@pytest.mark.parametrize(("behind", "shown"), [(b"X\r\n", b"X"), (b"\rX", b"\rX"), (b"\n5", b"\n"), (b"\r\r", b"\r\r")])
def test_what_is_not_crlf_behind_a_chunk_is_refused(chunked: type[ChunkedFraming], behind: bytes, shown: bytes) -> None:
    verdicts = {outcome(chunked(LIMITS), pieces) for pieces in cuttings(b"5\r\nhello" + behind)}
    assert refusal(verdicts, b"hello") == f"{FRAMING} (CRLF behind a chunk), got {shown!r}"


@both_ways
def test_nothing_but_cr_begins_what_is_behind_a_chunk(chunked: type[ChunkedFraming]) -> None:
    for before in (b"", chunks(b"first", end=b"")):
        for byte in set(range(256)) - {ord("\r")}:
            verdict = outcome(chunked(LIMITS), [before + b"5\r\nhello" + bytes([byte]) + b"\r\n5\r\nagain\r\n"])
            content = b"firsthello" if before else b"hello"
            assert refusal({verdict}, content) == f"{FRAMING} (CRLF behind a chunk), got {bytes([byte])!r}"


def length(limits: Limits) -> Framing:
    return LengthFraming(10, limits)


BODIES: list[Any] = [(length, b"x" * 10), (CloseFraming, b"x" * 10)]
BODIES += [
    (way, chunks(*parts)) for way in (ChunkedFraming, GeneralWay) for parts in ([b"x" * 10], [b"xxxx", b"x" * 6])
]


@pytest.mark.parametrize(("framing", "stream"), BODIES)
def test_a_body_may_be_as_large_as_its_limit_and_what_fits_comes_first(framing: Any, stream: bytes) -> None:
    for size in (1, 3, 4, 5, 9):
        verdicts = {outcome(framing(Limits(max_body_size=size)), pieces) for pieces in cuttings(stream)}
        words = f"expected at most {size} bytes (max_body_size), got a longer response body"
        assert refusal(verdicts, b"x" * size, LimitExceeded) == words
    for pieces in cuttings(stream):
        assert outcome(framing(Limits(max_body_size=10)), pieces) == outcome(framing(LIMITS), [stream])


PARTS = [
    (b"5;" + b"e" * 20 + b"\r\n", b"hello\r\n0\r\n\r\n", 24),
    (b"5\r\nhello\r\n00000000005\r\n", b"hello\r\n0\r\n\r\n", 13),
    (b"0\r\nName: value\r\n\r\n", b"", 15),
]


@both_ways
@pytest.mark.parametrize(("stream", "rest", "longest"), PARTS)
def test_what_marks_off_a_body_has_an_exact_limit_for_each_part_and_for_all(
    chunked: type[ChunkedFraming], stream: bytes, rest: bytes, longest: int
) -> None:
    whole = stream + rest
    free = outcome(chunked(LIMITS), [whole])
    total = len(whole) - len(free.content)
    assert free.ended
    for name, most in (("max_head_size", longest), ("max_framing_size", total)):
        for pieces in cuttings(whole):
            assert outcome(chunked(Limits(**{name: most})), pieces) == free
        verdicts = {outcome(chunked(Limits(**{name: most - 1})), pieces) for pieces in cuttings(whole)}
        content = next(iter(verdicts)).content
        assert free.content.startswith(content)
        words = f"expected at most {most - 1} bytes ({name}), got a longer chunk header or trailer"
        assert refusal(verdicts, content, LimitExceeded) == words


@both_ways
def test_what_marks_off_many_small_chunks_is_counted_in_all(chunked: type[ChunkedFraming]) -> None:
    stream = chunks(*[b"x"] * 20)
    total = len(stream) - 20
    for size in range(1, 20):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert outcome(chunked(Limits(max_framing_size=total)), pieces).ended
        for most in (6, 9, 30, 31, 32, total - 1):
            expected = outcome(chunked(Limits(max_framing_size=most)), [stream])
            assert expected.fault is not None
            assert expected.fault[0] is LimitExceeded
            assert outcome(chunked(Limits(max_framing_size=most)), pieces) == expected


def test_a_chunk_header_without_end_is_refused_as_soon_as_it_is_too_long() -> None:
    framing = ChunkedFraming(Limits(max_head_size=1000))
    for piece in [b"5;", *[b"x" * 499] * 2]:
        assert framing.read(memoryview(piece), bytes) == len(piece)
    with pytest.raises(LimitExceeded, match=r"at most 1000 bytes \(max_head_size\)"):
        framing.read(memoryview(b"x"), bytes)


makers = st.one_of(
    st.binary(max_size=30).map(lambda content: chunks(content, end=b"") if content else b""),
    st.binary(min_size=1, max_size=9).map(lambda content: b"00%x;ext\r\n%s\r\n" % (len(content), content)),
    st.binary(min_size=1, max_size=9).map(lambda content: b"%020x\r\n%s\r\n" % (len(content), content)),
    st.binary(min_size=1, max_size=9).map(lambda content: b"%09X\r\n%s\r\n" % (len(content), content)),
    st.sampled_from(
        [b"0\r\n", b"0\r\n\r\n", b"A: b\r\n", b"\r\n", b"\n", b"5", b"fffffffff\r\n", b"ffffffff\r\n", b";"]
    ),
)
small = st.one_of(st.none(), st.integers(1, 100))
places = st.lists(st.integers(0, 500), max_size=10)


@given(st.lists(makers, max_size=9).map(b"".join), places, small, small, small)
@example(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", [], 2, 10, 13)
@example(b"3\r\nabc\r\n3\r\n", [], None, None, None)
@example(b"1\r\na\r\n100000000\r\nabc", [], None, 10, None)
@example(b"1\r\na\r\n10000000\r\nabc", [], None, 9, None)
def test_usual_chunks_and_the_general_way_give_the_same_for_any_bytes_in_any_cut(
    stream: bytes, cuts: list[int], body: int | None, head: int | None, framing: int | None
) -> None:
    sizes = {"max_body_size": body, "max_head_size": head, "max_framing_size": framing}
    limits = Limits(**{name: size for name, size in sizes.items() if size is not None})
    expected = outcome(GeneralWay(limits), [stream])
    assert outcome(ChunkedFraming(limits), [stream]) == expected
    assert outcome(ChunkedFraming(limits), split_at(stream, cuts)) == expected
    assert outcome(GeneralWay(limits), split_at(stream, cuts)) == expected


def test_usual_chunks_are_read_in_one_step_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[bytes] = []

    def recorded(framing: ChunkedFraming, part: bytes) -> None:
        steps.append(part)
        take(framing, part)

    take = ChunkedFraming._take
    monkeypatch.setattr(ChunkedFraming, "_take", recorded)
    stream = chunks(b"x" * 4096, *[b"y" * 0x3000] * 20)
    assert outcome(ChunkedFraming(LIMITS), [stream]).ended
    assert steps == [b"\r\n", b"0\r\n", b"\r\n"]


def test_a_chunk_that_comes_alone_is_read_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    framing, content = ChunkedFraming(LIMITS), bytearray()
    with monkeypatch.context() as patch:
        patch.setattr(ChunkedFraming, "_read_any", None)
        for text in (b"x" * 20, b"y" * 300, b"z"):
            assert framing.read(memoryview(chunks(text, end=b"")), content.extend) == len(chunks(text, end=b""))
    assert content == b"x" * 20 + b"y" * 300 + b"z"
    framing.read(memoryview(b"0\r\n\r\n"), content.extend)
    assert framing.ended


@pytest.mark.parametrize("framing", [CloseFraming, length, ChunkedFraming, GeneralWay])
def test_pieces_are_views_of_what_came_and_none_is_empty(framing: Any) -> None:
    stream = chunks(b"x" * 300, b"y" * 10, b"z" * 300)
    for pieces in cuttings(stream):
        reading = framing(LIMITS)
        for piece in pieces:
            views: list[memoryview] = []
            if not reading.ended:
                reading.read(memoryview(piece), views.append)
            assert all(view.obj is piece for view in views)
            assert all(views), "an empty piece"


@pytest.mark.parametrize("line", [b"Content-Length: 5\r\n", b"", b"Transfer-Encoding: chunked\r\n"])
def test_a_response_of_which_only_the_head_has_come_has_no_piece_of_a_body(line: bytes) -> None:
    exchange = HTTPExchange(json_request(host="h", target="/", api_key="pst-not-a-real-key", body=b"{}"))
    exchange.data_to_send()
    assert exchange.feed(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n") == []
    assert exchange.head is not None
