"""The one rule of faults, on the smallest parser there can be: lines of digits, anything else is a fault."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.decoder import Buffer, Decoder, slices
from nai_trio.protocol.gather import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator


class Digits(Decoder[int]):
    def _parse(self, data: Buffer) -> Iterator[int]:
        for byte in bytes(data):
            if byte == ord("!"):
                raise LimitExceeded("too loud")
            if not 48 <= byte <= 57:
                raise ProtocolError("no digit")
            yield byte - 48


class Doubled(Decoder[int]):
    """A layer above another one, as the layers of a response are."""

    def __init__(self) -> None:
        self.inner = Digits()

    def _parse(self, data: Buffer) -> Iterator[int]:
        for digit in self.inner.feed(data):
            yield 2 * digit
        self.inner.raise_fault()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_items_come_in_order_from_any_kind_of_bytes(kind: type) -> None:
    assert Digits().feed(kind(b"123")) == [1, 2, 3]


def test_nothing_makes_nothing() -> None:
    digits = Digits()
    assert digits.feed(b"") == []
    assert digits.fault is None
    digits.raise_fault()


def test_what_came_before_a_fault_comes_out_first_and_then_the_fault() -> None:
    digits = Digits()
    assert digits.feed(b"12x3") == [1, 2]
    assert isinstance(digits.fault, ProtocolError)
    with pytest.raises(ProtocolError) as caught:
        digits.feed(b"4")
    assert caught.value is digits.fault


def test_a_fault_with_nothing_before_it_comes_at_once() -> None:
    digits = Digits()
    with pytest.raises(LimitExceeded) as caught:
        digits.feed(b"!1")
    assert caught.value is digits.fault


@pytest.mark.parametrize("data", [b"", b"1", b"!"])
def test_after_a_fault_everything_is_refused_with_the_same_fault(data: bytes) -> None:
    digits = Digits()
    digits.feed(b"1x")
    for _ in range(3):
        with pytest.raises(ProtocolError, match="no digit"):
            digits.feed(data)


def test_a_fault_that_is_met_often_does_not_grow() -> None:
    digits = Digits()
    digits.feed(b"1x")
    lengths = set()
    for _ in range(4):
        with pytest.raises(ProtocolError) as caught:
            digits.raise_fault()
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1


def test_an_outer_layer_keeps_what_an_inner_one_had_before_its_fault() -> None:
    doubled = Doubled()
    assert doubled.feed(b"12x") == [2, 4]
    assert doubled.fault is doubled.inner.fault
    with pytest.raises(ProtocolError, match="no digit"):
        doubled.raise_fault()


def test_an_error_that_is_none_of_ours_is_no_fault_of_the_peers() -> None:
    class Broken(Decoder[int]):
        def _parse(self, data: Buffer) -> Iterator[int]:
            yield 1
            raise RuntimeError("a defect")

    broken = Broken()
    with pytest.raises(RuntimeError, match="a defect"):
        broken.feed(b"1")
    assert broken.fault is None


@pytest.mark.parametrize("first", [1, 4096, SLICE])
@pytest.mark.parametrize("size", [0, 1, 4096, 4097, SLICE, SLICE + 1, 3 * SLICE + 4096])
def test_slices_are_all_bytes_in_order_and_none_is_larger_than_it_may_be(first: int, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    pieces = list(slices(data, first=first))
    assert b"".join(pieces) == data
    assert len(pieces[0]) == min(first, size)
    assert all(0 < len(piece) <= SLICE for piece in pieces[1:])
