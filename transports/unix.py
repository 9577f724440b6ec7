"""Unix sockets: a service, or a relay in front of it, that listens on a path of this machine.

The origin says what is spoken over the socket, as with every transport: TLS for https, none for http.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Transport
from nai_trio.transports.hop import connect_error
from nai_trio.transports.reasons import connect_reason
from nai_trio.transports.system_stream import SystemStream

if TYPE_CHECKING:
    from nai_trio.transport import Origin

__all__ = ["UnixStream", "UnixTransport"]


class UnixStream(SystemStream):
    """A connection over a Unix socket."""

    _kind = "Unix"


class UnixTransport(Transport):
    """Connects to a Unix socket, whatever the origin: the origin names the service, the path says where it is.

    Args:
        path: of the socket.

    Raises:
        InvalidParamsError: it is no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
        self._path = text if isinstance(text, str) else ""
        if not _is_path(self._path):
            raise InvalidParamsError.for_field("path", path, "the path of a socket")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    def describe(self) -> str:
        """See `Transport.describe`."""
        return f"unix:{self._path}"

    async def connect(self, origin: Origin) -> UnixStream:
        """Connect to the socket.

        Raises:
            ConnectError: "connect via unix:/path to https://host:443: ..." with the reason and its cause.
        """
        try:
            return UnixStream(await trio.open_unix_socket(self._path))
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: this platform has none
            raise connect_error(self.describe(), origin, connect_reason(error)) from error


def _is_path(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return bool(text) and "\0" not in text  # the system would end the path there and connect elsewhere
