"""Bodies that are read whole before they mean anything, and the two ways out of one: its content, or an error.

The body of a refusal is read for the service's words. It is bounded by a small limit of its own, what goes over is left
unread, and a body that was cut is still a refusal.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Never

from nai_trio.errors import LimitExceeded, NovelAIError, status_error
from nai_trio.protocol.decoder import Buffer, Decoder, T_co, slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.protocol.framing import Write
    from nai_trio.protocol.http import ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["Body", "CollectedBody", "ErrorBody", "RefusalBody", "first_json", "words"]


class Body(Decoder[T_co]):
    """A response body being read.

    Attributes:
        carries_answer: False for bodies that can only end in an error.
    """

    carries_answer = True

    @property
    def sink(self) -> Write:
        """What takes the next pieces of the body, without looking at them; `read` does, and after it ask anew."""
        raise NotImplementedError

    def read(self) -> Iterator[T_co]:
        """Yield what the pieces that were taken complete; to be run to its end.

        Raises:
            NovelAIError: the bytes are wrong.
        """
        raise NotImplementedError

    def _parse(self, data: Buffer) -> Iterator[T_co]:
        for piece in slices(data):
            self.sink(piece)
            yield from self.read()

    def finish(self, *, delimited: bool) -> Iterator[T_co]:
        """Say that the body has ended; yield what its end completes.

        Args:
            delimited: whether the transfer framing marked the end; an end by close can be a cut.

        Raises:
            NovelAIError: the body is not whole, or was an error all along.
        """
        raise NotImplementedError

    def salvage(self) -> list[T_co]:
        """What the body holds where its end was lost, if its own syntax proves it whole; else nothing."""
        return []


class CollectedBody(Body[T_co]):
    """A body that is read whole before it means anything."""

    limit = "max_body_size"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._content = bytearray()

    @property
    def content(self) -> bytes:
        """What has come of it."""
        return bytes(self._content)

    def _take_content(self) -> bytes:
        """All of it, which is not kept here any longer."""
        content = bytes(self._content)
        self._content.clear()
        return content

    @property
    def sink(self) -> Write:
        """See `Body.sink`."""
        return self._content.extend

    def read(self) -> Iterator[T_co]:
        """Check how large it has become."""
        allowed = getattr(self._limits, self.limit)
        if len(self._content) > allowed:
            self._overflow(allowed)
        yield from ()

    def _overflow(self, allowed: int) -> None:
        self._content.clear()  # nothing will be made of it
        raise LimitExceeded.of(self.limit, allowed, "a longer body")


class ErrorBody(CollectedBody[Never]):
    """A body that can only end in an error; what goes over the limit is left unread."""

    limit = "max_error_size"
    carries_answer = False

    def _overflow(self, allowed: int) -> None:
        del self._content[allowed:]
        raise self._error()

    def finish(self, *, delimited: bool) -> Iterator[Never]:  # noqa: ARG002 - a cut message is still one
        """Raise the error."""
        raise self._error()

    def _error(self) -> NovelAIError:
        raise NotImplementedError


class RefusalBody(ErrorBody):
    """The body of a response that is not 2xx."""

    def __init__(self, head: ResponseHead, limits: Limits) -> None:
        super().__init__(limits)
        self._head = head

    def _error(self) -> NovelAIError:
        head = self._head
        message = words(self.content) or head.reason or "no message"
        if 300 <= head.status < 400:
            message = f"a redirect to {head.headers.get('location', '')!r}, which is not followed; {message}"
        return status_error(head.status, message, head.headers)


def first_json(content: bytes) -> object:
    """The first JSON value; errors were seen with ZIP bytes after it (wire document, 4.4). None where there is none."""
    try:
        value: object = json.JSONDecoder().raw_decode(content.decode("utf-8-sig", "replace").lstrip())[0]
    except (ValueError, RecursionError):
        return None
    return value


def words(content: bytes) -> str:
    """What an error body says, in one line: the JSON `message`, a page's title, or its text."""
    fields = first_json(content)
    if isinstance(fields, dict):
        message = fields.get("message", fields.get("error"))
        if isinstance(message, str):
            return message
    text = content.decode("utf-8", "replace")
    import html  # noqa: PLC0415 - for an error's words alone

    title = re.search(r"<title[^<>]*>([^<]{1,200})", text, re.IGNORECASE)
    if title:
        return f"an HTML page titled {html.unescape(title[1]).strip()!r}"
    return " ".join(text.split())[:200]
