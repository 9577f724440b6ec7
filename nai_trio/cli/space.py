"""Whether the disk has room for what a generation will bring, asked before it costs anything.

What is wanted is the most that can come, not what usually does: to refuse costs a line of text, and a disk that fills
in the middle costs a picture. Nothing is reserved, so the disk can still fill; then `Album` does what can be done.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from nai_trio.cli.exit_codes import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nai_trio.cli.files import Targets
    from nai_trio.cli.job import Job

__all__ = ["check_space", "wanted_space"]

_PICTURE: Final = 4
"""Bytes per pixel of a picture: red, green, blue and alpha, not compressed at all."""

_PREVIEW: Final = 1
"""Bytes per pixel of a preview; the service's JPEGs have a tenth of it."""

_MARGIN: Final = 64 * 1024
"""Bytes besides, for metadata, and of a vibe's file."""


def wanted_space(job: Job, targets: Targets) -> list[tuple[Path, int]]:
    """The folders that a generation writes into, and how many bytes at most into each."""
    params = job.params
    pixels = params.width * params.height
    pictures = params.n_samples * (_PICTURE * pixels + _MARGIN)
    previews = params.n_samples * params.steps_taken * _PREVIEW * pixels
    wanted = [(targets.output.parent, pictures)]
    if targets.previews is not None:
        wanted.append((targets.previews, previews))
    if job.service.record is not None:
        sent = _PICTURE * pixels if params.has_pictures else 0
        wanted.append((job.service.record.parent, (pictures + previews + sent) * 4 // 3))  # in base64
    if job.service.vibe_cache is not None and params.controlnet is not None:
        wanted.append((job.service.vibe_cache, _MARGIN * len(params.controlnet.images)))
    return wanted


def check_space(wanted: Iterable[tuple[Path, int]]) -> None:
    """Make sure that there is room; folders on one file system share its room.

    Raises:
        OutputError: there is too little; says how much is wanted and how much there is.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in wanted:
        device = folder.stat().st_dev
        first, sum_before = disks.get(device, (folder, 0))
        disks[device] = first, sum_before + size
    for folder, size in disks.values():
        free = _free(folder)
        if free is not None and free < size:
            raise OutputError(f"not enough room in {folder}: up to {_megabytes(size)} wanted, {_megabytes(free)} free")


def _free(folder: Path) -> int | None:
    """Bytes that this user may still fill; None where the file system does not say."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
