"""One short request whose answer is read whole: the account, a vibe. Driven as every exchange is (service.py).

The answer is bounded by `Limits.max_call_size`. A body that ends with the connection may have been cut: it is taken
only where its own syntax proves that it is whole, as JSON's does, which is read strictly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.errors import StreamInterrupted
from nai_trio.protocol.collected import Body, CollectedBody, RefusalBody
from nai_trio.protocol.decoder import T_co
from nai_trio.protocol.service import ServiceExchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nai_trio.protocol.http import Request, ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["CallExchange"]


class CallExchange(ServiceExchange[T_co]):
    """A call on one HTTP/1.1 connection; `receive_data` returns its answer, as a list of one, when it is complete.

    Args:
        request: what to send.
        read: makes the answer of a 2xx response's head and whole body, or raises a `ProtocolError`.
        billed: whether the service charges for it; an error of a call that costs nothing is never `billing_unknown`.
        proves_its_end: whether `read` refuses a body that was cut anywhere, so that one without a length can be taken.
        limits: bounds on what the response may hold.

    Attributes:
        fault: the error that the next `receive_data` raises, or None.
    """

    def __init__(
        self,
        request: Request,
        *,
        read: Callable[[ResponseHead, bytes], T_co],
        billed: bool = True,
        proves_its_end: bool = False,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(request, limits)
        self.billed = billed
        self._read = read
        self._proves_its_end = proves_its_end
        self._answers: list[T_co] = []

    @property
    def answer(self) -> T_co:
        """What the response's body means.

        Raises:
            RuntimeError: it is not complete.
        """
        if not self.complete:
            raise RuntimeError("the answer is not complete yet: ask `complete` first")
        return self._answers[0]

    def _promises(self, head: ResponseHead) -> bool:
        return head.status < 300

    def _open_body(self, head: ResponseHead, first: bytes) -> Body[T_co]:  # noqa: ARG002 - the head says it all
        if head.status >= 300:
            return RefusalBody(head, self._limits)
        return _AnswerBody(self._limits, head, self._read, proves_its_end=self._proves_its_end)

    def _items(self, data: bytes | bytearray | memoryview) -> Iterator[T_co]:
        for answer in super()._items(data):
            self._answers.append(answer)
            yield answer


class _AnswerBody(CollectedBody[T_co]):
    """The body of a 2xx response to a call."""

    limit = "max_call_size"

    def __init__(
        self, limits: Limits, head: ResponseHead, read: Callable[[ResponseHead, bytes], T_co], *, proves_its_end: bool
    ) -> None:
        super().__init__(limits)
        self._head = head
        self._read = read
        self._proves_its_end = proves_its_end

    def finish(self, *, delimited: bool) -> Iterator[T_co]:
        """Yield the answer."""
        if not (delimited or self._proves_its_end):
            raise StreamInterrupted("the answer's end is not marked: it may be cut")
        yield self._read(self._head, self._take_content())
