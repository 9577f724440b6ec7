"""TLS on any stream.

The handshake is part of connecting, so it is done before `open_tls` returns: trio's own helper defers it to the first
read, where a bad certificate would look like a broken answer. Until then the stream below is ours to close on every
exit, forcefully (there is no session to end politely) and without replacing the error in flight.

`https_compatible` is on: peers of this protocol close without close_notify. So the end of the stream proves nothing,
and who reads must know by other means that the body is complete.

Nobody's context is changed: the default one is built once, on first use, and then only read; a caller's is left alone.
"""

from __future__ import annotations

import functools
import ssl

import trio

from nai_trio.closing import close_now
from nai_trio.errors import ConnectError
from nai_trio.transport import Readable

__all__ = ["TLSStream", "default_context", "open_tls"]


@functools.cache
def default_context() -> ssl.SSLContext:
    """The shared client context: the system's certificate store, host names checked, TLS 1.2 or newer, ALPN http/1.1.

    Built on the first call, which reads the store from disk (tens of milliseconds). It serves every connection of the
    process: to change something, build a context of your own.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def open_tls(
    stream: trio.abc.Stream, server_hostname: str, *, context: ssl.SSLContext | None = None
) -> TLSStream:
    """Start TLS as the client on `stream`, and take the stream over: it is closed with the result, or when this raises.

    Args:
        stream: a connected stream on which nothing was sent or read.
        server_hostname: whom the certificate must name: a host name or an IP address, without brackets.
        context: how to verify; `default_context()` when None.

    Returns:
        The encrypted stream, its handshake done. It has `readable()` exactly when `stream` has.

    Raises:
        ConnectError: the certificate was not accepted, or TLS could not be agreed on; says for which host and why.
    """
    try:
        inner = _wrap(stream, server_hostname, default_context() if context is None else context)
        await inner.do_handshake()
        return _ReadableTLSStream(inner, stream) if isinstance(stream, Readable) else TLSStream(inner)
    except BaseException as error:
        await close_now(stream)
        if isinstance(error, trio.BrokenResourceError | OSError):
            cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
            raise ConnectError(f"TLS to {server_hostname}: {_reason(cause)}") from cause
        raise


class TLSStream(trio.abc.Stream):
    """An encrypted stream; made by `open_tls`.

    Closing it closes the stream below, at once and without close_notify. After a cancelled or failed `send_all` it may
    be unusable, and then raises `trio.BrokenResourceError`.
    """

    def __init__(self, inner: trio.SSLStream[trio.abc.Stream]) -> None:
        self._inner = inner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream.send_all`."""
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream.wait_send_all_might_not_block`."""
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream.receive_some`; a connection that was cut reads as a clean end."""
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close this stream and the one below."""
        await self._inner.aclose()


class _ReadableTLSStream(TLSStream):
    """Over a stream that can tell. One that cannot gets no `readable` at all, so that it does not claim to be Readable.

    "True" may also mean bytes of TLS itself, such as the session tickets after a TLS 1.3 handshake, which come before
    the first answer: between exchanges there are none. Whole records that came in one read with the last one asked for
    are not seen (trio keeps them to itself).
    """

    def __init__(self, inner: trio.SSLStream[trio.abc.Stream], lower: Readable) -> None:
        super().__init__(inner)
        self._lower = lower

    def readable(self) -> bool:
        """Whether decrypted bytes wait, or the stream below is readable."""
        return self._inner.pending() > 0 or self._lower.readable()


def _wrap(stream: trio.abc.Stream, server_hostname: str, context: ssl.SSLContext) -> trio.SSLStream[trio.abc.Stream]:
    # The absolute form of a name ("host.") is for DNS alone; certificates and SNI have none (RFC 6066, 3).
    name = server_hostname.removesuffix(".")
    try:
        return trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
    except (ValueError, TypeError) as error:  # UnicodeError is a ValueError; a NUL gives a TypeError
        raise ConnectError(f"TLS to {server_hostname!r}: not a valid host name: {error}") from error


def _reason(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate not accepted: {error.verify_message}"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
            return "the peer closed the connection during the handshake"
        case ssl.SSLError():
            said = (error.reason or str(error)).replace("_", " ").lower()
            hint = " (does the peer speak plain http?)" if error.reason == "WRONG_VERSION_NUMBER" else ""
            return f"handshake failed: {said}{hint}"
        case _:
            return f"connection lost during the handshake: {error}"
