"""Progress bars on a terminal, drawn by rich.

The service sends N-1 previews for N steps; the picture itself fills the bar. rich's own redirection of stdout stays
off: it would send the results, which are for stdout, to stderr.

A terminal that is gone (a window closed, a connection lost) does not end a generation that may cost something: what is
drawn on it then is drawn nowhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import IO, TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from nai_trio.cli.display import Display, sigma_text
from nai_trio.cli.streams import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from nai_trio.cli.streams import Streams
    from nai_trio.protocol.chunks import IntermediateChunk

__all__ = ["BarDisplay", "can_draw"]

_LONGEST_LABEL = 28


class _Elapsed(ProgressColumn):
    """Seconds with tenths: a generation takes a few of them."""

    def render(self, task: Task) -> Text:
        seconds = task.finished_time if task.finished else task.elapsed
        return Text(f"{seconds or 0:5.1f} s", style="progress.elapsed", no_wrap=True)


class BarDisplay(Display):
    """A bar per sample.

    Args:
        streams: cleans what notices say.
        labels: what to call each sample.
        steps: how many steps are taken.
        done: what to say of a picture that came.
    """

    def __init__(self, streams: Streams, *, labels: Sequence[str], steps: int, done: str = "saved") -> None:
        self._streams = streams
        self._done = done
        self._steps = steps
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=30, complete_style="magenta", finished_style="green", pulse_style="magenta"),
            TextColumn("{task.fields[step]}", markup=False),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            _Elapsed(),
            console=_console(),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks = [
            self._progress.add_task(_short(label), total=None, step=self._step_text(0), detail=_detail("waiting"))
            for label in labels
        ]

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Draw for the last time; a bar that is not full stays as far as it came."""
        for task in self._progress.tasks:
            if not task.finished:
                self._progress.update(task.id, total=self._steps, detail=_detail("stopped"))
                self._progress.stop_task(task.id)
        self._progress.stop()

    def abandon(self) -> None:
        """Show the cursor again, below the bars."""
        with contextlib.suppress(OSError, AttributeError, ValueError):
            os.write(sys.stderr.fileno(), b"\x1b[?25h\n")

    def step(self, chunk: IntermediateChunk) -> None:
        """Move the sample's bar."""
        done = min(chunk.step_ix + 1, self._steps - 1)
        self._progress.update(
            self._tasks[chunk.samp_ix],
            total=self._steps,
            completed=done,
            step=self._step_text(done),
            detail=_detail(f"sigma {sigma_text(chunk.sigma)}"),
        )

    def done(self, samp_ix: int) -> None:
        """Fill the sample's bar."""
        self._progress.update(
            self._tasks[samp_ix],
            total=self._steps,
            completed=self._steps,
            step=self._step_text(self._steps),
            detail=_detail(self._done),
        )

    def notice(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(f"nai-trio: {self._streams.clean(text)}", markup=False, highlight=False)

    def _step_text(self, done: int) -> str:
        return f"step {done:{len(str(self._steps))}}/{self._steps}"


def can_draw() -> bool:
    """Whether the terminal behind stderr can redraw lines."""
    return not _console().is_dumb_terminal


class _Unfailing:
    """stderr, where nothing that is written fails."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _console() -> Console:
    return Console(file=cast("IO[str]", _Unfailing(sys.stderr)))


def _detail(text: str) -> str:
    """Of one width, so that the columns do not dance."""
    return f"{text:11}"


def _short(label: str) -> str:
    label = one_line(label)
    return label if len(label) <= _LONGEST_LABEL else f"...{label[3 - _LONGEST_LABEL :]}"
