"""Encoded vibes, kept, because each costs Anlas: in memory, and in a folder where one is given.

Rules:

- Nothing paid is lost. An encoding is in memory before anything else is done with it; if the folder cannot be written,
  a `VibeCacheWarning` says so and the vibe is returned all the same. What a cancellation kept from being written is
  written when it is next asked for.
- Two tasks that want the same encoding pay once: one lock per encoding, held while the service is asked. If the first
  is cancelled or fails, the next one asks by itself. What failed is not kept.
- A file is written whole or not at all (a temporary file that is renamed), so that several programs may share a
  folder. It holds its key and a checksum. One that is damaged, or is something else, is never used: it is set aside
  (".damaged" behind its name, in place of an earlier one) with a warning, and the picture is encoded anew.

Names of files are made of a hash, a name from the model table, and a number; nothing of the user's is in them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import trio

from nai_trio.errors import InvalidParamsError
from nai_trio.params.vibes import EncodedVibe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["VibeCache", "VibeCacheWarning"]

_FORMAT: Final = "nai-trio encoded vibe"
_VERSION: Final = 1
_MAX_FILE_SIZE: Final = 64 * 1024 * 1024


class VibeCacheWarning(UserWarning):
    """The folder of a `VibeCache` could not be written, or a file in it not be used."""


def _name_part(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.-]+", value):
        allowed = "letters, digits, dots and hyphens: it is part of a file's name"
        raise InvalidParamsError.for_field(attribute.name, value, allowed)


@attrs.frozen
class _Key:
    image_id: str = attrs.field(validator=_name_part)
    encoding: str = attrs.field(validator=_name_part)
    information_extracted: float

    @property
    def file_name(self) -> str:
        return f"{self.image_id}-{self.encoding}-{self.information_extracted!r}.vibe.json"


class VibeCache:
    """Keeps encoded vibes by picture, encoding and share of information extracted.

    `NovelAI(vibe_cache="folder")` makes one; make it yourself to share it between clients of one `trio.run`.

    Args:
        folder: where to keep them from one run of the program to the next; None keeps them in memory only. It is made
            when it is first needed.
        max_in_memory: how many to hold in memory, 1 or more; the one used longest ago goes first. One is about 50 kB.

    Raises:
        InvalidParamsError: an argument has a wrong type or value.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, max_in_memory: int = 1000) -> None:
        if folder is not None and not _is_path(folder):
            raise InvalidParamsError.for_field("folder", folder, "the path of a folder, or None")
        if not isinstance(max_in_memory, int) or isinstance(max_in_memory, bool) or max_in_memory < 1:
            raise InvalidParamsError.for_field("max_in_memory", max_in_memory, "an integer of at least 1")
        self._folder = None if folder is None else Path(folder)
        self._max_in_memory = max_in_memory
        self._vibes: OrderedDict[_Key, EncodedVibe] = OrderedDict()
        self._unwritten: set[_Key] = set()
        self._encoding: dict[_Key, trio.Lock] = {}

    async def get_or_encode(
        self, encode: Callable[[], Awaitable[bytes]], *, image_id: str, encoding: str, information_extracted: float
    ) -> EncodedVibe:
        """An encoding: the kept one, or what `encode` brings, which is kept then.

        Args:
            encode: asks the service; whatever it raises is raised here, and nothing is kept.
            image_id: the SHA-256 of the picture's bytes in hexadecimal.
            encoding: `ModelInfo.vibe_encoding`.
            information_extracted: 0.01 to 1.

        Raises:
            InvalidParamsError: `image_id` or `encoding` cannot be part of a file's name.
        """
        key = _Key(image_id, encoding, float(information_extracted))
        lock = self._encoding.setdefault(key, trio.Lock())
        try:
            async with lock:
                vibe = self._recall(key) or await self._load(key)
                if vibe is None:
                    vibe = EncodedVibe(token=await encode(), **attrs.asdict(key))
                    self._remember(key, vibe)
                    self._unwritten.add(key)
                if key in self._unwritten:
                    await self._keep(key, vibe)
                return vibe
        finally:
            # By now it is the next one's, if anyone waited; or, where this task was cancelled before it had it, gone.
            if not lock.locked() and self._encoding.get(key) is lock:
                del self._encoding[key]

    def _recall(self, key: _Key) -> EncodedVibe | None:
        if key in self._vibes:
            self._vibes.move_to_end(key)
        return self._vibes.get(key)

    def _remember(self, key: _Key, vibe: EncodedVibe) -> None:
        self._vibes[key] = vibe
        if len(self._vibes) > self._max_in_memory:
            oldest, _ = self._vibes.popitem(last=False)
            self._unwritten.discard(oldest)

    async def _keep(self, key: _Key, vibe: EncodedVibe) -> None:
        """Write it to the folder; one that cannot be written is not tried again."""
        try:
            if self._folder is not None:
                await trio.to_thread.run_sync(_write, self._folder, key, vibe.token, abandon_on_cancel=True)
        except OSError as error:
            self._unwritten.discard(key)
            _warn(f"an encoded vibe could not be kept in {str(self._folder)!r}: {error}")
        else:
            self._unwritten.discard(key)

    async def _load(self, key: _Key) -> EncodedVibe | None:
        if self._folder is None:
            return None
        path = self._folder / key.file_name
        try:
            token = await trio.to_thread.run_sync(_read, path, key, abandon_on_cancel=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            _warn(f"{str(path)!r} cannot be used: {error}")
            return None
        except ValueError as error:
            _warn(f"{str(path)!r} is not used and was set aside: {error}")
            return None
        vibe = EncodedVibe(token=token, **attrs.asdict(key))
        self._remember(key, vibe)
        return vibe

    def __repr__(self) -> str:
        where = "memory alone" if self._folder is None else repr(str(self._folder))
        return f"<VibeCache in {where}, {len(self._vibes)} in memory>"


def _warn(message: str) -> None:
    warnings.warn(message, VibeCacheWarning, stacklevel=2)


def _is_path(value: object) -> bool:
    """Whether the system can take it as a path: found out here, not when something that was paid for is to be kept."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or not path:
        return False
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _write(folder: Path, key: _Key, token: bytes) -> None:
    """Write a file whole or not at all, with the permissions that the user's files have."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("x", encoding="ascii") as file:
            file.write(_to_text(key, token))
            file.flush()
            os.fsync(file.fileno())  # else a power cut can leave the new name on an empty file
        temporary.replace(folder / key.file_name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path, key: _Key) -> bytes:
    """A file's token.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is not the file that `_write` wrote; it was set aside.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait
        raise OSError("it is no file")
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_SIZE + 1)
    try:
        return _from_text(key, content)
    except ValueError:
        path.replace(path.with_name(f"{path.name}.damaged"))
        raise


def _to_text(key: _Key, token: bytes) -> str:
    fields = {
        "format": _FORMAT,
        "version": _VERSION,
        **attrs.asdict(key),
        "sha256": hashlib.sha256(token).hexdigest(),
        "token": base64.b64encode(token).decode("ascii"),
    }
    return json.dumps(fields, indent=1)


def _from_text(key: _Key, content: bytes) -> bytes:
    if len(content) > _MAX_FILE_SIZE:
        raise ValueError(f"it has more than {_MAX_FILE_SIZE} bytes")
    try:
        fields = json.loads(content)
        token = base64.b64decode(fields["token"], validate=True)
        same = json.loads(_to_text(key, token)) == fields
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise ValueError(f"it holds no encoded vibe ({type(error).__name__})") from error
    if not same or not token:
        raise ValueError("what it holds is damaged, or belongs to another picture")
    return token
