"""A TLS stream on `ssl.MemoryBIO`: what one read of the socket brought is decrypted as a whole.

`trio.SSLStream` hands out one TLS record per call, 16 KiB at most, and takes a checkpoint for each. A picture is
hundreds of records, so here all records of one read below come out of one call (benchmarks/tls_throughput.py measures
both). The TLS object does no I/O of its own: it reads from and writes to memory, and bytes move in two places, `_fill`
and `_push`.

What must hold:

- Bytes that were taken from below are in the TLS object before anything else is awaited, and no await lies between
  decrypting and returning where a cancellation could land: a cancelled receive loses nothing.
- What the TLS object wants to say leaves in its order, by one task at a time. A send that did not finish leaves a hole
  in that order, or half of the caller's data behind, so nothing can be sent after it; receiving goes on.
- A receive does not send, or else a peer that sends without reading would stop both directions. The answer to a key
  update waits until this end next sends (RFC 8446, 4.6.3 asks for no more). Exceptions are last words, for which there
  is a second, and a client certificate asked for after the handshake, if the context allows that.
- Good bytes are delivered before the fault behind them, and a fault is raised again by each later call.
- Renegotiation (TLS 1.2 and older) is refused, whatever the context allows: after the handshake, reading alone makes
  such a TLS object speak only to negotiate, or to complain.
- Without `https_compatible` the end is clean only after the peer's close_notify. With it a cut reads like an end, as
  HTTP's own framing must tell them apart anyway (RFC 9112, 9.8).
"""

from __future__ import annotations

import contextlib
import operator
import ssl
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from nai_trio.closing import close_now
from nai_trio.conflict import ConflictGuard
from nai_trio.transports.tls_reasons import broken, failure_words
from nai_trio.transports.tls_records import RECORD_SIZE, RecordEdge
from nai_trio.transports.tls_sessions import may_look

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["READ_SIZE", "ReadableTLSStream", "TLSStream"]

T = TypeVar("T")

READ_SIZE: Final = 256 * 1024
"""Bytes asked for from below at once: bounds what waits to be decrypted."""

_WRITE_SIZE: Final = 128 * 1024
"""Plain bytes encrypted before they are sent: bounds what waits to be sent."""

_WAITING_SIZE: Final = 2 * _WRITE_SIZE
"""Encrypted bytes that may wait to be sent: a peer can make us answer, and need not read the answers."""

_CLOSE_SECONDS: Final = 1.0
"""How long a last word (close_notify, an alert) may take to be sent."""


_CIPHER: Final[trio.lowlevel.RunVar[bytearray]] = trio.lowlevel.RunVar("nai_trio.tls.cipher")


def _cipher_buffer() -> bytearray:
    """Memory for encrypted bytes on their way into a TLS object: one for all streams of a run, so none holds any."""
    try:
        return _CIPHER.get()
    except LookupError:
        buffer = bytearray(READ_SIZE)
        _CIPHER.set(buffer)
        return buffer


class TLSStream(trio.abc.Stream):
    """An encrypted stream over another one, which it owns; `do_handshake` comes first.

    Args:
        lower: the stream below, connected; from here on only this object may be used.
        context: how to verify and what to offer; it is not changed.
        server_hostname: whom the certificate must name; None for the server's side.
        server_side: whether this is the server's end.
        session: a session of an earlier connection to the same peer under the same context, to resume.
        keep_session: is given the session of a full handshake, as soon as it is there, so that others can resume it.
        https_compatible: take a cut for an end, and close without close_notify, as HTTP clients and servers do.

    Raises:
        ValueError: the host name is none, or the session is not of this context. (TypeError for a NUL in the name.)
    """

    def __init__(
        self,
        lower: trio.abc.Stream,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        server_side: bool = False,
        session: ssl.SSLSession | None = None,
        keep_session: Callable[[ssl.SSLSession], None] | None = None,
        https_compatible: bool = True,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname, session=session
        )
        self._lower = lower
        self._https_compatible = https_compatible
        self._keep_session = keep_session
        self._receive_when_ready = getattr(lower, "receive_when_ready", None)
        self._receive_nowait = getattr(lower, "receive_nowait", None)
        self._edge = RecordEdge()
        self._early = bytearray()  # decrypted by `readable`
        self._held = b""  # tickets, until this end first sends
        self._fault: tuple[str, ssl.SSLError | None] | None = None
        self._modern = self._ready = self._greeted = self._drained = self._ended = False
        self._closed = self._send_broken = False
        self._flushing = trio.StrictFIFOLock()
        self._sending = ConflictGuard("another task is sending on this TLS stream")
        self._receiving = ConflictGuard("another task is receiving from this TLS stream")

    @property
    def tls(self) -> ssl.SSLObject:
        """The TLS object, to ask it for its version, cipher, certificate, ALPN protocol or session."""
        return self._tls

    async def do_handshake(self) -> None:
        """Agree on keys and verify the peer; where that is done already, only a checkpoint.

        Raises:
            ssl.SSLError: the peer's certificate is not accepted, or nothing could be agreed on.
            trio.BrokenResourceError: the stream below broke, or an earlier handshake did not finish.
        """
        with self._sending, self._receiving:
            if self._ready or self._closed or self._send_broken:
                await trio.lowlevel.checkpoint()
                self._check()
                return
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                await self._shake_hands()
            except BaseException:
                self._send_broken = True
                raise
            self._ready = True
            if not self._modern:
                self._offer_session()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`. One that was cancelled or failed leaves the stream unfit for sending."""
        with self._sending, memoryview(data).cast("B") as view:
            self._check_send()
            await trio.lowlevel.checkpoint_if_cancelled()
            if not view:
                await trio.lowlevel.cancel_shielded_checkpoint()
            try:
                for start in range(0, len(view), _WRITE_SIZE):
                    self._encrypt(view[start : start + _WRITE_SIZE])
                    await self._flush()
            except BaseException:
                self._send_broken = True
                raise

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        with self._sending:
            self._check_send()
            async with self._flushing:
                self._check_send()
                await self._lower.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream.receive_some`; without `max_bytes`, all that one read below brought.

        Raises:
            trio.BrokenResourceError: the peer broke the connection or the protocol, or refused; says how.
            trio.ClosedResourceError: this stream is closed, or was closed meanwhile.
            trio.BusyResourceError: another task is receiving.
        """
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError(f"max_bytes: expected at least 1, or None, got {max_bytes}")
        return await self._receive(lambda: self._take(max_bytes))

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Decrypt into `buffer`; returns how many bytes came, 0 at the end. Raises as `receive_some` does."""
        with memoryview(buffer).cast("B") as view:
            if view.readonly:
                raise TypeError("receive_into: expected a buffer that can be written, got a read-only one")
            if not view:
                raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
            return await self._receive(lambda: self._take_into(view))

    async def receive_when_ready(self, get_buffer: Callable[[], bytearray | memoryview]) -> int:
        """As `receive_into`, but ask for the buffer when it is about to be filled, and await nothing after that."""
        return await self._receive(lambda: 0 if self._is_dry else self._take_into(memoryview(get_buffer())))

    def receive_nowait(self, buffer: bytearray | memoryview) -> int:
        """As `receive_into`, with what is there at once.

        Raises:
            trio.WouldBlock: nothing is; or it is the end or a fault, which the other ways to receive tell.
        """
        with self._receiving, memoryview(buffer) as view:
            self._check()
            count = 0 if self._is_dry else self._take_into(view)
            if not count and not self._ended and self._receive_nowait is not None:
                self._feed_from_buffer(self._receive_nowait(_cipher_buffer()))
                count = self._take_into(view)
        if not count:
            raise trio.WouldBlock
        return count

    async def aclose(self) -> None:
        """Close this stream and the one below; unless `https_compatible`, with close_notify first."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        try:
            if self._ready and not self._https_compatible:
                with contextlib.suppress(ssl.SSLError):  # it wants the peer's answer, which is not waited for
                    self._tls.unwrap()
                await self._say_last_words()
        except BaseException:
            await close_now(self._lower)
            raise
        await self._lower.aclose()

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this TLS stream is closed")
        if self._ready:
            return
        if self._send_broken:
            raise trio.BrokenResourceError("the handshake on this TLS stream did not finish")
        raise RuntimeError("a TLS stream cannot be used before its do_handshake()")

    def _check_send(self) -> None:
        self._check()
        if self._send_broken:
            raise trio.BrokenResourceError("an earlier send on this TLS stream did not finish, so no more can be sent")

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._push()
                await self._fill()
            except ssl.SSLError:
                await self._say_last_words()  # the alert that says why
                raise
            else:
                break
        self._modern = self._tls.version() == "TLSv1.3"
        self._drained = not self._incoming.pending
        if self._modern and self._tls.server_side:
            # Session tickets. The peer need not be reading yet, so they wait for the first data.
            self._held = self._outgoing.read()
        await self._push()

    async def _receive(self, take: Callable[[], T]) -> T:
        """Wait until `take` has something, or the end has come."""
        with self._receiving:
            self._check()
            waited = not self._is_dry
            if waited:  # now and not later: what is taken may be in a buffer that others use, too
                await trio.lowlevel.checkpoint()
            else:
                await trio.lowlevel.checkpoint_if_cancelled()
            while not (taken := take()):
                if self._fault is not None:
                    await self._say_last_words()
                    raise broken(*self._fault)
                if self._ended:
                    break
                if self._tls.context.post_handshake_auth:
                    await self._push_aside()
                await self._fill()
                self._check()
                waited = True
            if not waited:
                await trio.lowlevel.cancel_shielded_checkpoint()
            return taken

    @property
    def _is_dry(self) -> bool:
        """Whether there is nothing to take before more has come from below."""
        return (self._drained or self._ended) and not self._early

    def _take(self, max_bytes: int | None) -> bytearray:
        """Plain bytes that are at hand; none where there are none."""
        if self._early or self._drained or self._ended:
            data = self._early[:max_bytes]
            del self._early[: len(data)]
            return data
        # All that can come out: what waits here, and a record of which the TLS object holds a part.
        room = self._incoming.pending + RECORD_SIZE
        data = bytearray(room if max_bytes is None else min(max_bytes, room))
        with memoryview(data) as view:
            count = self._decrypt(view)
        del data[count:]
        return data

    def _take_into(self, view: memoryview) -> int:
        if not self._early:
            return self._decrypt(view)
        data = self._take(len(view))
        view[: len(data)] = data
        return len(data)

    def _decrypt(self, room: memoryview) -> int:
        """Decrypt what is at hand into `room`; return how many bytes that made. Keeps a fault for later."""
        count = 0
        said = self._outgoing.pending
        try:
            while count < len(room) and not (self._drained or self._ended):
                with room[count:] as rest:
                    got: int = self._tls.read(len(rest), rest)  # type: ignore[assignment] # with a buffer, a number
                count += got
                self._ended = not got  # close_notify
        except ssl.SSLWantReadError:
            self._drained = True
        except (ssl.SSLEOFError, ssl.SSLSyscallError) as error:
            self._ended = True
            if not self._https_compatible:
                self._fault = "the connection was cut: it ended without close_notify", error
        except ssl.SSLError as error:
            self._ended = True
            self._fault = f"TLS failed: {failure_words(error)}", error
        if self._outgoing.pending > said and not self._ended:
            self._check_said()
        if count and not self._greeted:
            self._greeted = True
            self._offer_session()  # the tickets of TLS 1.3 come before the first data
        return count

    def _check_said(self) -> None:
        """Reading made the TLS object speak: to negotiate in TLS 1.2, to update its keys in TLS 1.3."""
        if not self._modern:
            self._ended = True
            self._fault = "the peer asked to renegotiate, which is refused", None
        elif self._outgoing.pending > _WAITING_SIZE:
            self._ended = True
            self._fault = "the peer asked for new keys over and over", None

    def _encrypt(self, data: memoryview) -> None:
        try:
            while data:
                data = data[self._tls.write(data) :]
        except ssl.SSLWantReadError as error:  # only a renegotiation makes writing wait for reading
            raise broken("the peer asked to renegotiate, which is refused", error) from error
        except ssl.SSLError as error:
            raise broken(f"TLS failed: {failure_words(error)}", error) from error

    async def _fill(self) -> None:
        """One read from below, into the TLS object."""
        if self._receive_when_ready is None:
            self._feed(await self._lower.receive_some(READ_SIZE))
            return
        self._feed_from_buffer(await self._receive_when_ready(_cipher_buffer))

    def _feed_from_buffer(self, count: int) -> None:
        with memoryview(_cipher_buffer()) as view, view[:count] as data:
            self._feed(data)

    def _feed(self, data: bytes | bytearray | memoryview) -> None:
        self._drained = False
        if data:
            self._edge.pass_over(data)
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        """Send all that the TLS object has to say, after what another task is sending."""
        async with self._flushing:
            self._check_send()
            while self._outgoing.pending:
                await self._push()

    async def _push_aside(self) -> None:
        """Send what reading made the TLS object say; a task that is sending does so itself when its turn is over."""
        if not self._outgoing.pending or self._send_broken or self._flushing.locked():
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        self._flushing.acquire_nowait()
        try:
            with contextlib.suppress(trio.BrokenResourceError):  # there may be something to read all the same
                await self._push()
        finally:
            self._flushing.release()

    async def _push(self) -> None:
        """Send what the TLS object has to say by now; the caller has the lock, or is the only one."""
        data = self._outgoing.read()
        if not data:
            return
        held, self._held = self._held, b""
        try:
            await self._lower.send_all(held + data)
        except BaseException:
            self._send_broken = True
            raise

    async def _say_last_words(self) -> None:
        """Try to send an alert; what becomes of it changes nothing."""
        with (
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            trio.move_on_after(_CLOSE_SECONDS),
        ):
            await self._push_aside()

    def _offer_session(self) -> None:
        """Once, and of full handshakes alone: each look may lose memory (tls_sessions.py)."""
        keep, self._keep_session = self._keep_session, None
        if keep is None or self._tls.session_reused or not may_look():
            return
        session = self._tls.session
        if session is not None and (session.has_ticket or session.id):
            keep(session)


class ReadableTLSStream(TLSStream):
    """Over a stream that can tell whether it is readable; over another, a TLS stream does not claim to."""

    _lower: Any

    def readable(self) -> bool:
        """Whether a read would return at once, or the peer has begun to speak.

        True when plain bytes, the end or a fault is at hand, when a part of a record has come, when the stream below is
        readable (which may be for session tickets: in TLS 1.3 they come before the first answer), and when closed.
        """
        if self._closed or not self._ready:
            return True
        if not self._early:
            self._early = self._take(RECORD_SIZE)  # what waits undecrypted may be a ticket, which is nobody's news
        return bool(self._early) or self._ended or self._edge.inside or bool(self._lower.readable())
