"""TLS sessions kept for the next connection to the same peer: it resumes, and saves a round of keys and certificates.

A session stands for a peer that was verified, so it is given out only for what it was verified for: the same context,
host and port. Each is given out once: a ticket of TLS 1.3 should not be used twice (RFC 8446, C.4), and an older
session comes back as soon as its next connection is open. One that the peer has forgotten costs nothing: the handshake
is then a full one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl

__all__ = ["TLSSessions"]

DEFAULT_LIMIT = 16


class TLSSessions:
    """A small store of sessions; in memory only.

    Args:
        limit: how many to keep in all, at least 1; the oldest make room.
    """

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._kept: list[_Kept] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {len(self._kept)} of at most {self._limit}>"

    def take(self, context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSession | None:
        """The newest session for that peer under that very context, which is then gone from here; None without one."""
        for index in range(len(self._kept) - 1, -1, -1):
            kept = self._kept[index]
            if kept.context is context and kept.host == host and kept.port == port:
                return self._kept.pop(index).session
        return None

    def keep(self, context: ssl.SSLContext, host: str, port: int, session: ssl.SSLSession) -> None:
        """Keep a session for `take`; once, however often it is offered."""
        new = _Kept(context, host, port, session)
        self._kept = [*(kept for kept in self._kept if kept != new), new][-self._limit :]


class _Kept(NamedTuple):
    context: ssl.SSLContext
    host: str
    port: int
    session: ssl.SSLSession
