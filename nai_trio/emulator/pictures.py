"""The door to the painter: the one place where a missing Pillow is noticed, and said with its remedy."""

from __future__ import annotations

try:
    import PIL  # noqa: F401 - only to tell whether it is there
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the emulator paints its pictures with Pillow, which is not installed: pip install 'nai-trio[cli]'",
        name="PIL",
    ) from error

from nai_trio.emulator.inputs import UnreadablePictureError, open_picture
from nai_trio.emulator.studio import Studio

__all__ = ["Studio", "UnreadablePictureError", "open_picture"]
