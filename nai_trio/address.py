"""Base URLs: from the text a user gives to an origin and a path prefix."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import attrs

from nai_trio.errors import InvalidParamsError
from nai_trio.transport import DEFAULT_PORTS, Origin, host_in_url

__all__ = ["BaseURL", "parse_base_url"]


@attrs.frozen
class BaseURL:
    """Where the service's paths start.

    Attributes:
        origin: scheme, host, port.
        path: what stands before the service's own paths: "" or "/prefix", without a slash at its end.
    """

    origin: Origin
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def parse_base_url(text: str, *, allow_plain_http: bool = False) -> BaseURL:
    """Read a base URL such as "https://image.novelai.net" or "http://localhost:8000/novelai".

    Args:
        text: the URL.
        allow_plain_http: accept "http" also off this machine, where others can read the key and the pictures.

    Raises:
        InvalidParamsError: it is no such URL, or is plain HTTP off loopback; the error never repeats credentials.
    """
    allowed = "a URL like 'https://host[:port][/path]'"
    shown = "a URL with credentials in it" if isinstance(text, str) and "@" in text else text
    if not isinstance(text, str) or not text.isascii() or any(c <= " " or c == "\x7f" for c in text):
        raise InvalidParamsError.for_field("image_base", shown, f"{allowed} of printable ASCII")
    found = _split(text)
    if isinstance(found, str):
        raise InvalidParamsError.for_field("image_base", shown, f"{allowed} ({found})")
    parts, scheme, host, port = found
    if parts.username is not None or parts.password is not None:
        raise InvalidParamsError.for_field("image_base", shown, f"{allowed} without credentials")
    if not host or port == 0 or parts.query or parts.fragment:
        raise InvalidParamsError.for_field("image_base", shown, f"{allowed} without query or fragment")
    if not re.fullmatch(re.escape(host_in_url(host)) + r"(:[0-9]*)?", parts.netloc, re.IGNORECASE):
        # "[::1]example", "[v1.localhost]": a host for one reader of URLs is another one, or none, for the next.
        raise InvalidParamsError.for_field("image_base", shown, f"{allowed} with brackets around IPv6 alone")
    origin = Origin(scheme, host, port or DEFAULT_PORTS[scheme])
    if scheme == "http" and not (origin.is_loopback or allow_plain_http):
        hint = "an https URL, since plain http off this machine shows the key to the network (allow_plain_http=True)"
        raise InvalidParamsError.for_field("image_base", shown, hint)
    return BaseURL(origin, parts.path.rstrip("/"))


def _split(text: str) -> tuple[SplitResult, Literal["https", "http"], str | None, int | None] | str:
    """A URL's parts, or what is wrong with it; not as an error, whose text can hold half a password as "the port"."""
    try:
        parts = urlsplit(text)
        return parts, _scheme(parts.scheme), parts.hostname, parts.port
    except ValueError as error:
        return "malformed" if "@" in text else str(error)


def _scheme(text: str) -> Literal["https", "http"]:
    if text == "https":
        return "https"
    if text == "http":
        return "http"
    raise ValueError("the scheme is neither https nor http")
