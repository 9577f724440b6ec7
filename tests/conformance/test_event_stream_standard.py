"""Server-sent events against the HTML standard (9.2.5 "Parsing an event stream", 9.2.6 "Interpreting an event stream").

A table with a row or more for every sentence of the two sections, each in every cut; and a reference that does what
the standard says, one code point at a time (tests/support/event_stream_reference.py), which the table tests too.
`Encoding` in an id is the Encoding standard's "UTF-8 decode", which 9.2.6 asks for.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import attrs
import pytest
from cuttings import byte_by_byte, cuttings, split_at
from event_stream_reference import read_event_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.protocol import ServerSentEvent, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

BOM = b"\xef\xbb\xbf"

Shown = tuple[str, str, str]


@attrs.frozen
class Rule:
    """A stream and what the standard makes of it: type, data and last event id of each event, reconnection time."""

    name: str
    stream: bytes
    events: list[Shown]
    retry: int | None = attrs.field(default=None, kw_only=True)


def message(data: str, last_id: str = "") -> Shown:
    return ("message", data, last_id)


LINES = [
    Rule("9.2.5-lines-end-with-LF", b"data:a\n\n", [message("a")]),
    Rule("9.2.5-lines-end-with-CR", b"data:a\r\r", [message("a")]),
    Rule("9.2.5-lines-end-with-CRLF", b"data:a\r\n\r\n", [message("a")]),
    Rule("9.2.5-CRLF-is-one-end", b"data:a\r\ndata:b\r\n\r\n", [message("a\nb")]),
    Rule("9.2.5-LF-CR-is-two-ends", b"data:a\n\rdata:b\n\r", [message("a"), message("b")]),
    Rule("9.2.5-LF-then-CRLF-is-two-ends", b"data:a\n\r\ndata:b\n\n", [message("a"), message("b")]),
    Rule("9.2.5-CR-then-CRLF-is-two-ends", b"data:a\r\r\ndata:b\r\n\n", [message("a"), message("b")]),
    Rule("9.2.5-CRLF-then-LF-is-two-ends", b"data:a\r\n\ndata:b\r\n\n", [message("a"), message("b")]),
    Rule("9.2.5-CRLF-then-CR-is-two-ends", b"data:a\r\n\rdata:b\n\n", [message("a"), message("b")]),
    Rule("9.2.5-every-line-may-end-in-its-own-way", b"data:a\rdata:b\ndata:c\r\n\r", [message("a\nb\nc")]),
    Rule("9.2.5-an-end-in-a-comment", b":a\rdata:b\r:c\ndata:d\n\n", [message("b\nd")]),
    Rule("9.2.5-an-LF-alone-after-a-text", b"data\r\n\ndata:b\n\n", [message(""), message("b")]),
    Rule("9.2.5-U+2028-ends-no-line", "data:a\u2028b\n\n".encode(), [message("a\u2028b")]),
    Rule("9.2.5-U+2029-ends-no-line", "data:a\u2029b\n\n".encode(), [message("a\u2029b")]),
    Rule("9.2.5-U+0085-ends-no-line", "data:a\u0085b\n\n".encode(), [message("a\u0085b")]),
    Rule("9.2.5-VT-FF-FS-GS-RS-end-no-line", b"data:a\vb\fc\x1cd\x1de\x1ef\n\n", [message("a\vb\fc\x1cd\x1de\x1ef")]),
    Rule("9.2.5-a-byte-0A-within-U+0A0A-ends-no-line", "data:\u0a0a\u0d0d\n\n".encode(), [message("\u0a0a\u0d0d")]),
    Rule("9.2.5-an-escaped-end-ends-no-line", b"data:a\\nb\\r\n\n", [message("a\\nb\\r")]),
]

CHARACTERS = [
    Rule("9.2.5-any-char-NUL", b"data:a\0b\n\n", [message("a\0b")]),
    Rule("9.2.5-any-char-the-last-of-all", "data:\U0010ffff\n\n".encode(), [message("\U0010ffff")]),
    Rule("9.2.5-any-char-a-noncharacter", "data:\uffff\n\n".encode(), [message("\uffff")]),
    Rule(
        "9.2.5-any-char-every-control",
        b"data:" + bytes(range(1, 10)) + b"\n\n",
        [message("".join(map(chr, range(1, 10))))],
    ),
    Rule("9.2.5-any-char-a-colon", b"data:a:b: c\n\n", [message("a:b: c")]),
    Rule("9.2.5-any-char-a-colon-first", b"data::a\n\n", [message(":a")]),
    Rule("9.2.5-name-char-NUL", b"data\0:a\n\0data:a\n\n\0\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-name-char-a-space-before-the-colon", b"data :a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-name-char-a-space-first", b" data:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-name-char-a-tab-first", b"\tdata:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-a-space-alone-is-a-name", b"data:a\n \ndata:b\n\n", [message("a\nb")]),
    Rule("9.2.5-a-tab-alone-is-a-name", b"data:a\n\t\n\n", [message("a")]),
    Rule("9.2.5-a-name-beyond-ASCII", "d\u00e4ta:x\n\u0434\ndata:a\n\n".encode(), [message("a")]),
    Rule("9.2.5-bom-once", BOM + b"data:a\n\n", [message("a")]),
    Rule("9.2.5-bom-twice-is-a-names-start", BOM + BOM + b"data:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-bom-later-is-a-names-start", b"data:a\n\n" + BOM + b"data:b\n\n", [message("a")]),
    Rule("9.2.5-bom-behind-a-blank-line-is-a-names-start", b"\n" + BOM + b"data:a\n\n", []),
    Rule("9.2.5-bom-behind-a-CRLF-is-a-names-start", b"\r\n" + BOM + b"data:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-bom-in-data-stays", b"data:" + BOM + b"a\n\n", [message("\ufeffa")]),
    Rule("9.2.5-bom-behind-the-space-stays", b"data: " + BOM + b"\n\n", [message("\ufeff")]),
    Rule("9.2.5-bom-alone-on-its-line-is-blank", BOM + b"\ndata:a\n\n", [message("a")]),
    Rule("9.2.5-bom-before-a-comment", BOM + b":x\ndata:a\n\n", [message("a")]),
    Rule("9.2.5-bom-before-CR", BOM + b"\r\ndata:a\r\n\r\n", [message("a")]),
    Rule("9.2.5-bom-alone", BOM, []),
    Rule("9.2.5-bom-cut-off-is-none", BOM[:2] + b"data:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-bom-of-UTF-16-is-none", b"\xff\xfedata:a\n\ndata:b\n\n", [message("b")]),
    Rule("9.2.5-an-empty-stream", b"", []),
]

FIELDS = [
    Rule("9.2.6-comments-are-ignored", b":data:x\ndata:a\n:\n: b\ndata:c\n\n", [message("a\nc")]),
    Rule("9.2.6-comments-alone-are-no-event", b": keep-alive\n\n:\n\n", []),
    Rule("9.2.6-a-comment-that-looks-like-a-field", b"::data:a\n: data:b\n:id:1\ndata:c\n\n", [message("c")]),
    Rule("9.2.6-a-comment-of-300-characters", b":" + b"c" * 300 + b"\ndata:a\n\n", [message("a")]),
    Rule("9.2.6-the-first-colon-splits", b"data:id:7\n\n", [message("id:7")]),
    Rule("9.2.6-one-space-is-removed", b"data: a\n\n", [message("a")]),
    Rule("9.2.6-only-one-space-is-removed", b"data:  a \n\n", [message(" a ")]),
    Rule("9.2.6-a-tab-is-not-removed", b"data:\ta\n\n", [message("\ta")]),
    Rule("9.2.6-a-no-break-space-is-not-removed", "data:\u00a0a\n\n".encode(), [message("\u00a0a")]),
    Rule("9.2.6-a-space-alone-is-no-value", b"data: \n\n", [message("")]),
    Rule("9.2.6-space-removed-from-every-field", b"id: 7\nevent: e\ndata: a\nretry: 5\n\n", [("e", "a", "7")], retry=5),
    Rule("9.2.6-no-colon-is-a-name-without-value", b"data\nid\nevent\nretry\n\n", [message("")]),
    Rule("9.2.6-data-without-space", b"data:a\n\n", [message("a")]),
    Rule("9.2.6-data-lines-join-with-LF", b"data:a\rdata:b\r\ndata:c\n\n", [message("a\nb\nc")]),
    Rule("9.2.6-data-empty", b"data:\n\n", [message("")]),
    Rule("9.2.6-data-without-colon", b"data\n\n", [message("")]),
    Rule("9.2.6-data-without-colon-twice", b"data\ndata\n\n", [message("\n")]),
    Rule("9.2.6-data-empty-between", b"data:a\ndata:\ndata:b\n\n", [message("a\n\nb")]),
    Rule("9.2.6-data-empty-last", b"data:a\ndata\n\n", [message("a\n")]),
    Rule("9.2.6-data-empty-first", b"data\ndata:a\n\n", [message("\na")]),
    Rule("9.2.6-data-apart-from-each-other", b"data:a\nid:1\nx\n:c\ndata:b\n\n", [message("a\nb", "1")]),
    Rule("9.2.6-event-sets-the-type", b"event: final\ndata:a\n\n", [("final", "a", "")]),
    Rule("9.2.6-event-after-data", b"data:a\nevent:e\n\n", [("e", "a", "")]),
    Rule("9.2.6-event-the-last-line-counts", b"event:a\nevent:b\ndata:x\n\n", [("b", "x", "")]),
    Rule("9.2.6-event-empty-is-message", b"event:a\nevent\ndata:x\n\nevent:\ndata:y\n\n", [message("x"), message("y")]),
    Rule("9.2.6-event-may-hold-anything", b"event: a b:\0 \ndata:x\n\n", [("a b:\0 ", "x", "")]),
    Rule("9.2.6-event-is-not-joined", b"event:a\nevent:b\nevent:c\ndata\n\n", [("c", "", "")]),
    Rule("9.2.6-id-is-kept-for-later-events", b"id:7\ndata:a\n\ndata:b\n\n", [message("a", "7"), message("b", "7")]),
    Rule("9.2.6-id-after-data", b"data:a\nid:7\n\n", [message("a", "7")]),
    Rule("9.2.6-id-the-last-line-counts", b"id:7\nid:8\ndata:a\n\n", [message("a", "8")]),
    Rule("9.2.6-id-empty-resets", b"id:7\ndata:a\n\nid\ndata:b\n\n", [message("a", "7"), message("b", "")]),
    Rule("9.2.6-id-empty-with-colon-resets", b"id:7\ndata:a\n\nid:\ndata:b\n\n", [message("a", "7"), message("b")]),
    Rule("9.2.6-id-with-null-ignored", b"id:7\nid:a\0b\ndata:x\n\n", [message("x", "7")]),
    Rule("9.2.6-id-of-null-alone-ignored", b"id:7\nid:\0\ndata:x\n\n", [message("x", "7")]),
    Rule("9.2.6-id-with-null-first-then-another", b"id:\0\nid:8\ndata:x\n\n", [message("x", "8")]),
    Rule("9.2.6-id-is-text-not-a-number", b"id: 007 x\ndata:x\n\n", [message("x", "007 x")]),
    Rule("9.2.6-unknown-fields-are-ignored", b"foo:x\nbar\ndata:a\ndata_:b\nda-ta:c\nxdata:d\n\n", [message("a")]),
    Rule("9.2.6-unknown-fields-alone-are-no-event", b"foo:x\n\nbar\n\n", []),
    Rule("9.2.6-names-literal-no-case-folding", b"Data:a\nDATA:b\ndata:c\nID:1\nEvent:e\nRETRY:5\n\n", [message("c")]),
    Rule("9.2.6-names-not-by-prefix", b"dat:a\ndatas:b\ni:1\nids:2\nevents:e\nretr:1\ndata:c\n\n", [message("c")]),
]

RETRY = [
    Rule("9.2.6-retry-sets-the-time", b"retry:1500\n", [], retry=1500),
    Rule("9.2.6-retry-zero", b"retry: 0\n", [], retry=0),
    Rule("9.2.6-retry-base-ten", b"retry:0010\n", [], retry=10),
    Rule("9.2.6-retry-all-digits", b"retry:1234567890\n", [], retry=1234567890),
    Rule("9.2.6-retry-the-last-counts", b"retry:10\nretry:20\n\n", [], retry=20),
    Rule("9.2.6-retry-is-no-event", b"retry:10\n\n", [], retry=10),
    Rule("9.2.6-retry-counts-before-the-blank-line", b"retry:10\ndata:a", [], retry=10),
    Rule("9.2.6-retry-unfinished-line-discarded", b"retry:5", []),
    Rule("9.2.6-retry-digits-only-else-kept", b"retry:10\nretry:1x\n", [], retry=10),
    Rule("9.2.6-retry-empty-ignored", b"retry:10\nretry:\nretry\n", [], retry=10),
    *[
        Rule(f"9.2.6-retry-digits-only-not-{name}", b"retry:" + value + b"\n", [])
        for name, value in {
            "minus": b"-5",
            "plus": b"+5",
            "underscore": b"1_000",
            "point": b"1.5",
            "exponent": b"1e3",
            "hexadecimal": b"0x10",
            "two-spaces": b"  5",
            "space-behind": b"5 ",
            "space-between": b"1 000",
            "tab": b"\t5",
            "NUL": b"5\0",
            "arabic-digits": "\u0661\u0662".encode(),
            "superscript": "\u00b2".encode(),
            "fullwidth-digits": "\uff15".encode(),
        }.items()
    ],
    Rule("ours-retry-15-digits", b"retry:" + b"9" * 15 + b"\n", [], retry=10**15 - 1),
    Rule("ours-retry-over-15-digits-is-no-time", b"retry:5\nretry:" + b"0" * 15 + b"1\n", [], retry=5),
    Rule("ours-retry-500-digits-is-no-time", b"retry:" + b"9" * 500 + b"\n", []),
]

DISPATCH = [
    Rule("9.2.6-dispatch-on-a-blank-line", b"data:a\n\ndata:b\n\n", [message("a"), message("b")]),
    Rule("9.2.6-dispatch-sets-the-id-also-without-data", b"id:7\n\ndata:b\n\n", [message("b", "7")]),
    Rule("9.2.6-dispatch-no-data-no-event", b"event:e\nid:1\nretry:2\n\n", [], retry=2),
    Rule("9.2.6-dispatch-no-data-resets-the-type", b"event:a\n\ndata:y\n\n", [message("y")]),
    Rule("9.2.6-dispatch-resets-data", b"data:a\n\n\n\ndata:b\n\n", [message("a"), message("b")]),
    Rule("9.2.6-dispatch-resets-the-type", b"event:a\ndata:x\n\ndata:y\n\n", [("a", "x", ""), message("y")]),
    Rule("9.2.6-dispatch-removes-one-LF-only", b"data:a\ndata:\ndata:\n\n", [message("a\n\n")]),
    Rule("9.2.6-dispatch-blank-lines-alone", b"\n\r\n\r\n\n", []),
    Rule("9.2.6-dispatch-blank-lines-first", b"\n\r\r\ndata:a\n\n", [message("a")]),
    Rule("9.2.6-end-of-file-discards-an-event", b"data:a\n\ndata:b\n", [message("a")]),
    Rule("9.2.6-end-of-file-discards-a-line", b"data:a\n\ndata:b", [message("a")]),
    Rule("9.2.6-end-of-file-discards-a-blank-that-never-came", b"data:a\r\n", []),
]

EXAMPLES = [
    Rule(
        "9.2.1-example-messages",
        b"data: one\n\ndata: two, it\ndata: has two lines\n\ndata: three\n\n",
        [message("one"), message("two, it\nhas two lines"), message("three")],
    ),
    Rule(
        "9.2.1-example-types",
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n",
        [("add", "73857293", ""), ("remove", "2153", ""), ("add", "113411", "")],
    ),
    Rule("9.2.6-example-stocks", b"data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]),
    Rule(
        "9.2.6-example-four-blocks",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [message("first event", "1"), message("second event")],
    ),
    Rule(
        "9.2.6-example-four-blocks-with-the-blank-line",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [message("first event", "1"), message("second event"), message(" third event")],
    ),
    Rule("9.2.6-example-events-of-nothing", b"data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]),
    Rule("9.2.6-example-the-space-is-optional", b"data:test\n\ndata: test\n\n", [message("test"), message("test")]),
    Rule("9.2.7-example-comments-against-timeouts", b":\n\n" * 5 + b"data:a\n\n:\n", [message("a")]),
]

UTF_8 = [
    Rule("Encoding-two-to-four-bytes", "data:\u00e9\u20ac\U0001f642\n\n".encode(), [message("\u00e9\u20ac\U0001f642")]),
    Rule(
        "Encoding-in-type-and-id", "event:\u20ac\nid:\U0001f642\ndata:a\n\n".encode(), [("\u20ac", "a", "\U0001f642")]
    ),
    Rule("Encoding-never-a-first-byte", b"data:\xff\xfe\xc0\xc1\xf5\x80\n\n", [message("\ufffd" * 6)]),
    Rule("Encoding-a-sequence-cut-off", b"data:a\xc3\n\n", [message("a\ufffd")]),
    Rule("Encoding-a-sequence-cut-off-is-one-error", b"data:\xf0\x9f\x99b\n\n", [message("\ufffdb")]),
    Rule("Encoding-overlong", b"data:\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf\n\n", [message("\ufffd" * 9)]),
    Rule("Encoding-surrogates", b"data:\xed\xa0\x80\n\n", [message("\ufffd\ufffd\ufffd")]),
    Rule("Encoding-beyond-the-last", b"data:\xf4\x90\x80\x80\n\n", [message("\ufffd" * 4)]),
    Rule("Encoding-swallows-no-LF", b"data:\xe2\x80\ndata:b\n\n", [message("\ufffd\nb")]),
    Rule("Encoding-swallows-no-CR", b"data:\xf0\x9f\r\r", [message("\ufffd")]),
    Rule("Encoding-swallows-no-colon", b"data\xc3:a\ndata:b\n\n", [message("b")]),
    Rule("Encoding-swallows-no-space", b"data:\xc3 a\n\n", [message("\ufffd a")]),
    Rule("Encoding-broken-type-and-id", b"event:\xff\nid:\xfe\ndata:a\n\n", [("\ufffd", "a", "\ufffd")]),
    Rule("Encoding-overlong-NUL-in-an-id-is-no-NULL", b"id:\xc0\x80\ndata:a\n\n", [message("a", "\ufffd\ufffd")]),
    Rule("Encoding-overlong-LF-ends-no-line", b"data:\xc0\x8ab\n\n", [message("\ufffd\ufffdb")]),
    Rule("Encoding-a-broken-name-is-unknown", b"\xffdata:a\ndata\xff:b\ndata:c\n\n", [message("c")]),
]

RULES = [*LINES, *CHARACTERS, *FIELDS, *RETRY, *DISPATCH, *EXAMPLES, *UTF_8]
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def read(pieces: Iterable[bytes]) -> tuple[list[Shown], int | None]:
    decoder = SSEDecoder()
    events: list[ServerSentEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
    assert decoder.fault is None
    return [(event.event, event.text, event.id) for event in events], decoder.retry


def by_the_standard(stream: bytes) -> tuple[list[Shown], int | None]:
    reference = read_event_stream(stream)
    return reference.events, reference.reconnection_time


@each_rule
def test_the_rule_holds_in_every_cut(rule: Rule) -> None:
    for pieces in cuttings(rule.stream):
        assert read(pieces) == (rule.events, rule.retry), pieces


@each_rule
def test_the_reference_keeps_the_rule(rule: Rule) -> None:
    assert by_the_standard(rule.stream) == (rule.events, rule.retry)


def test_each_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


@each_rule
def test_no_event_waits_for_bytes_that_it_does_not_need(rule: Rule) -> None:
    """9.2.5, on buffering: a line that ends with CR is whole, whether or not an LF follows."""
    decoder = SSEDecoder()
    so_far = 0
    for place, piece in enumerate(byte_by_byte(rule.stream), start=1):
        so_far += len(decoder.feed(piece))
        assert so_far == len(by_the_standard(rule.stream[:place])[0]), rule.stream[:place]


TOKENS = [b"\n", b"\r", b":", b" ", b"data", b"id", b"x"]


def test_every_stream_of_up_to_five_tokens_reads_as_the_standard_says() -> None:
    count = 0
    for length in range(6):
        for tokens in product(TOKENS, repeat=length):
            stream = b"".join(tokens) + b"\n\n"
            assert read([stream]) == by_the_standard(stream), stream
            count += 1
    assert count == 19_608


EDGES_OF_UTF_8 = bytes.fromhex("00 0a 0d 20 3a 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")


def test_every_three_bytes_at_the_edges_of_utf_8_decode_as_the_standard_says() -> None:
    stream = b"".join(b"data:" + bytes(three) + b"\n\n" for three in product(EDGES_OF_UTF_8, repeat=3))
    expected = by_the_standard(stream)
    assert read([stream]) == expected
    assert read(split_at(stream, range(0, len(stream), 7))) == expected


def test_every_code_point_at_the_ends_of_a_block_of_4096_survives() -> None:
    points = [point for block in range(0, 0x110000, 0x1000) for point in (block, block + 0xFFF)]
    texts = [chr(point) for point in points if not 0xD800 <= point <= 0xDFFF]
    stream = b"".join(b"data:" + text.encode() + b"\n\n" for text in texts)
    assert read([stream]) == ([message(text) for text in texts], None)
    assert by_the_standard(stream) == read([stream])


TRICKY = [b"\n", b"\r", b"\r\n", b":", b" ", b"data", b"event", b"id", b"retry", b"data:", b"data: ", b"id:", b"event:"]
TRICKY += [b"retry:", b"1", b"9", b"-", b"a", b"\0", BOM, b"\xef", b"\xbb", b"\xff", b"\xe2\x80", b"\xa8", b"\xc2\x85"]
TRICKY += [b"\v", b"\f", b"\t", "\u0661".encode(), "\U0001f642".encode()]
streams = st.lists(st.sampled_from(TRICKY) | st.binary(max_size=3), max_size=60).map(b"".join)
places = st.lists(st.integers(0, 1000), max_size=12)


@settings(max_examples=500)
@given(streams, places)
def test_any_stream_in_any_cut_reads_as_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    assert read(split_at(stream, cuts)) == by_the_standard(stream)
