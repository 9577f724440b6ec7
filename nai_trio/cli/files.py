"""Files: their names, whether they can be written, and writing them whole or not at all.

Everything is checked before the request is sent, because a picture that was paid for and cannot be stored is lost.

A file is made beside the one that it will be, synced, renamed, and its folder synced: so neither a crash nor a loss of
power leaves half a file under its name. Whatever ends this process, but for a signal that cannot be caught, the
temporary file goes too, also while a worker thread hangs in writing it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import click

from nai_trio.cli.exit_codes import OutputError

if TYPE_CHECKING:
    from nai_trio.protocol.chunks import FinalChunk, ImageFormat, IntermediateChunk

__all__ = ["SUFFIXES", "Targets", "check_folder", "check_tape", "remove_temporaries", "write_atomic"]

SUFFIXES: Final[dict[ImageFormat, str]] = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "unknown": ".bin"}
_IMAGE_SUFFIXES: Final = {".png", ".webp", ".jpg", ".jpeg", ".gif", ".bmp", ".avif"}
"""Endings that stand for a format and give way to the real one; any other, as in "v1.5", is part of the name."""

_temporaries: Final[set[Path]] = set()
"""Files that are being written now."""


@attrs.frozen(kw_only=True)
class Targets:
    """Where a generation's files go.

    Attributes:
        output: the path the user gave.
        samples: how many pictures there will be; from two on, each gets its number.
        expected: the format that was asked for.
        previews: the folder for every preview, or None.
    """

    output: Path
    samples: int
    expected: ImageFormat
    previews: Path | None

    def final(self, samp_ix: int, image_format: ImageFormat) -> Path:
        """The picture of a sample, e.g. out.png, or out_0.png among several."""
        return self._named(samp_ix, SUFFIXES[image_format])

    def kept(self, samp_ix: int, image_format: ImageFormat) -> Path:
        """The last preview of a sample without a picture, e.g. out.preview.jpg."""
        return self._named(samp_ix, ".preview" + SUFFIXES[image_format])

    @property
    def files(self) -> list[Path]:
        """What is written, if all is as it was asked for: for each sample one of two."""
        pairs = ((self.final(samp_ix, self.expected), self.kept(samp_ix, "jpeg")) for samp_ix in range(self.samples))
        return [path for pair in pairs for path in pair]

    def preview(self, chunk: IntermediateChunk) -> Path | None:
        """One preview of many, e.g. s00_012.jpg; None where they are not asked for."""
        if self.previews is None:
            return None
        return self.previews / f"s{chunk.samp_ix:02d}_{chunk.step_ix:03d}{SUFFIXES[chunk.image_format]}"

    def renamed(self, chunk: FinalChunk) -> str | None:
        """What to say when a picture's name does not end as the user wrote it; None when it does."""
        written = self.output.suffix.lower()
        real = SUFFIXES[chunk.image_format]
        if written == real or (written not in _IMAGE_SUFFIXES and chunk.image_format == self.expected):
            return None
        return f"{self.final(chunk.samp_ix, chunk.image_format).name}: named so because the picture is {real[1:]}"

    def check(self) -> None:
        """Make sure that all of it can be written; the previews' folder is made if only it itself is missing.

        Raises:
            OutputError: it cannot.
        """
        check_folder(self.output.parent)
        for path in self.files:
            _check_target(path)
        if self.previews is not None:
            check_folder(self.previews, make=True)

    def _named(self, samp_ix: int, ending: str) -> Path:
        stem = self.output.stem if self.output.suffix.lower() in _IMAGE_SUFFIXES else self.output.name
        number = f"_{samp_ix}" if self.samples > 1 else ""
        return self.output.with_name(f"{stem}{number}{ending}")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that whoever looks sees the old one or the whole new one, also after a crash.

    A symbolic link is followed, not replaced.

    Raises:
        OutputError: it cannot be written; nothing is left of the attempt.
    """
    try:
        target = Path(os.path.realpath(path))
        temporary, descriptor = _create_beside(target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            _remove(temporary)
        _sync_folder(target.parent)
    except OSError as error:
        raise _cannot("write", path, error) from error


@atexit.register
def remove_temporaries() -> None:
    """Remove what is being written now; for when the process ends and a thread still writes."""
    for temporary in tuple(_temporaries):
        _remove(temporary)


def _create_beside(folder: Path) -> tuple[Path, int]:
    # Not tempfile: it makes files that only their owner can read, and the picture keeps the mode.
    temporary = folder / f".nai-trio-{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    _temporaries.add(temporary)
    try:
        return temporary, os.open(temporary, flags, 0o666)
    except BaseException:
        _remove(temporary)
        raise


def _remove(temporary: Path) -> None:
    """Remove a temporary file, unless it has its name by now."""
    with contextlib.suppress(OSError):
        temporary.unlink()
    _temporaries.discard(temporary)


def _sync_folder(folder: Path) -> None:
    """Have the new name survive a loss of power, where the system can; the file itself is safe already."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_target(path: Path) -> None:
    """As `_check_file`, and where the path is a symbolic link, that a file can be made where it leads."""
    _check_file(path)
    if path.is_symlink():
        check_folder(Path(os.path.realpath(path)).parent)


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:  # a name that is too long, links in a circle
        raise _cannot("write", path, error) from error
    if not stat.S_ISREG(mode):
        raise OutputError(f"cannot write {path}: it exists and is not a file")
    if not os.access(path, os.W_OK):
        raise OutputError(f"cannot write {path}: it exists and is write-protected")


def check_folder(folder: Path, *, make: bool = False) -> None:
    """Make sure that files can be made in a folder.

    Only an attempt tells: permissions, read-only mounts and quotas are all asked at once.

    Args:
        folder: the folder.
        make: make it if only it itself is missing.

    Raises:
        OutputError: they cannot.
    """
    if make:
        _make_folder(folder)
    if not folder.is_dir():
        raise OutputError(f"no such folder: {folder}")
    try:
        temporary, descriptor = _create_beside(folder)
        os.close(descriptor)
        _remove(temporary)
    except OSError as error:
        raise _cannot("write into", folder, error) from error


def check_tape(path: Path | None, *, force: bool) -> None:
    """Make sure that a tape can be made; what is on one is never lost by accident.

    Args:
        path: where; None for no tape.
        force: whether it may replace one.

    Raises:
        click.UsageError: there is one already, or `force` is for nothing.
        OutputError: it cannot be made.
    """
    if path is None:
        if force:
            raise click.UsageError("--force needs --record")
        return
    if os.path.lexists(path) and not force:
        raise click.UsageError(f"--record: {path} is there already; --force replaces it")
    check_folder(path.parent)
    _check_target(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _cannot("make the folder", folder, error) from error


def _cannot(what: str, path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot {what} {path}: {(error.strerror or str(error)).lower()}")
