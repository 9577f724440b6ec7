"""Every error this library raises, in one tree.

    NovelAIError
    ├── MissingAPIKeyError            no key given, none in NOVELAI_API_KEY
    ├── InvalidParamsError            a parameter of yours; also a ValueError; nothing was sent
    ├── HTTPStatusError               the service refused with a status
    │   ├── InvalidRequestError       400, 422
    │   ├── AuthenticationError       401
    │   ├── PaymentRequiredError      402
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── RateLimitError            429 (`retry_after`)
    │   │   └── ConcurrencyLockedError    the account already generates
    │   └── ServerError               5xx
    ├── NetworkError
    │   ├── ConnectError              no connection: name, route, TLS
    │   │   └── ProxyError            a proxy or relay on the way refused
    │   │       └── ProxyAuthenticationError   it wants other credentials, or any
    │   ├── NetworkTimeout            a deadline of ours passed
    │   └── StreamInterrupted         the connection or the body ended before its end
    ├── ProtocolError                 the peer sent what it must not
    │   └── LimitExceeded             more than one of our limits allows
    └── GenerationError               the service gave up on the job inside the stream

Work that was paid for is never lost with an error: whatever had arrived hangs on it (`previews`, `finals`), and
`billing_unknown` says whether the account may have been charged. `trio.Cancelled` is never one of these.

This module and what it imports know the standard library alone, so that the sans-IO core can use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nai_trio.protocol.chunks import FinalChunk, IntermediateChunk

__all__ = [
    "AuthenticationError",
    "ConcurrencyLockedError",
    "ConflictError",
    "ConnectError",
    "GenerationError",
    "HTTPStatusError",
    "InvalidParamsError",
    "InvalidRequestError",
    "LimitExceeded",
    "MissingAPIKeyError",
    "NetworkError",
    "NetworkTimeout",
    "NotFoundError",
    "NovelAIError",
    "PaymentRequiredError",
    "ProtocolError",
    "ProxyAuthenticationError",
    "ProxyError",
    "RateLimitError",
    "ServerError",
    "StreamInterrupted",
    "status_error",
]


class NovelAIError(Exception):
    """The root of every error of this library.

    Attributes:
        billing_unknown: True when the request may have been charged although no complete answer came. Read the
            balance before trying again.
        earlier: the errors of the attempts before this one, where `Retry` made several and none was accepted.
    """

    billing_unknown: bool = False
    earlier: tuple[NovelAIError, ...] = ()
    _known: str = ""
    _previews: tuple[IntermediateChunk, ...] = ()
    _finals: tuple[FinalChunk, ...] = ()

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample that had arrived, ordered by `samp_ix`."""
        return list(self._previews)

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures that had arrived, ordered by `samp_ix`."""
        return list(self._finals)

    def attach(
        self,
        *,
        billing_unknown: bool,
        known: str = "",
        previews: Iterable[IntermediateChunk] = (),
        finals: Iterable[FinalChunk] = (),
    ) -> None:
        """Keep on the error what is known about the generation it ended."""
        self.billing_unknown = billing_unknown
        self._known = known
        self._previews = tuple(previews)
        self._finals = tuple(finals)


class MissingAPIKeyError(NovelAIError):
    """No API key was given and `NOVELAI_API_KEY` holds none."""


class InvalidParamsError(NovelAIError, ValueError):
    """A parameter is outside what the service takes; no byte was sent.

    Attributes:
        field: the name of the parameter, e.g. "steps"; "" when several together are at fault.
        value: what was given.
        allowed: what is taken instead, in words, e.g. "an integer from 1 to 50".
    """

    field: str = ""
    value: object = None
    allowed: str = ""

    @classmethod
    def for_field(cls, field: str, value: object, allowed: str) -> InvalidParamsError:
        """Build the error with the one wording that every such error has."""
        return cls.in_words(field, _shown(value), allowed, value=value)

    @classmethod
    def in_words(cls, field: str, came: str, allowed: str, *, value: object = None) -> InvalidParamsError:
        """The same error for what is better described than shown: bytes, files, secrets."""
        error = cls(f"{field}: expected {allowed}, got {came}")
        error.field, error.value, error.allowed = field, value, allowed
        return error


def _shown(value: object) -> str:
    """A value for a message: short, and never the cause of another error (an integer may be too long for repr)."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a repr of the user's own can raise anything
        return f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return text if len(text) <= 80 else f"{text[:77]}..."


class HTTPStatusError(NovelAIError):
    """The service, or something in front of it, answered with a status that is not 2xx.

    Raised as itself for statuses without a class of their own (3xx, 403, 405): a redirect is never followed.

    Attributes:
        status: the HTTP status code.
        message: the `message` member of the JSON error body, else the first of its text, else the reason phrase.
        headers: the response's headers, a mapping in any case.
        retry_after: seconds to wait as the service says in `Retry-After`, or None when it does not say.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = Headers(headers)

    @property
    def retry_after(self) -> float | None:
        """Seconds from `Retry-After` (RFC 9110, 10.2.3): a number, or a date read against the `Date` header."""
        return _retry_after(self.headers)

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


class InvalidRequestError(HTTPStatusError):
    """400 or 422: the service does not accept the request; not billed."""


class AuthenticationError(HTTPStatusError):
    """401: the key is missing, wrong, or may not be used here; not billed."""


class PaymentRequiredError(HTTPStatusError):
    """402: not enough Anlas, or no active subscription; not billed."""


class NotFoundError(HTTPStatusError):
    """404: no such endpoint at this base URL."""


class ConflictError(HTTPStatusError):
    """409: the request conflicts with another one of this account."""


class RateLimitError(HTTPStatusError):
    """429: too many requests; not billed, may be sent again after a wait (`retry_after`)."""


class ConcurrencyLockedError(RateLimitError):
    """429 `Concurrent generation is locked`: this account already generates, here or elsewhere.

    Also raised by the client itself, with nothing sent, where a task would wait for its own other generation.
    """


class ServerError(HTTPStatusError):
    """5xx: the service or its gateway failed."""


class NetworkError(NovelAIError):
    """The connection failed.

    Where the request had been sent whole, the text also says what is known of it, and what is not.
    """

    def __str__(self) -> str:
        reason = super().__str__()
        return f"{reason} ({self._known})" if self._known else reason


class ConnectError(NetworkError):
    """No connection to the origin could be made."""


class ProxyError(ConnectError):
    """Something on the way to the origin was reached, and refused to go on.

    Attributes:
        status: the HTTP status of a proxy's or relay's refusal, or the SOCKS reply code; 0 where there is none.
        message: its words, or "".
    """

    status: int = 0
    message: str = ""


class ProxyAuthenticationError(ProxyError):
    """The proxy or relay wants credentials, or others: 407, 401, or SOCKS authentication that failed."""


class NetworkTimeout(NetworkError):
    """A deadline of this library passed (see `Timeouts`); deadlines of the caller stay `trio.Cancelled`.

    Attributes:
        phase: what was waited for: "connect", "send", "response", "read" or "event".
        seconds: how long.
    """

    phase: str = ""
    seconds: float = 0.0


class StreamInterrupted(NetworkError):
    """The connection, or the body on it, ended before every sample had its final picture."""


class ProtocolError(NovelAIError):
    """The peer sent what the protocol does not allow.

    Attributes:
        expected: what should have come, in words.
        received: what came instead: an excerpt or a description.
        offset: at which byte of the response body (0-based), where that is known.
    """

    def __init__(self, message: str = "", *, expected: str = "", received: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.expected = expected
        self.received = received
        self.offset = offset

    @classmethod
    def mismatch(cls, *, expected: str, received: str, offset: int | None = None) -> ProtocolError:
        """Build the error with the one wording that every such error has."""
        where = "" if offset is None else f" at byte {offset} of the body"
        return cls(f"expected {expected}, got {received}{where}", expected=expected, received=received, offset=offset)


class LimitExceeded(ProtocolError):
    """The peer sent more than a limit of ours allows (see `Limits`).

    Attributes:
        limit: the limit's name, e.g. "max_event_size".
        allowed: its value: bytes, or what the limit's name counts ("max_images", "max_events", ...).
    """

    limit: str = ""
    allowed: int = 0

    @classmethod
    def of(cls, limit: str, allowed: int, received: str, *, offset: int | None = None) -> LimitExceeded:
        """Build the error with the one wording that every such error has."""
        where = "" if offset is None else f" at byte {offset} of the body"
        unit = _UNITS.get(limit, "bytes")
        expected = f"at most {allowed} {unit} ({limit})"
        error = cls(f"expected {expected}, got {received}{where}", expected=expected, received=received, offset=offset)
        error.limit, error.allowed = limit, allowed
        return error


_UNITS = {"max_images": "pictures", "max_events": "events", "max_members": "members", "max_depth": "levels"}
"""What a limit counts that is not in bytes."""


class GenerationError(NovelAIError):
    """The service reported inside the stream, under a 2xx status, that the job failed.

    Attributes:
        message: the service's words.
        code: its code (an int; some proxies send text), or None.
        samp_ix: the 0-based sample that failed, or None when the service does not say.
    """

    def __init__(self, message: str = "", *, code: int | str | None = None, samp_ix: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.samp_ix = samp_ix

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.message} (code {self.code})"


_BY_STATUS: dict[int, type[HTTPStatusError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitError,
}


def status_error(
    status: int, message: str, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
) -> HTTPStatusError:
    """The error for a response with a status that is not 2xx.

    `billing_unknown` is set for gateway failures (501 and above): the wire document (section 6) has "not billed" for
    4xx and, in the checked cases, for 500.
    """
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else HTTPStatusError)
    if kind is RateLimitError and message.lower().startswith("concurrent"):
        kind = ConcurrencyLockedError
    error = kind(message, status=status, headers=headers)
    error.billing_unknown = status > 500
    return error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    import email.utils  # noqa: PLC0415 - it loads socket, which the sans-IO core does without

    try:
        until = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
