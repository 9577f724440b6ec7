"""`ReplayTransport`: the service, played from a tape.

Each request is looked up on the tape when it is whole. What came back then comes back now: the same pieces, as long
after the request as it took then, with the same end, cut or error. So timeouts, previews, retries and failures are met
as they were, on trio's clock: on a `MockClock` in no time.

Which request it is, is told by its content, not by its connection: tasks that run at once may connect in another order
than they did. Each recorded request answers once; of equal ones the first goes first, as a retry needs it.

What a program does that the tape does not have is an error that says how it differs (`ReplayMismatch`), never an answer
to something else.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import attrs
import trio

from nai_trio import errors
from nai_trio.conflict import ConflictGuard
from nai_trio.errors import ConnectError, InvalidParamsError, ProtocolError
from nai_trio.transport import Transport
from nai_trio.transports.tape_compare import differences
from nai_trio.transports.tape_contents import Event, Exchange, Tape
from nai_trio.transports.tape_redact import Secrets
from nai_trio.transports.tape_requests import RequestReader, TapedRequest

if TYPE_CHECKING:
    import os

    from nai_trio.transport import Origin
    from nai_trio.transports.tape_contents import Attempt

__all__ = ["ReplayMismatch", "ReplayStream", "ReplayTransport"]

_FASTEST = 1e300
_SLOWEST = 1e9
"""Seconds for a nanosecond; slower than for ever is no number."""

_SHOWN = 5
"""Differences that a message has; `ReplayMismatch.differences` has them all."""


class ReplayMismatch(ProtocolError):
    """What was asked for is not what was recorded.

    Attributes:
        differences: one line each, e.g. "parameters.steps: expected 28, got 23"; empty where there is nothing on the
            tape to compare with.
    """

    differences: tuple[str, ...] = ()


class ReplayTransport(Transport):
    """Answers from a tape; needs no network and no key.

        async with NovelAI("no-key-is-needed", transport=ReplayTransport("cat.tape")) as client:
            await client.image.generate(prompt="1girl, cat ears")

    Left and entered again, it goes on where it was.

    Args:
        path: a tape that `RecordingTransport` made, or a `Tape`; it is read at once, whole.
        speed: how much faster than it was; 0 or infinity answers without any wait.
        strict: whether the request has to be the same. If not, the first one that is left with the same method and path
            answers, whatever else was asked; connections may go anywhere, and there may be more of them.

    Attributes:
        tape: what is played.

    Raises:
        InvalidParamsError: it is no tape, or cannot be read; or `speed` is no such number.
        ProtocolError: the tape is damaged.
    """

    secure = True

    def __init__(self, path: str | os.PathLike[str] | Tape, *, speed: float = 1.0, strict: bool = True) -> None:
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not speed >= 0:
            raise InvalidParamsError.for_field("speed", speed, "a number of at least 0")
        self.tape = path if isinstance(path, Tape) else Tape.load(path)
        self._pace = min(1e-9 / min(speed, _FASTEST), _SLOWEST) if speed else 0.0
        self._strict = strict
        self._left = list(self.tape.exchanges)
        self._attempts = deque(self.tape.attempts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tape.name!r})"

    @property
    def unused(self) -> tuple[Exchange, ...]:
        """What was recorded and has not been asked for."""
        return tuple(self._left)

    def describe(self) -> str:
        """See `Transport.describe`."""
        return f"replay of {self.tape.name}"

    async def connect(self, origin: Origin) -> ReplayStream:
        """Open the next connection that was recorded, in the time that it took.

        Raises:
            ConnectError: as was recorded.
            ReplayMismatch: no further one was recorded, or it went elsewhere.
        """
        await trio.lowlevel.checkpoint()
        attempt = self._next_attempt(origin)
        if attempt is not None:
            if attempt.error == "Cancelled":  # it was given up then, and shall be now
                await trio.sleep_forever()
            await trio.sleep(attempt.nanoseconds * self._pace)
            if attempt.error:
                raise _connect_error(attempt)
        return ReplayStream(self, self._pace)

    def find(self, asked: TapedRequest) -> Exchange:
        """The exchange that begins with a request; it is used up.

        Raises:
            ReplayMismatch: there is none.
        """
        for exchange in self._left:
            if self._matches(exchange.request, asked):
                self._left.remove(exchange)
                return exchange
        raise self._mismatch(asked)

    def _next_attempt(self, origin: Origin) -> Attempt | None:
        if not self._attempts:
            if self._strict:
                opened = len(self.tape.attempts)
                raise ReplayMismatch(f"{self.tape.name} has no connection number {opened + 1}: {opened} were recorded")
            return None
        if self._strict and self._attempts[0].origin != origin.address:
            text = f"the origin: expected {self._attempts[0].origin}, got {origin.address}"
            raise self._error(f"the connection is not the one on {self.tape.name}: {text}", text)
        return self._attempts.popleft()

    def _matches(self, recorded: TapedRequest, asked: TapedRequest) -> bool:
        return not differences(recorded, asked) if self._strict else _endpoint(recorded) == _endpoint(asked)

    def _mismatch(self, asked: TapedRequest) -> ReplayMismatch:
        near = [each.request for each in self._left if _endpoint(each.request) == _endpoint(asked)]
        nearest = next(iter(near or [each.request for each in self._left]), None)
        if nearest is None:
            unread = "".join(f"; {words}" for words in self.tape.unread)
            played = f"all {len(self.tape.exchanges)} requests on it were made before{unread}"
            return self._error(f"{_without_secrets(asked).line} is not on {self.tape.name}: {played}")
        found = differences(nearest, _without_secrets(asked))
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return self._error(f"the request is not the one on {self.tape.name}: {'; '.join(found[:_SHOWN])}{more}", *found)

    def _error(self, text: str, *found: str) -> ReplayMismatch:
        error = ReplayMismatch(text)
        error.differences = found
        return error


def _endpoint(request: TapedRequest) -> tuple[str, str]:
    return request.method, request.target.partition("?")[0]


def _without_secrets(request: TapedRequest) -> TapedRequest:
    """The request with its own credentials struck out, before anything of it gets into a message, cut or not."""
    secrets = Secrets(word.encode("latin-1") for word in (request.header("authorization") or "").split())
    body = secrets.strike(request.body.decode("latin-1")).encode("latin-1")
    return attrs.evolve(request, target=secrets.strike(request.target), body=body)


def _connect_error(attempt: Attempt) -> ConnectError:
    kind = getattr(errors, attempt.error, ConnectError)
    known = isinstance(kind, type) and issubclass(kind, ConnectError)
    return kind(attempt.message) if known else ConnectError(attempt.message or attempt.error)


class ReplayStream(trio.abc.Stream):
    """A connection to a tape; made by `ReplayTransport.connect`."""

    def __init__(self, transport: ReplayTransport, pace: float) -> None:
        self._transport = transport
        self._pace = pace
        self._requests = RequestReader()
        self._events: deque[tuple[float, Event]] = deque()
        self._rest = memoryview(b"")
        self._changed = trio.lowlevel.ParkingLot()
        self._closed = False
        self._sending = ConflictGuard("another task is sending on this replayed stream")
        self._receiving = ConflictGuard("another task is receiving from this replayed stream")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Take a request; when it is whole, its answer begins.

        Raises:
            ReplayMismatch: it was not recorded.
            trio.BrokenResourceError: as was recorded, or the recorded peer has left.
        """
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_open()
            if self._has_come("end", "error"):
                raise trio.BrokenResourceError("the peer had left by then, as was recorded")
            for request in self._requests.feed(data):
                self._begin(self._transport.find(request))

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._check_open()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream.receive_some`; a piece as it was recorded, when its time has come.

        Raises:
            trio.BrokenResourceError: as was recorded, or the recording ends here.
        """
        if max_bytes is not None and max_bytes < 1:
            raise ValueError(f"max_bytes: expected at least 1, or None, got {max_bytes}")
        with self._receiving:
            await trio.lowlevel.checkpoint()
            await self._until_due()
            return self._take(max_bytes)

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`; 0 at the end. Raises as `receive_some`."""
        if len(buffer) == 0:
            raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
        data = await self.receive_some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readable(self) -> bool:
        """Whether a read would return at once."""
        return self._closed or bool(self._rest) or self._has_come("receive", "end", "error")

    async def aclose(self) -> None:
        """Close; a waiting read of another task raises `trio.ClosedResourceError`."""
        self._closed = True
        self._changed.unpark_all()
        await trio.lowlevel.checkpoint()

    def _begin(self, exchange: Exchange) -> None:
        now, sent = trio.current_time(), exchange.sent
        failed = [event for event in exchange.events if event.during == "send"]
        self._events.clear()
        for event in exchange.events:
            if event not in failed:
                self._events.append((now + max(0, event.time - sent) * self._pace, event))
        self._changed.unpark_all()
        if failed:  # what came back nevertheless can be read
            raise trio.BrokenResourceError(failed[0].message)

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this replayed stream is closed")

    def _has_come(self, *kinds: str) -> bool:
        if not self._events:
            return False
        due, event = self._events[0]
        return event.kind in kinds and due <= trio.current_time()

    async def _until_due(self) -> None:
        while True:
            self._check_open()
            due = self._events[0][0] if self._events else math.inf
            if self._rest or due <= trio.current_time():
                return
            with trio.move_on_at(due):
                await self._changed.park()

    def _take(self, max_bytes: int | None) -> bytes:
        if not self._rest:
            event = self._events[0][1]
            if event.kind == "end":
                return b""
            if event.kind != "receive":
                raise trio.BrokenResourceError(event.message)
            self._rest = memoryview(event.data)
            self._events.popleft()
        size = len(self._rest) if max_bytes is None else max_bytes
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data
