"""A hop: the other end of one leg of a route, as a user writes it in a URL.

    scheme://user:password@host:port/path

The user name and password are percent-decoded (RFC 3986, 3.2.1) and shown nowhere: not in the repr, not in `str`, not
in an error. That is why a URL that cannot be read is not repeated either, only what was wrong with it, and why no frame
that an error leaves holds the text: some formatters of tracebacks show the locals.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from nai_trio.errors import ConnectError, InvalidParamsError
from nai_trio.transport import host_in_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nai_trio.transport import Origin

__all__ = ["Hop", "connect_error", "connect_prefix", "hop_error", "shown_words"]

_WORDS: Final = 200
"""Characters of a hop's words that an error shows."""

_HINT: Final = " (in a password, write / as %2F, ? as %3F, # as %23)"
"""A password with one of these in it ends the host early, so that another host would be asked."""


@attrs.frozen(kw_only=True)
class Hop:
    """Where one leg of a route leads.

    Attributes:
        scheme: lower case.
        host: a name or an address, lower case, without brackets; an IPv6 address may have a zone ("fe80::1%eth0").
        port: 1 to 65535.
        username: "" where there is none.
        password: "" where there is none.
        target: path and query, "/" at least.
    """

    scheme: str
    host: str
    port: int
    username: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)
    target: str = attrs.field(default="/", repr=False)

    @classmethod
    def parse(cls, url: object, ports: Mapping[str, int], *, field: str = "url", path: bool = True) -> Hop:
        """Read a URL.

        Args:
            url: e.g. "socks5://user:password@proxy.example:1080".
            ports: the schemes that are taken, and the default port of each.
            field: what errors call it.
            path: whether it may have a path and a query.

        Raises:
            InvalidParamsError: it is no such URL; the message shows nothing of it but its scheme.
        """
        found = _read(url, ports, path=path)
        del url  # the error may be shown with the locals of this frame
        if isinstance(found, Hop):
            return found
        scheme, port = next(iter(ports.items()))
        raise hop_error(field, f"a URL such as {scheme}://host:{port}", found)

    @property
    def has_credentials(self) -> bool:
        """Whether a user name or a password was given."""
        return bool(self.username or self.password)

    @property
    def basic(self) -> str:
        """The credentials as Basic authentication has them (RFC 7617, 2); as secret as they are."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")

    def __str__(self) -> str:
        return f"{self.scheme}://{host_in_url(self.host)}:{self.port}"


def hop_error(field: str, allowed: str, came: str) -> InvalidParamsError:
    """The error about a URL that is not repeated; `came` is in words."""
    return InvalidParamsError.in_words(field, came, allowed)


def connect_prefix(route: str, origin: Origin) -> str:
    """What every error about a route that could not be opened begins with."""
    return f"connect via {route} to {origin.address}: "


def connect_error(
    route: str, origin: Origin, reason: str, kind: type[ConnectError] = ConnectError, **facts: Any
) -> ConnectError:
    """The error for a route that could not be opened, in the one wording that all of them have.

    Args:
        route: as `Transport.describe` has it.
        origin: where it should have led.
        reason: why it does not.
        kind: the error's class.
        **facts: its attributes.
    """
    error = kind(connect_prefix(route, origin) + reason)
    for name, value in facts.items():
        setattr(error, name, value)
    return error


def shown_words(text: str, secrets: Iterable[str]) -> str:
    """What a hop said, as it may be shown: one line, printable, at most 200 characters, without the secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # one may be part of another
        text = text.replace(secret, "***")
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 3]}..."


def _read(url: object, ports: Mapping[str, int], *, path: bool) -> Hop | str:
    """The hop, or what is wrong with the URL."""
    if not isinstance(url, str):
        return f"a {type(url).__name__}"
    parts = _split(url)
    if isinstance(parts, str):
        return parts
    if parts.scheme not in ports:
        known = " or ".join(f"{scheme}://" for scheme in ports)
        return f"the scheme {parts.scheme!r} (expected {known})"
    rest = "" if path else parts.path.removeprefix("/") + parts.query
    if rest or "#" in url:
        return f"one with {'a fragment' if '#' in url else 'a path'}{_HINT}"
    return _hop(parts, ports)


def _split(url: str) -> SplitResult | str:
    if "://" not in url:
        return "no scheme"
    if any(character <= " " or character == "\x7f" for character in url):
        return "one with white space or control characters in it"
    try:
        url.encode()
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text can hold half a password as "the port"
        return f"one whose host or port cannot be read{_HINT if '@' in url else ''}"
    if port == 0:
        return "port 0"
    return parts if parts.hostname else "one without a host"


def _hop(parts: SplitResult, ports: Mapping[str, int]) -> Hop | str:
    host = _without_escape(parts.hostname or "")
    try:
        host.encode("idna")
    except UnicodeError:
        return "one whose host is not a valid name"
    try:
        username = unquote(parts.username or "", errors="strict")
        password = unquote(parts.password or "", errors="strict")
    except UnicodeDecodeError:
        return "one whose user name or password is not UTF-8"
    return Hop(
        scheme=parts.scheme,
        host=host,
        port=parts.port or ports[parts.scheme],
        username=username,
        password=password,
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _without_escape(host: str) -> str:
    """The percent sign before the zone of an IPv6 address is written as %25 (RFC 6874, 2), by many as itself."""
    return host.replace("%25", "%", 1) if ":" in host else host
