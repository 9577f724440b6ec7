"""The API key, wrapped so that it shows nowhere by accident: not in a repr, a log line, an exception or a pickle."""

from __future__ import annotations

from typing import NoReturn, final

from nai_trio.errors import InvalidParamsError, MissingAPIKeyError

__all__ = ["APIKey"]


@final
class APIKey:
    """A bearer token (RFC 6750).

    Args:
        value: the token: printable ASCII without spaces, so that it cannot break out of its header line.

    Raises:
        MissingAPIKeyError: it is empty.
        InvalidParamsError: it has other characters; the error does not repeat it.
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str | APIKey) -> None:
        text = value.reveal() if isinstance(value, APIKey) else value
        del value
        wrong = _what_is_wrong(text)
        if wrong is not None:
            del text  # most likely a real one, with a line end; the error may be shown with the locals of this frame
            raise wrong
        self._value = text

    def reveal(self) -> str:
        """The token itself; for the one place that writes the header."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, APIKey) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "APIKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an APIKey is not pickled: pass the key itself to where it is needed")

    def __getstate__(self) -> NoReturn:
        self.__reduce__()


def _what_is_wrong(text: object) -> InvalidParamsError | MissingAPIKeyError | None:
    if not isinstance(text, str):
        return InvalidParamsError(f"api_key: expected text, got {type(text).__name__}")
    if not text:
        return MissingAPIKeyError("api_key is empty")
    if not all("!" <= character <= "~" for character in text):
        return InvalidParamsError(
            f"api_key: expected printable ASCII without spaces or line ends, got others in {len(text)} characters"
        )
    return None
