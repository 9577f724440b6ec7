"""Whether and when a request is sent again: `Retry`'s settings, carried out by tenacity.

tenacity counts the attempts and makes the delays. What may be sent again at all is `Retry.may_send_again`; the waiting
is the driver's, so that nothing here can catch a cancellation. Time is trio's clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from nai_trio.errors import HTTPStatusError
from nai_trio.waiting import RetryWait

if TYPE_CHECKING:
    from tenacity import BaseRetrying, RetryCallState
    from tenacity.wait import wait_base

    from nai_trio.errors import NovelAIError
    from nai_trio.options import Retry

__all__ = ["Attempts"]


class Attempts:
    """The attempts at one request.

    Args:
        retry: the settings.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._began = trio.current_time()
        self._failed: list[NovelAIError] = []
        self._state: RetryCallState | None = None

    def after(self, error: NovelAIError) -> RetryWait | None:
        """Decide what follows a failed attempt; put the attempts before it on its error.

        Returns:
            How long to wait before sending again, or None to give up and raise the error.
        """
        error.earlier = tuple(self._failed)
        self._failed.append(error)
        if self._retry.attempts == 1 or not self._retry.may_send_again(error):
            return None
        delay = self._delay(error)
        return None if delay is None else RetryWait(attempt=len(self._failed), error=error, delay=delay)

    def _delay(self, error: NovelAIError) -> float | None:
        from tenacity import DoSleep, RetryCallState  # noqa: PLC0415 - loaded when something has failed

        if self._state is None:
            self._state = RetryCallState(_plan(self._retry, self._began), None, (), {})
            self._state.retry_object.begin()
        state = self._state
        state.set_exception((type(error), error, error.__traceback__))
        verdict = state.retry_object.iter(state)
        if not isinstance(verdict, DoSleep):
            return None
        state.prepare_for_next_attempt()
        return float(verdict)


def _plan(retry: Retry, began: float) -> BaseRetrying:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt  # noqa: PLC0415 - as above

    backoff, enough = _backoff(retry), stop_after_attempt(retry.attempts)
    return Retrying(
        retry=retry_if_exception_type(),
        wait=lambda state: _wait(state, backoff),
        stop=lambda state: enough(state) or _too_long(state, retry, began),
        retry_error_callback=lambda _: None,
    )


def _backoff(retry: Retry) -> wait_base:
    """A part that is fixed and one that is random, both doubling; never longer than `max_delay`."""
    from tenacity import wait_exponential, wait_random_exponential  # noqa: PLC0415 - as above

    first, longest, random = retry.first_delay, retry.max_delay, retry.jitter
    fixed = wait_exponential(multiplier=first * (1 - random), max=longest * (1 - random))
    return fixed + wait_random_exponential(multiplier=first * random, max=longest * random)


def _wait(state: RetryCallState, backoff: wait_base) -> float:
    asked = _retry_after(state)
    return backoff(state) if asked is None else asked


def _retry_after(state: RetryCallState) -> float | None:
    error = None if state.outcome is None else state.outcome.exception()
    return error.retry_after if isinstance(error, HTTPStatusError) else None


def _too_long(state: RetryCallState, retry: Retry, began: float) -> bool:
    """Whether the wait, as the service asks for it, or what has passed with it, is beyond what is allowed."""
    if state.upcoming_sleep > retry.max_delay:
        return True
    passed = trio.current_time() + state.upcoming_sleep - began
    return retry.max_total is not None and passed > retry.max_total
