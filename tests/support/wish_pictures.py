"""The pictures that wishes speak of, by the names of their files: small, and each with something to get wrong.

Sources are drawn with curves and edges, so that any other way to resize, turn or flatten them gives other pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (128, 192)
"""What the wishes with a source ask for, but for a few."""

_TURNED = 6
"""EXIF: the picture is stored lying on its side."""


def write_pictures(folder: Path) -> None:
    """Write every picture that a wish names."""
    _write_sources(folder)
    _write_masks(folder)
    for size in ((448, 448), (200, 300), (64, 96), (96, 64), (80, 80)):
        _photo(size).save(folder / f"vibe-{size[0]}x{size[1]}.png")
    for size in ((256, 384), (100, 230), (240, 150), (120, 120)):
        _photo(size).save(folder / f"person-{size[0]}x{size[1]}.png")
    _cutout((256, 384)).save(folder / "person-cutout-256x384.png")


def _write_sources(folder: Path) -> None:
    for width, height in (SIZE, (200, 300), (150, 130), (192, 192)):
        _photo((width, height)).save(folder / f"photo-{width}x{height}.png")
    for width, height in (SIZE, (200, 300), (512, 768)):
        _photo((width, height)).save(folder / f"photo-{width}x{height}.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = _TURNED
    _photo((SIZE[1], SIZE[0])).save(folder / "photo-turned-192x128.jpg", quality=90, exif=exif)
    _photo(SIZE).convert("L").save(folder / "grey-128x192.png")
    _photo((200, 300)).convert("L").save(folder / "grey-200x300.png")
    _cutout(SIZE).save(folder / "cutout-128x192.png")
    _cutout((200, 300)).save(folder / "cutout-200x300.png")
    opaque = _photo(SIZE)
    opaque.putalpha(255)
    opaque.save(folder / "opaque-128x192.png")
    marked = _photo(SIZE)  # as the service marks its own pictures, in the lowest bit of alpha
    marked.putalpha(Image.linear_gradient("L").resize(SIZE).point([254 + value % 2 for value in range(256)]))
    marked.save(folder / "marked-128x192.png")


def _write_masks(folder: Path) -> None:
    _ring("L", SIZE, 0, 255).save(folder / "mask-128x192.png")
    _ring("L", (100, 150), 0, 255).save(folder / "mask-100x150.png")
    grid = Image.new("L", SIZE, 0)
    grid.paste(255, (32, 64, 96, 136))
    grid.save(folder / "mask-on-the-grid-128x192.png")
    grid.convert("RGBA").save(folder / "mask-of-the-web-128x192.png")
    _ring("RGB", SIZE, (0, 0, 0), (255, 255, 255)).save(folder / "mask-rgb-128x192.png")
    _ring("RGBA", SIZE, (255, 255, 255, 0), (0, 0, 0, 255)).save(folder / "mask-alpha-128x192.png")
    _ring("RGBA", SIZE, (0, 0, 0, 255), (255, 255, 255, 255)).save(folder / "mask-opaque-rgba-128x192.png")


def _photo(size: tuple[int, int]) -> Image.Image:
    bands = [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.radial_gradient("L").rotate(90)]
    photo = Image.merge("RGB", [band.resize(size) for band in bands])
    pen = ImageDraw.Draw(photo)
    width, height = size
    pen.polygon([(width // 9, height // 2), (width // 2, height // 7), (width // 3, height - 5)], fill=(200, 30, 60))
    pen.ellipse((width // 2, height // 2, width - 4, height - 9), fill=(20, 60, 200), outline=(255, 255, 0))
    return photo


def _cutout(size: tuple[int, int]) -> Image.Image:
    photo = _photo(size).convert("RGBA")
    photo.putalpha(Image.radial_gradient("L").resize(size).point([255 - value for value in range(256)]))
    return photo


def _ring(mode: str, size: tuple[int, int], keep: object, repaint: object) -> Image.Image:
    mask = Image.new(mode, size, keep)  # type: ignore[arg-type]
    width, height = size
    ImageDraw.Draw(mask).ellipse((width // 5, height // 4, width - width // 6, height - 21), fill=repaint)  # type: ignore[arg-type]
    return mask
