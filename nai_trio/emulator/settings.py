"""A generation request as the service reads it: nulls are absent, unknown members are ignored, the rest has defaults.

Only a request that passed `checks.refusal` may be read here. The table of families is the emulator's own on purpose:
it must not share a mistake with the client that it checks (wire document, sections 2.2, 2.3 and 2.8).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

import attrs

Family: TypeAlias = Literal["V3", "V4", "V4.5", "V5"]
Json: TypeAlias = Mapping[str, object]

__all__ = ["INPAINTING_SUFFIX", "MODELS", "Family", "Json", "Settings", "present"]

INPAINTING_SUFFIX = "-inpainting"

MODELS: Mapping[str, Family] = {
    "nai-diffusion-5-full": "V5",
    "nai-diffusion-5-full-inpainting": "V5",
    "nai-diffusion-5-curated": "V5",
    "nai-diffusion-4-5-full": "V4.5",
    "nai-diffusion-4-5-full-inpainting": "V4.5",
    "nai-diffusion-4-5-curated": "V4.5",
    "nai-diffusion-4-5-curated-inpainting": "V4.5",
    "nai-diffusion-4-full": "V4",
    "nai-diffusion-4-full-inpainting": "V4",
    "nai-diffusion-4-curated-preview": "V4",
    "nai-diffusion-4-curated-inpainting": "V4",
    "nai-diffusion-3": "V3",
    "nai-diffusion-3-inpainting": "V3",
    "nai-diffusion-furry-3": "V3",
    "nai-diffusion-furry-3-inpainting": "V3",
}
"""What the service knows; V5 Curated has no inpainting model of its own."""


def present(members: object) -> dict[str, object]:
    """The members that are not null; nothing for what is not an object."""
    if not isinstance(members, Mapping):
        return {}
    return {name: value for name, value in members.items() if value is not None}


def _fingerprint(request: Json) -> bytes:
    parameters = {name: value for name, value in present(request.get("parameters")).items() if name != "stream"}
    text = json.dumps({**request, "parameters": parameters}, sort_keys=True)
    return hashlib.sha512(text.encode()).digest()


@attrs.frozen(kw_only=True)
class Settings:
    """What one job makes.

    Attributes:
        fingerprint: 64 bytes that depend on the whole request except `stream`; everything "random" comes from it.
        parameters: the request's parameters without nulls.
        seed: the first sample's; sample i uses seed + i, modulo 2**32.
        frames: events per sample, the final included: fewer than `steps` for img2img below full strength.
    """

    fingerprint: bytes = attrs.field(repr=False)
    model: str
    family: Family
    action: str
    prompt: str
    width: int
    height: int
    steps: int
    frames: int
    n_samples: int
    seed: int
    noise_schedule: str
    image_format: str
    parameters: Json = attrs.field(repr=False)

    @classmethod
    def of(cls, request: Json) -> Settings:
        """Read a request that was found acceptable."""
        members = present(request)
        parameters = present(members["parameters"])
        model, fingerprint = str(members["model"]), _fingerprint(request)
        action = str(members.get("action", "generate"))
        steps = _whole(parameters, "steps", 23)
        family = MODELS[model]
        return cls(
            fingerprint=fingerprint,
            model=model,
            family=family,
            action=action,
            prompt=str(members["input"]),
            width=_whole(parameters, "width", 832),
            height=_whole(parameters, "height", 1216),
            steps=steps,
            frames=_frames(action, parameters, steps),
            n_samples=_whole(parameters, "n_samples", 1),
            seed=_whole(parameters, "seed", int.from_bytes(fingerprint[:4])) % 2**32,
            noise_schedule="karras" if family == "V5" else str(parameters.get("noise_schedule", "karras")),
            image_format=str(parameters.get("image_format", "png")),
            parameters=parameters,
        )

    @property
    def gen_id(self) -> int:
        """The generation's number: seven digits, the same for the same request."""
        return 1_000_000 + int.from_bytes(self.fingerprint[4:8]) % 9_000_000

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def _whole(parameters: Json, name: str, default: int) -> int:
    return int(cast("float", parameters.get(name, default)))


def _frames(action: str, parameters: Json, steps: int) -> int:
    """Strength 0.7 of 23 steps gives 16 frames (wire document, section 3.1); other actions give one per step."""
    if action != "img2img":
        return steps
    return max(1, int(cast("float", parameters.get("strength", 0.7)) * steps + 1e-6))
