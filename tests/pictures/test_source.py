"""A picture in any form that a user has it in."""

from __future__ import annotations

import os
import pathlib
import struct
import subprocess
import sys

import pytest
from drawn import decoded, drawing, encoded
from PIL import Image

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures import ImageSource
from nai_trio.pictures.source import MAX_BYTES, MAX_PIXELS

PNG = encoded(drawing((40, 30)))


def refused(value: object, field: str = "image") -> InvalidParamsError:
    with pytest.raises(InvalidParamsError) as caught:
        ImageSource.of(value, field)
    assert caught.value.field == field
    return caught.value


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind(kind: type) -> None:
    source = ImageSource.of(kind(PNG))
    assert source.read() == PNG
    assert source.header.size == (source.width, source.height) == (40, 30)


def test_bytes_that_change_afterwards_do_not_change_the_source() -> None:
    given = bytearray(PNG)
    source = ImageSource.of(given)
    given[:] = bytes(len(given))
    assert source.read() == PNG


@pytest.mark.parametrize("kind", [str, pathlib.Path, os.fspath])
def test_paths_of_every_kind(kind: type, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(PNG)
    source = ImageSource.of(kind(path))
    assert source.header.size == (40, 30)
    assert source.read() == PNG
    assert repr(source) == f"<png {str(path)!r} 40x30>"


def test_a_file_is_read_anew_each_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    source = ImageSource.of(path)
    other = encoded(drawing((8, 8)))
    path.write_bytes(other)
    assert source.read() == other
    path.write_bytes(b"no picture any more")
    with pytest.raises(InvalidParamsError, match="got bytes that begin with b'no picture a'"):
        source.read()
    path.unlink()
    with pytest.raises(InvalidParamsError, match="cannot be read"):
        source.read()


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
def test_a_pillow_image_becomes_a_png(mode: str) -> None:
    image = drawing((40, 30), mode)
    source = ImageSource.of(image)
    assert decoded(source.read()).tobytes() == image.tobytes()
    assert source.header.has_alpha is (mode == "RGBA")
    assert source.pillow_image is image
    assert repr(source) == "<Pillow image 40x30>"


def test_a_source_is_taken_as_it_is() -> None:
    source = ImageSource.of(PNG)
    assert ImageSource.of(source) is source


def test_sources_compare_by_what_they_hold(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    image = drawing((40, 30))
    assert ImageSource.of(PNG) == ImageSource.of(bytearray(PNG))
    assert ImageSource.of(path) == ImageSource.of(str(path))
    assert ImageSource.of(image) == ImageSource.of(image)
    assert ImageSource.of(image) != ImageSource.of(image.copy())
    assert ImageSource.of(path) != ImageSource.of(PNG)
    assert len({ImageSource.of(image), ImageSource.of(image), ImageSource.of(PNG), ImageSource.of(path)}) == 3


@pytest.mark.parametrize("value", [None, 3, 4.5, True, ["a.png"], {"a": 1}, object()])
def test_what_is_no_picture_is_refused(value: object) -> None:
    assert "expected a PNG, JPEG or WebP picture (bytes, a path, or a Pillow image), got" in str(refused(value, "mask"))


def test_a_path_that_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "missing.png"
    assert f"got the path {str(missing)!r}, which cannot be read (No such file" in str(refused(missing))
    assert "Is a directory" in str(refused(tmp_path)) or os.name == "nt"
    assert "cannot be read (embedded null" in str(refused("a\0b"))


def test_base64_text_is_told_from_a_path() -> None:
    assert "base64 text is not taken: give the bytes" in str(refused("iVBORw0KGgo" * 100))


def test_other_formats_are_refused() -> None:
    for kind in ("GIF", "BMP", "TIFF"):
        assert "got bytes that begin with" in str(refused(encoded(drawing((8, 8)), kind)))


def png_claiming(width: int, height: int) -> bytes:
    return PNG[:16] + struct.pack(">II", width, height) + PNG[24:]


@pytest.mark.parametrize(("size", "taken"), [((8192, 8192), True), ((8193, 8192), False), ((2**31, 2**31), False)])
def test_pixels_at_and_over_the_limit(size: tuple[int, int], taken: bool) -> None:
    assert MAX_PIXELS == 8192 * 8192
    claim = png_claiming(*size)
    if taken:
        assert ImageSource.of(claim).header.size == size
    else:
        assert str(refused(claim)).endswith(f"at most {MAX_PIXELS} pixels, got '{size[0]}x{size[1]}'")


def test_bytes_at_and_over_the_limit(tmp_path: pathlib.Path) -> None:
    assert ImageSource.of(PNG.ljust(MAX_BYTES, b"\0")).width == 40
    assert f"at most {MAX_BYTES} bytes" in str(refused(PNG.ljust(MAX_BYTES + 1, b"\0")))
    path = tmp_path / "large.png"
    with path.open("wb") as file:  # sparse: it takes no room
        file.write(PNG)
        file.truncate(MAX_BYTES + 1)
    assert f"at most {MAX_BYTES} bytes, got '{MAX_BYTES + 1} bytes'" in str(refused(path))


def test_a_pillow_image_over_the_limit() -> None:
    assert "at most" in str(refused(Image.new("1", (8193, 8192))))
    assert "at least one pixel" in str(refused(Image.new("RGB", (0, 5))))


def test_bytes_and_paths_need_no_pillow(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    probe = f"""
import sys
sys.modules["PIL"] = None  # as if it were not installed
from nai_trio.params import ImageParams
params = ImageParams("cat", i2i={{"image": {str(path)!r}}}, size=(64, 64))
assert params.i2i.image.width == 40
try:
    params.to_json()
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("i2i.image: expected a PNG of exactly the size needed, or Pillow")
    assert "pip install 'nai-trio[images]'" in done.stdout
