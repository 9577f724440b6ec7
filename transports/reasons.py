"""Why no connection could be opened, in words a user can act on.

The operating system says it in an errno; trio wraps one such error per address in a group and hangs that on an error of
its own. Here the tree is flattened to the distinct reasons in their order: two addresses that both refuse are one
"refused".
"""

from __future__ import annotations

import errno
import os
import socket

__all__ = ["connect_reason"]

_ERRNO_WORDS = {
    errno.ECONNREFUSED: "refused (nothing listens there)",
    errno.ECONNRESET: "reset by the peer",
    errno.ETIMEDOUT: "no answer (timed out)",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
    errno.EADDRNOTAVAIL: "address not available on this machine",
    errno.EMFILE: "too many open files in this process",
    errno.ENFILE: "too many open files on this machine",
}

_LOOKUP_WORDS = {
    socket.EAI_NONAME: "name not found",
    socket.EAI_AGAIN: "name lookup failed for now",
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): "name not found",
}


def connect_reason(error: BaseException) -> str:
    """The distinct reasons in `error`, its cause and the groups among them, e.g. "refused (nothing listens there)"."""
    return ", ".join(dict.fromkeys(_reasons(error)))


def _reasons(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [reason for member in error.exceptions for reason in _reasons(member)]
    # A connection that broke has its errno one below; ConnectionError, since an ssl.SSLError has numbers of its own.
    if isinstance(error.__cause__, BaseExceptionGroup | ConnectionError):
        return _reasons(error.__cause__)
    return [_reason(error)]


def _reason(error: BaseException) -> str:
    if isinstance(error, UnicodeError):
        return "not a valid host name"
    if isinstance(error, socket.gaierror) and error.errno is not None:
        return _LOOKUP_WORDS.get(error.errno, f"name lookup failed: {error.strerror}")
    if isinstance(error, OSError) and error.errno is not None:
        # The error's own text names the address again ("Error connecting to (...)"): the errno alone is the reason.
        return _ERRNO_WORDS.get(error.errno, os.strerror(error.errno).lower())
    return str(error) or type(error).__name__
