"""HTTP/1.1 from the server's side: h11 on one `trio.abc.Stream`.

Rules: bytes read while a response is under way (pipelined requests) stay in h11's buffer; nothing is read beyond a
bound; after a failed exchange the connection is closed in a way that lets the peer read the answer first.
"""

from __future__ import annotations

import email.utils
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import h11
import trio

from nai_trio.closing import close_now

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BadRequestError", "Link", "Reply", "Request", "error_reply", "json_reply"]

MAX_BODY = 128 * 1024 * 1024
_READ_SIZE = 64 * 1024
_MAX_PIPELINED = 1024 * 1024
_LINGER_SECONDS, _LINGER_BYTES = 1.0, 16 * 1024 * 1024


class BadRequestError(Exception):
    """The peer did not speak HTTP, or more of it than is read here."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@attrs.frozen
class Request:
    """A request's head.

    Attributes:
        method: as sent.
        path: without the query; "" for a target that is no URL.
        headers: names in lower case; of repeated ones the last.
    """

    method: str
    path: str
    headers: dict[str, str]

    def accepts(self, media_type: str) -> bool:
        """Whether the Accept header names this type itself; wildcards do not count."""
        parts = self.headers.get("accept", "").split(",")
        return media_type in {part.partition(";")[0].strip().lower() for part in parts}


@attrs.frozen
class Reply:
    """A whole, short answer."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def error_reply(status: int, message: str, *headers: tuple[str, str]) -> Reply:
    """The service's error: compact JSON, ended by a newline (wire document, sections 1 and 6)."""
    return json_reply(status, {"statusCode": status, "message": message}, *headers)


def json_reply(status: int, value: object, *headers: tuple[str, str]) -> Reply:
    """Compact JSON, ended by a newline."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Reply(status, body.encode("utf-8", "replace") + b"\n", headers=headers)


def _path(target: bytes) -> str:
    try:
        return urlsplit(target.decode("ascii", "replace")).path
    except ValueError:
        return ""


class Link:
    """One connection: requests come out, answers go in. One task uses it, besides `wait_gone`."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._h11 = h11.Connection(h11.SERVER)
        self._bodiless = False

    async def next_request(self, *, patience: float = math.inf) -> Request | None:
        """The next request's head, or None when the peer has left.

        Args:
            patience: seconds to wait for its first bytes; then None.

        Raises:
            BadRequestError: what came is not HTTP.
        """
        nothing_came = self._h11.trailing_data == (b"", False)
        if nothing_came and not await self._something_comes(patience):
            return None
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        self._bodiless = event.method == b"HEAD"
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        return Request(event.method.decode("ascii"), _path(event.target), headers)

    async def read_body(self) -> bytes:
        """The whole request body, asking for it where the peer waits to be asked.

        Raises:
            BadRequestError: broken framing, or more than `MAX_BODY` bytes.
        """
        if self._h11.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise BadRequestError(413, "Request body is too large")
        return bytes(body)

    @property
    def awaits_continue(self) -> bool:
        """Whether the peer holds its body back until it is asked for (Expect: 100-continue)."""
        return self._h11.they_are_waiting_for_100_continue

    async def reply(self, reply: Reply) -> None:
        """Send a whole answer; to HEAD its head alone."""
        headers = [
            ("content-type", reply.content_type),
            ("content-length", str(len(reply.body))),
            *reply.headers,
        ]
        await self._start(reply.status, headers)
        if not self._bodiless:
            await self._send(h11.Data(data=reply.body))
        await self.finish()

    async def refuse(self, error: BadRequestError) -> None:
        """Answer what could not be read, where an answer is still possible."""
        if self._h11.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self.reply(error_reply(error.status, error.message, ("connection", "close")))

    async def start(self, content_type: str, *headers: tuple[str, str]) -> None:
        """Send the head of a chunked 200."""
        await self._start(200, [("content-type", content_type), ("cache-control", "no-cache"), *headers])

    async def send(self, data: bytes) -> None:
        """Send body bytes as one chunk."""
        await self._send(h11.Data(data=data))

    async def send_part(self, data: bytes, count: int) -> None:
        """Announce `data` as one chunk and send only its first `count` bytes; nothing can follow."""
        parts = self._h11.send_with_data_passthrough(h11.Data(data=data)) or []
        sent = bytearray()
        for part in parts:
            if part is data:
                sent += data[:count]
                break
            sent += part
        await self._stream.send_all(bytes(sent))

    async def finish(self) -> None:
        """End the body."""
        await self._send(h11.EndOfMessage())

    async def wait_gone(self) -> None:
        """Return when the peer closes or resets; what it sends meanwhile is kept for the next request."""
        seen = 0
        while seen < _MAX_PIPELINED:
            try:
                data = await self._stream.receive_some(_READ_SIZE)
            except trio.BrokenResourceError:
                data = b""
            self._h11.receive_data(bytes(data))
            if not data:
                return
            seen += len(data)
        await trio.sleep_forever()  # more than is read ahead: leave it to the network to hold the peer back

    def next_cycle(self) -> bool:
        """Make ready for another request; False when the connection cannot carry one."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
            return True
        return False

    async def linger(self) -> None:
        """Where the peer may still be sending, let it read our answer before the connection goes.

        Closing a socket with unread input resets it, and a reset may overtake the answer (RFC 9112, 9.6).
        """
        if self._h11.their_state not in {h11.SEND_BODY, h11.ERROR} or not isinstance(
            self._stream, trio.abc.HalfCloseableStream
        ):
            return
        with trio.move_on_after(_LINGER_SECONDS):
            await self._stream.send_eof()
            seen = 0
            while seen < _LINGER_BYTES and (data := await self._stream.receive_some(_READ_SIZE)):
                seen += len(data)

    async def close(self) -> None:
        """Close at once; an error in flight stays in flight."""
        await close_now(self._stream)

    async def _something_comes(self, patience: float) -> bool:
        """One read and no more, so that time cannot run out over a request that has begun."""
        with trio.move_on_after(patience) as scope:
            self._h11.receive_data(bytes(await self._stream.receive_some(_READ_SIZE)))
        return not scope.cancelled_caught

    async def _next_event(self) -> h11.Event | None:
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                raise BadRequestError(error.error_status_hint, f"Bad request: {error}") from error
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                return None
            self._h11.receive_data(bytes(await self._stream.receive_some(_READ_SIZE)))

    async def _start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        dated = [("date", email.utils.formatdate(usegmt=True)), *headers]
        await self._send(h11.Response(status_code=status, headers=dated, reason=reason.encode()))

    async def _send(self, event: h11.Event) -> None:
        await self._stream.send_all(self._h11.send(event) or b"")
