"""The edges of TLS records, however the bytes are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nai_trio.transports.tls_records import RecordEdge


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + b"\x17" * size


def test_before_the_first_byte_it_is_between_two() -> None:
    assert not RecordEdge().inside


@given(sizes=st.lists(st.one_of(st.integers(0, 12), st.just(300), st.just(2**14 + 256)), max_size=4), data=st.data())
def test_it_is_inside_exactly_when_a_part_has_come(sizes: list[int], data: st.DataObject) -> None:
    stream = b"".join(map(record, sizes))
    edges = {sum(5 + size for size in sizes[:count]) for count in range(len(sizes) + 1)}
    edge = RecordEdge()
    at = 0
    while at < len(stream):
        step = data.draw(
            st.one_of(st.integers(1, 7), st.integers(1, len(stream))) if at % 16 < 8 else st.integers(1, 20_000)
        )
        with memoryview(stream) as view:
            edge.pass_over(view[at : at + step])
        at = min(at + step, len(stream))
        assert edge.inside == (at not in edges)


@given(pieces=st.lists(st.binary(max_size=30)))
def test_any_bytes_are_followed_without_an_error(pieces: list[bytes]) -> None:
    whole, cut = RecordEdge(), RecordEdge()
    whole.pass_over(b"".join(pieces))
    for piece in pieces:
        cut.pass_over(piece)
    assert whole.inside == cut.inside
