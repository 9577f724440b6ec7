"""The client's side of a soak: workers that do one generation after the other, and what they count."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio
from soak_judge import LoopError, Result, judge
from soak_plan import Cancel, Leave, Plan, Route, plan_of

from nai_trio import NovelAIError, QueueWait, RetryWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from soak_clients import Clients

    from nai_trio import NovelAI
    from nai_trio.stream import ImageStream

__all__ = ["Soak"]

_PATIENCE = 600.0
"""Seconds after which a generation has hung: longer than any timeout of its client."""


@attrs.define
class Soak:
    """One run.

    Args:
        seed: of the run.
        clients: who generates.
        routes: which ways there are, with their weights.
        pace: seconds per step.
        virtual: whether time is virtual, and so exact.

    Attributes:
        done: how many generations have ended.
        outcomes: how many ended how.
        troubles: how many had what planned for them.
        retries: attempts that failed and were followed by another one.
        queued: how many waited for others of their key.
        complaints: what went wrong, as (number, words).
        busy: generations under way now.
        peak: the most at once.
        streams: streams open now, between head and end.
        peak_streams: the most at once.
    """

    seed: int
    clients: Clients
    routes: Mapping[Route, int]
    pace: float
    virtual: bool = False
    done: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)
    troubles: Counter[str] = attrs.field(factory=Counter)
    retries: int = 0
    queued: int = 0
    complaints: list[tuple[int, str]] = attrs.field(factory=list)
    busy: int = 0
    peak: int = 0
    streams: int = 0
    peak_streams: int = 0
    _of_key: Counter[object] = attrs.field(factory=Counter)

    async def run(self, workers: int, more: Callable[[], int | None]) -> None:
        """Do generations until there are no more.

        Args:
            workers: how many at once.
            more: the next number, or None for the end.
        """

        async def work() -> None:
            while (number := more()) is not None:
                await self.one(number)

        async with trio.open_nursery() as nursery:
            for _ in range(workers):
                nursery.start_soon(work)

    async def one(self, number: int) -> Result:
        """Do one generation and judge it."""
        plan = plan_of(self.seed, number, self.routes)
        result = Result()
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        with trio.move_on_after(_PATIENCE) as patience:
            try:
                await self._generate(plan, result)
            except Exception as error:  # noqa: BLE001 - one that no caller may see: `judge` says so
                result.error = error.with_traceback(None)
        self.busy -= 1
        self._count(plan, result)
        await trio.lowlevel.checkpoint()
        found = ["hung"] if patience.cancelled_caught else judge(plan, result, exact_silence=self.virtual)
        self.complaints.extend((number, f"{words}; {plan}") for words in found)
        return result

    def _count(self, plan: Plan, result: Result) -> None:
        self.done += 1
        self.outcomes[result.kind] += 1
        self.troubles[_trouble(plan)] += 1
        self.retries += sum(isinstance(wait, RetryWait) for wait in result.waits)
        self.queued += any(isinstance(wait, QueueWait) for wait in result.waits)

    async def _generate(self, plan: Plan, result: Result) -> None:
        """Everything that a caller does, with the errors that a caller expects."""
        async with self.clients.client_of(plan) as client:
            deadline = plan.leaving.at * self.pace if isinstance(plan.leaving, Cancel) else float("inf")
            with trio.move_on_after(deadline) as scope:
                try:
                    await (self._take_whole if plan.whole else self._take_chunks)(client, plan, result)
                except (NovelAIError, LoopError) as error:
                    result.error = error.with_traceback(None)
            result.cancelled = scope.cancelled_caught

    async def _take_whole(self, client: NovelAI, plan: Plan, result: Result) -> None:
        result.chunks.extend(await client.image.generate(plan.params, stream=plan.framing, on_wait=result.waits.append))

    async def _take_chunks(self, client: NovelAI, plan: Plan, result: Result) -> None:
        assert plan.framing in {"sse", "msgpack"}
        kind = "sse" if plan.framing == "sse" else "msgpack"
        async with client.image.generate_stream(plan.params, stream=kind, on_wait=result.waits.append) as stream:
            with self._counted(plan):
                await self._read(stream, plan, result)

    async def _read(self, stream: ImageStream, plan: Plan, result: Result) -> None:
        async for chunk in stream:
            result.chunks.append(chunk)
            if self._leaves(plan, result):
                return
            if plan.pause:
                await trio.sleep(plan.pause * self.pace)

    def _leaves(self, plan: Plan, result: Result) -> bool:
        leaving = plan.leaving
        if not isinstance(leaving, Leave) or len(result.chunks) != leaving.at + 1:
            return False
        if leaving.how == "error":
            raise LoopError
        result.left = True
        return True

    @contextmanager
    def _counted(self, plan: Plan) -> Iterator[None]:
        key = (plan.client, plan.which)
        self.streams += 1
        self.peak_streams = max(self.peak_streams, self.streams)
        self._of_key[key] += 1
        if plan.client == "queued" and self._of_key[key] > 1:
            self.complaints.append((plan.number, f"{self._of_key[key]} generations of one key at once"))
        try:
            yield
        finally:
            self.streams -= 1
            self._of_key[key] -= 1


def _trouble(plan: Plan) -> str:
    for trouble in (plan.network, plan.fault):
        if trouble is not None:
            return type(trouble).__name__
    if plan.refusals:
        return "Refuse"
    return "queue" if plan.client == "queued" else "none"
