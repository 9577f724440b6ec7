"""What to ask the service for: parameters in the user's terms, checked, and their JSON on the wire.

Sans-IO: nothing here opens, waits or sends; the imports are the standard library, attrs, cattrs and this
library's errors. One way through the room:

    fields --checks, support--> ImageParams --prompts, build--> wire objects --wire--> dicts --json--> bytes

- `models` is the one table of what each model is and takes; `presets` holds its texts, `sizes` the picture
  sizes.
- Image inputs, inpainting, references and vibes will be fields beside `characters`, each with a module like
  `character`, members in `wire.Parameters`, and columns in `models.ModelInfo`.
"""

from __future__ import annotations

from nai_trio.params.character import Character, CharacterLike
from nai_trio.params.fields import ImageFields
from nai_trio.params.image import ImageParams
from nai_trio.params.models import MODELS, ModelInfo
from nai_trio.params.names import (
    Family,
    ModelId,
    NoiseSchedule,
    OutputFormat,
    Position,
    Quality,
    Sampler,
    Size,
    SizeName,
    StreamKind,
    UCPreset,
)
from nai_trio.params.sizes import SIZES

__all__ = [
    "MODELS",
    "SIZES",
    "Character",
    "CharacterLike",
    "Family",
    "ImageFields",
    "ImageParams",
    "ModelId",
    "ModelInfo",
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
