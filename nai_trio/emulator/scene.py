"""The picture that a seed stands for: a landscape under a sky, painted back to front.

Distance is told by haze: each ridge is a step from the horizon's colour to the foreground's, and mist lies at its
foot. Every length follows from the picture's size, so 64×64 shows the same scene as 832×1216, only smaller, and costs
as much less.
"""

from __future__ import annotations

import functools
import random

import attrs
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from nai_trio.emulator import brushes
from nai_trio.emulator.palettes import Palette, choose, mix

__all__ = ["paint_scene"]


@attrs.frozen
class _Easel:
    canvas: Image.Image
    palette: Palette
    random: random.Random
    horizon: int
    sun: tuple[float, float]
    unit: float
    """A hundredth of the geometric mean of the sides, in pixels."""

    @property
    def size(self) -> tuple[int, int]:
        return self.canvas.size


def paint_scene(size: tuple[int, int], seed: int, prompt: str = "") -> Image.Image:
    """Paint an RGB landscape of `size` (width, height); the same arguments give the same pixels."""
    source = random.Random(seed)  # noqa: S311 - a picture, not a secret
    palette, place = choose(source, prompt)
    easel = _set_up(size, palette, source, place)
    _paint_sky(easel)
    _PLACES[place](easel)
    _vignette(easel)
    return easel.canvas


def _set_up(size: tuple[int, int], palette: Palette, source: random.Random, place: str) -> _Easel:
    width, height = size
    share = source.uniform(0.56, 0.66) if place in {"sea", "lake"} else source.uniform(0.62, 0.72)
    horizon = round(height * share)
    side = source.choice((source.uniform(0.2, 0.42), source.uniform(0.58, 0.8)))
    sun = (width * side, horizon * source.uniform(0.42, 0.78))
    canvas = brushes.gradient((width, horizon), palette.sky)
    full = Image.new("RGB", size, palette.sky[-1])
    full.paste(canvas, (0, 0))
    return _Easel(full, palette, source, horizon, sun, (width * height) ** 0.5 / 100)


def _paint_sky(easel: _Easel) -> None:
    palette, unit = easel.palette, easel.unit
    if palette.stars:
        _stars(easel)
    if palette.aurora:
        _aurora(easel)
    brushes.glow(easel.canvas, easel.sun, unit * 62, palette.light, 0.34)
    brushes.glow(easel.canvas, easel.sun, unit * 26, palette.light, 0.62)
    _disc(easel)
    _clouds(easel)


def _stars(easel: _Easel) -> None:
    width, _ = easel.size
    count = round(260 * easel.palette.stars * min(1.0, easel.unit / 6))
    draw = ImageDraw.Draw(easel.canvas, "RGBA")
    for _ in range(count):
        x, y = easel.random.uniform(0, width), easel.horizon * easel.random.random() ** 1.6
        bright = easel.random.random() ** 3
        size = 0.06 + 0.16 * bright
        alpha = round((90 + 165 * bright) * (1 - y / easel.horizon) ** 0.5)
        radius = size * easel.unit
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (255, 250, 240, alpha))


def _aurora(easel: _Easel) -> None:
    width, _ = easel.size
    small = (max(width // 4, 8), max(easel.horizon // 4, 8))
    for index in range(3):
        line = brushes.ridge_line(easel.random, roughness=0.55, depth=4)
        base, tall = small[1] * easel.random.uniform(0.3, 0.62), small[1] * easel.random.uniform(0.28, 0.5)
        mask = Image.new("L", small)
        draw = ImageDraw.Draw(mask)
        for x in range(small[0]):
            y = base + _at(line, x / small[0]) * small[1] * 0.16
            for part in range(4):
                top = y - tall * (1 - part / 4) ** 1.5
                draw.line((x, top, x, y), 40 + 45 * part)
        mask = mask.filter(ImageFilter.GaussianBlur(small[1] / 34)).resize((width, easel.horizon))
        rays = brushes.smooth_noise(easel.random, mask.size, (26, 2))
        mask = ImageChops.multiply(mask, brushes.lift(rays, 20, 220))
        colour = ((96, 255, 178), (72, 220, 200), (150, 130, 240))[index]
        easel.canvas.paste(colour, (0, 0), brushes.lift(mask, 0, 255, 0.7))


def _at(line: list[float], share: float) -> float:
    place = share * (len(line) - 1)
    left = min(int(place), len(line) - 2)
    return line[left] + (line[left + 1] - line[left]) * (place - left)


def _disc(easel: _Easel) -> None:
    x, y = easel.sun
    radius = easel.unit * (4.6 if easel.palette.stars >= 1 else 6.0)
    box = (x - radius, y - radius, x + radius, y + radius)
    mask = brushes.silhouette(easel.size, lambda draw, scale: draw.ellipse([edge * scale for edge in box], fill=255))
    easel.canvas.paste(mix(easel.palette.light, (255, 255, 255), 0.35), (0, 0), mask)


def _clouds(easel: _Easel) -> None:
    width, _ = easel.size
    size = (width, easel.horizon)
    layers = [brushes.smooth_noise(easel.random, size, (cells, cells * 3)) for cells in (3, 7, 15)]
    noise = Image.blend(Image.blend(layers[0], layers[1], 0.42), layers[2], 0.24)
    fade = brushes.gradient(size, ((30, 30, 30), (210, 210, 210), (255, 255, 255), (110, 110, 110))).getchannel(0)
    cover = easel.random.choice((0.35, 0.6, 0.8)) * (0.5 if easel.palette.stars >= 1 else 1.0)
    mask = ImageChops.multiply(brushes.lift(noise, 126, 196, cover), fade)
    lit = brushes.gradient(size, (mix(easel.palette.sky[2], easel.palette.light, 0.25), easel.palette.light))
    shade = brushes.gradient(size, easel.palette.sky[1:])
    body = Image.composite(lit, shade, ImageChops.offset(noise, 0, round(easel.unit * 1.4)).point(_LIT))
    easel.canvas.paste(body, (0, 0), mask)


_LIT = [max(0, min(255, (value - 96) * 3)) for value in range(256)]


def _mountains(easel: _Easel) -> None:
    _ridges(easel, count=5, low=easel.horizon, bottom=easel.size[1])
    _forest(easel, base=0.93, tall=15.0)


def _ridges(easel: _Easel, *, count: int, low: int, bottom: int) -> None:
    palette = easel.palette
    for index in range(count):
        share = index / max(count - 1, 1)
        base = low + (bottom - low) * 0.72 * share
        swing = easel.unit * (15 - 7 * share)
        colour = mix(mix(palette.far, palette.sky[-1], 0.25), palette.near, share**1.1)
        mist = mix(colour, palette.sky[-1], 0.5 * (1 - share) + 0.12)
        _ridge(easel, base=base, swing=swing, colours=(colour, mist), rough=0.46 + 0.08 * share)


def _ridge(
    easel: _Easel, *, base: float, swing: float, colours: tuple[tuple[int, int, int], ...], rough: float
) -> None:
    width, height = easel.size
    line = brushes.ridge_line(easel.random, roughness=rough, depth=5 if width < 256 else 8)
    points = [(width * index / (len(line) - 1), base - swing * value) for index, value in enumerate(line)]
    top = max(0, int(base - swing) - 1)
    band = (width, height - top)

    def draw(pen: ImageDraw.ImageDraw, scale: int) -> None:
        outline = [(x * scale, (y - top) * scale) for x, y in points]
        pen.polygon([(0, band[1] * scale), *outline, (width * scale, band[1] * scale)], fill=255)

    fill = brushes.gradient((width, max(round(swing * 3.2), 2)), colours)
    ground = Image.new("RGB", band, colours[-1])
    ground.paste(fill, (0, 0))
    easel.canvas.paste(ground, (0, top), brushes.silhouette(band, draw))


def _forest(easel: _Easel, *, base: float, tall: float) -> None:
    width, height = easel.size
    source, unit = easel.random, easel.unit
    line = brushes.ridge_line(source, roughness=0.5, depth=4)
    top = max(0, round(height * base - unit * tall * 2.2))

    def ground(x: float) -> float:
        return height * base - _at(line, min(max(x / width, 0.0), 1.0)) * unit * 5 - top

    def draw(pen: ImageDraw.ImageDraw, scale: int) -> None:
        steps = [(width * index / 32, ground(width * index / 32)) for index in range(33)]
        outline = [(x * scale, y * scale) for x, y in steps]
        pen.polygon([(0, (height - top) * scale), *outline, (width * scale, (height - top) * scale)], fill=255)
        for _ in range(round(width / unit / 1.9)):
            x = source.uniform(-0.02, 1.02) * width
            size = unit * tall * source.uniform(0.35, 1.0)
            _conifer(pen, (x * scale, (ground(x) + unit) * scale), size * scale)

    easel.canvas.paste(easel.palette.near, (0, top), brushes.silhouette((width, height - top), draw))


def _conifer(pen: ImageDraw.ImageDraw, foot: tuple[float, float], size: float) -> None:
    x, y = foot
    pen.rectangle((x - size * 0.018, y - size * 0.3, x + size * 0.018, y), fill=255)
    for tier in range(6):
        low, high = y - size * (0.08 + 0.14 * tier), y - size * (0.34 + 0.14 * tier)
        half = size * 0.19 * (1 - tier / 6.6)
        pen.polygon([(x - half, low), (x, min(high, y)), (x + half, low)], fill=255)


def _lake(easel: _Easel) -> None:
    height = easel.size[1]
    shore = easel.horizon + round((height - easel.horizon) * 0.12)
    _ridges(easel, count=4, low=round(easel.horizon * 0.93), bottom=shore)
    _mirror(easel, shore)
    _forest(easel, base=0.99, tall=13.0)


def _mirror(easel: _Easel, shore: int) -> None:
    """The world above `shore` upside down below it, darker and drawn out by ripples."""
    width, height = easel.size
    deep = height - shore
    above = easel.canvas.crop((0, max(0, shore - round(deep * 1.25)), width, shore))
    image = ImageOps.flip(above).resize((width, deep), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.BoxBlur((easel.unit * 0.15, easel.unit * 0.6)))
    shade = brushes.gradient((width, deep), (easel.palette.far, easel.palette.near))
    image = Image.blend(image, shade, 0.28)
    ripples = brushes.smooth_noise(easel.random, (width, deep), (5, max(deep // max(round(easel.unit), 1), 4)))
    image.paste(mix(easel.palette.sky[-1], easel.palette.light, 0.4), (0, 0), brushes.lift(ripples, 140, 250, 0.34))
    easel.canvas.paste(image, (0, shore))


def _sea(easel: _Easel) -> None:
    width, height = easel.size
    palette = easel.palette
    _ridge(
        easel, base=easel.horizon - easel.unit * 0.6, swing=easel.unit * 4.5,
        colours=(mix(palette.far, palette.sky[-1], 0.2), palette.far), rough=0.5,
    )  # fmt: skip
    deep = height - easel.horizon
    water = brushes.gradient(
        (width, deep),
        (mix(palette.sky[-1], palette.far, 0.35), mix(palette.far, palette.sky[0], 0.55), palette.near),
    )
    easel.canvas.paste(water, (0, easel.horizon))
    _swell(easel)
    _sparkle(easel)
    _boat(easel)


def _swell(easel: _Easel) -> None:
    """Bands of waves, finer toward the horizon."""
    width, height = easel.size
    row = float(easel.horizon)
    while row < height:
        share = (row - easel.horizon) / (height - easel.horizon)
        thick = max(easel.unit * (0.5 + 5 * share), 1.0)
        band = (width, min(round(thick) + 1, height - int(row)))
        noise = brushes.smooth_noise(easel.random, band, (round(16 - 9 * share), 2))
        tone = mix(easel.palette.sky[-1], easel.palette.sky[1], share)
        easel.canvas.paste(tone, (0, int(row)), brushes.lift(noise, 120, 235, 0.42 - 0.24 * share))
        row += thick * 0.9


def _sparkle(easel: _Easel) -> None:
    """The sun's road on the water: short strokes, spreading toward the viewer."""
    width, height = easel.size
    deep, source, unit = height - easel.horizon, easel.random, easel.unit

    def draw(pen: ImageDraw.ImageDraw, scale: int) -> None:
        for _ in range(round(90 + 8 * unit)):
            share = source.random() ** 1.5
            x = easel.sun[0] + source.gauss(0, unit * (2.2 + 9 * share))
            half = unit * source.uniform(0.4, 2.6) * (0.5 + share)
            y, thick = share * deep, unit * (0.1 + 0.32 * share)
            box = (x - half, y - thick, x + half, y + thick)
            pen.ellipse([edge * scale for edge in box], fill=round(250 - 130 * share))

    mask = brushes.silhouette((width, deep), draw)
    easel.canvas.paste(easel.palette.light, (0, easel.horizon), mask)
    centre = (easel.sun[0], easel.horizon + deep * 0.12)
    brushes.glow(easel.canvas, centre, unit * 20, easel.palette.light, 0.3)


def _boat(easel: _Easel) -> None:
    width, height = easel.size
    x = width - easel.sun[0] + easel.random.uniform(-0.06, 0.06) * width
    y = easel.horizon + (height - easel.horizon) * easel.random.uniform(0.2, 0.36)
    size = easel.unit * 7
    shapes = (
        ((-0.5, -0.1), (0.5, -0.1), (0.34, 0.08), (-0.36, 0.08)),
        ((-0.02, -1.1), (-0.02, -0.16), (-0.44, -0.16)),
        ((0.03, -1.0), (0.03, -0.16), (0.42, -0.16)),
    )

    def draw(pen: ImageDraw.ImageDraw, scale: int) -> None:
        for shape in shapes:
            pen.polygon([((x + px * size) * scale, (y + py * size) * scale) for px, py in shape], fill=255)

    brushes.glow(easel.canvas, (x, y + size * 0.2), size * 0.7, easel.palette.near, 0.45)
    easel.canvas.paste(mix(easel.palette.near, easel.palette.far, 0.15), (0, 0), brushes.silhouette(easel.size, draw))


def _city(easel: _Easel) -> None:
    _ridges(easel, count=2, low=easel.horizon, bottom=easel.horizon + round(easel.unit * 8))
    for index in range(4):
        _skyline(easel, index / 3)


def _skyline(easel: _Easel, share: float) -> None:
    width, height = easel.size
    palette, source, unit = easel.palette, easel.random, easel.unit
    towers: list[tuple[float, float, float]] = []
    x, base = -unit * 2, easel.horizon + (height - easel.horizon) * 0.42 * share
    while x < width:
        wide = unit * source.uniform(4, 9) * (0.6 + 0.75 * share)
        tall = unit * source.uniform(7, 24) * (1.25 - 0.45 * share) * (1.5 if source.random() < 0.16 else 1.0)
        towers.append((x, base - tall, wide))
        x += wide * source.uniform(0.86, 1.2)
    colour = mix(mix(palette.far, palette.sky[-1], 0.2), palette.near, 0.15 + 0.85 * share)
    mist = mix(colour, palette.sky[-1], 0.55 * (1 - share) + 0.05)
    mask = brushes.silhouette((width, height), functools.partial(_towers, towers, unit, height))
    easel.canvas.paste(brushes.gradient((width, height), (colour, colour, mist)), (0, 0), mask)
    if share > 0.2:
        lit = brushes.silhouette((width, height), functools.partial(_windows, easel, towers, share))
        glow_colour = mix((255, 214, 140), palette.light, 0.25)
        easel.canvas.paste(glow_colour, (0, 0), brushes.lift(brushes.spread(lit, unit), 0, 255, 0.8))
        easel.canvas.paste(glow_colour, (0, 0), lit)


def _towers(
    towers: list[tuple[float, float, float]], unit: float, height: int, pen: ImageDraw.ImageDraw, scale: int
) -> None:
    for index, (x, top, wide) in enumerate(towers):
        pen.rectangle([edge * scale for edge in (x, top, x + wide, height)], fill=255)
        if index % 3 == 0:
            middle = x + wide / 2
            pen.rectangle(
                [edge * scale for edge in (middle - unit * 0.12, top - unit * 4, middle + unit * 0.12, top)], fill=255
            )
        elif index % 3 == 1:
            pen.rectangle([edge * scale for edge in (x + wide * 0.2, top - unit * 1.2, x + wide * 0.8, top)], fill=255)


def _windows(
    easel: _Easel, towers: list[tuple[float, float, float]], share: float, pen: ImageDraw.ImageDraw, scale: int
) -> None:
    height, step = easel.size[1], easel.unit * (0.9 + 0.7 * share)
    chance = 0.34 if easel.palette.stars else 0.16
    for x, top, wide in towers:
        columns, rows = int(wide / step) - 1, int(min(height - top, wide * 5) / (step * 1.25)) - 1
        for cell in range(max(columns, 0) * max(rows, 0)):
            if easel.random.random() > chance:
                continue
            left = x + step * (cell % columns + 0.8)
            upper = top + step * 1.25 * (cell // columns + 0.8)
            box = (left, upper, left + step * 0.42, upper + step * 0.6)
            pen.rectangle([edge * scale for edge in box], fill=easel.random.randint(120, 245))


def _vignette(easel: _Easel) -> None:
    edge = Image.radial_gradient("L").resize(easel.size)
    easel.canvas.paste(mix(easel.palette.near, (0, 0, 0), 0.4), (0, 0), brushes.lift(edge, 120, 300, 0.42))


_PLACES = {"mountains": _mountains, "lake": _lake, "sea": _sea, "city": _city}
