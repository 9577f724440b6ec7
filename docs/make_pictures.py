"""Draw the pictures of the documentation, from the emulator's answers to the client.

python docs/make_pictures.py

forming.webp: a generation at work. wishes.webp: characters, image to image, inpainting and transparency.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import trio
from PIL import Image, ImageDraw, ImageFont

from nai_trio import Character, FinalChunk, ImageParams, ImageToImage, Inpaint, IntermediateChunk, NovelAI
from nai_trio.emulator import Emulator

IMAGES = Path(__file__).parent / "images"
PICTURE = (342, 234)
BAR = 34
MARGIN = 14
SIZE = (2 * PICTURE[0] + 3 * MARGIN, PICTURE[1] + BAR + 2 * MARGIN)
BACKGROUND, TRACK, FILL, TEXT = "#0d1117", "#21262d", "#2f81f7", "#e6edf3"
PARAMS = ImageParams(
    "a lake in the mountains at dusk", size="landscape", steps=28, seed=12345, n_samples=2, uc_preset="light"
)
STEP_MS, HOLD_MS = 110, 2500
CELL = (208, 304)


def draw(chunks: dict[int, IntermediateChunk | FinalChunk]) -> Image.Image:
    """One frame: each sample's latest picture over its bar."""
    frame = Image.new("RGB", SIZE, BACKGROUND)
    pen = ImageDraw.Draw(frame)
    font = ImageFont.load_default(14)
    for sample, chunk in sorted(chunks.items()):
        left = MARGIN + sample * (PICTURE[0] + MARGIN)
        with Image.open(io.BytesIO(chunk.image)) as picture:
            frame.paste(picture.convert("RGB").resize(PICTURE, Image.Resampling.LANCZOS), (left, MARGIN))
        progress = chunk.progress if isinstance(chunk, IntermediateChunk) else 1.0
        top = MARGIN + PICTURE[1] + 10
        pen.rounded_rectangle((left, top, left + PICTURE[0], top + 6), 3, TRACK)
        pen.rounded_rectangle((left, top, left + round(PICTURE[0] * progress), top + 6), 3, FILL)
        pen.text((left, top + 10), caption(chunk), TEXT, font)
    return frame


def caption(chunk: IntermediateChunk | FinalChunk) -> str:
    if isinstance(chunk, FinalChunk):
        return f"sample {chunk.samp_ix}   final   {len(chunk.image):,} bytes"
    return f"sample {chunk.samp_ix}   step {chunk.step_ix + 1}/{chunk.steps}   sigma {chunk.sigma:.2f}"


async def record() -> list[Image.Image]:
    frames = []
    latest: dict[int, IntermediateChunk | FinalChunk] = {}
    async with (
        NovelAI("pst-not-a-real-key", transport=Emulator().transport()) as client,
        client.image.generate_stream(PARAMS, stream="msgpack") as stream,
    ):
        async for chunk in stream:
            if isinstance(chunk, IntermediateChunk | FinalChunk):
                latest[chunk.samp_ix] = chunk
                if chunk.samp_ix == PARAMS.n_samples - 1:
                    frames.append(draw(latest))
    return frames


async def wishes() -> dict[str, bytes]:
    """Caption to finished picture."""
    characters = [
        Character("girl, red hair, yellow coat", position="B3"),
        Character("boy, blue coat", position=(0.7, 0.7)),
    ]
    mask = Image.new("L", (832, 1216))
    ImageDraw.Draw(mask).ellipse((380, 60, 800, 480), fill=255)
    async with NovelAI("pst-not-a-real-key", transport=Emulator().transport()) as client:

        async def generate(prompt: str, **fields: Any) -> bytes:
            return (await client.image.generate(prompt=prompt, steps=8, seed=9, **fields))[0].image

        first = await generate("park, bench", characters=characters)
        return {
            "characters=[...]": first,
            "i2i, strength=0.4": await generate("winter night", i2i=ImageToImage(first, strength=0.4)),
            "inpaint, a round mask": await generate("sunset, sea", inpaint=Inpaint(first, mask)),
            "transparent_background": await generate(
                "girl", model="nai-diffusion-5-full", transparent_background=True, characters=characters[:1]
            ),
        }


def sheet(pictures: dict[str, bytes]) -> Image.Image:
    """Pictures side by side over their captions; what is transparent shows a chessboard."""
    width, height = CELL
    page = Image.new("RGB", (len(pictures) * (width + MARGIN) + MARGIN, height + 2 * MARGIN + 20), BACKGROUND)
    font = ImageFont.load_default(14)
    board = Image.frombytes("L", (2, 2), bytes((70, 100, 100, 70))).resize((26, 38), Image.Resampling.NEAREST)
    for index, (caption, picture) in enumerate(pictures.items()):
        left = MARGIN + index * (width + MARGIN)
        for x in range(0, width, board.width):
            for y in range(0, height, board.height):
                page.paste(board.convert("RGB"), (left + x, MARGIN + y))
        with Image.open(io.BytesIO(picture)) as opened:
            small = opened.convert("RGBA").resize(CELL, Image.Resampling.LANCZOS)
        page.paste(small, (left, MARGIN), small)
        ImageDraw.Draw(page).text((left, MARGIN + height + 10), caption, TEXT, font)
    return page


def main() -> None:
    frames = trio.run(record)
    durations = [STEP_MS] * (len(frames) - 1) + [HOLD_MS]
    forming, wished = IMAGES / "forming.webp", IMAGES / "wishes.webp"
    frames[0].save(forming, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=55, method=6)
    sheet(trio.run(wishes)).save(wished, quality=80, method=6)
    for path in (forming, wished):
        print(f"wrote {path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
