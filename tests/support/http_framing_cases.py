"""HTTP/1.1 responses, right and wrong, and what must be made of them: a row or more for each rule of RFC 9112.

A name starts with the standard and section: `9112-7.1.1` is RFC 9112, section 7.1.1. `leniency` marks what a strict
reader might refuse as well and h11 does not; a reader may become stricter there, and then the row changes with it.
"""

from __future__ import annotations

import attrs
from h11_oracle import Outcome

COMPLETE, INCOMPLETE, REFUSED = Outcome.COMPLETE, Outcome.INCOMPLETE, Outcome.REFUSED


@attrs.frozen(kw_only=True)
class Case:
    """A response and its verdict.

    Attributes:
        name: standard, section, and what is shown.
        response: the bytes, as far as the peer sends any.
        outcome: what they are without the connection's end.
        body: the content; where the response is refused, what stands in front of the fault.
        reusable: whether another request may follow on the connection.
        by_close: whether the connection's end completes the response.
        status: the final response's status, where one came.
        fields: header lines that must be there as they stand here.
        method: of the request.
    """

    name: str
    response: bytes
    outcome: Outcome
    body: bytes = b""
    reusable: bool = False
    by_close: bool = False
    status: int | None = 200
    fields: tuple[tuple[str, str], ...] = ()
    method: str = "POST"

    @property
    def after_eof(self) -> Outcome:
        """The verdict once the connection has ended too."""
        if self.outcome is not INCOMPLETE:
            return self.outcome
        return COMPLETE if self.by_close else Outcome.INTERRUPTED


def head(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, *lines)) + b"\r\n"


FIVE = b"Content-Length: 5"
NONE = b"Content-Length: 0"
CHUNKED = b"Transfer-Encoding: chunked"


def whole(name: str, response: bytes, body: bytes = b"hello", **more: object) -> Case:
    """A response that is complete and leaves the connection fit for another."""
    return Case(**{"name": name, "response": response, "outcome": COMPLETE, "body": body, "reusable": True, **more})


def last(name: str, response: bytes, body: bytes = b"hello", **more: object) -> Case:
    """A response that is complete, but nothing may follow it."""
    return whole(name, response, body, reusable=False, **more)


def waiting(name: str, response: bytes, body: bytes = b"", **more: object) -> Case:
    """A response that is not whole yet."""
    return Case(**{"name": name, "response": response, "outcome": INCOMPLETE, "body": body, **more})


def refused(name: str, response: bytes, body: bytes = b"", **more: object) -> Case:
    """Bytes that are no response; `status` only where the head was right."""
    return Case(**{"name": name, "response": response, "outcome": REFUSED, "body": body, "status": None, **more})


def field(name: str, line: bytes, *shown: tuple[str, str]) -> Case:
    """A header line that is taken, and how."""
    return whole(f"9112-5-{name}", head(line, NONE), b"", fields=shown)


def not_a_field(name: str, line: bytes) -> Case:
    """A header line that is refused, in front of others and behind them."""
    return refused(f"9112-5-{name}", head(b"A: b", line, FIVE) + b"hello")


STATUS_LINES = [
    whole("9112-4-a-status-line", head(FIVE) + b"hello", fields=(("content-length", "5"),)),
    whole("9112-4-reason-empty", head(FIVE, start=b"HTTP/1.1 200 ") + b"hello"),
    whole("9112-4-reason-left-out-with-its-space-leniency", head(FIVE, start=b"HTTP/1.1 200") + b"hello"),
    whole("9112-4-reason-of-any-words", head(FIVE, start=b"HTTP/1.1 200 All is\twell, : 404") + b"hello"),
    whole("9112-4-reason-obs-text", head(FIVE, start=b"HTTP/1.1 200 \xe9\xff") + b"hello"),
    whole("9112-4-reason-control-leniency", head(FIVE, start=b"HTTP/1.1 200 \x01\x7f") + b"hello"),
    refused("9112-4-reason-NUL", head(FIVE, start=b"HTTP/1.1 200 a\0b") + b"hello"),
    refused("9112-4-reason-bare-CR", head(FIVE, start=b"HTTP/1.1 200 a\rb") + b"hello"),
    refused("9112-4-reason-VT", head(FIVE, start=b"HTTP/1.1 200 a\vb") + b"hello"),
    refused("9112-4-status-of-two-digits", head(FIVE, start=b"HTTP/1.1 20 OK") + b"hello"),
    refused("9112-4-status-of-four-digits", head(FIVE, start=b"HTTP/1.1 2000 OK") + b"hello"),
    refused("9112-4-status-signed", head(FIVE, start=b"HTTP/1.1 +20 OK") + b"hello"),
    refused("9112-4-status-in-letters", head(FIVE, start=b"HTTP/1.1 2OO OK") + b"hello"),
    refused("9112-4-status-left-out", head(FIVE, start=b"HTTP/1.1 OK") + b"hello"),
    refused("9112-4-status-in-other-digits", head(FIVE, start="HTTP/1.1 \u0662\u0660\u0660 OK".encode()) + b"hello"),
    refused("9110-15-status-000", head(FIVE, start=b"HTTP/1.1 000 No") + b"hello"),
    refused("9110-15-status-099", head(FIVE, start=b"HTTP/1.1 099 No") + b"hello"),
    whole("9110-15-status-599", head(FIVE, start=b"HTTP/1.1 599 No") + b"hello", status=599),
    whole("9110-15-status-600-leniency", head(FIVE, start=b"HTTP/1.1 600 No") + b"hello", status=600),
    whole("9110-15-status-999-leniency", head(FIVE, start=b"HTTP/1.1 999 No") + b"hello", status=999),
    refused("9112-4-two-spaces", head(FIVE, start=b"HTTP/1.1  200 OK") + b"hello"),
    refused("9112-4-a-tab-for-a-space", head(FIVE, start=b"HTTP/1.1\t200 OK") + b"hello"),
    refused("9112-4-a-space-first", head(FIVE, start=b" HTTP/1.1 200 OK") + b"hello"),
    refused("9112-4-a-requests-line", head(FIVE, start=b"GET / HTTP/1.1") + b"hello"),
    refused("9112-4-no-status-line", b"Content-Length: 5\r\n\r\nhello"),
    refused("9112-2.3-name-in-lower-case", head(FIVE, start=b"http/1.1 200 OK") + b"hello"),
    refused("9112-2.3-another-name", head(FIVE, start=b"ICY/1.1 200 OK") + b"hello"),
    refused("9112-2.3-version-without-minor", head(FIVE, start=b"HTTP/2 200 OK") + b"hello"),
    refused("9112-2.3-version-of-two-digits", head(FIVE, start=b"HTTP/1.10 200 OK") + b"hello"),
    refused("9112-2.3-version-with-a-comma", head(FIVE, start=b"HTTP/1,1 200 OK") + b"hello"),
    refused("9112-2.3-version-left-out", head(FIVE, start=b"HTTP 200 OK") + b"hello"),
    whole("9112-2.3-version-1.2", head(FIVE, start=b"HTTP/1.2 200 OK") + b"hello"),
    whole("9112-2.3-version-2.0-leniency", head(FIVE, start=b"HTTP/2.0 200 OK") + b"hello"),
    last("9112-2.3-version-1.0", head(FIVE, start=b"HTTP/1.0 200 OK") + b"hello"),
    last("9112-2.3-version-0.9-leniency", head(FIVE, start=b"HTTP/0.9 200 OK") + b"hello"),
]

LINES = [
    whole(
        "9112-2.2-bare-LF-leniency",
        (head(b"A: b", FIVE) + b"").replace(b"\r\n", b"\n") + b"hello",
        fields=(("a", "b"),),
    ),
    whole("9112-2.2-bare-LF-here-and-there-leniency", b"HTTP/1.1 200 OK\r\nA: b\n" + FIVE + b"\r\n\nhello"),
    refused("9112-2.2-bare-CR-for-an-end", head(b"A: b\r" + FIVE) + b"hello"),
    refused("9112-2.2-two-CR-before-LF", head(b"A: b\r", FIVE) + b"hello"),
    refused("9112-2.2-a-CR-alone-on-its-line", head(b"A: b", b"\r", FIVE) + b"hello"),
    refused("9112-2.2-an-empty-line-first", b"\r\n" + head(FIVE) + b"hello"),
    refused("9112-2.2-a-bare-LF-first", b"\n" + head(FIVE) + b"hello"),
    refused("9112-2.2-a-CR-first", b"\rHTTP/1.1 200 OK\r\n\r\n"),
    refused("9112-2.2-white-space-behind-the-status-line", head(b" A: b", FIVE) + b"hello"),
    refused("9112-2.2-a-line-of-white-space-behind-the-status-line", head(b" ", FIVE) + b"hello"),
    refused("9112-2.1-a-control-byte-first", b"\x16\x03\x01\x00\x02\x02\x28"),
    refused("9112-2.1-a-NUL-first", b"\0" + head(FIVE)),
    waiting("9112-2.1-HTTP-0.9-without-a-blank-line", b"<html>hello</html>\r\n", status=None),
    refused("9112-2.1-HTTP-0.9-with-a-blank-line", b"<html>\r\n\r\nhello</html>\r\n"),
    waiting("9112-2.1-nothing", b"", status=None),
    waiting("9112-2.1-an-empty-line-missing", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", status=None),
    waiting("9112-2.1-half-of-the-empty-line", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r", status=None),
]

FIELDS = [
    field("no-white-space", b"A:b", ("a", "b")),
    field("white-space-around", b"A: \t b\t ", ("a", "b")),
    field("white-space-inside", b"A: b \t c", ("a", "b \t c")),
    field("empty", b"A:", ("a", "")),
    field("of-white-space", b"A: \t ", ("a", "")),
    field("colons-inside", b"A: b:c:", ("a", "b:c:")),
    field("every-mark-in-a-name", b"!#$%&'*+-.^_`|~9z: b", ("!#$%&'*+-.^_`|~9z", "b")),
    field("obs-text", b"A: \x80\xff", ("a", "\x80\xff")),
    field("controls-leniency", b"A: \x01\x1b\x7f", ("a", "\x01\x1b\x7f")),
    field("repeated-in-order", b"A: b\r\nC: d\r\na: e", ("a", "b"), ("c", "d"), ("a", "e")),
    not_a_field("a-space-before-the-colon", b"Content-Length : 5"),
    not_a_field("a-tab-before-the-colon", b"X\t: 5"),
    not_a_field("no-name", b": b"),
    not_a_field("no-colon", b"broken"),
    not_a_field("a-space-in-a-name", b"A B: c"),
    not_a_field("a-control-in-a-name", b"A\x01: c"),
    not_a_field("a-NUL-in-a-name", b"A\0: c"),
    not_a_field("obs-text-in-a-name", b"A\xe9: c"),
    not_a_field("a-separator-in-a-name", b"A(B): c"),
    not_a_field("a-quote-in-a-name", b'"A": c'),
    not_a_field("NUL", b"A: b\0c"),
    not_a_field("NUL-alone", b"A:\0"),
    not_a_field("bare-CR", b"A: b\rc"),
    not_a_field("CR-first", b"A:\rc"),
    not_a_field("VT", b"A: b\vc"),
    not_a_field("FF", b"A:\fb"),
]

FOLDS = [
    whole("9112-5.2-fold", head(b"A: b", b" c", NONE), b"", fields=(("a", "b c"),)),
    whole("9112-5.2-fold-by-a-tab", head(b"A: b", b"\tc", NONE), b"", fields=(("a", "b c"),)),
    whole("9112-5.2-fold-by-much", head(b"A: b", b" \t  c", b"  d", NONE), b"", fields=(("a", "b c d"),)),
    whole("9112-5.2-fold-before-the-value", head(b"A:", b" b", NONE), b"", fields=(("a", "b"),)),
    whole("9112-5.2-fold-of-nothing", head(b"A: b", b" ", NONE), b"", fields=(("a", "b"),)),
    whole("9112-5.2-fold-that-looks-like-a-field", head(b"A: b", b" Content-Length: 9", NONE), b""),
    whole("9112-5.2-fold-of-the-length", head(b"Content-Length:", b" 5") + b"hello"),
    whole("9112-5.2-fold-of-the-coding", head(b"Transfer-Encoding:", b"\tchunked") + b"5\r\nhello\r\n0\r\n\r\n"),
    refused("9112-5.2-fold-inside-the-length", head(b"Content-Length: 1", b" 2") + b"hello, hello"),
    refused("9112-5.2-fold-inside-the-coding", head(b"Transfer-Encoding: chun", b" ked") + b"0\r\n\r\n"),
    refused("9112-5.2-fold-with-a-second-coding", head(b"Transfer-Encoding: chunked,", b" gzip") + b"0\r\n\r\n"),
    refused("9112-5.2-fold-with-NUL", head(b"A: b", b" \0", NONE)),
]


def coding(name: str, value: bytes) -> Case:
    return refused(f"9112-6.1-{name}", head(b"Transfer-Encoding:" + value) + b"5\r\nhello\r\n0\r\n\r\n")


def length(name: str, value: bytes) -> Case:
    return refused(f"9112-6.2-{name}", head(b"Content-Length:" + value) + b"hello")


HELLO_CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

CODINGS = [
    whole("9112-6.1-chunked", head(CHUNKED) + HELLO_CHUNKED),
    whole("9112-6.1-chunked-in-any-case", head(b"TRANSFER-ENCODING: cHUNKED") + HELLO_CHUNKED),
    whole("9112-6.1-chunked-with-white-space", head(b"Transfer-Encoding:\t chunked \t") + HELLO_CHUNKED),
    last("9112-6.1-chunked-under-1.0", head(CHUNKED, start=b"HTTP/1.0 200 OK") + HELLO_CHUNKED),
    last(
        "9112-6.1-chunked-under-1.0-kept-alive",
        head(CHUNKED, b"Connection: keep-alive", start=b"HTTP/1.0 200 OK") + HELLO_CHUNKED,
    ),
    coding("unknown", b" lzma"),
    coding("gzip", b" gzip"),
    coding("gzip-below-chunked", b" gzip, chunked"),
    coding("chunked-not-last", b" chunked, gzip"),
    coding("chunked-twice", b" chunked, chunked"),
    coding("chunked-and-nothing", b" chunked,"),
    coding("nothing-and-chunked", b" ,chunked"),
    coding("identity", b" identity"),
    coding("identity-below-chunked", b" identity, chunked"),
    coding("empty", b""),
    coding("with-a-parameter", b" chunked;q=1"),
    coding("quoted", b' "chunked"'),
    coding("chunked-by-prefix", b" chunkedx"),
    coding("chunked-by-suffix", b" xchunked"),
    coding("with-VT", b" chunked\v"),
    coding("with-obs-text", b" chunked\xa0"),
    coding("on-two-lines", b" chunked\r\nTransfer-Encoding: chunked"),
    coding("another-on-a-second-line", b" chunked\r\nTransfer-Encoding: gzip"),
    coding("gzip-on-a-first-line", b" gzip\r\nTransfer-Encoding: chunked"),
]

LENGTHS = [
    whole("9112-6.2-length", head(FIVE) + b"hello"),
    whole("9112-6.2-length-zero", head(NONE), b""),
    whole("9112-6.2-length-with-leading-zeros", head(b"Content-Length: 0005") + b"hello"),
    whole("9112-6.2-length-without-white-space", head(b"content-length:5") + b"hello"),
    whole("9112-6.2-length-of-20-digits-with-zeros", head(b"Content-Length: 00000000000000000005") + b"hello"),
    waiting("9112-6.2-length-of-20-nines", head(b"Content-Length: " + b"9" * 20) + b"hello", b"hello"),
    waiting("9112-6.2-length-one-long", head(b"Content-Length: 6") + b"hello", b"hello"),
    last("9112-6.2-length-one-short", head(b"Content-Length: 4") + b"hello", b"hell"),
    whole("9112-6.3-length-equal-on-two-lines", head(FIVE, FIVE) + b"hello"),
    whole("9112-6.3-length-equal-in-a-list", head(b"Content-Length: 5, 5") + b"hello"),
    whole("9112-6.3-length-equal-in-a-list-and-on-a-line", head(b"Content-Length: 5,5", b"A: b", FIVE) + b"hello"),
    refused("9112-6.3-length-different-on-two-lines", head(FIVE, b"Content-Length: 6") + b"hello!"),
    refused("9112-6.3-length-different-in-spelling", head(FIVE, b"Content-Length: 05") + b"hello"),
    refused("9112-6.3-length-bad-on-a-second-line", head(FIVE, b"Content-Length: -5") + b"hello"),
    refused("9112-6.3-length-empty-on-a-second-line", head(FIVE, b"Content-Length:") + b"hello"),
    length("different-in-a-list", b" 5, 6"),
    length("list-with-an-empty-member", b" 5,,5"),
    length("list-with-an-end", b" 5,"),
    length("empty", b""),
    length("of-white-space", b" \t "),
    length("negative", b" -5"),
    length("negative-zero", b" -0"),
    length("plus", b" +5"),
    length("hexadecimal", b" 0x5"),
    length("hexadecimal-digits", b" 5a"),
    length("octal", b" 0o5"),
    length("with-a-point", b" 5.0"),
    length("with-an-exponent", b" 5e0"),
    length("with-an-underscore", b" 0_5"),
    length("with-a-space-inside", b" 0 5"),
    length("with-a-parameter", b" 5;q=1"),
    length("quoted", b' "5"'),
    length("in-words", b" five"),
    length("with-VT", b" 5\v"),
    length("with-obs-text", b" 5\xa0"),
    length("with-NUL", b" 5\0"),
    length("in-other-digits", b" " + "\uff15".encode()),
    length("of-21-digits", b" " + b"0" * 20 + b"5"),
    length("of-300-digits", b" " + b"9" * 300),
]

BODY_LENGTHS = [
    last("9112-6.3-both-is-chunked", head(FIVE, CHUNKED) + HELLO_CHUNKED),
    last("9112-6.3-both-in-the-other-order", head(CHUNKED, b"Content-Length: 4") + HELLO_CHUNKED),
    last("9112-6.3-both-with-a-length-that-agrees", head(b"Content-Length: 15", CHUNKED) + HELLO_CHUNKED),
    last("9112-6.3-both-with-length-zero", head(NONE, CHUNKED) + HELLO_CHUNKED),
    refused("9112-6.3-both-with-a-bad-length", head(b"Content-Length: x", CHUNKED) + HELLO_CHUNKED),
    refused("9112-6.3-both-with-a-bad-coding", head(FIVE, b"Transfer-Encoding: gzip") + b"hello"),
    waiting("9112-6.3-neither-is-until-close", head() + b"hello", b"hello", by_close=True),
    waiting("9112-6.3-neither-with-connection-close", head(b"Connection: close") + b"hello", b"hello", by_close=True),
    waiting("9112-6.3-neither-and-no-body", head(), b"", by_close=True),
    waiting("9112-6.3-neither-what-looks-like-a-response", head() + head(NONE), head(NONE), by_close=True),
    waiting("9112-6.3-neither-under-1.0", head(start=b"HTTP/1.0 200 OK") + b"hello", b"hello", by_close=True),
    *[
        whole(
            f"9112-6.3-{status}-has-no-body-{name}", head(*lines, start=b"HTTP/1.1 %d X" % status), b"", status=status
        )
        for status in (204, 304)
        for name, lines in {"": (), "whatever-its-length": (FIVE,), "though-chunked": (CHUNKED,)}.items()
    ],
    last("9112-6.3-204-with-bytes-behind-it", head(FIVE, start=b"HTTP/1.1 204 X") + b"hello", b"", status=204),
    last("9112-6.3-304-with-both", head(FIVE, CHUNKED, start=b"HTTP/1.1 304 X"), b"", status=304),
    whole("9112-6.3-HEAD-has-no-body", head(), b"", method="HEAD"),
    whole("9112-6.3-HEAD-whatever-its-length", head(FIVE), b"", method="HEAD"),
    whole("9112-6.3-HEAD-though-chunked", head(CHUNKED), b"", method="HEAD"),
    last("9112-6.3-HEAD-with-bytes-behind-it", head(FIVE) + b"hello", b"", method="HEAD"),
    refused("9112-6.3-HEAD-with-a-bad-length", head(b"Content-Length: x"), method="HEAD"),
    waiting("9112-6.3-205-has-a-body", head(FIVE, start=b"HTTP/1.1 205 X"), b"", status=205),
    whole("9112-6.3-an-error-has-a-body", head(FIVE, start=b"HTTP/1.1 500 X") + b"hello", status=500),
    whole("9112-6.3-GET", head(FIVE) + b"hello", method="GET"),
]


def chunks(name: str, framing: bytes, body: bytes = b"hello") -> Case:
    return whole(f"9112-7.1{name}", head(CHUNKED) + framing, body)


def not_chunks(name: str, framing: bytes, body: bytes = b"hello") -> Case:
    return refused(f"9112-7.1{name}", head(CHUNKED) + framing, body, status=200)


def part_of_chunks(name: str, framing: bytes, body: bytes = b"hello") -> Case:
    return waiting(f"9112-{name}", head(CHUNKED) + framing, body)


CHUNKS = [
    chunks("-one", HELLO_CHUNKED),
    chunks("-several", b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n"),
    chunks("-none", b"0\r\n\r\n", b""),
    chunks("-size-in-both-cases", b"a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", b"0123456789abcdefghij"),
    chunks("-size-with-leading-zeros", b"005\r\nhello\r\n000\r\n\r\n"),
    chunks("-size-of-20-digits", b"0" * 19 + b"5\r\nhello\r\n" + b"0" * 20 + b"\r\n\r\n"),
    chunks("-size-with-white-space-behind-leniency", b"5 \t\r\nhello\r\n0 \r\n\r\n"),
    chunks("-data-of-line-ends", b"6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n"),
    chunks("-data-that-looks-like-the-end", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    chunks(".1-extension", b"5;a\r\nhello\r\n0;b\r\n\r\n"),
    chunks(".1-extension-with-a-value", b"5;a=b\r\nhello\r\n0;a=b\r\n\r\n"),
    chunks(".1-extension-quoted", b'5;a="b;c\\"d"\r\nhello\r\n0\r\n\r\n'),
    chunks(".1-extensions", b"5;a;b=c;d\r\nhello\r\n0\r\n\r\n"),
    chunks(".1-extension-with-white-space", b"5; a = b \r\nhello\r\n0\r\n\r\n"),
    chunks(".1-extension-of-nothing-leniency", b"5;\r\nhello\r\n0;\r\n\r\n"),
    chunks(".1-extension-obs-text", b"5;a=\xff\r\nhello\r\n0\r\n\r\n"),
    chunks(".1-extension-NUL-leniency", b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    chunks(".1-extension-bare-CR-leniency", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    chunks(".1-extension-that-looks-like-a-size", b"5;6\r\nhello\r\n0\r\n\r\n"),
    not_chunks(".1-extension-bare-LF", b"5;a\nhello\r\n0\r\n\r\n", b""),
    not_chunks(".1-extension-behind-white-space", b"5 ;a\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-in-garbage", b"zz\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-in-garbage-later", b"5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n"),
    not_chunks("-size-half-in-garbage", b"5g\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-empty", b"\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-of-extensions-alone", b";a\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-negative", b"-5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-plus", b"+5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-0x", b"0x5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-an-underscore", b"0_5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-white-space-before", b" 5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-white-space-inside", b"0 5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-a-point", b"5.0\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-VT", b"5\v\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-NUL", b"5\0\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-with-bare-CR", b"5\rx\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-ended-by-bare-LF", b"5\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-of-21-digits", b"0" * 20 + b"5\r\nhello\r\n0\r\n\r\n", b""),
    not_chunks("-size-in-other-digits", "\uff15\r\nhello\r\n0\r\n\r\n".encode(), b""),
    not_chunks("-data-longer-than-its-size", b"4\r\nhello\r\n0\r\n\r\n", b"hell"),
    not_chunks("-data-shorter-than-its-size", b"6\r\nhello\r\n0\r\n\r\n", b"hello\r"),
    not_chunks("-data-without-its-end", b"5\r\nhello0\r\n\r\n"),
    not_chunks("-data-ended-by-bare-LF", b"5\r\nhello\n0\r\n\r\n"),
    not_chunks("-data-ended-by-bare-CR", b"5\r\nhello\r0\r\n\r\n"),
    not_chunks("-data-ended-by-LF-CR", b"5\r\nhello\n\r0\r\n\r\n"),
    not_chunks("-not-chunked-at-all", b"hello\r\n", b""),
    part_of_chunks("7.1-size-of-20-digits-is-no-allocation", b"F" * 20 + b"\r\nhello"),
    part_of_chunks("7.1-size-never-ends", b"0" * 100, b""),
    part_of_chunks("8-cut-in-a-size", b"5\r\nhello\r\n0"),
    part_of_chunks("8-cut-behind-a-size", b"5\r\nhello\r\n0\r"),
    part_of_chunks("8-cut-in-data", b"6\r\nhello"),
    part_of_chunks("8-cut-behind-data", b"5\r\nhello"),
    part_of_chunks("8-cut-in-an-end", b"5\r\nhello\r"),
    part_of_chunks("8-last-chunk-missing", b"5\r\nhello\r\n"),
    part_of_chunks("8-final-empty-line-missing", b"5\r\nhello\r\n0\r\n"),
    part_of_chunks("8-final-LF-missing", b"5\r\nhello\r\n0\r\n\r"),
    part_of_chunks("8-cut-in-a-trailer", b"5\r\nhello\r\n0\r\nA: b"),
    part_of_chunks("8-cut-behind-a-trailer", b"5\r\nhello\r\n0\r\nA: b\r\n"),
]


def trailers(name: str, *lines: bytes, end: bytes = b"\r\n") -> Case:
    section = b"".join(line + b"\r\n" for line in lines) + end
    return whole(f"9112-7.1.2-{name}", head(CHUNKED) + b"5\r\nhello\r\n0\r\n" + section)


def not_trailers(name: str, *lines: bytes) -> Case:
    section = b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return refused(f"9112-7.1.2-{name}", head(CHUNKED) + b"5\r\nhello\r\n0\r\n" + section, b"hello", status=200)


TRAILERS = [
    trailers("one", b"A: b"),
    trailers("several", b"A: b", b"C:d", b"A: e"),
    trailers("fold", b"A: b", b" c"),
    trailers("length-is-not-looked-at", b"Content-Length: 9"),
    trailers("coding-is-not-looked-at", b"Transfer-Encoding: chunked"),
    trailers("close-is-not-looked-at", b"Connection: close"),
    trailers("bare-LF-leniency", end=b"\n"),
    trailers("bare-LF-behind-one-leniency", b"A: b", end=b"\n"),
    not_trailers("no-colon", b"bad"),
    not_trailers("no-name", b": b"),
    not_trailers("a-space-before-the-colon", b"A : b"),
    not_trailers("fold-first", b" A: b"),
    not_trailers("NUL", b"A: \0"),
    not_trailers("bare-CR", b"A: b\rc"),
    not_trailers("a-response-instead", b"HTTP/1.1 200 OK", NONE),
    not_trailers("chunk-behind-the-last", b"5", b"hello"),
    not_trailers("bad-length", b"Content-Length: x"),
    not_trailers("bad-coding", b"Transfer-Encoding: gzip"),
]

CONTINUE = head(start=b"HTTP/1.1 100 Continue")

INTERIM = [
    whole("9110-15.2-100", CONTINUE + head(FIVE) + b"hello"),
    whole("9110-15.2-several", CONTINUE + head(b"Link: x", start=b"HTTP/1.1 103 X") + CONTINUE + head(FIVE) + b"hello"),
    whole("9110-15.2-unknown", head(start=b"HTTP/1.1 199 X") + head(FIVE) + b"hello"),
    whole("9110-15.2-has-no-body-whatever-its-length", head(FIVE, start=b"HTTP/1.1 100 X") + head(FIVE) + b"hello"),
    whole("9110-15.2-has-no-body-though-chunked", head(CHUNKED, start=b"HTTP/1.1 100 X") + head(FIVE) + b"hello"),
    whole("9110-15.2-close-leniency", head(b"Connection: close", start=b"HTTP/1.1 100 X") + head(FIVE) + b"hello"),
    whole("9110-15.2-under-1.0-leniency", head(start=b"HTTP/1.0 100 X") + head(FIVE) + b"hello"),
    waiting("9110-15.2-alone", CONTINUE, status=None),
    waiting("9110-15.2-several-and-nothing-else", CONTINUE * 3, status=None),
    refused("9110-15.2-101-nobody-asked-for", head(b"Upgrade: x", start=b"HTTP/1.1 101 X") + head(FIVE) + b"hello"),
    refused("9110-15.2-broken", head(b"broken", start=b"HTTP/1.1 100 X") + head(FIVE) + b"hello"),
    refused("9110-15.2-with-a-bad-length", head(b"Content-Length: x", start=b"HTTP/1.1 100 X") + head(FIVE)),
    refused("9110-15.2-with-a-body", head(FIVE, start=b"HTTP/1.1 100 X") + b"hello" + head(FIVE) + b"hello"),
    last("9110-15.2-behind-the-response", head(FIVE) + b"hello" + CONTINUE),
]


def kept(name: str, *lines: bytes) -> Case:
    return whole(f"9112-9.3-{name}", head(*lines, FIVE) + b"hello")


def closed(name: str, *lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> Case:
    return last(f"9112-9.3-{name}", head(*lines, FIVE, start=start) + b"hello")


PERSISTENCE = [
    kept("kept-alive-by-default"),
    kept("kept-alive-in-words", b"Connection: keep-alive"),
    kept("an-unknown-option", b"Connection: upgrade, x"),
    kept("an-option-by-prefix", b"Connection: closed"),
    kept("close-in-another-field", b"Proxy-Connection: close"),
    kept("no-option", b"Connection:"),
    closed("close", b"Connection: close"),
    closed("close-in-any-case", b"CONNECTION: CloSe"),
    closed("close-in-a-list", b"Connection: x , close, y"),
    closed("close-on-a-second-line", b"Connection: keep-alive", b"Connection: close"),
    closed("close-beside-keep-alive", b"Connection: keep-alive, close"),
    closed("close-on-a-folded-line", b"Connection: x,", b" close"),
    closed("1.0", start=b"HTTP/1.0 200 OK"),
    closed("1.0-kept-alive-is-not-believed", b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"),
    last("9112-9.2-a-byte-too-many", head(FIVE) + b"hello!"),
    last("9112-9.2-an-empty-line-too-many", head(FIVE) + b"hello\r\n"),
    last("9112-9.2-a-second-response", (head(FIVE) + b"hello") * 2),
    last("9112-9.2-bytes-behind-the-last-chunk", head(CHUNKED) + HELLO_CHUNKED + b"0\r\n\r\n"),
    last("9112-9.2-bytes-behind-the-last-response", head(b"Connection: close", FIVE) + b"hello\r\n"),
    last("9112-9.2-bytes-behind-chunks-and-close", head(b"Connection: close", CHUNKED) + HELLO_CHUNKED + b"\r\n"),
    last("9112-9.2-bytes-behind-a-response-under-1.0", head(FIVE, start=b"HTTP/1.0 200 OK") + b"hello\0"),
    last("9112-9.2-bytes-behind-no-body", head(NONE) + b"\0", b""),
]

CONTENT_CODINGS = [
    whole("9110-8.4-identity", head(b"Content-Encoding: Identity", FIVE) + b"hello"),
    whole("9110-8.4-empty", head(b"Content-Encoding:", FIVE) + b"hello"),
    *[
        refused(f"ours-8.4-{name}", head(b"Content-Encoding: " + value, FIVE) + b"hello", status=200)
        for name, value in {
            "gzip": b"gzip",
            "gzip-in-any-case": b"GZip",
            "brotli": b"br",
            "deflate": b"deflate",
            "a-list": b"identity, gzip",
            "on-two-lines": b"identity\r\nContent-Encoding: gzip",
            "unknown": b"x",
        }.items()
    ],
    refused("ours-8.4-gzip-without-a-body", head(b"Content-Encoding: gzip", NONE), status=200),
    refused("ours-8.4-gzip-chunked", head(b"Content-Encoding: gzip", CHUNKED) + HELLO_CHUNKED, status=200),
    refused("ours-8.4-gzip-until-close", head(b"Content-Encoding: gzip") + b"hello", status=200),
]

CASES = [
    *STATUS_LINES,
    *LINES,
    *FIELDS,
    *FOLDS,
    *CODINGS,
    *LENGTHS,
    *BODY_LENGTHS,
    *CHUNKS,
    *TRAILERS,
    *INTERIM,
    *PERSISTENCE,
    *CONTENT_CODINGS,
]


def _parts(cases: list[Case]) -> tuple[set[bytes], set[bytes], set[bytes]]:
    """The status lines, header lines and bodies of cases."""
    starts, lines, bodies = set(), set(), set()
    for case in cases:
        start, _, rest = case.response.partition(b"\r\n")
        fields, _, body = rest.partition(b"\r\n\r\n")
        starts.add(start)
        lines.update(fields.split(b"\r\n"))
        bodies.add(body)
    return starts, lines, bodies


STARTS, LINES_OF_HEADS, BODIES = map(sorted, _parts([case for case in CASES if case.status is not None]))
"""What the cases whose head is right are made of, to make others."""
