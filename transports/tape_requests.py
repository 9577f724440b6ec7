"""Requests, found in what a client sends: h11 in the server's role, on bytes that are cut anywhere.

Several can stand on one connection, and one can be sent in many pieces.
"""

from __future__ import annotations

from typing import Final

import attrs
import h11

from nai_trio.errors import ProtocolError

__all__ = ["RequestReader", "TapedRequest"]

_MAX_HEAD: Final = 64 * 1024


@attrs.frozen(kw_only=True)
class TapedRequest:
    """A request, taken apart.

    Attributes:
        method: e.g. "POST".
        target: path and query.
        headers: in order, names in lower case.
        body: without transfer coding.
        masked: whether asterisks in the body may stand for something that was struck out.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    masked: bool = False

    @property
    def line(self) -> str:
        """Method and target."""
        return f"{self.method} {self.target}"

    def header(self, name: str) -> str | None:
        """A header's values, joined by commas; None where it is missing."""
        values = [value for each, value in self.headers if each == name]
        return ", ".join(values) if values else None


class RequestReader:
    """Finds requests in what a client sends, cut anywhere."""

    def __init__(self) -> None:
        self._begin()

    def feed(self, data: bytes | bytearray | memoryview) -> list[TapedRequest]:
        """Take bytes, and return the requests that they complete.

        Raises:
            ProtocolError: they are no HTTP/1.1.
        """
        found: list[TapedRequest] = []
        rest = bytes(data)
        while rest:
            self.idle = False
            try:
                self._connection.receive_data(rest)
                whole = self._read_events()
            except h11.RemoteProtocolError as error:
                raise ProtocolError.mismatch(expected="an HTTP/1.1 request", received=str(error)) from error
            if not whole:
                break
            rest = self._connection.trailing_data[0]
            found.append(self._request())
            self._begin()
        return found

    def _begin(self) -> None:
        self.idle = True
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._head: h11.Request | None = None
        self._body: list[bytes] = []

    def _read_events(self) -> bool:
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Request):
                self._head = event
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            else:
                return isinstance(event, h11.EndOfMessage)

    def _request(self) -> TapedRequest:
        head = self._head
        assert head is not None  # noqa: S101 - h11 gives the head first
        return TapedRequest(
            method=head.method.decode("latin-1"),
            target=head.target.decode("latin-1"),
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers),
            body=b"".join(self._body),
        )
