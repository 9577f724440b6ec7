"""Bytes and paths of any kind: what cannot be read is refused in words, and nothing waits for what never comes."""

from __future__ import annotations

import os
import pathlib
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from drawn import drawing, encoded

from nai_trio.errors import InvalidParamsError
from nai_trio.params import ImageParams, read_vibes
from nai_trio.pictures import ImageSource, files

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = encoded(drawing((40, 30)))
READERS = {"image": ImageSource.of, "picture": ImageParams.from_png, "source": read_vibes}
"""Everything that takes bytes or a path, by the name that its errors have for it."""


def refused(read: Callable[[object], object], value: object) -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        read(value)
    return caught.value


def fifo(folder: pathlib.Path) -> pathlib.Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder: pathlib.Path) -> pathlib.Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def unix_socket(folder: pathlib.Path) -> pathlib.Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket"))
    return folder / "socket"


@pytest.mark.parametrize("field", READERS)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (fifo, "not a regular file"),
        (lambda _folder: "/dev/zero", "not a regular file"),
        (lambda folder: folder, "Is a directory"),
        (loop, "Too many levels of symbolic links"),
        (unix_socket, "No such device or address"),
        (lambda folder: folder / "missing", "No such file or directory"),
        (lambda folder: folder / ("long" * 100), "File name too long"),
        (lambda _folder: "a\0b", "embedded null byte"),
        (lambda _folder: "", "No such file or directory"),
    ],
)
def test_a_path_to_no_regular_file_is_refused_at_once(
    field: str, make: Callable[[pathlib.Path], object], reason: str, tmp_path: pathlib.Path
) -> None:
    path = make(tmp_path)
    error = refused(READERS[field], path)
    assert error.field == field
    assert f"which cannot be read ({reason}" in str(error)


class Path:
    """A path-like that gives what it is told to."""

    def __init__(self, given: object) -> None:
        self.given = given

    def __fspath__(self) -> object:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


@pytest.mark.parametrize("field", READERS)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (RuntimeError("gone"), "got a Path that gives no path (RuntimeError: gone)"),
        (5, "got a Path that gives no path (TypeError: "),
        (None, "got a Path that gives no path (TypeError: "),
    ],
)
def test_a_path_like_that_gives_no_path_is_refused(field: str, given: object, words: str) -> None:
    error = refused(READERS[field], Path(given))
    assert error.field == field
    assert words in str(error)


def test_a_path_like_may_give_bytes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / os.fsdecode(b"p\xff.png")
    path.write_bytes(PNG)
    source = ImageSource.of(Path(os.fsencode(path)))
    assert source.read() == PNG
    assert source == ImageSource.of(path)
    assert "\\udcff" in repr(source)


def test_a_link_to_a_file_is_followed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "picture.png").write_bytes(PNG)
    (tmp_path / "link").symlink_to(tmp_path / "picture.png")
    assert ImageSource.of(tmp_path / "link").read() == PNG


def test_a_released_memoryview_is_refused() -> None:
    view = memoryview(bytearray(PNG))
    view.release()
    for field, read in READERS.items():
        error = refused(read, view)
        assert error.field == field
        assert "got a memoryview that cannot be read (operation forbidden" in str(error)


def test_bytes_of_a_subclass_and_views_of_other_shapes_become_plain_bytes() -> None:
    class Bytes(bytes):
        def __bytes__(self) -> bytes:
            return b"something else"

    padded = PNG.ljust(-(-len(PNG) // 4) * 4, b"\0")
    for value in (Bytes(PNG), memoryview(PNG + PNG)[: len(PNG)]):
        assert type(ImageSource.of(value).read()) is bytes
        assert ImageSource.of(value).read() == PNG
    assert ImageSource.of(memoryview(padded).cast("I")).read() == padded
    assert ImageSource.of(memoryview(PNG[::-1])[::-1]).read() == PNG


def test_plain_bytes_are_not_copied() -> None:
    assert ImageSource.of(PNG).read() is PNG


def test_a_file_that_fails_while_it_is_read_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    source = ImageSource.of(path)

    class Failing:
        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_info: object) -> None: ...

        def read(self, _count: int) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "opened", lambda _path: Failing())
    for read in (source.read, lambda: ImageSource.of(path)):
        with pytest.raises(InvalidParamsError, match=r"cannot be read \(Input/output error\)"):
            read()


def test_what_is_refused_is_closed(tmp_path: pathlib.Path) -> None:
    def descriptors() -> int:
        return len(list(pathlib.Path("/proc/self/fd").iterdir()))

    path, before = fifo(tmp_path), descriptors()
    for _ in range(20):
        refused(ImageSource.of, path)
    assert descriptors() == before
    assert stat.S_ISFIFO(path.stat().st_mode)
