"""The options that stand for what `ImageParams` has, in one table.

click's options, the help, and the way back from an error to its option are made of it. An option only reads its text as
a number, a name or one of the small syntaxes of `syntax`. What is allowed is decided by `ImageParams` alone, which also
has the better messages.

An option's place is a path: "steps", or "i2i.strength" for a field of a record inside. One option can have several
places, of which those count whose record is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from nai_trio.cli import syntax
from nai_trio.cli.sections import SectionOption
from nai_trio.params import MODELS, SIZES, ControlNet, ImageParams, ImageToImage, Inpaint
from nai_trio.params.models import DEFAULT_MODEL
from nai_trio.params.support import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nai_trio.cli.sections import Decorator
    from nai_trio.params import ModelInfo

__all__ = ["FLAGS", "OPTIONS", "RECORDS", "TABLES", "Option", "Record", "picture_options"]


@attrs.frozen(kw_only=True)
class Record:
    """A record inside `ImageParams` whose fields have options of their own.

    Attributes:
        kind: its class.
        head: the option that makes it.
    """

    kind: type[Any]
    head: str


RECORDS: Final = {
    "i2i": Record(kind=ImageToImage, head="--i2i"),
    "inpaint": Record(kind=Inpaint, head="--inpaint"),
    "controlnet": Record(kind=ControlNet, head="--vibe"),
}
"""Field to its record."""


def _places(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@attrs.frozen
class Option:
    """One option.

    Attributes:
        flag: its name on the command line.
        places: where its value goes; written as one text with blanks between them.
        help: what the help says of it, without the default and the period.
        metavar: what its value is called; "" for a switch.
        kind: what its value is read as.
        read: what makes more of the text; for an option that may be repeated, of each.
        repeatable: whether it may be given several times.
        show_default: whether the help adds the default, as the records have it.
    """

    flag: str
    places: tuple[str, ...] = attrs.field(converter=_places)
    help: str
    metavar: str = ""
    kind: type[Any] = str
    read: Callable[[str], Any] = attrs.field(default=lambda value: value, kw_only=True)
    repeatable: bool = attrs.field(default=False, kw_only=True)
    show_default: bool = attrs.field(default=True, kw_only=True)

    @property
    def name(self) -> str:
        """What click calls its value."""
        return self.flag.removeprefix("--").replace("-", "_")


def _names(field: str) -> str:
    """What a field can be, over all models."""
    return ", ".join(dict.fromkeys(each for info in MODELS.values() for each in getattr(info, CHOICES[field])))


OPTIONS: Final[dict[str, tuple[Option, ...]]] = {
    "Picture": (
        Option("--model", "model", "One of the models below", "ID", show_default=False),
        Option("--size", "size", "WIDTHxHEIGHT in multiples of 64, or one of the sizes below (default: portrait; with "
               "a source, its shape)", "SIZE", read=syntax.read_size, show_default=False),
        Option("--seed", "seed", "0 to 4294967295; sample i uses seed + i (default: random, shown at the end)",
               "N", int),
        Option("--n-samples", "n_samples", "Pictures in one request, 1 to 8, fewer where they are large", "N", int),
        Option("--negative", "negative_prompt", "What not to draw", "TEXT"),
        Option("--quality", "quality", f"Words added to the prompt: {_names('quality')}", "NAME"),
        Option("--uc-preset", "uc_preset", f"Undesired content: {_names('uc_preset')}", "NAME"),
        Option("--legacy-uc", "legacy_uc", "Treat undesired content as early V4 did (V4 and later)"),
        Option("--image-format", "image_format", "png or webp (default: as the output file's name ends, else png)",
               "FORMAT", show_default=False),
        Option("--transparent-background", "transparent_background", "Draw no background (V5)"),
        Option("--straight-alpha", "straight_alpha",
               "Colors not premultiplied with alpha (V5, where it is the default)"),
    ),
    "Sampling": (
        Option("--steps", "steps", "Denoising steps, 1 to 50", "N", int),
        Option("--scale", "scale", "Prompt guidance, 0 to 10 (default: the model's)", "X", float),
        Option("--sampler", "sampler", _names("sampler"), "NAME"),
        Option("--noise-schedule", "noise_schedule", _names("noise_schedule"), "NAME"),
        Option("--cfg-rescale", "cfg_rescale", "Prompt guidance rescale, 0 to 1", "X", float),
        Option("--variety-boost", "variety_boost", "Skip guidance at high noise (V3 to V4.5)"),
        Option("--decrisper", "decrisper", "Dynamic thresholding"),
        Option("--smea", "smea", "The SMEA sampler variant (V3)"),
        Option("--smea-dyn", "smea_dyn", "Its dynamic form (V3)"),
        Option("--auto-smea", "auto_smea", "Let the service choose SMEA for large pictures (V4 and later)"),
    ),
    "Source (a PNG, JPEG or WebP file)": (
        Option("--i2i", "i2i.image", "Draw this picture anew", "FILE"),
        Option("--inpaint", "inpaint.image", "Draw a part of this picture anew, the one that --mask says", "FILE"),
        Option("--mask", "inpaint.mask", "White, or opaque, where to draw anew", "FILE"),
        Option("--strength", "i2i.strength inpaint.strength", "How much is drawn anew, 0.01 to 0.99, or to 1 when "
               "inpainting", "X", float),
        Option("--noise", "i2i.noise", "Noise added to the source, 0 to 0.99", "X", float),
        Option("--noise-seed", "i2i.seed inpaint.seed", "Of that noise (default: the picture's seed - 1)", "N", int),
        Option("--fit", "i2i.fit inpaint.fit", "How a source of another shape fills the size: stretch, crop, letterbox",
               "NAME"),
        Option("--add-original-image", "inpaint.add_original_image",
               "Have the service lay the kept part over the result"),
    ),
    "Characters and references": (
        Option("--character", "characters", "Someone in the picture (V4 and later); may be repeated",
               "TEXT", read=syntax.read_character, repeatable=True),
        Option("--reference", "character_references", "A picture of what somebody looks like, or in what style "
               "(V4.5); may be repeated", "FILE[,...]", read=syntax.read_reference, repeatable=True),
        Option("--vibe", "controlnet.images", "A picture whose look is carried over (V3 to V4.5); may be repeated",
               "FILE[,...]", read=syntax.read_vibe, repeatable=True),
        Option("--vibe-strength", "controlnet.strength", "Of all vibes together, 0 to 1", "X", float),
        Option("--normalize-vibes", "controlnet.normalize", "Divide the vibes' strengths by their sum where that "
               "exceeds 1 (the default)"),
    ),
}  # fmt: skip
"""Heading to its options, in the order of the help."""

FLAGS: Final = {place: option.flag for options in OPTIONS.values() for option in options for place in option.places}
"""Place to option."""


def _model_text(info: ModelInfo) -> str:
    words = ["the default"] if info.id == DEFAULT_MODEL else []
    return "; ".join([info.family, *words, *([] if info.streams else ["does not stream"])])


TABLES: Final[dict[str, list[tuple[str, str]]]] = {
    "Several values in one text": [
        (
            '--character "PROMPT @ POSITION ! NEGATIVE"',
            (
                "The last two only if wanted, each mark with a blank on both sides. POSITION is a cell, A1 (top left) "
                "to E5, or x,y from 0,0 (top left) to 1,1."
            ),
        ),
        (
            "--reference FILE[,type=NAME][,fidelity=X][,strength=X]",
            "NAME is character, style or character&style (the default); the numbers go from 0 to 1 (the default).",
        ),
        (
            "--vibe FILE[,strength=X][,extracted=X]",
            (
                "FILE is a picture, a .naiv4vibe or a .naiv4vibebundle. The strength goes from -1 to 1 (default: 0.6), "
                "the share of information extracted from 0.01 to 1 (default: 0.7)."
            ),
        ),
    ],
    "Models": [(name, _model_text(info)) for name, info in MODELS.items()],
    "Sizes": [(name, f"{width} x {height}") for name, (width, height) in SIZES.items()],
}
"""What the help lists apart from the options."""


def picture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `OPTIONS`, in that order."""
    rows = [(section, option) for section, options in OPTIONS.items() for option in options]
    for section, option in reversed(rows):
        function = _declared(section, option)(function)
    return function


def _declared(section: str, option: Option) -> Decorator:
    text = f"{option.help}{_default(option)}."
    if not option.metavar:
        both = f"{option.flag}/--no-{option.flag.removeprefix('--')}"
        return click.option(both, option.name, cls=SectionOption, section=section, default=None, help=text)
    return click.option(
        option.flag,
        option.name,
        cls=SectionOption,
        section=section,
        help=text,
        type=option.kind,
        metavar=option.metavar,
        multiple=option.repeatable,
    )


def _default(option: Option) -> str:
    """The default as the help shows it; "" where there is none to show, or the text tells it already."""
    if not option.show_default or option.repeatable or not option.metavar:
        return ""
    defaults = {place: _default_at(place) for place in option.places}
    shown = {place: value for place, value in defaults.items() if value not in {None, "", attrs.NOTHING}}
    if len(set(shown.values())) > 1:
        each = (f"{value} with {RECORDS[place.partition('.')[0]].head}" for place, value in shown.items())
        return f" (default: {', '.join(each)})"
    return f" (default: {next(iter(shown.values()))})" if shown else ""


def _default_at(place: str) -> Any:
    record, _, field = place.rpartition(".")
    kind = RECORDS[record].kind if record else ImageParams
    return getattr(attrs.fields(kind), field).default
