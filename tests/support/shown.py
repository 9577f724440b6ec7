"""Everything of an error that some formatter might show: its texts, its attributes, and the locals of our frames."""

from __future__ import annotations

import traceback
from pathlib import Path


def shown(error: BaseException) -> str:
    """The error, its causes and contexts, and the locals of every frame that is not the test's own."""
    texts: list[str] = []
    _collect(error, texts, set())
    return "\n".join(texts)


def _collect(error: BaseException | None, texts: list[str], seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    texts += [str(error), repr(error), repr(vars(error)), *getattr(error, "__notes__", ())]
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    own_tests = str(Path(__file__).parents[1])
    for frame in frames:
        if not frame.filename.startswith(own_tests):
            texts += [f"{name}={value}" for name, value in (frame.locals or {}).items()]
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        _collect(other, texts, seen)
