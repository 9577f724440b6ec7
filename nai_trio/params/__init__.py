"""What to ask the service for: parameters in the user's terms, checked, and their JSON on the wire.

Sans-IO: nothing here opens, waits or sends; the imports are the standard library, attrs, cattrs and this
library's errors and pictures. One way through the room:

    fields --checks, support--> ImageParams --prompts, build--> wire objects --wire--> dicts --json--> bytes

- `models` is the one table of what each model is and takes; `support` has what excludes what, `presets` the texts,
  `sizes` the picture sizes.
- `character`, `image_to_image`, `references` and `vibes` are the records inside `ImageParams`; pictures in them are
  `nai_trio.pictures.ImageSource`, read and put into the JSON by `attachments`.
- `cost` says what it costs, `recall` reads a finished picture back, `vibe_files` knows .naiv4vibe files
  (`vibe_parts` what is in them, `vibe_json` their bounds); it is loaded at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio._lazy import loader
from nai_trio.params.character import Character, CharacterLike
from nai_trio.params.cost import AnlasEstimate
from nai_trio.params.fields import ImageFields
from nai_trio.params.image import ImageParams
from nai_trio.params.image_to_image import ImageToImage, Inpaint
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
from nai_trio.params.references import CharacterReference
from nai_trio.params.sizes import SIZES
from nai_trio.params.vibes import ControlNet, EncodedVibe, Vibe

if TYPE_CHECKING:
    from nai_trio.params.vibe_files import FiledEncoding, VibeFile, VibeImportInfo, VibeSource, read_vibes, write_vibes

__all__ = [
    "MODELS",
    "SIZES",
    "AnlasEstimate",
    "Character",
    "CharacterLike",
    "CharacterReference",
    "ControlNet",
    "EncodedVibe",
    "Family",
    "FiledEncoding",
    "ImageFields",
    "ImageParams",
    "ImageToImage",
    "Inpaint",
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
    "Vibe",
    "VibeFile",
    "VibeImportInfo",
    "VibeSource",
    "read_vibes",
    "write_vibes",
]

_HOMES = {
    "vibe_files": ("FiledEncoding", "VibeFile", "VibeImportInfo", "VibeSource", "read_vibes", "write_vibes"),
}

__getattr__, __dir__ = loader(__name__, _HOMES)
