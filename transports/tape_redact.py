"""What must not reach a tape, and how it is found in a stream that is cut anywhere.

Struck out, before a byte is written:

- in the head of each request and response, the values of headers that carry credentials (`Authorization`,
  `Proxy-Authorization`, `Cookie`, `Set-Cookie`, and whatever has a token, secret, API key or password in its name);
- the credentials of a request's head wherever else they turn up from then on, in both directions of every connection: a
  service that repeats a key in an error message is no reason to keep it. Also as JSON and URLs escape them, and where
  a chunk of the transfer coding ends inside one.

A struck byte becomes an asterisk, so all lengths and offsets stay true, those inside the bodies too.

How: bytes are held back until it is certain that they may go. A head goes when it is whole, for only then are its
secrets known; of a body, the last few bytes wait when a secret may begin in them. What was held back keeps its time and
its place in its piece: see recording.py.

When in doubt, everything goes: a request that is not HTTP/1.1 with a `Content-Length`, or a head without end, hides who
knows what, so from there on each byte of that connection is struck, in both directions.
"""

from __future__ import annotations

import json
import math
import re
from binascii import a2b_base64
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from nai_trio.transports.tape_chunks import Chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SHORTEST_SECRET", "Direction", "Redactor", "Secrets"]

SHORTEST_SECRET: Final = 6
"""Bytes; a shorter value is struck in its header alone, since elsewhere it would be found by chance: in a stream of
base64, one of four bytes every 16 MB."""

_MAX_HEAD: Final = 64 * 1024
_PARTIAL: Final = 4
"""Bytes of a secret that count as some of it, where a stream ends inside one."""

_SENSITIVE: Final = re.compile(
    rb"authori[sz]ation|x-auth|cookie|token|secret|(?:api|access)[-_]?key|passw|credential", re.IGNORECASE
)
_SCHEME: Final = re.compile(rb"[ \t]*(?:basic|bearer|digest|negotiate|ntlm|token)(?=[ \t\r\n]|$)", re.IGNORECASE)
_LINE: Final = re.compile(rb"[^\r\n]+")
"""Lines end where anybody could see an end, a lone CR included."""

_VISIBLE: Final = re.compile(rb"[^ \t\r\n]+")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]\r?\n")
_INTERIM: Final = re.compile(rb"HTTP/1\.[01] 1(?!01)")
_CHUNKED: Final = 16
"""How many times its length a secret may take up when it is cut into chunks; chunks of a byte take seven times."""


class Secrets:
    """Values that are struck out wherever they stand; one for a whole tape.

    Args:
        values: known from the start.

    Attributes:
        longest: bytes of the longest one.
    """

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self._forms: set[bytes] = set()
        self.longest = 0
        for value in values:
            self.add(value)

    def __len__(self) -> int:
        return len(self._forms)

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    def add(self, value: bytes) -> None:
        """Strike this value, too, from now on; ignored when it is shorter than `SHORTEST_SECRET`."""
        if len(value) >= SHORTEST_SECRET:
            self._forms |= _forms(value)
            self.longest = max(map(len, self._forms))

    def mark(self, data: bytes | bytearray, marks: bytearray, start: int = 0) -> None:
        """Set `marks` to 1 where a secret stands in `data`; looked for from `start` on."""
        for place, length in self._places(data, start):
            marks[place : place + length] = b"\1" * length
        chunks = Chunks(data, max(0, start - _CHUNKED * self.longest)) if self._forms else None
        if chunks:
            for place, length in self._places(chunks.joined, 0):
                for index in range(place, place + length):
                    marks[chunks.place(index)] = 1

    def begun(self, data: bytes | bytearray) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        tail = data[-_CHUNKED * self.longest :]
        chunks = Chunks(tail) if self._forms else None
        if chunks:
            count = self._overlap(chunks.joined)
            if count:
                return max(len(tail) - chunks.place(len(chunks.joined) - count), self._overlap(tail))
        return self._overlap(tail)

    def _places(self, data: bytes | bytearray, start: int) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            found = data.find(form, start)
            while found >= 0:
                yield found, len(form)
                found = data.find(form, found + 1)

    def _overlap(self, data: bytes | bytearray) -> int:
        return max((_overlap(data, form) for form in self._forms), default=0)

    def strike(self, text: str) -> str:
        """Text with asterisks in place of secrets."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form.decode("latin-1"), "*" * len(form))
        return text


def _forms(value: bytes) -> set[bytes]:
    """A value as it is, and as it is written in JSON and URLs."""
    text = value.decode("latin-1")
    in_json = json.dumps(text)[1:-1]
    written = {in_json, in_json.replace("/", "\\/"), quote(text, safe="", encoding="latin-1"), quote(text)}
    return {value, *(form.encode("ascii") for form in written)}


def _overlap(data: bytes | bytearray, form: bytes) -> int:
    for count in range(min(len(form) - 1, len(data)), 0, -1):
        if data.endswith(form[:count]):
            return count
    return 0


class Redactor:
    """Strikes out what is secret on one connection.

    Args:
        secrets: what is known so far; a request's credentials are added.

    Attributes:
        sent: the direction to the service.
        received: the direction from it.
    """

    def __init__(self, secrets: Secrets) -> None:
        self.sent = _Requests(secrets, self)
        self.received = _Responses(secrets)

    def withhold(self) -> None:
        """Strike everything from here on."""
        self.sent.withheld = self.received.withheld = True


class Direction:
    """One direction of a connection: bytes go in, and come out when it is certain what is to be struck of them.

    Attributes:
        withheld: whether everything is struck.
    """

    def __init__(self, secrets: Secrets) -> None:
        self.withheld = False
        self._secrets = secrets
        self._held = bytearray()
        self._marks = bytearray()
        self._looked = 0  # how many of the held bytes are no part of an unfinished head
        self._searched = 0  # where the search for the head's end goes on
        self._in_head = True
        self._body: float = 0

    def feed(self, data: bytes | bytearray | memoryview) -> tuple[bytes, bytes]:
        """Take the next bytes; return what may go by now, struck, and a 1 for each byte of it that was struck."""
        before, known = len(self._held), len(self._secrets)
        self._held += data
        self._marks += bytes(len(data))
        if not self.withheld:
            self._look()
        # What was held back before was searched then; only a head is long enough for that to matter.
        start = 0 if len(self._secrets) != known else max(0, before - self._secrets.longest)
        self._secrets.mark(self._held, self._marks, start)
        if self.withheld:
            return self._release(len(self._held))
        if self._in_head and self._looked == len(self._held):  # no secret goes on in the next message
            self._strike_begun()
            return self._release(self._looked)
        if not self._looked:
            return self._release(0)
        return self._release(min(self._looked, len(self._held) - self._secrets.begun(self._held)))

    def finish(self) -> tuple[bytes, bytes]:
        """As `feed`, for what is left when nothing more comes."""
        self._strike_head(self._looked, len(self._held))
        self._secrets.mark(self._held, self._marks)
        self._strike_begun()
        return self._release(len(self._held))

    def _strike_begun(self) -> None:
        begun = self._secrets.begun(self._held)
        if begun >= _PARTIAL:
            self._marks[-begun:] = b"\1" * begun

    def _look(self) -> None:
        """Move `_looked` on."""
        while self._looked < len(self._held) and not self.withheld:
            if self._in_head:
                if not self._look_at_head():
                    return
            else:
                count = int(min(self._body, len(self._held) - self._looked))
                self._looked += count
                self._body -= count
                self._in_head = self._body == 0

    def _look_at_head(self) -> bool:
        """Whether the head that begins at `_looked` is whole, and so was passed."""
        while self._looked < len(self._held) and self._held[self._looked] in b"\r\n":
            self._looked += 1
        if not self._is_head():
            return True
        found = _HEAD_END.search(self._held, max(self._looked, self._searched))
        if found is None:
            self._searched = len(self._held) - 3
            if len(self._held) - self._looked > _MAX_HEAD:
                self._give_up()
            return False
        start, self._looked, self._searched = self._looked, found.end(), 0
        self._strike_head(start, found.end())
        self._pass_head(bytes(self._held[start : found.end()]))
        return True

    def _strike_head(self, start: int, end: int) -> None:
        sensitive = False
        for line in _LINE.finditer(self._held, start, end):
            text = line[0]
            name, colon, value = text.partition(b":")
            if text[:1] in b" \t":  # it belongs to the header before (RFC 9112, 5.2)
                value = text
            else:
                sensitive = bool(colon) and _SENSITIVE.search(name) is not None
            if sensitive:
                self._strike_value(line.end() - len(value), line.end())

    def _strike_value(self, start: int, end: int) -> None:
        scheme = _SCHEME.match(self._held, start, end)
        for word in _VISIBLE.finditer(self._held, start if scheme is None else scheme.end(), end):
            self._marks[word.start() : word.end()] = b"\1" * len(word[0])

    def _release(self, count: int) -> tuple[bytes, bytes]:
        data, marks = self._held[:count], bytes(self._marks[:count])
        del self._held[:count], self._marks[:count]
        self._looked, self._searched = max(0, self._looked - count), max(0, self._searched - count)
        if self.withheld:
            marks = b"\1" * count
        start = marks.find(1)
        while start >= 0:
            end = marks.find(0, start) if marks.find(0, start) >= 0 else count
            data[start:end] = b"*" * (end - start)
            start = marks.find(1, end)
        return bytes(data), marks

    def _is_head(self) -> bool:
        """Whether what begins at `_looked` can be a head; if not, it was passed or withheld."""
        raise NotImplementedError

    def _pass_head(self, head: bytes) -> None:
        """Learn from a whole head what follows it."""
        raise NotImplementedError

    def _give_up(self) -> None:
        self.withheld = True


class _Requests(Direction):
    """What a client sends: heads, each followed by as many bytes as its `Content-Length` says."""

    def __init__(self, secrets: Secrets, both: Redactor) -> None:
        super().__init__(secrets)
        self._both = both

    def finish(self) -> tuple[bytes, bytes]:
        """As of every direction; what did not even begin as a request is struck whole."""
        if self._in_head and self._looked < len(self._held) and not _REQUEST_LINE.match(self._held, self._looked):
            self._give_up()
        return super().finish()

    def _is_head(self) -> bool:
        return True

    def _pass_head(self, head: bytes) -> None:
        fields = _fields(head)
        lengths = {value for name, value in fields if name == b"content-length"}
        coded = any(name == b"transfer-encoding" for name, _ in fields)
        length = (lengths or {b"0"}).pop()
        if not _REQUEST_LINE.match(head) or coded or lengths or not (length.isdigit() and len(length) < 16):
            self._give_up()
            return
        for name, value in fields:
            if _SENSITIVE.search(name):
                self._learn(name, value)
        self._body = int(length)
        self._in_head = self._body == 0
        self._both.received.expect_head()

    def _learn(self, name: bytes, value: bytes) -> None:
        if b"cookie" in name:  # its parts are often plain words
            self._secrets.add(value)
            return
        scheme = _SCHEME.match(value)
        words = (value if scheme is None else value[scheme.end() :]).split()
        for word in (*words, b"".join(words)):
            self._secrets.add(word)
            if scheme is not None and scheme[0].strip().lower() == b"basic":
                self._learn_basic(word)

    def _learn_basic(self, word: bytes) -> None:
        try:
            pair = a2b_base64(word)
        except ValueError:
            return
        self._secrets.add(pair)
        self._secrets.add(pair.partition(b":")[2])

    def _give_up(self) -> None:
        self._both.withhold()


class _Responses(Direction):
    """What a service sends: a head, then a body until the next request is made; or no HTTP at all."""

    def expect_head(self) -> None:
        """A request was made: what comes next is the head of its response."""
        self._in_head = True

    def _is_head(self) -> bool:
        beginning = bytes(self._held[self._looked : self._looked + 5])
        if b"HTTP/".startswith(beginning):
            return True
        self._in_head, self._body = False, math.inf
        return False

    def _pass_head(self, head: bytes) -> None:
        if not _INTERIM.match(head):
            self._in_head, self._body = False, math.inf


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Names in lower case and values of a head's headers, folded lines joined."""
    fields: list[tuple[bytes, bytes]] = []
    for line in _LINE.findall(head)[1:]:
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields.pop()
            fields.append((name, value + b" " + line.strip()))
        elif b":" in line:
            name, _, value = line.partition(b":")
            fields.append((name.strip().lower(), value.strip()))
    return fields
