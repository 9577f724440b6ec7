"""Draw docs/images/forming.webp: a generation at work, recorded from the emulator by the client.

python docs/make_pictures.py
"""

from __future__ import annotations

import io
from pathlib import Path

import trio
from PIL import Image, ImageDraw, ImageFont

from nai_trio import FinalChunk, ImageParams, IntermediateChunk, NovelAI
from nai_trio.emulator import Emulator

TARGET = Path(__file__).parent / "images" / "forming.webp"
PICTURE = (342, 234)
BAR = 34
MARGIN = 14
SIZE = (2 * PICTURE[0] + 3 * MARGIN, PICTURE[1] + BAR + 2 * MARGIN)
BACKGROUND, TRACK, FILL, TEXT = "#0d1117", "#21262d", "#2f81f7", "#e6edf3"
PARAMS = ImageParams(
    "a lake in the mountains at dusk", size="landscape", steps=28, seed=12345, n_samples=2, uc_preset="light"
)
STEP_MS, HOLD_MS = 110, 2500


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


def main() -> None:
    frames = trio.run(record)
    durations = [STEP_MS] * (len(frames) - 1) + [HOLD_MS]
    frames[0].save(TARGET, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=55, method=6)
    print(f"wrote {TARGET.name}: {len(frames)} frames, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
