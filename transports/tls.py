"""TLS on any stream.

The handshake is part of connecting, so it is done before `open_tls` returns: done at the first read, a bad certificate
would look like a broken answer. Until then the stream below is ours to close on every exit, forcefully (there is no
session to end politely) and without replacing the error in flight.

`https_compatible` is on: peers of this protocol close without close_notify. So the end of the stream proves nothing,
and who reads must know by other means that the body is complete.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import idna
import trio

from nai_trio.closing import close_now
from nai_trio.errors import ConnectError
from nai_trio.transport import Readable
from nai_trio.transports.tls_options import HTTP_1_1, check_context, default_context, tls_context
from nai_trio.transports.tls_reasons import handshake_reason
from nai_trio.transports.tls_sessions import TLSSessions
from nai_trio.transports.tls_stream import ReadableTLSStream, TLSStream

if TYPE_CHECKING:
    import ssl

__all__ = ["TLSSessions", "TLSStream", "default_context", "open_tls", "tls_context"]


async def open_tls(
    stream: trio.abc.Stream,
    server_hostname: str,
    *,
    context: ssl.SSLContext | None = None,
    sessions: TLSSessions | None = None,
    port: int = 443,
    allow_unverified_tls: bool = False,
) -> TLSStream:
    """Start TLS as the client on `stream`, and take the stream over: it is closed with the result, or when this raises.

    Args:
        stream: a connected stream on which nothing was sent or read.
        server_hostname: whom the certificate must name: a host name or an IP address, without brackets.
        context: how to verify; `default_context()` when None.
        sessions: where a session to resume may be, and where this connection's goes; without it none is resumed.
        port: the peer's; sessions are for one host and port.
        allow_unverified_tls: take a context that does not verify the peer.

    Returns:
        The encrypted stream, its handshake done. It has `readable()` exactly when `stream` has.

    Raises:
        ConnectError: the certificate was not accepted, or TLS could not be agreed on; says for which host and why.
        InvalidParamsError: the context does not verify the peer; nothing was sent.
    """
    try:
        chosen = default_context() if context is None else context
        check_context(chosen, allow_unverified_tls=allow_unverified_tls)
        opened = _wrap(stream, server_hostname, chosen, sessions, port)
        await opened.do_handshake()
        _check_protocol(opened, server_hostname)
    except BaseException as error:
        await close_now(stream)
        if isinstance(error, trio.BrokenResourceError | OSError):  # OSError: ssl.SSLError is one
            raise ConnectError(f"TLS to {server_hostname}: {handshake_reason(error)}") from error
        raise
    return opened


def _wrap(
    stream: trio.abc.Stream, host: str, context: ssl.SSLContext, sessions: TLSSessions | None, port: int
) -> TLSStream:
    kind = ReadableTLSStream if isinstance(stream, Readable) else TLSStream
    session = keep = None
    if sessions is not None:
        session = sessions.find(context, host, port)
        keep = functools.partial(sessions.keep, context, host, port)
    try:
        return kind(stream, context, server_hostname=_ascii(host), session=session, keep_session=keep)
    except (ValueError, TypeError) as error:  # UnicodeError is a ValueError; a NUL gives a TypeError
        raise ConnectError(f"TLS to {host!r}: not a valid host name: {error}") from error


def _ascii(host: str) -> str:
    """The name as DNS was asked for it, so that the certificate is that host's.

    trio looks names up by IDNA 2008, in which "faß.example" is a name of its own; the `ssl` module would verify by
    IDNA 2003 that the peer is "fass.example". The absolute form of a name ("host.") is for DNS alone; certificates and
    SNI have none (RFC 6066, 3).
    """
    name = host.removesuffix(".")
    return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")


def _check_protocol(opened: TLSStream, host: str) -> None:
    chosen = opened.tls.selected_alpn_protocol()
    if chosen not in {None, HTTP_1_1}:
        raise ConnectError(f"TLS to {host}: the peer chose the protocol {chosen!r} (ALPN), expected {HTTP_1_1!r}")
