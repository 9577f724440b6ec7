"""What a relay said instead of opening a WebSocket: read from the bytes that came, however few.

trio-websocket knows a refusal only once its body is whole, and forgets the rest. Here the head is enough. What is shown
of it is cleaned: one printable line, not much of it, and none of the secrets that some relays repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import h11

from nai_trio.errors import ConnectError, ProxyAuthenticationError, ProxyError
from nai_trio.transports.hop import shown_words

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Refusal", "read_refusal"]

_SWITCHING: Final = 101


@attrs.frozen(kw_only=True)
class Refusal:
    """Why there is no WebSocket.

    Attributes:
        reason: in words.
        kind: the error's class.
        status: the HTTP status; 0 where none came.
        message: the relay's own words, or "".
    """

    reason: str
    kind: type[ConnectError] = ProxyError
    status: int = 0
    message: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """The error's attributes."""
        return {"status": self.status, "message": self.message}


def read_refusal(
    greeting: bytes, fault: Exception | None, *, subprotocol: str, secrets: Iterable[str], credentials: bool
) -> Refusal:
    """Find out why a handshake has failed.

    Args:
        greeting: all that the relay has said.
        fault: how the connection broke, or None.
        subprotocol: the one that was offered.
        secrets: what must not be shown.
        credentials: whether any were sent.
    """
    if not greeting:
        return Refusal(reason=_silent(fault))
    head, body = _parse(greeting)
    if head is None:
        return Refusal(reason="the relay did not answer in HTTP")
    reason = shown_words(head.reason.decode("utf-8", "replace"), secrets)
    if head.status_code == _SWITCHING:
        return Refusal(reason=shown_words(_no_websocket(head, fault, subprotocol), secrets), status=_SWITCHING)
    text = body.decode("utf-8", "replace") if _value(head, b"content-type").startswith("text/plain") else ""
    message = shown_words(": ".join(part for part in (reason, text.strip()) if part), secrets)
    said = f"{head.status_code} {message}".rstrip()
    if head.status_code in {401, 407}:
        problem = "does not take the credentials given" if credentials else "wants credentials"
        kind = ProxyAuthenticationError
        return Refusal(reason=f"the relay {problem}: {said}", kind=kind, status=head.status_code, message=message)
    return Refusal(reason=f"the relay refused: {said}", status=head.status_code, message=message)


def _silent(fault: Exception | None) -> str:
    if fault is None:
        return "the relay closed the connection without an answer"
    return f"the connection to the relay broke before it answered: {fault}"


def _parse(greeting: bytes) -> tuple[h11.Response | h11.InformationalResponse | None, bytes]:
    """The answer's head, None where there is none, and what came of its body."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=len(greeting) + 1)
    upgrade = [("Host", "relay"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
    connection.send(h11.Request(method="GET", target="/", headers=upgrade))
    connection.send(h11.EndOfMessage())
    connection.receive_data(greeting)
    head: h11.Response | h11.InformationalResponse | None = None
    body = bytearray()
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:  # its text repeats the answer
            return head, bytes(body)
        if isinstance(event, h11.InformationalResponse | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return head, bytes(body)


def _no_websocket(head: h11.Response | h11.InformationalResponse, fault: Exception | None, subprotocol: str) -> str:
    chosen = _value(head, b"sec-websocket-protocol")
    if chosen and chosen != subprotocol:
        return f"expected the sub-protocol {subprotocol!r} or none, got {chosen!r}"
    first: BaseException | None = fault  # wsproto's complaint comes first; that it cannot be sent came of it
    while first is not None and first.__context__ is not None:
        first = first.__context__
    return f"the relay's answer is no WebSocket handshake{f': {first}' if first is not None else ''}"


def _value(head: h11.Response | h11.InformationalResponse, name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for each, value in head.headers if each == name)
