"""The names that parameters are chosen by, as literal types for editors and type checkers.

What is accepted at run time is decided by the data in `models` and `sizes`, never by these aliases; a test
holds the two together. The ids and names are the service's own (wire document, sections 2.2, 2.3 and 2.7),
except the size names, which exist on the client's side only.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = [
    "MAX_SEED",
    "Family",
    "ModelId",
    "NoiseSchedule",
    "OutputFormat",
    "Position",
    "Quality",
    "Sampler",
    "Size",
    "SizeName",
    "StreamKind",
    "UCPreset",
]

MAX_SEED: Final = 2**32 - 1
"""The web client's range; peers stop below it, but larger seeds are in captures (wire document, section 11)."""

ModelId: TypeAlias = Literal[
    "nai-diffusion-5-full",
    "nai-diffusion-5-curated",
    "nai-diffusion-4-5-full",
    "nai-diffusion-4-5-curated",
    "nai-diffusion-4-full",
    "nai-diffusion-4-curated-preview",
    "nai-diffusion-3",
    "nai-diffusion-furry-3",
]
"""The models that make pictures; their inpainting variants are chosen by the library."""

Family: TypeAlias = Literal["V3", "V4", "V4.5", "V5"]

SizeName: TypeAlias = Literal[
    "small_portrait",
    "small_landscape",
    "small_square",
    "portrait",
    "landscape",
    "square",
    "large_portrait",
    "large_landscape",
    "large_square",
    "wallpaper_portrait",
    "wallpaper_landscape",
]

Size: TypeAlias = SizeName | tuple[int, int]
"""A preset's name, or (width, height) in pixels."""

Sampler: TypeAlias = Literal[
    "k_euler_ancestral",
    "k_euler",
    "k_dpmpp_2s_ancestral",
    "k_dpmpp_2m_sde",
    "k_dpmpp_2m",
    "k_dpmpp_sde",
    "ddim_v3",
]

NoiseSchedule: TypeAlias = Literal["karras", "exponential", "polyexponential", "native"]

Quality: TypeAlias = Literal["standard", "light", "none"]

UCPreset: TypeAlias = Literal["heavy", "light", "humanFocus", "furryFocus", "none"]

OutputFormat: TypeAlias = Literal["png", "webp"]

StreamKind: TypeAlias = Literal["sse", "msgpack"]
"""How the service frames a streamed generation."""

Position: TypeAlias = tuple[float, float] | str
"""(x, y) as fractions of width and height from the top left, or a grid cell's name, "A1" to "E5"."""
