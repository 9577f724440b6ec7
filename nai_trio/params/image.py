"""`ImageParams`: what one generation shall be, in the user's terms.

A record that exists is valid: every field is checked when it is built, alone, against the others and against the model,
so that nothing can be refused later for what could have been known before. Fields speak the user's language
(decrisper, variety boost); the wire's names live in `wire`. A default that depends on the model or on a source picture
is filled in at construction, so no field is ever "unset" to a reader.

Pictures are looked at when the record is built (what they are, how large), and read and redrawn when the request is:
`to_json` may take tenths of a second then, and belongs in a worker thread where others wait (`has_pictures`).

Each field carries its name on the wire as metadata, for the table in docs/parameters.md. Ranges: wire document,
sections 2.3 and 2.7.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from nai_trio.params import converters
from nai_trio.params.character import Character  # noqa: TC001 - keeps the annotations resolvable
from nai_trio.params.checks import choice, flag, integer, number, refusal, renamed, text
from nai_trio.params.cost import check_price, estimate
from nai_trio.params.image_to_image import ImageToImage, Inpaint, steps_taken
from nai_trio.params.models import DEFAULT_MODEL, MODELS
from nai_trio.params.names import (
    MAX_SEED,
    ModelId,
    NoiseSchedule,
    OutputFormat,
    Quality,
    Sampler,
    Size,
    UCPreset,
)
from nai_trio.params.records import Record, plain_text
from nai_trio.params.references import CharacterReference  # noqa: TC001 - as above
from nai_trio.params.sizes import check_size, dimensions, max_samples, size_for_source
from nai_trio.params.support import CHOICES, check_stream, check_support
from nai_trio.params.vibes import ControlNet  # noqa: TC001 - as above
from nai_trio.pictures.source import ImageSource

if TYPE_CHECKING:
    from nai_trio.params.cost import AnlasEstimate
    from nai_trio.params.models import ModelInfo
    from nai_trio.params.names import StreamKind

__all__ = ["OF_MODEL", "ImageParams"]

_MAX_SAMPLES: Final = 8

OF_MODEL: Final = {"scale": "default_scale", "straight_alpha": "default_straight_alpha"}
"""Fields whose default is the model's, and the column that has it."""

_DEFAULT_SIZE: Final = "portrait"

_UNSET: Final[Any] = None
"""A field's default until the constructor puts a value in its place; readers never meet it, so its type is open."""


def _seed(value: int | None) -> int:
    # Not 0: older documents have the service pick its own seed then, and it would not be known.
    return int.from_bytes(os.urandom(4), "big") or 1 if value is None else value


def _named_in(field: str) -> Any:
    """A rule for every name that any model lists; whether this model does is asked once the model is known."""
    column = CHOICES[field]
    return choice(dict.fromkeys(each for info in MODELS.values() for each in getattr(info, column)))


@attrs.frozen
class ImageParams(Record):
    """One generation's parameters.

    Attributes:
        prompt: what to draw; not empty. Quality words are added to it, see `quality`; nothing else in it is changed.
        model: a model id, a key of `MODELS`.
        size: a key of `SIZES`, or (width, height) in pixels: multiples of 64 from 64 up, at most 3,145,728 pixels in
            all. By default (or None) "portrait"; with a source picture, its shape within 1,048,576 pixels. Sources
            differ on the largest sizes and on `n_samples`: the widest rule counts here, and the service refuses what it
            does not like, at no charge.
        steps: denoising steps, 1 to 50; fewer where a picture would cost more than 140 Anlas: the service refuses it.
        scale: prompt guidance, 0 to 10; by default the model's (7 on V5, 5.5 on V4, 6.2 on Furry V3, else 5).
        sampler: the sampler's name; "ddim_v3" on V3 only.
        noise_schedule: "karras", "exponential", "polyexponential"; "native" on V3 only; V5 takes "karras" alone.
        seed: 0 to 4294967295; sample i uses seed + i. By default (or None) random, chosen here once, so it can be read,
            and never 0, which the service may take as a wish for a seed of its own.
        n_samples: pictures in one request: 1 to 8 up to 360,448 pixels, to 6 up to 409,600, else to 4.
        negative_prompt: what not to draw, after the words of `uc_preset`.
        quality: "standard", "light" (V5) or "none" quality words; True and False stand for "standard" and "none".
        uc_preset: undesired-content words: "heavy", "light", "none"; "humanFocus" (not V4, not Furry V3),
            "furryFocus" (V4.5 Full and V5).
        cfg_rescale: prompt guidance rescale, 0 to 1.
        variety_boost: skip guidance at high noise; V3 to V4.5.
        decrisper: dynamic thresholding.
        smea: the SMEA sampler variant; V3.
        smea_dyn: its dynamic form, beside `smea`; V3.
        auto_smea: let the service choose SMEA for large pictures; V4 and later.
        legacy_uc: treat undesired content as early V4 did; V4 and later.
        image_format: "png", or "webp" (lossless).
        transparent_background: draw no background; V5.
        straight_alpha: colors not premultiplied with alpha; V5, where it is the default.
        characters: up to 6 (V4, V4.5) or 32 (V5); a list, and mappings in place of `Character`, are taken too.
        i2i: a picture to start from; or a mapping of the fields of `ImageToImage`. Not with `inpaint`.
        inpaint: a picture of which a part is drawn anew; or a mapping of the fields of `Inpaint`. Not with `i2i` or
            `controlnet`.
        controlnet: vibes, pictures whose look is carried over (V3 to V4.5); or a mapping of the fields of `ControlNet`.
            Not with `inpaint` or `character_references`.
        character_references: pictures of who is drawn, or in what style (V4.5); a list, and mappings in place of
            `CharacterReference`, are taken too. Not with `controlnet`.

    Raises:
        InvalidParamsError: a field has a wrong type or value, the model cannot do it, or two fields exclude each other;
            the message names field, value and what is allowed.
    """

    prompt: str = attrs.field(converter=plain_text, validator=text(empty=False), metadata={"wire": "input"})
    model: ModelId = attrs.field(
        default=DEFAULT_MODEL, kw_only=True, validator=choice(MODELS), metadata={"wire": "model"}
    )
    size: Size = attrs.field(
        default=_UNSET,
        kw_only=True,
        converter=converters.to_size,
        validator=attrs.validators.optional(check_size),
        metadata={"wire": "width, height", "default": '"portrait", or by the source'},
    )
    steps: int = attrs.field(default=23, kw_only=True, validator=integer(1, 50), metadata={"wire": "steps"})
    scale: float = attrs.field(
        default=_UNSET,
        kw_only=True,
        converter=converters.to_number,
        validator=attrs.validators.optional(number(0, 10)),
        metadata={"wire": "scale"},
    )
    sampler: Sampler = attrs.field(
        default="k_euler_ancestral", kw_only=True, validator=_named_in("sampler"), metadata={"wire": "sampler"}
    )
    noise_schedule: NoiseSchedule = attrs.field(
        default="karras", kw_only=True, validator=_named_in("noise_schedule"), metadata={"wire": "noise_schedule"}
    )
    seed: int = attrs.field(
        default=_UNSET,
        kw_only=True,
        converter=_seed,
        validator=integer(0, MAX_SEED),
        metadata={"wire": "seed", "default": "random"},
    )
    n_samples: int = attrs.field(
        default=1, kw_only=True, validator=integer(1, _MAX_SAMPLES), metadata={"wire": "n_samples"}
    )
    negative_prompt: str = attrs.field(
        default="", kw_only=True, converter=plain_text, validator=text(), metadata={"wire": "negative_prompt"}
    )
    quality: Quality = attrs.field(
        default="standard",
        kw_only=True,
        converter=converters.to_quality,
        validator=_named_in("quality"),
        metadata={"wire": "input (words)"},
    )
    uc_preset: UCPreset = attrs.field(
        default="heavy", kw_only=True, validator=_named_in("uc_preset"), metadata={"wire": "negative_prompt (words)"}
    )
    cfg_rescale: float = attrs.field(default=0, kw_only=True, validator=number(0, 1), metadata={"wire": "cfg_rescale"})
    variety_boost: bool = attrs.field(
        default=False, kw_only=True, validator=flag, metadata={"wire": "skip_cfg_above_sigma"}
    )
    decrisper: bool = attrs.field(
        default=False, kw_only=True, validator=flag, metadata={"wire": "dynamic_thresholding"}
    )
    smea: bool = attrs.field(default=False, kw_only=True, validator=flag, metadata={"wire": "sm"})
    smea_dyn: bool = attrs.field(default=False, kw_only=True, validator=flag, metadata={"wire": "sm_dyn"})
    auto_smea: bool = attrs.field(default=False, kw_only=True, validator=flag, metadata={"wire": "autoSmea"})
    legacy_uc: bool = attrs.field(default=False, kw_only=True, validator=flag, metadata={"wire": "legacy_uc"})
    image_format: OutputFormat = attrs.field(
        default="png", kw_only=True, validator=choice(("png", "webp")), metadata={"wire": "image_format"}
    )
    transparent_background: bool = attrs.field(
        default=False,
        kw_only=True,
        validator=flag,
        metadata={"wire": "tag_hint_transparent_background, input (words)"},
    )
    straight_alpha: bool = attrs.field(
        default=_UNSET,
        kw_only=True,
        converter=converters.to_flag,
        validator=attrs.validators.optional(flag),
        metadata={"wire": "straight_alpha"},
    )
    characters: tuple[Character, ...] = attrs.field(
        default=(),
        kw_only=True,
        converter=converters.to_characters,
        metadata={"wire": "characterPrompts, v4_prompt, v4_negative_prompt"},
    )
    i2i: ImageToImage | None = attrs.field(
        default=None, kw_only=True, converter=converters.to_i2i, metadata={"wire": "action"}
    )
    inpaint: Inpaint | None = attrs.field(
        default=None, kw_only=True, converter=converters.to_inpaint, metadata={"wire": "action, model"}
    )
    controlnet: ControlNet | None = attrs.field(default=None, kw_only=True, converter=converters.to_controlnet)
    character_references: tuple[CharacterReference, ...] = attrs.field(
        default=(), kw_only=True, converter=converters.to_references
    )

    def __attrs_post_init__(self) -> None:
        for name, column in OF_MODEL.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self.info, column))
        if self.size is _UNSET:
            object.__setattr__(self, "size", self._default_size())
        check_support(self)
        limit = max_samples(self.width * self.height)
        if self.n_samples > limit:
            raise refusal("n_samples", self.n_samples, f"at most {limit} at {self.width}x{self.height} pixels")
        check_price(self)

    @property
    def info(self) -> ModelInfo:
        """The row of `MODELS` that the request is made by: the model's, or that of the model that inpaints for it."""
        info = MODELS[self.model]
        return info if self.inpaint is None else info.for_inpainting

    @property
    def width(self) -> int:
        """The picture's width in pixels."""
        return dimensions(self.size)[0]

    @property
    def height(self) -> int:
        """The picture's height in pixels."""
        return dimensions(self.size)[1]

    @property
    def steps_taken(self) -> int:
        """How many of the steps are taken: fewer with `i2i`, which joins in late (wire document, section 3.1).

        Strength 0.7 of 23 steps are 16. As many events come for each sample, the finished picture included.
        """
        return self.steps if self.i2i is None else steps_taken(self.steps, self.i2i.strength)

    @property
    def has_pictures(self) -> bool:
        """Whether building the request reads or redraws pictures, so that it belongs in a worker thread."""
        return any((self.i2i, self.inpaint, self.controlnet, self.character_references))

    @classmethod
    def from_png(cls, picture: bytes | str | os.PathLike[str], /, **changes: Any) -> Self:
        """The parameters that a finished picture was made with, read from its metadata, to repeat or to vary it.

        Words of presets are told from the prompt's own where they stand as this library puts them; else they stay in
        the prompt, with "none" as the preset, which makes the same request. `n_samples` is 1 and `seed` is the
        picture's own. What is not in the metadata cannot come back: source pictures, masks, vibes, references.

        Args:
            picture: the bytes or the path of a PNG or WebP of the service; the file is read here.
            **changes: fields to change, as for `replace`.

        Raises:
            InvalidParamsError: it is no such picture, holds no metadata, or what it holds cannot be asked for.
        """
        from nai_trio.params.recall import fields_from_metadata  # noqa: PLC0415 - seldom needed
        from nai_trio.pictures.metadata import read_metadata  # noqa: PLC0415 - as above

        source = ImageSource.of(picture, "picture")
        with renamed("picture"):
            data = source.read()
        params = cls.from_fields(**fields_from_metadata(read_metadata(data)))
        return params.replace(**changes) if changes else params

    def replace(self, /, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one.

        The seed stays unless it is changed (None draws a new one). A size, scale or `straight_alpha` that was the
        default, by the model or by the source picture, becomes the new one's.

        Raises:
            InvalidParamsError: as for `from_fields`.
        """
        fields = {each.name: getattr(self, each.name) for each in attrs.fields(type(self))}
        for name, column in OF_MODEL.items():
            if fields[name] == getattr(self.info, column):
                fields[name] = None
        if self.size == self._default_size():
            fields["size"] = None
        return self.from_fields(**{**fields, **changes})

    def estimate_anlas(self, *, opus: bool = False) -> AnlasEstimate:
        """What this request will cost: an int, in Anlas, that knows its parts and its caveats.

        Args:
            opus: whether the account has an active Opus subscription; `Subscription.opus` tells.

        Raises:
            InvalidParamsError: `opus` is no bool.
        """
        return estimate(self, opus=opus)

    def to_wire(self, *, stream: StreamKind | None = "sse") -> dict[str, Any]:
        """The request's top-level object, as its JSON reads back; pictures are base64 text.

        Args:
            stream: the framing to ask `/ai/generate-image-stream` for; None for `/ai/generate-image`, which leaves the
                member out.

        Raises:
            InvalidParamsError: `stream` is unknown, or the model does not stream (V3); a picture cannot be read or
                decoded, or Pillow is needed and missing; a vibe is not encoded for the model.
        """
        from nai_trio.params.attachments import attachments, members_of  # noqa: PLC0415 - as below

        body = self._body(stream)
        body["parameters"].update(members_of(attachments(self)))
        return body

    def to_json(self, *, stream: StreamKind | None = "sse") -> bytes:
        """The request body: `to_wire` as compact JSON in UTF-8.

        With pictures this reads files and may redraw them, which takes tenths of a second; see `has_pictures`.

        Raises:
            InvalidParamsError: as for `to_wire`.
        """
        from nai_trio.params.attachments import attachments, body_with  # noqa: PLC0415 - as below

        return body_with(self._body(stream), attachments(self))

    def _body(self, stream: StreamKind | None) -> dict[str, Any]:
        # Imported on first use: cattrs costs import time and is needed here only.
        from nai_trio.params.build import build_request  # noqa: PLC0415
        from nai_trio.params.wire import to_builtins  # noqa: PLC0415

        check_stream(self, stream)
        return to_builtins(build_request(self, stream))

    def _default_size(self) -> Size:
        start = self.i2i or self.inpaint
        return _DEFAULT_SIZE if start is None else size_for_source(start.image.width, start.image.height)
