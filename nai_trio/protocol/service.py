"""What every exchange with the service is: one request, its response's head, a body chosen by that head, and an end.

A driver sends `data_to_send()` once, then hands every read to `receive_data`, until `complete`. Before it waits for
more bytes it looks at `fault` (see decoder.py). An end of file is `receive_data(b"")`.

Whatever ends an exchange early says whether the account may have been charged. A refusal whose body was cut or garbled
is still that refusal, with the words that came.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from nai_trio.errors import HTTPStatusError, NovelAIError
from nai_trio.headers import Headers
from nai_trio.protocol.decoder import Buffer, Decoder, T_co, slices
from nai_trio.protocol.gather import SHARED, SLICE
from nai_trio.protocol.http import HTTPExchange, Request, ResponseHead
from nai_trio.protocol.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from nai_trio.protocol.collected import Body
    from nai_trio.protocol.gather import Buffers

__all__ = ["ServiceExchange"]

_OPENING = 16384
"""Bytes looked at in one go until it is known how to read the body: nearly all of it then goes where it belongs."""

_MOST_TO_SEE = 64
"""Bytes that `_open_body` is shown, at most."""


class ServiceExchange(Decoder[T_co]):
    """One request to the service on one HTTP/1.1 connection.

    Args:
        request: what to send.
        limits: bounds on what the response may hold.
        buffers: memory to use; by default what all exchanges of this process share.

    Attributes:
        fault: the error that the next `receive_data` raises, or None.
        billed: whether the service charges for what is asked here.
    """

    billed = True

    def __init__(self, request: Request, limits: Limits | None, buffers: Buffers | None = None) -> None:
        self._limits = limits or Limits()
        self._buffers = buffers or SHARED
        self._room: bytearray | None = None
        self._http = HTTPExchange(request, limits=self._limits)
        self._opening = bytearray()
        self._body: Body[T_co] | None = None
        self._finished = False

    @property
    def status(self) -> int | None:
        """The response's status, or None before its head has come."""
        return None if self._http.head is None else self._http.head.status

    @property
    def headers(self) -> Headers:
        """The response's headers, a mapping in any case; empty before the head has come."""
        return Headers() if self._http.head is None else self._http.head.headers

    @property
    def accepted(self) -> bool:
        """Whether the response is the answer that was asked for, as far as its head and first bytes tell."""
        if self._finished:
            return True
        if self._body is not None:
            return self._body.carries_answer
        return self._http.head is not None and self._promises(self._http.head)

    @property
    def complete(self) -> bool:
        """Whether the response has ended and holds all that was asked for."""
        return self._finished and self.fault is None

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow on the same connection, however this one turned out."""
        return self._http.reusable

    def data_to_send(self) -> bytes:
        """The whole request the first time, then b""."""
        return self._http.data_to_send()

    def receive_data(self, data: Buffer) -> list[T_co]:
        """Take response bytes, cut anywhere, and return what they complete.

        Args:
            data: what was read; b"" is the end of file.

        Raises:
            HTTPStatusError: the service refused.
            GenerationError: the service gave up on the job inside the stream.
            StreamInterrupted: the response ended too early.
            ProtocolError: the response is not what it must be.
        """
        return super().feed(data)

    def get_buffer(self, sizehint: int = -1, /) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Memory to read into, for drivers in the shape of asyncio's BufferedProtocol; valid until `buffer_updated`.

        From then on it is another exchange's. Who asks only when bytes are there to be read needs but one piece of it
        for any number of exchanges.
        """
        if self._room is None:
            self._room = self._buffers.lend_room()
        return memoryview(self._room)

    def buffer_updated(self, count: int) -> list[T_co]:
        """Say that `count` bytes (0: end of file) were read into `get_buffer()`; otherwise as `receive_data`."""
        if not 0 <= count <= SLICE:
            raise ValueError(f"count: expected 0 to {SLICE}, what get_buffer() has room for, got {count}")
        room, self._room = self._room or self._buffers.lend_room(), None
        try:
            with memoryview(room) as view, view[:count] as data:
                return self.receive_data(data)
        finally:
            self._buffers.give_back_room(room)

    def attach_evidence(self, error: NovelAIError) -> NovelAIError:
        """Put on an error what is known about this exchange: whether it may be billed, and what had arrived."""
        unknown = self.billed and (error.billing_unknown if isinstance(error, HTTPStatusError) else True)
        error.attach(billing_unknown=unknown, known=self._known() if unknown else "", **self._arrived())
        return error

    def _known(self) -> str:
        """What is known of the request, and what is not, in words."""
        answer = "no answer had begun" if self.status is None else f"answered with {self.status}{self._progress()}"
        return f"known: the request was sent, {answer}; not known: whether it was billed"

    def _progress(self) -> str:
        """How far it had come, in words that go on after the answer's status."""
        return ""

    def _arrived(self) -> dict[str, Any]:
        """What an error shall carry besides."""
        return {}

    @abc.abstractmethod
    def _promises(self, head: ResponseHead) -> bool:
        """Whether a response's head alone says that it is the answer that was asked for."""

    def _bytes_to_see(self, opening: bytearray) -> int:  # noqa: ARG002 - for subclasses
        """How many of a body's first bytes `_open_body` wants to see; fewer come only where it has no more.

        Args:
            opening: those that have come.
        """
        return 1

    @abc.abstractmethod
    def _open_body(self, head: ResponseHead, first: bytes) -> Body[T_co]:
        """Choose how to read the body."""

    def _check_whole(self) -> None:
        """Raise if the response has ended but does not hold all that was asked for."""

    def _parse(self, data: Buffer) -> Iterator[T_co]:
        try:
            yield from self._items(data)
        except NovelAIError as error:
            raise self.attach_evidence(error)  # noqa: B904 - the same error, with its evidence

    def _items(self, data: Buffer) -> Iterator[T_co]:
        for piece in slices(data, first=SLICE if self._body is not None else _OPENING):
            self._http.read(piece, self._opening.extend if self._body is None else self._body.sink)
            yield from self._read_body()
            if self._http.fault is not None:
                if (self.status or 0) >= 300:
                    yield from self._finish_body()
                self._http.raise_fault()
        if self._http.ended and not self._finished:
            yield from self._finish_body()
            self._check_whole()
            self._finished = True

    def _read_body(self) -> Iterable[T_co]:
        if self._body is not None:
            return self._body.read()
        return self._begin_body() if len(self._opening) >= self._bytes_to_see(self._opening) else ()

    def _begin_body(self) -> Iterator[T_co]:
        self._body = body = self._open_body(self._http.require_head(), bytes(self._opening[:_MOST_TO_SEE]))
        with memoryview(self._opening) as content:
            body.sink(content)
        self._opening.clear()
        yield from body.read()

    def _finish_body(self) -> Iterator[T_co]:
        if self._body is None:
            yield from self._begin_body()
        assert self._body is not None  # noqa: S101 - it has begun
        yield from self._body.finish(delimited=self._http.delimited)
