"""`ImageSource`: a picture as the user has it, known by its header, read when it is needed.

Bytes and files are looked at, not decoded: what they are and how large is told by their first bytes. A file's beginning
is read when the source is made, so that a wrong path shows at once, and all of it whenever `read` is called. Blocking
file reading is done in the calling thread; the client calls it in a worker thread.

Bounds: 64 MiB and 67,108,864 pixels, by the header, before anything is decoded. A PNG of a few kilobytes can claim
pixels by the billion.

A Pillow image is the caller's own: it is never changed, and drawn as it is when the request is built, an animated one
by its frame of that moment.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias, TypeGuard

import attrs

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.decoding import Undecodable, decoding, in_plain_mode
from nai_trio.pictures.files import Unreadable, bytes_of, opened, path_of, read_up_to, size_of
from nai_trio.pictures.header import MAX_PIXELS, CutHeader, PictureHeader, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

__all__ = ["MAX_BYTES", "MAX_PIXELS", "ImageInput", "ImageSource", "to_source"]

MAX_BYTES: Final = 64 * 1024 * 1024
_HEAD_SIZE: Final = 1024 * 1024
"""Enough for most pictures; some cameras store megabytes before the size of a JPEG, and then all of it is read."""

_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Pillow's modes that a PNG can have."""

_NO_RANGE: Final = frozenset({"I", "F"})
"""Pillow's modes whose values have no black and white: 0 to 1, 0 to 255 or anything else."""

_EXPECTED: Final = "a PNG, JPEG or WebP picture (bytes, a path, or a Pillow image)"


@attrs.frozen(repr=False, kw_only=True)
class ImageSource:
    """A picture to send: bytes, a file, or a Pillow image. Made by `of`.

    Sources are equal when they hold equal bytes, name the same path, or hold the same Pillow image.

    Attributes:
        header: its format and size, as they were when the source was made; "png" for a Pillow image.
    """

    header: PictureHeader
    _data: bytes | None = None
    _path: str | None = None
    _image: Any = attrs.field(default=None, eq=id)

    @classmethod
    def of(cls, value: ImageInput, field: str = "image") -> ImageSource:
        """Take a picture in any of the forms that `ImageInput` names.

        Args:
            value: the picture's bytes, a path to its file, or a Pillow image.
            field: what errors call it.

        Raises:
            InvalidParamsError: it is none of them, cannot be read, is no PNG, JPEG or WebP, or is too large.
        """
        if isinstance(value, ImageSource):
            return value
        if _is_pillow_image(value):
            return cls(header=_pillow_header(value, field), image=value)
        with _naming(field):
            if isinstance(value, bytes | bytearray | memoryview):
                data = bytes_of(value)
                return cls(header=_checked_header(data, len(data), field), data=data)
            if isinstance(value, str | os.PathLike):
                path = path_of(value)
                return cls(header=_header_of_file(path, field), path=path)
        raise InvalidParamsError.for_field(field, value, _EXPECTED)

    @property
    def width(self) -> int:
        """Its width in pixels, as shown."""
        return self.header.width

    @property
    def height(self) -> int:
        """Its height in pixels, as shown."""
        return self.header.height

    @property
    def pillow_image(self) -> Image.Image | None:
        """The Pillow image that was given, or None."""
        image: Image.Image | None = self._image
        return image

    def read(self) -> bytes:
        """The picture's bytes as they are; a Pillow image as PNG.

        Raises:
            InvalidParamsError: the file can no longer be read, or holds no picture any more; the Pillow image was
                closed, or cannot be loaded.
        """
        if self._data is not None:
            return self._data
        if self._path is not None:
            with _naming("image"):
                data = read_up_to(self._path, MAX_BYTES + 1)
            _checked_header(data, len(data), "image")
            return data
        return self._drawn()

    def _drawn(self) -> bytes:
        buffer = io.BytesIO()
        try:
            with decoding():
                image = self._image if self._image.mode in _PNG_MODES else in_plain_mode(self._image)
                image.save(buffer, "PNG")
        except Undecodable as error:
            raise InvalidParamsError.for_field("image", self, f"a picture that can be saved ({error})") from error
        return buffer.getvalue()

    def stream(self) -> BinaryIO:
        """The picture's bytes as a file to read, closed by the caller; for bytes and files alone.

        Raises:
            InvalidParamsError: the file can no longer be read.
        """
        if self._path is None:
            return io.BytesIO(self.read())
        with _naming("image"):
            return opened(self._path)

    def __repr__(self) -> str:
        kind = "Pillow image" if self._image is not None else self.header.format
        where = f" {self._path!r}" if self._path is not None else ""
        return f"<{kind}{where} {self.width}x{self.height}>"


ImageInput: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | Image.Image | ImageSource"
"""A picture as a user has it: its bytes, the path of its file, or a Pillow image."""


def to_source(value: ImageInput) -> ImageSource:
    """A picture as a record's field `image` takes it; see `ImageSource.of`."""
    return ImageSource.of(value, "image")


def _checked_header(data: bytes, size: int, field: str) -> PictureHeader:
    if size > MAX_BYTES:
        raise InvalidParamsError.for_field(field, f"{size} bytes", f"a picture of at most {MAX_BYTES} bytes")
    try:
        header = read_header(data)
    except ValueError as error:
        raise _refused(field, str(error)) from None
    return _check_pixels(header, field)


def _check_pixels(header: PictureHeader, field: str) -> PictureHeader:
    if header.width * header.height > MAX_PIXELS:
        shown = f"{header.width}x{header.height}"
        raise InvalidParamsError.for_field(field, shown, f"a picture of at most {MAX_PIXELS} pixels")
    return header


def _refused(field: str, came: str) -> InvalidParamsError:
    """The error whose words are not a repr, because they describe bytes."""
    return InvalidParamsError.in_words(field, came, _EXPECTED, value=came)


@contextlib.contextmanager
def _naming(field: str) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise _refused(field, str(error)) from None


def _header_of_file(path: str, field: str) -> PictureHeader:
    head, size = read_up_to(path, _HEAD_SIZE), size_of(path)
    if len(head) < size <= MAX_BYTES and _is_cut(head):
        head = read_up_to(path, size)
    return _checked_header(head, size, field)


def _is_cut(head: bytes) -> bool:
    try:
        read_header(head)
    except ValueError as error:
        return isinstance(error, CutHeader)
    return False


def _is_pillow_image(value: object) -> TypeGuard[Image.Image]:
    pillow = sys.modules.get("PIL.Image")  # where it was not imported, no value can be an image of it
    return pillow is not None and isinstance(value, pillow.Image)


def _pillow_header(image: Image.Image, field: str) -> PictureHeader:
    if image.mode in _NO_RANGE:
        allowed = "a Pillow image whose mode says what is black and white: convert it to L or RGB"
        raise InvalidParamsError.for_field(field, f"mode {image.mode!r}", allowed)
    width, height = image.size
    if width < 1 or height < 1:
        raise InvalidParamsError.for_field(field, f"{width}x{height}", "a picture with at least one pixel")
    return _check_pixels(
        PictureHeader(format="png", width=width, height=height, has_alpha=image.has_transparency_data), field
    )
