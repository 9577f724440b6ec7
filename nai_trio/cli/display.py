"""What the user sees while the pictures form: on a terminal a bar per sample, elsewhere a few plain lines, or nothing.

All of it goes to stderr, so that stdout can be read by a program.
"""

from __future__ import annotations

import abc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from nai_trio.cli.streams import Streams
    from nai_trio.protocol.chunks import IntermediateChunk

__all__ = ["Display", "open_display", "sigma_text"]


class Display(abc.ABC):
    """Shows a generation; a context manager, so that the terminal is left as it was found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - most displays have nothing to put back
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Put the terminal back."""

    def abandon(self) -> None:  # noqa: B027 - as above
        """Put back at once what a terminal cannot do without; from a signal handler, before the process ends."""

    @abc.abstractmethod
    def step(self, chunk: IntermediateChunk) -> None:
        """A preview came."""

    @abc.abstractmethod
    def done(self, samp_ix: int) -> None:
        """A sample's picture is written."""

    @abc.abstractmethod
    def notice(self, text: str) -> None:
        """Something the user should know, in between."""


class QuietDisplay(Display):
    """Shows notices alone; for `--json`, whose lines are the progress."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def step(self, chunk: IntermediateChunk) -> None:
        """Nothing: the JSON line says it."""

    def done(self, samp_ix: int) -> None:
        """Nothing: the JSON line says it."""

    def notice(self, text: str) -> None:
        """One line."""
        self._streams.note(text)


class PlainDisplay(QuietDisplay):
    """A line per quarter of the steps: enough to follow a log, too little to flood it."""

    def __init__(self, streams: Streams, *, labels: Sequence[str], steps: int) -> None:
        super().__init__(streams)
        self._labels = labels
        self._steps = steps
        self._quarters = [0] * len(labels)

    def step(self, chunk: IntermediateChunk) -> None:
        """A line when the sample enters another quarter."""
        quarter = 4 * (chunk.step_ix + 1) // self._steps
        if quarter > self._quarters[chunk.samp_ix]:
            self._quarters[chunk.samp_ix] = quarter
            label = self._labels[chunk.samp_ix]
            self._streams.note(f"{label}: step {chunk.step_ix + 1}/{self._steps}, sigma {sigma_text(chunk.sigma)}")


def open_display(
    streams: Streams, *, labels: Sequence[str], steps: int, json_lines: bool, done: str = "saved"
) -> Display:
    """The display that fits where stderr goes.

    Args:
        streams: for the plain ones.
        labels: what to call each sample.
        steps: how many steps were asked for.
        json_lines: whether stdout gets JSON lines.
        done: what a bar says of a picture that came.
    """
    terminal = _is_terminal(sys.stderr)
    if json_lines and (not terminal or _is_terminal(sys.stdout)):  # on one terminal, lines would tear the bars
        return QuietDisplay(streams)
    if terminal:
        from nai_trio.cli.bars import BarDisplay, can_draw  # noqa: PLC0415 - rich takes long to load

        if can_draw():
            return BarDisplay(streams, labels=labels, steps=steps, done=done)
    return PlainDisplay(streams, labels=labels, steps=steps)


def sigma_text(sigma: float) -> str:
    """A noise level as people read it: 20000, 113.9, 0.3121."""
    return f"{sigma:.0f}" if sigma >= 1000 else f"{sigma:.4g}"


def _is_terminal(file: object) -> bool:
    isatty = getattr(file, "isatty", None)
    return isatty is not None and bool(isatty())
