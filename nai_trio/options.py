"""The client's settings: frozen, keyword-only records without any machinery."""

from __future__ import annotations

import math
from collections.abc import Iterable  # noqa: TC003 - keeps the annotations resolvable

import attrs

from nai_trio.errors import HTTPStatusError, InvalidParamsError, NetworkError, NovelAIError

__all__ = ["Retry", "Timeouts"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _seconds(_instance: object, attribute: attrs.Attribute[float | None], value: float | None) -> None:
    if value is None:
        return
    if not _is_number(value) or not value > 0:
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


_SAFE_STATUSES = frozenset({429, 502, 503, 504})


def _statuses(given: Iterable[int]) -> frozenset[int]:
    try:
        return frozenset(given)
    except TypeError:
        raise InvalidParamsError.for_field("statuses", given, "a set of HTTP statuses") from None


@attrs.frozen(kw_only=True)
class Retry:
    """When a request that failed is sent again: only where it cannot have been billed.

    That is: the request was never sent whole, or the answer was one of `statuses`. After a 2xx head nothing is ever
    sent again. The default sends once.

    A delay doubles from attempt to attempt, and a part of it is random, so that many clients do not come back at the
    same moment. A `Retry-After` of the service takes its place.

    Attributes:
        attempts: how often a request is sent in all; 1 or more.
        first_delay: seconds before the second attempt; doubled before each further one.
        max_delay: the longest wait in seconds; a `Retry-After` beyond it gives up instead.
        jitter: which share of a delay is random, 0 to 1: with 0.5, the first one of 2 s takes 1 to 2 s.
        max_total: seconds after the first attempt began, after which no further one begins; None for no bound. How long
            the whole may take is the caller's own cancel scope.
        statuses: the answers that are tried again, out of 429, 502, 503 and 504. The wire document (section 6) has 429
            as safe; that a gateway's 502 to 504 came from before the job is likely, but nobody has checked it, so
            `statuses={429}` is the strictest.
    """

    attempts: int = attrs.field(default=1)
    first_delay: float = attrs.field(default=2.0)
    max_delay: float = attrs.field(default=30.0)
    jitter: float = attrs.field(default=0.5)
    max_total: float | None = _timeout(300.0)
    statuses: frozenset[int] = attrs.field(default=_SAFE_STATUSES, converter=_statuses)

    @attempts.validator
    def _check_attempts(self, _attribute: object, value: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InvalidParamsError.for_field("attempts", value, "an integer of at least 1")

    @first_delay.validator
    @max_delay.validator
    def _check_delay(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not _is_number(value) or not 0 <= value < math.inf:
            raise InvalidParamsError.for_field(attribute.name, value, "seconds of at least 0")

    @jitter.validator
    def _check_jitter(self, _attribute: object, value: float) -> None:
        if not _is_number(value) or not 0 <= value <= 1:
            raise InvalidParamsError.for_field("jitter", value, "a number from 0 to 1")

    @statuses.validator
    def _check_statuses(self, _attribute: object, value: frozenset[int]) -> None:
        if not value <= _SAFE_STATUSES:
            allowed = "some of 429, 502, 503 and 504: whatever else was answered may have been billed, or is final"
            raise InvalidParamsError.for_field("statuses", sorted(value, key=repr), allowed)

    def may_send_again(self, error: NovelAIError) -> bool:
        """Whether a request that ended so cannot have been billed."""
        if isinstance(error, HTTPStatusError):
            return error.status in self.statuses
        return isinstance(error, NetworkError) and not error.billing_unknown
