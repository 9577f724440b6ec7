"""TLS sessions kept for the next connection to the same peer: it resumes, and saves a round of keys and certificates.

A session stands for a peer that was verified, so it is given out only for what it was verified for: the same context,
host and port. One session serves any number of connections, until the peer makes a full handshake of one, which is how
it says that it has forgotten, and costs nothing else. RFC 8446 (C.4) would have each ticket of TLS 1.3 used once, so
that onlookers cannot tell that two connections are of one client. They can tell that by its address, and each new
ticket costs memory for good: Python 3.11 and 3.12.0 to 3.12.7 lose a session, some 6 kB, at each look at it (CPython
issue 116810). So a session is looked at once for each full handshake, and there not without end.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl

__all__ = ["TLSSessions", "may_look"]

DEFAULT_LIMIT = 16

LOOKING_LOSES = sys.version_info < (3, 12, 8) or (3, 13, 0) <= sys.version_info < (3, 13, 1)
MOST_LOOKS = 400
"""In one process, where each is lost: 2.5 MB. Clients that have a session by then go on resuming it."""

_looks = itertools.count()


def may_look() -> bool:
    """Whether the session of one more connection may be looked at."""
    return not LOOKING_LOSES or next(_looks) < MOST_LOOKS


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

    def find(self, context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSession | None:
        """The newest session for that peer under that very context; None without one."""
        for kept in reversed(self._kept):
            if kept.context is context and kept.host == host and kept.port == port:
                return kept.session
        return None

    def keep(self, context: ssl.SSLContext, host: str, port: int, session: ssl.SSLSession) -> None:
        """Keep a session for `find`, in place of an older one of that peer."""
        others = [kept for kept in self._kept if kept[:3] != (context, host, port)]
        self._kept = [*others, _Kept(context, host, port, session)][-self._limit :]


class _Kept(NamedTuple):
    context: ssl.SSLContext
    host: str
    port: int
    session: ssl.SSLSession
