"""What can go wrong on purpose: one frozen record per fault, and their spelling on the command line.

A fault is data; `bodies` and `jobs` act on it. Faults that break single events count events, previews and finals alike,
in wire order; on the plain endpoint, which has no events, those do nothing (except `StreamError`, which becomes the
status 500, and `MissingFinal`, which empties the archive).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import attrs

from nai_trio.emulator.checks import JOB_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BadBase64", "BadJSON", "Cut", "Fault", "HugePrefix", "MissingField", "MissingFinal", "Refuse", "Stall",
    "StreamError", "StreamRetry", "WrongKind", "WrongType", "parse_fault",
]  # fmt: skip

WrongKind: TypeAlias = Literal["html", "json", "zip", "image", "sse", "msgpack"]


def _at_least_zero(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        name = f"{type(instance).__name__}.{attribute.name}"
        raise ValueError(f"{name}: expected an integer of at least 0, got {value!r}")


def _error_status(_instance: object, _attribute: attrs.Attribute[int], value: int) -> None:
    if not 400 <= value <= 599:
        raise ValueError(f"Refuse.status: expected a status from 400 to 599, got {value!r}")


@attrs.frozen
class Cut:
    """The connection closes after exactly `after` bytes of the body; the chunk and the coding stay unfinished."""

    after: int = attrs.field(validator=_at_least_zero)


@attrs.frozen
class Stall:
    """After exactly `after` bytes of the body nothing more comes, until the peer leaves."""

    after: int = attrs.field(validator=_at_least_zero)


@attrs.frozen
class StreamError:
    """An `error` event after `after_events` good ones; the body then ends in order."""

    after_events: int = attrs.field(default=0, validator=_at_least_zero)
    message: str = JOB_FAILED
    code: int | None = 500


@attrs.frozen
class StreamRetry:
    """A `retry` event after `after_events` good ones; the job then goes on to its end."""

    after_events: int = attrs.field(default=0, validator=_at_least_zero)
    message: str = "Generation failed, retrying"


@attrs.frozen
class WrongType:
    """Status 200 with another kind of body, and its content type, than was asked for."""

    kind: WrongKind


@attrs.frozen
class Refuse:
    """Another status instead of the job: the service's JSON, or with `html` the page of the network in front of it."""

    status: int = attrs.field(validator=_error_status)
    html: bool = False
    retry_after: float | None = None


@attrs.frozen
class HugePrefix:
    """After `after_events` a frame that claims 4,294,967,295 bytes and holds 16.

    In SSE, which has no prefix, a `data:` line of 64 KiB that never ends. The body then ends in order.
    """

    after_events: int = attrs.field(default=0, validator=_at_least_zero)


@attrs.frozen
class MissingFinal:
    """All previews, no finished picture."""


@attrs.frozen
class BadBase64:
    """The event after `after_events` good ones carries a picture that is not base64 (msgpack: text for binary)."""

    after_events: int = attrs.field(default=0, validator=_at_least_zero)


@attrs.frozen
class BadJSON:
    """The event after `after_events` good ones is not JSON (msgpack: not msgpack), in a whole frame."""

    after_events: int = attrs.field(default=0, validator=_at_least_zero)


@attrs.frozen
class MissingField:
    """Every event lacks the member `name`."""

    name: str


Fault: TypeAlias = (
    Cut | Stall | StreamError | StreamRetry | WrongType | Refuse | HugePrefix
    | MissingFinal | BadBase64 | BadJSON | MissingField
)  # fmt: skip


def parse_fault(text: str) -> Fault:
    """Read a fault from the command line, e.g. "cut=5000" or "refuse=429:30".

    Raises:
        ValueError: the text is none; says what is known.
    """
    name, _, value = text.strip().partition("=")
    parse = _PARSERS.get(name)
    if parse is None:
        raise ValueError(f"fault: expected one of {_known()}, got {text!r}")
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"fault {name}: expected {_USAGE[name]}, got {text!r}") from error


def _known() -> str:
    return ", ".join(_USAGE.values())


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError(value)
    return int(value)


def _events(value: str) -> int:
    return _count(value) if value else 0


def _nothing(value: str) -> MissingFinal:
    if value:
        raise ValueError(value)
    return MissingFinal()


def _field(value: str) -> MissingField:
    if not value:
        raise ValueError(value)
    return MissingField(value)


def _wrong_type(value: str) -> WrongType:
    if value not in get_args(WrongKind):
        raise ValueError(value)
    return WrongType(cast("WrongKind", value))


def _refuse(value: str) -> Refuse:
    status, _, detail = value.partition(":")
    code = _count(status)
    if detail in {"", "html"}:
        return Refuse(code, html=detail == "html")
    return Refuse(code, retry_after=float(_count(detail)))


_PARSERS: Mapping[str, Callable[[str], Fault]] = {
    "cut": lambda value: Cut(_count(value)),
    "stall": lambda value: Stall(_count(value)),
    "error": lambda value: StreamError(_events(value)),
    "retry": lambda value: StreamRetry(_events(value)),
    "wrong-type": _wrong_type,
    "refuse": _refuse,
    "huge-prefix": lambda value: HugePrefix(_events(value)),
    "missing-final": _nothing,
    "bad-base64": lambda value: BadBase64(_events(value)),
    "bad-json": lambda value: BadJSON(_events(value)),
    "missing-field": _field,
}

_USAGE: Mapping[str, str] = {
    "cut": "cut=BYTES",
    "stall": "stall=BYTES",
    "error": "error[=EVENTS]",
    "retry": "retry[=EVENTS]",
    "wrong-type": f"wrong-type={'|'.join(get_args(WrongKind))}",
    "refuse": "refuse=STATUS[:html|:SECONDS]",
    "huge-prefix": "huge-prefix[=EVENTS]",
    "missing-final": "missing-final",
    "bad-base64": "bad-base64[=EVENTS]",
    "bad-json": "bad-json[=EVENTS]",
    "missing-field": "missing-field=NAME",
}
