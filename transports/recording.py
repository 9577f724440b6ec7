"""`RecordingTransport`: keeps on a tape what goes over the wire of another transport, and when.

Where it sits: a transport below TLS sees ciphertext, which is worth nothing on a tape and cannot be searched for a key.
So this one opens TLS itself, below the recorder, where the origin is https and the streams of `inner` are not secure
already; it calls itself secure, and the client adds none.

    client --> HTTP in plain text --> recorder --> TLS --> inner transport --> network

What is written, and what it costs:

- A piece that is sent is written before it is sent, a piece that was received before it is handed out, so the tape is
  never behind the program. No await stands between receiving and writing: a cancelled read loses nothing.
- Each record is one unbuffered write into the page cache, right in the event loop: some 20 microseconds for a small
  one, about 0.1 ms for 128 KiB. A worker thread would cost as much, and give a cancellation a place to lose bytes.
  Nothing is synced: what survives is the end of the program, however violent, not the loss of power.
- A generation that is being paid for matters more than its tape. When the disk takes no more, recording stops with a
  `RecordingWarning`, the torn record is cut off, and the stream goes on.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from nai_trio.conflict import ConflictGuard
from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Readable, Transport
from nai_trio.transports.tape_redact import Secrets
from nai_trio.transports.tape_writer import ConnectionTrack, RecordingWarning, TapeFile

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from nai_trio.transport import Origin
    from nai_trio.transports.tape import Kind
    from nai_trio.transports.tls import TLSSessions

__all__ = ["RecordingTransport", "RecordingWarning"]

_CLIENT_HELLO = b"\x16\x03"
"""How a TLS connection begins (RFC 8446, 5.1); no HTTP request does."""


class RecordingTransport(Transport):
    """Connects through another transport, and keeps what goes over the wire on a tape.

        async with NovelAI(transport=RecordingTransport(TCPTransport(), "cat.tape")) as client:
            await client.image.generate(prompt="1girl, cat ears")

    The API key and other credentials never reach the tape: see docs/tapes.md. Prompts and pictures do, so the file is
    made for its owner's eyes alone.

    Args:
        inner: opens the streams.
        path: the tape; made when the transport is entered. Entered again, the transport goes on with the same tape.
        overwrite: replace a file that is there already.
        ssl_context: for TLS to https origins; `default_context()` when None. It has to be given here and not to the
            client, which would encrypt before the recorder sees anything; a connection of such a client breaks.
        allow_unverified_tls: take an `ssl_context` that does not verify the peer, so that anybody on the way can read
            everything; without it such a one is refused.
        secrets: more values that are struck out wherever they stand, of at least 6 characters. The credentials of each
            request are, without being given here.

    Attributes:
        failure: why recording stopped before its time, or None.

    Raises:
        InvalidParamsError: an argument is no such thing, or `ssl_context` does not verify the peer.
    """

    secure = True

    def __init__(
        self,
        inner: Transport,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        allow_unverified_tls: bool = False,
        secrets: Iterable[str] = (),
    ) -> None:
        if not isinstance(inner, Transport):
            raise InvalidParamsError.for_field("inner", inner, "a transport")
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise InvalidParamsError.for_field("path", path, "the path of a file")
        self.failure: OSError | None = None
        self._inner = inner
        self._path = Path(path)
        self._overwrite = overwrite
        self._ssl_context = ssl_context
        self._allow_unverified_tls = allow_unverified_tls
        if ssl_context is not None:
            from nai_trio.transports.tls_options import check_context  # noqa: PLC0415 - loads ssl, for TLS alone

            check_context(ssl_context, allow_unverified_tls=allow_unverified_tls)
        self._secrets = Secrets(value.encode() for value in secrets)
        self._tape = TapeFile(self._path, self._secrets)
        self._sessions: TLSSessions | None = None
        self._connections = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r}, {str(self._path)!r})"

    @property
    def inner(self) -> Transport:
        """What opens the streams."""
        return self._inner

    def describe(self) -> str:
        """See `Transport.describe`."""
        return f"recorder via {self._inner.describe()}"

    async def __aenter__(self) -> Self:
        """Make the tape, and enter the inner transport.

        Raises:
            InvalidParamsError: the tape cannot be made, or is there already.
        """
        self._tape.open(overwrite=self._overwrite)
        try:
            await self._inner.__aenter__()
        except BaseException:
            self._tape.close()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Leave the inner transport, and close the tape."""
        try:
            return await self._inner.__aexit__(exc_type, exc, traceback)
        finally:
            self._tape.close()
            self.failure = self._tape.failure
            self._tape.warn(raising=exc is None)

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        """Connect through the inner transport, with TLS where it is needed.

        Raises:
            ConnectError: as the inner transport's, which is on the tape too; or TLS could not be agreed on.
            RuntimeError: the transport is not entered.
        """
        self._tape.check_open()
        self._connections += 1
        number, began = self._connections, trio.current_time()
        about = {"origin": origin.address, "route": self._inner.describe()}
        try:
            stream = await self._open(origin)
        except BaseException as error:
            reason = {"error": type(error).__name__, "message": str(error)}
            self._note("refused", number, {**about, **reason, **_took(began)})
            raise
        tls = origin.scheme == "https" and not self._inner.secure
        self._note("open", number, {**about, "tls": tls, **_took(began)})
        kind = _ReadableRecorder if isinstance(stream, Readable) else _Recorder
        return kind(stream, ConnectionTrack(self._tape, number, self._secrets))

    async def _open(self, origin: Origin) -> trio.abc.Stream:
        stream = await self._inner.connect(origin)
        if origin.scheme == "http" or self._inner.secure:
            return stream
        # They load ssl, which plain streams do without.
        from nai_trio.transports.tls import TLSSessions, open_tls  # noqa: PLC0415

        self._sessions = self._sessions or TLSSessions()
        return await open_tls(
            stream,
            origin.host,
            context=self._ssl_context,
            sessions=self._sessions,
            port=origin.port,
            allow_unverified_tls=self._allow_unverified_tls,
        )

    def _note(self, kind: Kind, connection: int, facts: dict[str, Any]) -> None:
        self._tape.write(kind, connection, self._tape.now(), facts)


def _took(began: float) -> dict[str, int]:
    return {"nanoseconds": round((trio.current_time() - began) * 1e9)}


class _Recorder(trio.abc.Stream):
    """A stream whose bytes are kept."""

    def __init__(self, inner: trio.abc.Stream, connection: ConnectionTrack) -> None:
        self._inner: Any = inner
        self._connection = connection
        self._begun = self._ended = self._closed = False
        self._sending = ConflictGuard("another task is sending on this recorded stream")
        self._receiving = ConflictGuard("another task is receiving from this recorded stream")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`; on the tape before it is sent."""
        with self._sending:
            await trio.lowlevel.checkpoint_if_cancelled()
            self._check_open()
            with memoryview(data).cast("B") as view:
                self._refuse_tls(view)
                self._connection.piece("send", view)
            with self._failures("send"):
                await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        with self._sending:
            await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream.receive_some`; on the tape before it is returned."""
        with self._receiving:
            with self._failures("receive"):
                data: bytes | bytearray = await self._inner.receive_some(max_bytes)
            self._keep(data)
            return data

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`; 0 at the end. Where the stream below cannot, its bytes are copied."""
        if len(buffer) == 0:
            raise ValueError("receive_into: expected a buffer of at least 1 byte, got 0")
        if not hasattr(self._inner, "receive_into"):
            data = await self.receive_some(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        with self._receiving:
            with self._failures("receive"):
                count: int = await self._inner.receive_into(buffer)
            with memoryview(buffer)[:count] as view:
                self._keep(view)
            return count

    async def aclose(self) -> None:
        """Close the stream below."""
        if not self._closed:
            self._closed = True
            self._connection.event("close")
        await self._inner.aclose()

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        if len(data):
            self._connection.piece("receive", data)
        elif not self._ended:
            self._ended = True
            self._connection.event("end", finished=["receive"])

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this recorded stream is closed")

    def _refuse_tls(self, data: memoryview) -> None:
        if len(data) and not self._begun:
            self._begun = True
            if data[:2] == _CLIENT_HELLO:
                raise trio.BrokenResourceError(
                    "TLS would hide everything from the tape: give ssl_context to RecordingTransport, not to the client"
                )

    @contextlib.contextmanager
    def _failures(self, during: Kind) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError as error:
            name = type(error).__name__
            self._connection.event("error", finished=[during], during=during, error=name, message=str(error))
            raise


class _ReadableRecorder(_Recorder):
    """Over a stream that can tell; one that cannot gets no `readable`, so that it does not claim to be Readable."""

    def readable(self) -> bool:
        """See `nai_trio.transport.Readable`."""
        return bool(self._inner.readable())
