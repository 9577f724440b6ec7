"""Chunks as records for `--json`: everything but the picture's bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nai_trio.protocol.chunks import Chunk, FinalChunk, IntermediateChunk, RetryChunk

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["chunk_record"]

_LONGEST = 1000
"""Characters of a text member; longer ones are most likely a picture in base64."""


def chunk_record(chunk: Chunk, path: Path | None, *, seed: int = 0) -> dict[str, Any]:
    """The record of one chunk.

    Args:
        chunk: the chunk.
        path: where its picture was written, or None.
        seed: the first sample's, for a picture that does not tell its own; sample i has seed + i.
    """
    known: dict[str, Any]
    match chunk:
        case IntermediateChunk():
            known = {
                "step_ix": chunk.step_ix,
                "steps": chunk.steps,
                "sigma": chunk.sigma,
                "gen_id": chunk.gen_id,
                "progress": round(chunk.progress, 6),
            }
        case FinalChunk():
            made_from = (seed + chunk.samp_ix) % 2**32 if chunk.seed is None else chunk.seed
            known = {"gen_id": chunk.gen_id, "progress": 1.0, "seed": made_from}
        case RetryChunk():
            return {"event_type": chunk.event_type, "message": chunk.message, **_extra(chunk.extra)}
        case _:
            return {"event_type": chunk.event_type, "fields": _plain(chunk.fields)}
    return {
        "event_type": chunk.event_type,
        "samp_ix": chunk.samp_ix,
        **known,
        "image_format": chunk.image_format,
        "bytes": len(chunk.image),
        "path": None if path is None else str(path),
        **_extra(chunk.extra),
    }


def _extra(members: Mapping[str, object]) -> dict[str, Any]:
    return {"extra": _plain(members)} if members else {}


def _plain(value: object) -> Any:
    """A value of a member that this version does not know, as JSON can have it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"<{len(value)} characters>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else repr(value)
