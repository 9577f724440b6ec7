"""Pictures made to fit: resized, cropped, letterboxed, flattened, or turned into a mask. Pillow does it.

Each function takes a source and gives the bytes of a PNG of exactly the size asked for, and gives the source's own
bytes where they are that already. It runs in the calling thread and may take tenths of a second: the client calls it in
a worker thread.

What the web client does is done here (wire document, section 3): sources are stretched to the size and flattened onto
white where the model knows no transparency; references stand on black. Not done: where a model does know transparency,
the web client rounds alpha 254 and 1 to 255 and 0 in pictures that carry the service's mark.

Decoded pixels weigh more than anything else in a request, so no step holds them twice where it can be helped: files are
decoded as they are read, JPEGs at a part of their size; pictures are flattened in place and, if large, resized in
strips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.buffers import roomy
from nai_trio.pictures.decoding import Undecodable, decoding, in_plain_mode, opened_image, upright
from nai_trio.pictures.header import read_header

if TYPE_CHECKING:
    from types import ModuleType

    from PIL import Image

    from nai_trio.pictures.source import ImageSource

__all__ = ["Fit", "fitted", "letterboxed", "mask"]

Fit: TypeAlias = Literal["stretch", "crop", "letterbox"]
"""How a picture of another shape fills a size: stretched; cut to the shape, centered; whole, with black bars."""

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_OPAQUE = 254
"""The service marks its pictures in the lowest bit of alpha, so 254 is opaque too (wire document, section 7)."""

_LATENT = 8
"""The model repaints cells of 8 by 8 pixels."""

_THRESHOLD = 127
_LARGE = 1_048_576
"""Pixels from which on a picture is resized in strips. They round otherwise here and there, so smaller ones are not."""

_STRIP = 64
"""Rows resized at once: what Pillow holds between its two passes is as high as they are."""

_PNG_BYTES = 2
"""Per pixel, about what a detailed picture takes."""

_PNG_END = b"IEND\xaeB`\x82"


def fitted(source: ImageSource, size: tuple[int, int], *, fit: Fit, keep_alpha: bool) -> bytes:
    """A picture to start from, as a PNG of exactly this size.

    A PNG of that size is taken as it is. Only a transparent one is flattened onto white first, where `keep_alpha` is
    False and Pillow is there to see it; without Pillow it goes as it is, which the service takes too.

    Raises:
        InvalidParamsError: the picture cannot be decoded, or Pillow is needed and missing.
    """
    fits = _is_png_of(source, size)
    if fits and (keep_alpha or not source.header.has_alpha or not _has_pillow()):
        data = _still_whole(source)
        if data:
            return data
    image = _open(source, size)
    if fits and image.size == size and _is_opaque(image):
        return source.read()
    kept = keep_alpha and image.mode == "RGBA"
    return _png(_resized(image if kept else _flat(image, _WHITE), size, fit))


def letterboxed(source: ImageSource, size: tuple[int, int]) -> bytes:
    """A reference picture, whole and centered on black, as a PNG of exactly this size.

    Raises:
        InvalidParamsError: the picture cannot be decoded, or Pillow is needed and missing.
    """
    if _is_png_of(source, size) and not source.header.has_alpha:
        data = _still_whole(source)
        if data:
            return data
    return _png(_resized(_flat(_open(source, size), _BLACK), size, "letterbox"))


def mask(source: ImageSource, size: tuple[int, int], *, fit: Fit) -> bytes:
    """A mask: an opaque RGBA PNG, white where to repaint and black where to keep, on the grid of 8 by 8 pixels.

    White comes from alpha where the source has any that varies (opaque is white), else from luminance. A cell is white
    when at least half of it is (wire document, section 3.2).

    Raises:
        InvalidParamsError: the picture cannot be decoded, nothing in it is white, or Pillow is missing.
    """
    pillow = _pillow()
    light = _resized(_light(_open(source, None)), size, fit, smooth=False)
    cells = (max(size[0] // _LATENT, 1), max(size[1] // _LATENT, 1))
    light = light.resize(cells, pillow.Resampling.BOX).resize(size, pillow.Resampling.NEAREST)
    binary = light.point([255 if value > _THRESHOLD else 0 for value in range(256)])
    if binary.getbbox() is None:
        raise InvalidParamsError.for_field("image", source, "a mask with something white, which is what is repainted")
    return _png(pillow.merge("RGBA", (binary, binary, binary, pillow.new("L", size, 255))))


def _pillow() -> ModuleType:
    try:
        from PIL import Image  # noqa: PLC0415 - an extra, and slow to load
    except ImportError:  # not there, or not for this machine
        needs = "a PNG of exactly the size needed, or Pillow to make it one (pip install 'nai-trio[images]')"
        raise InvalidParamsError.for_field("image", "a picture to be redrawn", needs) from None
    return Image


def _has_pillow() -> bool:
    try:
        _pillow()
    except InvalidParamsError:
        return False
    return True


def _is_png_of(source: ImageSource, size: tuple[int, int]) -> bool:
    return source.pillow_image is None and source.header.format == "png" and source.header.size == size


def _still_whole(source: ImageSource) -> bytes | None:
    """A PNG's bytes, if they reach to its end and are what they were; else None, and Pillow shall say what is wrong."""
    data = source.read()
    return data if _PNG_END in data and read_header(data) == source.header else None


def _open(source: ImageSource, size: tuple[int, int] | None) -> Image.Image:
    """Decode a source, into an image that is ours to change; `size` lets a JPEG be decoded at a part of its size.

    Its mode is L, RGB or RGBA.
    """
    _pillow()
    try:
        with decoding():
            given = source.pillow_image
            if given is None:
                return _decoded(source, size)
            plain = in_plain_mode(given)
            return plain.copy() if plain is given else plain
    except Undecodable as error:
        raise InvalidParamsError.for_field("image", source, f"a picture that can be decoded ({error})") from error


def _decoded(source: ImageSource, size: tuple[int, int] | None) -> Image.Image:
    with source.stream() as file:
        image = opened_image(file)
        if size is not None:
            image.draft("RGB", (max(size), max(size)))
        image.load()
        return upright(in_plain_mode(image), source.header.orientation)


def _is_opaque(image: Image.Image) -> bool:
    if image.mode != "RGBA":
        return True
    lowest, _highest = cast("tuple[tuple[int, int], ...]", image.getextrema())[3]
    return lowest >= _OPAQUE


def _flat(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Without transparency: what shows through is the background. Changes the image it is given."""
    if image.mode != "RGBA":
        return image if image.mode == "RGB" else image.convert("RGB")
    from PIL import ImageChops  # noqa: PLC0415 - as above

    image.paste((*background, 255), mask=ImageChops.invert(image.getchannel("A")))
    image.putalpha(255)
    return image


def _light(image: Image.Image) -> Image.Image:
    """One band, bright where to repaint."""
    if not _is_opaque(image):
        return image.getchannel("A")
    return image if image.mode == "L" else image.convert("L")


def _resized(image: Image.Image, size: tuple[int, int], fit: Fit, *, smooth: bool = True) -> Image.Image:
    width, height = image.size
    if fit == "stretch" or width * size[1] == height * size[0]:
        return _scaled(image, size, (0, 0, width, height), smooth=smooth)
    shape, wanted = width / height, size[0] / size[1]
    if fit == "crop":
        inner = (height * wanted, float(height)) if shape > wanted else (float(width), width / wanted)
        left, top = (width - inner[0]) / 2, (height - inner[1]) / 2
        return _scaled(image, size, (left, top, left + inner[0], top + inner[1]), smooth=smooth)
    within = (size[0], max(int(size[0] / shape), 1)) if shape > wanted else (max(int(size[1] * shape), 1), size[1])
    whole = _scaled(image, within, (0, 0, width, height), smooth=smooth)
    board: Image.Image = _pillow().new(whole.mode, size)
    if whole.mode == "RGBA":  # black bars, not transparent ones
        board.putalpha(255)
    board.paste(whole, ((size[0] - within[0]) // 2, (size[1] - within[1]) // 2))
    return board


def _scaled(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float], *, smooth: bool
) -> Image.Image:
    """The box of an image at another size; a large one that shrinks is done in strips.

    The filter is the same, but Pillow takes its two passes in the order that is less work, and strips can tip that.
    """
    if image.size == size and box == (0.0, 0.0, *map(float, size)):
        return image
    pillow = _pillow()
    filtering = pillow.Resampling.LANCZOS if smooth else pillow.Resampling.BILINEAR
    mode = image.mode
    source = image.convert("RGBa") if mode == "RGBA" else image  # colors weighed by alpha, or edges would get halos
    scaled: Image.Image = pillow.new(source.mode, size)
    step = (box[3] - box[1]) / size[1]
    shrinks = step >= 1 and box[2] - box[0] >= size[0]
    height = _STRIP if shrinks and image.width * image.height > _LARGE else size[1]
    for top in range(0, size[1], height):
        bottom = min(top + height, size[1])
        strip = (box[0], box[1] + top * step, box[2], min(box[1] + bottom * step, box[3]))
        scaled.paste(source.resize((size[0], bottom - top), filtering, box=strip), (0, top))
    return scaled if scaled.mode == mode else scaled.convert(mode)


def _png(image: Image.Image) -> bytes:
    buffer = roomy(image.width * image.height * _PNG_BYTES)
    image.save(buffer, "PNG", icc_profile=None)  # it may be of a mode that the picture no longer has
    buffer.truncate()
    return buffer.getvalue()
