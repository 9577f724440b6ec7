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

__all__ = ["ENCODINGS", "INPAINTING_SUFFIX", "MODELS", "Character", "Family", "Json", "Settings", "present"]

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

ENCODINGS: Mapping[str, str] = {
    "nai-diffusion-4-5-full": "v4-5full",
    "nai-diffusion-4-5-full-inpainting": "v4-5full",
    "nai-diffusion-4-5-curated": "v4-5curated",
    "nai-diffusion-4-5-curated-inpainting": "v4-5curated",
    "nai-diffusion-4-full": "v4full",
    "nai-diffusion-4-full-inpainting": "v4full",
    "nai-diffusion-4-curated-preview": "v4curated",
    "nai-diffusion-4-curated-inpainting": "v4curated",
}
"""Which encoding of a vibe a model reads, by the names of the service's vibe files; the others read none."""


def present(members: object) -> dict[str, object]:
    """The members that are not null; nothing for what is not an object."""
    if not isinstance(members, Mapping):
        return {}
    return {name: value for name, value in members.items() if value is not None}


def _fingerprint(request: Json) -> bytes:
    parameters = {name: value for name, value in present(request.get("parameters")).items() if name != "stream"}
    text = json.dumps({**request, "parameters": parameters}, sort_keys=True)
    return hashlib.sha512(text.encode()).digest()


@attrs.frozen
class Character:
    """Somebody in the picture.

    Attributes:
        caption: their own prompt.
        place: (x, y) of their middle as shares of the sides from the top left; None leaves it to the service.
    """

    caption: str
    place: tuple[float, float] | None = None


@attrs.frozen(kw_only=True)
class Settings:
    """What one job makes.

    Attributes:
        fingerprint: 64 bytes that depend on the whole request except `stream`; everything "random" comes from it.
        parameters: the request's parameters without nulls.
        seed: the first sample's; sample i uses seed + i, modulo 2**32.
        frames: events per sample, the final included: fewer than `steps` for img2img below full strength.
        strength: how much of the picture is new, 0 to 1: of img2img, or of inpainting within its mask; else 1.
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
    strength: float
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
        strength = _strength(family, action, parameters)
        return cls(
            fingerprint=fingerprint,
            model=model,
            family=family,
            action=action,
            prompt=str(members["input"]),
            width=_whole(parameters, "width", 832),
            height=_whole(parameters, "height", 1216),
            steps=steps,
            frames=_frames(action, strength, steps),
            strength=strength,
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

    @property
    def description(self) -> str:
        """The prompt that is painted: of V4 and later the base caption, where there is one."""
        base = self._caption.get("base_caption")
        return base if isinstance(base, str) and base else self.prompt

    @property
    def transparent(self) -> bool:
        """Whether the background is left out: on V5 the words alone ask for it (wire document, section 2.6)."""
        return self.family == "V5" and "transparent background" in self.description.lower()

    @property
    def figures(self) -> tuple[Character, ...]:
        """Who is painted: the characters; without any, the prompt's own subject where the picture needs one."""
        if self.characters:
            return self.characters
        referred = any("character" in kind for kind, _, _ in self.references)
        return (Character(self.description),) if self.transparent or referred else ()

    @property
    def vibes(self) -> tuple[tuple[str, float], ...]:
        """Base64 and strength of each vibe; `controlnet_strength` is in the strengths."""
        overall = cast("float", self.parameters.get("controlnet_strength", 1.0))
        strengths = cast("list[float]", self.list_of("reference_strength_multiple"))
        pairs = zip(self.list_of("reference_image_multiple"), strengths, strict=True)
        return tuple((str(text), strength * overall) for text, strength in pairs)

    @property
    def references(self) -> tuple[tuple[str, str, float], ...]:
        """Type, base64 and strength of each character reference."""
        kinds = (present(present(entry).get("caption")) for entry in self.list_of("director_reference_descriptions"))
        images = self.list_of("director_reference_images")
        strengths = cast("list[float]", self.list_of("director_reference_strength_values"))
        triples = zip(kinds, images, strengths, strict=True)
        return tuple((str(kind.get("base_caption", "")), str(image), value) for kind, image, value in triples)

    @property
    def characters(self) -> tuple[Character, ...]:
        """Who `v4_prompt` names; disabled ones are not in it."""
        found = cast("list[object]", self._caption.get("char_captions", []))
        return tuple(_character(present(entry), placed=self._placed) for entry in found)

    def list_of(self, name: str) -> list[object]:
        """A parameter that is an array; empty when it is absent."""
        return list(cast("list[object]", self.parameters.get(name, [])))

    @property
    def _caption(self) -> Json:
        return present(present(self.parameters.get("v4_prompt")).get("caption"))

    @property
    def _placed(self) -> bool:
        own = present(self.parameters.get("v4_prompt")).get("use_coords")
        return bool(self.parameters.get("use_coords") if own is None else own)


def _character(entry: Json, *, placed: bool) -> Character:
    caption, centers = str(entry.get("char_caption", "")), cast("list[Json]", entry.get("centers", []))
    if not (placed and centers):
        return Character(caption)
    x, y = (cast("float", present(centers[0]).get(axis, 0.5)) for axis in "xy")
    return Character(caption, (float(x), float(y)))


def _whole(parameters: Json, name: str, default: int) -> int:
    return int(cast("float", parameters.get(name, default)))


def _strength(family: Family, action: str, parameters: Json) -> float:
    """V3 knows no strength of inpainting (wire document, section 2.8)."""
    if action == "img2img":
        return float(cast("float", parameters.get("strength", 0.7)))
    if action == "infill" and family != "V3":
        return float(cast("float", parameters.get("inpaintImg2ImgStrength", 1.0)))
    return 1.0


def _frames(action: str, strength: float, steps: int) -> int:
    """Strength 0.7 of 23 steps gives 16 frames (wire document, section 3.1); other actions give one per step."""
    return max(1, int(strength * steps + 1e-6)) if action == "img2img" else steps
