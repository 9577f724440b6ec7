"""What is struck out, however the bytes are cut."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.transports.tape_redact import SHORTEST_SECRET, Redactor, Secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "pst-not-a-real-key/with=more"
SECRET = KEY.encode()
STARS = b"*" * len(SECRET)


def request(*headers: str, body: bytes = b"", length: str | None = None) -> bytes:
    count = str(len(body)) if length is None else length
    lines = ["POST /ai/generate-image HTTP/1.1", "Host: service.example", *headers, f"Content-Length: {count}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


ASKED = request(f"Authorization: Bearer {KEY}", body=b'{"a": 1}')


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def struck(sent: list[bytes], received: list[bytes] | None = None) -> tuple[bytes, bytes, int]:
    """What is left of both directions, and how many bytes were struck."""
    redactor = Redactor(Secrets())
    outs: dict[str, bytes] = {}
    count = 0
    for name, direction, parts in (("sent", redactor.sent, sent), ("received", redactor.received, received or [])):
        found = [direction.feed(piece) for piece in parts] + [direction.finish()]
        outs[name] = b"".join(data for data, _ in found)
        for data, marks in found:
            assert len(data) == len(marks)
            count += marks.count(1)
    return outs["sent"], outs["received"], count


def cuts_of(data: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(data)), max_size=6)


@pytest.mark.parametrize(
    "header",
    [
        f"Authorization: Bearer {KEY}",
        f"authorization:Bearer {KEY}",
        f"AUTHORIZATION:   bearer\t{KEY}  ",
        f"Authorization : Bearer {KEY}",
        f"Authorization: {KEY}",
        f"Authorization: Bearer\r\n {KEY}",
        f"Authorization:\r\n\tBearer\r\n\t{KEY}",
        f"Proxy-Authorization: Basic {base64.b64encode(KEY.encode()).decode()}",
        f"Cookie: session={KEY}",
        f"X-Api-Key: {KEY}",
        f"x-auth-token: {KEY}",
        f"X-Forwarded: 1\rAuthorization: Bearer {KEY}",
    ],
)
def test_credentials_in_a_head_are_struck_whatever_it_looks_like(header: str) -> None:
    data = request(header, body=b"body")
    sent, _, count = struck([data])
    assert SECRET not in sent
    assert base64.b64encode(SECRET) not in sent
    assert len(sent) == len(data)
    assert count >= len(SECRET)
    assert sent.startswith(b"POST /ai/generate-image HTTP/1.1\r\nHost: service.example\r\n")
    assert sent.endswith(b"\r\n\r\nbody")


def test_the_scheme_stays_and_the_count_is_exact() -> None:
    sent, _, count = struck([ASKED])
    assert sent == ASKED.replace(SECRET, STARS)
    assert count == len(SECRET)


def test_every_single_cut_gives_the_same() -> None:
    data = ASKED + request(f"Authorization: Bearer {KEY}x", body=SECRET)
    whole = struck([data])
    assert SECRET not in whole[0]
    for cut in range(len(data) + 1):
        assert struck([data[:cut], data[cut:]]) == whole
    assert struck([bytes([byte]) for byte in data]) == whole


@given(st.data())
def test_a_key_that_is_echoed_is_struck_at_any_cut(data: st.DataObject) -> None:
    answer = (
        b"HTTP/1.1 401 No\r\nX-Debug: " + SECRET + b"\r\nSet-Cookie: a=bcdefg; Path=/\r\n\r\n"
        b'{"message": "bad key ' + SECRET + b'", "again": "' + SECRET + SECRET + b'"}'
    )
    expected = answer.replace(SECRET, STARS).replace(b"a=bcdefg;", b"*" * 9).replace(b"Path=/", b"*" * 6)
    _, received, _ = struck([ASKED], pieces(answer, data.draw(cuts_of(answer))))
    assert received == expected


@pytest.mark.parametrize("form", [KEY, json.dumps(KEY).replace("/", "\\/"), quote(KEY, safe=""), quote(KEY)])
def test_a_key_is_found_as_json_and_urls_escape_it(form: str) -> None:
    _, received, _ = struck([ASKED], [b"HTTP/1.1 200 OK\r\n\r\n", f"<{form}>".encode()])
    assert b"real" not in received


@given(st.binary(max_size=200), st.data())
def test_what_is_no_secret_passes_as_it_is(body: bytes, data: st.DataObject) -> None:
    answer = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n" + body
    sent = request(f"Authorization: Bearer {KEY}", body=body)
    found = struck(pieces(sent, data.draw(cuts_of(sent))), pieces(answer, data.draw(cuts_of(answer))))
    assert found == (sent.replace(SECRET, STARS), answer, len(SECRET))


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    secrets = Secrets([b"abcdefgh", b"ghijklmn", b"efghijkl"])
    redactor = Redactor(secrets)
    out = b"".join(redactor.received.feed(bytes([byte]))[0] for byte in b"no head <abcdefghijklmn>")
    assert out + redactor.received.finish()[0] == b"no head <" + b"*" * 14 + b">"


@pytest.mark.parametrize("size", [1, 5, 12])
def test_a_secret_that_repeats_itself_is_struck_whole(size: int) -> None:
    redactor = Redactor(Secrets([b"aaaaaaaa"]))
    fed = [redactor.received.feed(b"aaaaaaaaaaa!"[start : start + size])[0] for start in range(0, 12, size)]
    assert b"".join(fed) + redactor.received.finish()[0] == b"*" * 11 + b"!"


def test_the_password_of_a_basic_header_is_a_secret_by_itself() -> None:
    pair = base64.b64encode(b"someone:long-password").decode()
    answer = b"HTTP/1.1 407 No\r\n\r\nlong-password is wrong, someone:long-password"
    sent, received, _ = struck([request(f"Proxy-Authorization: Basic {pair}")], [answer])
    assert pair.encode() not in sent
    assert b"long-password" not in received


@pytest.mark.parametrize("broken", ["Proxy-Authorization: Basic !", "Authorization: Basic a", "Authorization: Bearer"])
def test_headers_that_are_wrong_do_no_harm(broken: str) -> None:
    sent, _, _ = struck([request(broken)])
    assert len(sent) == len(request(broken))


def test_a_secret_that_is_too_short_is_struck_in_its_header_alone() -> None:
    short = "k" * (SHORTEST_SECRET - 1)
    sent, received, count = struck(
        [request(f"Authorization: Bearer {short}")], [b"HTTP/1.1 200 OK\r\n\r\n", short.encode()]
    )
    assert short.encode() not in sent
    assert received.endswith(short.encode())
    assert count == len(short)


def test_each_head_on_a_connection_is_looked_at() -> None:
    redactor = Redactor(Secrets())
    for number in range(3):
        key = b"another-key-%d" % number
        sent, _ = redactor.sent.feed(request(f"Authorization: Bearer {key.decode()}", body=b"x" * number))
        received, _ = redactor.received.feed(b"HTTP/1.1 200 OK\r\nset-cookie: cookie-%d\r\n\r\n%b" % (number, key))
        assert key not in sent
        assert received == b"HTTP/1.1 200 OK\r\nset-cookie: ********\r\n\r\n" + b"*" * len(key)


def test_interim_responses_are_heads_too() -> None:
    answer = b"HTTP/1.1 103 Early\r\nset-cookie: abc\r\n\r\nHTTP/1.1 200 OK\r\nset-cookie: def\r\n\r\nset-cookie: ghi"
    _, received, _ = struck([ASKED], [answer])
    assert received == answer.replace(b"abc", b"***").replace(b"def", b"***")


@pytest.mark.parametrize(
    "head",
    [
        request(f"Authorization: Bearer {KEY}", "Transfer-Encoding: chunked"),
        request(f"Authorization: Bearer {KEY}", length="many"),
        request(f"Authorization: Bearer {KEY}", "Content-Length: 99"),
        b"\x00\x01 no HTTP at all\r\n\r\n",
        f"GET /{KEY}\r\n\r\n".encode(),
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + SECRET,
    ],
)
def test_what_is_not_understood_is_struck_whole_in_both_directions(head: bytes) -> None:
    rest = b"more " + SECRET
    sent, received, _ = struck([head, rest], [b"HTTP/1.1 200 OK\r\n\r\n" + SECRET])
    assert set(sent) <= {0x2A}
    assert len(sent) == len(head) + len(rest)
    assert set(received) == {0x2A}


def test_an_end_inside_a_head_or_a_secret_leaves_no_part_of_it() -> None:
    sent, received, _ = struck([ASKED[: ASKED.index(SECRET) + 9]], [])
    assert sent.endswith(b"Authorization: Bearer *********")
    _, received, _ = struck([ASKED], [b"HTTP/1.1 200 OK\r\n\r\nkey ", SECRET[:-1]])
    assert received.endswith(b"key " + b"*" * (len(SECRET) - 1))


def test_an_answer_that_is_no_http_is_kept_as_it_is() -> None:
    _, received, _ = struck([ASKED], [b"SSH-2.0-x\r\n", b"\0\1\2" + SECRET])
    assert received == b"SSH-2.0-x\r\n\0\1\2" + STARS


def test_bytes_are_held_back_no_longer_than_needed() -> None:
    redactor = Redactor(Secrets())
    assert redactor.sent.feed(ASKED[:100])[0] == b""
    assert len(redactor.sent.feed(ASKED[100:])[0]) == len(ASKED)
    assert redactor.received.feed(b"HTTP/1.1 200 OK\r\n\r\n12345p")[0] == b"HTTP/1.1 200 OK\r\n\r\n12345"
    assert redactor.received.feed(b"q")[0] == b"pq"


def test_a_text_is_struck_and_a_repr_shows_nothing() -> None:
    secrets = Secrets([SECRET])
    assert secrets.strike(f"a {KEY} b") == f"a {'*' * len(KEY)} b"
    assert "real" not in repr(secrets)


def test_the_cost_of_a_long_head_in_small_pieces_is_linear() -> None:
    calls: list[Any] = []

    class Watched(Secrets):
        def mark(self, data: bytes | bytearray, marks: bytearray, start: int = 0) -> None:
            calls.append(len(data) - start)
            super().mark(data, marks, start)

    redactor = Redactor(Watched([SECRET]))
    head = request("X-Long: " + "y" * 30_000)
    for byte in head:
        redactor.sent.feed(bytes([byte]))
    assert sum(calls) < 50 * 4 * len(head)


def chunked(data: bytes, cuts: Sequence[int], extension: str = "") -> list[bytes]:
    parts = [part for part in pieces(data, cuts) if part]
    return [b"%x%b\r\n%b\r\n" % (len(part), extension.encode(), part) for part in parts] + [b"0\r\n\r\n"]


@given(st.data())
def test_a_key_that_is_cut_into_chunks_is_struck_at_any_cut(data: st.DataObject) -> None:
    text = b"bad key: " + SECRET + b", again: " + SECRET
    extension = data.draw(st.sampled_from(["", ";a=b"]))
    body = b"".join(chunked(text, data.draw(cuts_of(text)), extension))
    answer = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    _, received, count = struck([ASKED], pieces(answer, data.draw(cuts_of(answer))))
    assert count == 3 * len(SECRET)
    assert len(received) == len(answer)
    left = b"".join(received.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2])
    assert left == text.replace(SECRET, STARS)


def test_a_key_in_chunks_of_a_byte_is_struck_whether_or_not_they_come_at_once() -> None:
    parts = chunked(SECRET, range(1, len(SECRET)))
    for received in ([b"HTTP/1.1 200 OK\r\n\r\n", *parts], [b"HTTP/1.1 200 OK\r\n\r\n" + b"".join(parts)]):
        assert struck([ASKED], received)[1].count(b"*") == len(SECRET)


def test_the_end_of_a_chunked_answer_is_not_held_back() -> None:
    redactor = Redactor(Secrets([SECRET]))
    redactor.sent.feed(request())
    answer = b"HTTP/1.1 200 OK\r\n\r\n1\r\np\r\n0\r\n\r\n"
    assert redactor.received.feed(answer)[0] == answer


def test_the_end_of_a_request_is_not_held_back() -> None:
    redactor = Redactor(Secrets([SECRET]))
    short, long = request(body=b"stop " + SECRET[:3]), request(body=b"stop " + SECRET[:4])
    assert redactor.sent.feed(short) == (short, bytes(len(short)))
    assert redactor.sent.feed(long)[0] == long[:-4] + b"****"


@pytest.mark.parametrize("hello", [b"\x05\x01\x02", b"GET /?key=", b"CONNECT"])
def test_what_never_became_a_request_is_struck_whole_at_its_end(hello: bytes) -> None:
    """The greeting of SOCKS, for one, which has the password in it and no end of a line."""
    sent, received, _ = struck([hello, b"\x01\x04user\x08" + SECRET], [b"\x05\x02"])
    assert set(sent) == {0x2A}
    assert received == b"**"


@pytest.mark.parametrize("name", ["X-Auth", "api_key", "X-Access-Key", "X-Credentials", "proxy-authorization"])
def test_headers_that_carry_credentials_are_known_by_their_names(name: str) -> None:
    sent, received, count = struck([request(f"{name}: {KEY}")], [b"HTTP/1.1 200 OK\r\n\r\n" + SECRET])
    assert count == 2 * len(SECRET)
    assert SECRET not in sent + received
