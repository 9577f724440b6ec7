"""The routes that every transport's tests run over: one table.

A row names its layers from us to the far end, e.g. ("ws", "socks", "tls"): TLS to the origin, through a SOCKS server,
through a WebSocket tunnel, over TCP. An "auth" hop wants the credentials or the token that are planted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pst-planted-key-not-real"
USER, PASSWORD = "planted-user", "planted/p@ss:word"
TOKEN = "planted-token-not-real"
CREDENTIALS = f"{USER}:{PASSWORD}"
IN_URL = f"{USER}:{quote(PASSWORD, safe='')}"


@attrs.frozen
class Row:
    """One route.

    Attributes:
        layers: from us to the far end; the first may be "memory" or "unix", else it is all over TCP.
        half_close: whether the end of one direction passes, and leaves the other open.
        scheme: what the URL of the first hop begins with; "" where there is none.
    """

    layers: tuple[str, ...]
    half_close: bool = False
    scheme: str = ""

    @property
    def hops(self) -> tuple[str, ...]:
        """The layers that are other programs on the way."""
        return tuple(layer for layer in self.layers if layer in SERVERS)

    @property
    def wants_credentials(self) -> bool:
        """Whether a hop on the way wants some."""
        return any(layer.endswith("+auth") for layer in self.layers)

    def __str__(self) -> str:
        return " ".join(self.layers)


SERVERS = {"http", "http+auth", "https", "https+auth", "socks", "socks+auth", "ws", "wss", "wss+auth", "tunnel+auth"}

ROWS = [
    Row(("memory",), half_close=True),
    Row(("memory", "tls")),
    Row(("tcp",), half_close=True),
    Row(("tcp", "tls")),
    Row(("unix",), half_close=True),
    Row(("unix", "tls")),
    Row(("http",), half_close=True, scheme="http"),
    Row(("http+auth", "tls"), scheme="http"),
    Row(("https",), scheme="https"),
    Row(("https+auth", "tls"), scheme="https"),  # TLS inside TLS
    Row(("socks",), half_close=True, scheme="socks5"),
    Row(("socks+auth", "tls"), scheme="socks5"),
    Row(("ws",), scheme="ws"),
    Row(("wss+auth", "tls"), scheme="wss"),
    Row(("tunnel+auth", "tls"), scheme="ws"),  # our own other end
    Row(("tape",), half_close=True),
    Row(("tape", "socks", "tls"), scheme="socks5"),
    Row(("ws", "socks", "tls"), scheme="ws"),
    Row(("socks", "http+auth", "tls"), scheme="socks5"),
]

every_row = pytest.mark.parametrize("row", ROWS, ids=str)


def rows(which: Callable[[Row], object]) -> pytest.MarkDecorator:
    """Those rows of which that is true."""
    return pytest.mark.parametrize("row", [row for row in ROWS if which(row)], ids=str)
