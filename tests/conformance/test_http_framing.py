"""HTTP/1.1 framing against RFC 9112 and against h11.

Two judges: the table says what each response is (tests/support/http_framing_cases.py), and h11 says what it makes of
the same bytes (tests/support/h11_oracle.py). Whatever reads bodies here must be at least as strict as h11, for any
bytes, after every one of them, and where the connection ends behind any of them:

- it accepts nothing that h11 refuses, and waits for nothing longer than h11 does;
- what both accept has the same head, the same body and the same fate of the connection;
- where it is stricter, that is on purpose and stands in `STRICTER` with its reason, or in the limits;
- of a response that h11 refuses in the end, it may refuse an earlier byte.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import attrs
import pytest
from cuttings import cuttings, split_at
from h11_oracle import Head, Outcome, Verdict, read_with_exchange, read_with_h11
from http_framing_cases import BODIES, CASES, CHUNKED, CONTINUE, FIVE, LINES_OF_HEADS, STARTS, Case, head
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@attrs.frozen
class Stricter:
    """Where the library asks for more than h11.

    Attributes:
        reason: why.
        applies: to which heads.
        changes: what becomes of h11's verdict.
    """

    reason: str
    applies: Callable[[Head], bool]
    changes: Callable[[Verdict], Verdict]


def coded(of: Head) -> bool:
    return ", ".join(of.values("content-encoding")).strip().lower() not in {"", "identity"}


def two_lengths(of: Head) -> bool:
    return bool(of.values("transfer-encoding") and of.values("content-length"))


STRICTER = [
    Stricter(
        "identity is asked for, and a coding would hold previews back",
        coded,
        partial(attrs.evolve, outcome=Outcome.REFUSED, body=b"", reusable=False),
    ),
    Stricter(
        "a length beside chunking is the mark of a smuggled response (RFC 9112, 6.3), so nothing may follow it",
        two_lengths,
        partial(attrs.evolve, reusable=False),
    ),
]


def required(oracle: Verdict) -> Verdict:
    """What the library must make of bytes of which h11 makes this."""
    for rule in STRICTER:
        if oracle.head is not None and rule.applies(oracle.head):
            oracle = rule.changes(oracle)
    return oracle


def assert_as_strict(ours: Verdict, oracle: Verdict, *, doomed: bool = False) -> None:
    """Fail unless the library's verdict is the one required.

    Args:
        ours: the library's verdict.
        oracle: h11's on the same bytes.
        doomed: whether h11 refuses the response once it has come whole.
    """
    if doomed and ours.outcome is Outcome.REFUSED:
        assert oracle.body.startswith(ours.body)
        assert not ours.reusable
        return
    assert ours == required(oracle)


@cache
def both(response: bytes, *, eof: bool, method: str) -> tuple[Verdict, Verdict]:
    """The library's verdict and h11's; many cases begin alike."""
    return (
        read_with_exchange([response], eof=eof, method=method),
        read_with_h11([response], eof=eof, method=method),
    )


@each_case
def test_the_response_is_what_the_table_says_in_every_cut(case: Case) -> None:
    for pieces in cuttings(case.response):
        verdict = read_with_exchange(pieces, method=case.method)
        assert (verdict.outcome, verdict.body) == (case.outcome, case.body)
        assert verdict.reusable is case.reusable
        assert not verdict.limited
        assert (None if verdict.head is None else verdict.head.status) == case.status
        assert verdict.head is None or set(case.fields) <= set(verdict.head.fields)


@each_case
def test_the_end_of_the_connection_is_what_the_table_says(case: Case) -> None:
    verdict = read_with_exchange([case.response], eof=True, method=case.method)
    assert (verdict.outcome, verdict.body, verdict.reusable) == (case.after_eof, case.body, False)
    assert verdict.delimited is not (case.by_close or case.name == "ours-8.4-gzip-until-close")


@each_case
def test_the_library_is_as_strict_as_h11_after_every_byte(case: Case) -> None:
    _, oracle = both(case.response, eof=False, method=case.method)
    assert (required(oracle).outcome, required(oracle).body) == (case.outcome, case.body)
    for size in range(len(case.response) + 1):
        for eof in (False, True):
            assert_as_strict(
                *both(case.response[:size], eof=eof, method=case.method), doomed=oracle.outcome is Outcome.REFUSED
            )


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_each_stricter_rule_has_cases() -> None:
    for rule in STRICTER:
        heads = [read_with_h11([case.response], method=case.method).head for case in CASES]
        assert len([of for of in heads if of is not None and rule.applies(of)]) >= 4


places = st.lists(st.integers(0, 2000), max_size=8)
methods = st.sampled_from(["POST", "GET", "HEAD"])
framings = st.sampled_from([CHUNKED, CHUNKED, FIVE, b"X: y"])
composed = st.builds(
    lambda interim, start, lines, body: interim + head(*lines, start=start) + body,
    st.sampled_from([b"", b"", CONTINUE]),
    st.just(b"HTTP/1.1 200 OK") | st.sampled_from(STARTS),
    st.tuples(framings, st.sampled_from([b"A: b", *LINES_OF_HEADS])).flatmap(st.permutations),
    st.lists(st.sampled_from(BODIES), max_size=3).map(b"".join),
)
"""Heads of lines of the table before bodies of any framing of it."""

INSERTIONS = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"5", b"f", b"-", b"\xff"]
edits = st.lists(
    st.tuples(st.integers(0, 30) | st.integers(0, 2000), st.integers(0, 3), st.sampled_from(INSERTIONS)), max_size=3
)
responses = composed | st.sampled_from([case.response for case in CASES if case.status is not None])


def edited(response: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Put bytes in the place of none, one, two or three others; places count from the end, where the body is."""
    for place, count, new in changes:
        start = len(response) - place % (len(response) + 1)
        response = response[:start] + new + response[start + count :]
    return response


@given(responses, edits, places, st.booleans(), methods)
@settings(max_examples=800)
def test_the_library_is_as_strict_as_h11_on_any_damage_in_any_cut(
    response: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int], eof: bool, method: str
) -> None:
    stream = edited(response, changes)
    oracle = read_with_h11([stream], eof=eof, method=method)
    for pieces in ([stream], split_at(stream, cuts)):
        ours = read_with_exchange(pieces, eof=eof, method=method)
        assert_as_strict(ours, oracle, doomed=oracle.outcome is Outcome.REFUSED)


@pytest.mark.parametrize("byte", range(256))
def test_the_library_is_as_strict_as_h11_with_any_byte_at_any_place_of_a_chunked_body(byte: int) -> None:
    opening, body = head(CHUNKED), b"5\r\nhello\r\n1\r\n!\r\n1\r\n?\r\n0\r\n\r\n"
    for place in range(len(body)):
        for behind in (body[place:], body[place + 1 :]):
            ours, oracle = both(opening + body[:place] + bytes([byte]) + behind, eof=False, method="POST")
            assert_as_strict(ours, oracle, doomed=oracle.outcome is Outcome.REFUSED)


limits_of_any_size = st.builds(
    Limits,
    max_head_size=st.integers(1, 120),
    max_framing_size=st.integers(1, 120),
    max_body_size=st.integers(1, 12),
)


@given(responses, edits, places, limits_of_any_size)
@settings(max_examples=300)
def test_limits_refuse_what_is_larger_and_change_nothing_else(
    response: bytes, changes: list[tuple[int, int, bytes]], cuts: list[int], limits: Limits
) -> None:
    stream = edited(response, changes)
    oracle = read_with_h11([stream])
    ours = read_with_exchange([stream], limits=limits)
    assert read_with_exchange(split_at(stream, cuts), limits=limits) == ours
    if ours.limited:
        assert (ours.outcome, ours.reusable) == (Outcome.REFUSED, False)
        assert oracle.body.startswith(ours.body)
        nearest = min(limits.max_head_size, limits.max_framing_size)
        assert len(stream) - len(oracle.body) > nearest or len(oracle.body) > limits.max_body_size
    else:
        assert_as_strict(ours, oracle, doomed=oracle.outcome is Outcome.REFUSED)
    assert len(ours.body) <= limits.max_body_size
