"""Why TLS failed, in words a user can act on.

The `ssl` module's own text ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] ... (_ssl.c:2580)") names a line of its source
instead of the next step.
"""

from __future__ import annotations

import ssl

import trio

__all__ = ["broken", "failure_words", "handshake_reason"]

_HINTS = {
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it may want a client certificate, or what we do not offer",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the authority behind our certificate",
    "WRONG_VERSION_NUMBER": "does the peer speak plain http?",
}


def failure_words(error: ssl.SSLError) -> str:
    """What TLS failed of, e.g. "tlsv13 alert certificate required (the peer wants a client certificate)"."""
    said = (error.reason or str(error)).replace("_", " ").lower()
    hint = _HINTS.get(error.reason or "")
    return f"{said} ({hint})" if hint else said


def handshake_reason(error: BaseException) -> str:
    """Why a handshake failed."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate not accepted: {error.verify_message}"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
            return "the peer closed the connection during the handshake"
        case ssl.SSLError():
            return f"handshake failed: {failure_words(error)}"
        case _:
            return f"connection lost during the handshake: {error}"


def broken(text: str, cause: ssl.SSLError | None) -> trio.BrokenResourceError:
    """The error of a stream whose TLS has failed; a new one each time, so that tracebacks do not pile up."""
    error = trio.BrokenResourceError(text)
    error.__cause__ = cause
    return error
