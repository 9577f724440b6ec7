"""What `--estimate` prints: the cost before it is spent, its parts, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nai_trio.cli.streams import Streams
    from nai_trio.params import ImageParams

__all__ = ["print_estimate"]


def print_estimate(params: ImageParams, streams: Streams, *, opus: bool, json_lines: bool) -> None:
    """Print the estimate on stdout, as text or as one JSON line.

    Args:
        params: the request.
        streams: where it goes.
        opus: whether the account has Opus.
        json_lines: whether it shall be JSON.
    """
    if json_lines:
        streams.record(_record(params, opus=opus))
        return
    estimate = params.estimate_anlas(opus=opus)
    streams.text(f"{estimate} Anlas: {estimate.breakdown}")
    for caveat in estimate.caveats:
        streams.text(f"  caveat: {caveat}")


def _record(params: ImageParams, *, opus: bool) -> dict[str, Any]:
    estimate = params.estimate_anlas(opus=opus)
    return {
        "anlas": int(estimate),
        "opus": opus,
        "n_samples": params.n_samples,
        "per_picture": estimate.per_picture,
        "free_pictures": estimate.free_pictures,
        "vibe_encoding": estimate.vibe_encoding,
        "extra_vibes": estimate.extra_vibes,
        "references": estimate.references,
        "caveats": list(estimate.caveats),
    }
