"""The client's settings: frozen, keyword-only records without any machinery."""

from __future__ import annotations

import attrs

from nai_trio.errors import HTTPStatusError, InvalidParamsError, NetworkError, NovelAIError, RateLimitError

__all__ = ["Retry", "Timeouts"]


def _seconds(_instance: object, attribute: attrs.Attribute[float | None], value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidParamsError.for_field(attribute.name, value, "seconds greater than 0, or None for no limit")


def _timeout(default: float | None) -> float | None:
    field: float | None = attrs.field(default=default, validator=_seconds)
    return field


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long the client waits, in seconds; None waits for ever. The whole time is the caller's own cancel scope.

    Only waiting counts: a slow reader never times its own stream out. A passed deadline raises `NetworkTimeout`.

    Attributes:
        connect: name lookup, TCP and TLS handshake together.
        send: handing the request to the network.
        response: from the request's last byte to the response head.
        read: silence on the wire while the body is read.
        event: silence of real events while the body is read; heartbeats do not count, so a stalled generation shows.
        keep_alive: how long a finished connection is kept for reuse.
    """

    connect: float | None = _timeout(15.0)
    send: float | None = _timeout(60.0)
    response: float | None = _timeout(120.0)
    read: float | None = _timeout(60.0)
    event: float | None = _timeout(180.0)
    keep_alive: float | None = _timeout(60.0)


@attrs.frozen(kw_only=True)
class Retry:
    """When a request that failed is sent again: only where it cannot have been billed.

    That is: the request was never sent whole, or the answer was 429, 502, 503 or 504. After a 2xx head nothing is ever
    sent again. The default sends once.

    Attributes:
        attempts: how often a request is sent in all; 1 or more.
        first_delay: seconds before the second attempt; doubled before each further one.
        max_delay: the longest wait in seconds; a `Retry-After` beyond it gives up instead.
    """

    attempts: int = attrs.field(default=1)
    first_delay: float = attrs.field(default=2.0)
    max_delay: float = attrs.field(default=30.0)

    @attempts.validator
    def _check_attempts(self, _attribute: object, value: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidParamsError.for_field("attempts", value, "an integer of at least 1")

    @first_delay.validator
    @max_delay.validator
    def _check_delay(self, attribute: attrs.Attribute[float], value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise InvalidParamsError.for_field(attribute.name, value, "seconds of at least 0")

    def delay(self, attempt: int, error: NovelAIError) -> float | None:
        """Decide about the next attempt.

        Args:
            attempt: the attempt that failed, 1-based.
            error: how it failed.

        Returns:
            Seconds to wait before sending again, or None to give up and raise the error.
        """
        if attempt >= self.attempts or not _cannot_be_billed(error):
            return None
        asked = error.retry_after if isinstance(error, RateLimitError) else None
        if asked is not None:
            return asked if asked <= self.max_delay else None
        doublings = min(attempt - 1, 1000)  # beyond every max_delay, below what a float holds
        return min(self.first_delay * 2.0**doublings, self.max_delay)


def _cannot_be_billed(error: NovelAIError) -> bool:
    if isinstance(error, HTTPStatusError):
        return error.status in (429, 502, 503, 504)
    return isinstance(error, NetworkError) and not error.billing_unknown
