"""How a command ends: the one table of exit codes. Scripts rely on it, so a code never changes its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nai_trio.errors import (
    AuthenticationError,
    GenerationError,
    HTTPStatusError,
    InvalidParamsError,
    MissingAPIKeyError,
    NetworkError,
    PaymentRequiredError,
    ProtocolError,
    RateLimitError,
)

if TYPE_CHECKING:
    import signal

__all__ = ["EXIT_CODES", "OK", "USAGE", "OutputError", "exit_code", "signal_code"]


class OutputError(Exception):
    """A file or a folder that the command shall write to cannot be written; the text names it and says why."""


OK: Final = 0
USAGE: Final = 2
NETWORK: Final = 7
WRITE: Final = 9

EXIT_CODES: Final[tuple[tuple[int, str, tuple[type[Exception], ...]], ...]] = (
    (OK, "done", ()),
    (1, "a defect of this program", ()),
    (USAGE, "wrong usage, or a parameter that no service would take; nothing was sent", (InvalidParamsError,)),
    (3, "no API key, or the service does not take it (401)", (MissingAPIKeyError, AuthenticationError)),
    (4, "not enough Anlas, or no subscription (402)", (PaymentRequiredError,)),
    (5, "too many requests, or this account already generates (429)", (RateLimitError,)),
    (6, "the service refused for another reason", (HTTPStatusError,)),
    (NETWORK, "network: no connection, a refusing proxy, a timeout, or an answer cut off", (NetworkError,)),
    (8, "the generation failed, or the answer is not one", (GenerationError, ProtocolError)),
    (WRITE, "files cannot be written", (OutputError,)),
    (129, "stopped because the terminal was closed (SIGHUP)", ()),
    (130, "stopped by Ctrl-C (SIGINT)", ()),
    (143, "stopped by SIGTERM", ()),
)
"""Code, meaning, and the errors that end with it; the first match counts, so the kinds stand before their base."""


def exit_code(error: Exception) -> int:
    """The code for an error; one that is not in the table is a defect of ours, and raised."""
    for code, _, kinds in EXIT_CODES:
        if isinstance(error, kinds):
            return code
    raise error


def signal_code(signum: signal.Signals) -> int:
    """The code for a signal, as shells count: 128 and its number."""
    return 128 + signum
