"""Write docs/parameters.md: every parameter, from the records and tables that validate them.

python docs/make_parameters.py

Nothing about a parameter is written here: names, types and defaults are the records' fields, ranges are the words of
the rules that check them, meanings are the records' docstrings, and what a model takes is the table of models.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from nai_trio.params import (
    MODELS,
    SIZES,
    Character,
    CharacterReference,
    ControlNet,
    ImageParams,
    ImageToImage,
    Inpaint,
    ModelInfo,
    Vibe,
)
from nai_trio.params.image import OF_MODEL
from nai_trio.params.sizes import SAMPLES_BY_AREA
from nai_trio.params.support import CHOICES, EXCLUSIONS, OPTIONS

PAGE = Path(__file__).with_name("parameters.md")
INFOS = tuple(MODELS.values())
RECORDS = (Character, ImageToImage, Inpaint, ControlNet, Vibe, CharacterReference)

HEAD = """\
# Parameters

Everything that `ImageParams` takes, and with it `client.image.generate_stream(...)`, `client.image.generate(...)` and
`nai-trio generate`. This page is written by `python docs/make_parameters.py` from the data that validates.
How pictures are given, and examples: [pictures.md](pictures.md). Where sources differ on what to send, what this
library sends, and why: [differences.md](differences.md).

In a JSON or TOML file (`nai-trio generate --params FILE`) the fields have these names, and records are tables.
"""


def page() -> str:
    parts = [HEAD, *_fields(ImageParams, "ImageParams")]
    for record in RECORDS:
        parts += _fields(record, f"{record.__name__}{_where(record)}")
    parts += ["## What excludes what", "", *(_exclusion(each) for each in EXCLUSIONS), ""]
    parts += ["## Models", "", *_models(), "", "## Sizes", "", *_sizes(), "", "## Words of the presets", "", *_words()]
    return "\n".join(parts)


def _where(record: type[attrs.AttrsInstance]) -> str:
    """The field that holds such a record, for the heading."""
    holders = [
        f"`{'' if holder is ImageParams else 'controlnet.'}{field.name}`"
        for holder in (ImageParams, ControlNet)
        for field in attrs.fields(holder)
        if re.search(rf"\b{record.__name__}\b", str(field.type))
    ]
    return f", in {holders[0]}" if holders else ""


def _fields(cls: type[attrs.AttrsInstance], title: str) -> list[str]:
    meanings = _meanings(cls)
    rows = [["field", "type", "takes", "default", "models", "on the wire", "meaning"]]
    rows += [
        [
            f"`{field.name}`",
            _type(field),
            _range(field),
            _default(field, cls),
            _support(field) if cls is ImageParams else "",
            _wire(field),
            meanings[field.name],
        ]
        for field in attrs.fields(cls)
    ]
    if cls is not ImageParams:
        rows = [[*row[:4], *row[5:]] for row in rows]
    return [f"## {title}", "", *_table(rows), ""]


def _meanings(cls: type) -> dict[str, str]:
    """The text of each attribute in the class's docstring."""
    section = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _rule(field: attrs.Attribute[Any]) -> Any:
    """What checks a field, without the wrapper that lets None pass."""
    return getattr(field.validator, "validator", field.validator)


def _type(field: attrs.Attribute[Any]) -> str:
    rule = _rule(field)
    kind = getattr(rule, "kind", None) or str(field.type).replace("ImageSource", "picture").replace(" | None", "")
    return re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", kind).replace("|", "or")


def _range(field: attrs.Attribute[Any]) -> str:
    rule = _rule(field)
    return "" if rule is None else rule.allowed


def _default(field: attrs.Attribute[Any], cls: type) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if cls is ImageParams and field.name in OF_MODEL:
        return _by_model(lambda info: getattr(info, OF_MODEL[field.name]))
    if "default" in field.metadata:
        return str(field.metadata["default"])
    return "none" if field.default is None or field.default == () else f"`{_json(field.default)}`"


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _support(field: attrs.Attribute[Any]) -> str:
    if field.name in OPTIONS:
        return _names(info for info in INFOS if field.name in info.options)
    if field.name == "characters":
        return _by_model(lambda info: f"{info.max_characters}" if info.max_characters else None)
    if field.name not in CHOICES:
        return "all"
    column = CHOICES[field.name]
    values = dict.fromkeys(value for info in INFOS for value in getattr(info, column))
    able = {value: _names(info for info in INFOS if value in getattr(info, column)) for value in values}
    limited = [f"`{value}`: {names}" for value, names in able.items() if names != "all"]
    return "; ".join(limited) or "all"


def _wire(field: attrs.Attribute[Any]) -> str:
    wire = field.metadata.get("wire", "")
    return re.sub(r"\b\w+\b(?![^(]*\))", lambda name: f"`{name[0]}`", wire)


def _names(infos: Iterable[ModelInfo]) -> str:
    """Models by family where a whole family is meant, else by id."""
    chosen = list(infos)
    if len(chosen) == len(INFOS):
        return "all"
    names: dict[str, None] = {}
    for info in chosen:
        family = [each for each in INFOS if each.family == info.family]
        names[info.family if all(each in chosen for each in family) else f"`{info.id}`"] = None
    return ", ".join(names)


def _by_model(value: Callable[[ModelInfo], object]) -> str:
    groups: dict[object, list[ModelInfo]] = {}
    for info in INFOS:
        groups.setdefault(value(info), []).append(info)
    return "; ".join(f"{each} ({_names(infos)})" for each, infos in groups.items() if each is not None)


def _exclusion(exclusion: Any) -> str:
    return f"- `{exclusion.one}` and `{exclusion.other}`: {exclusion.reason}."


def _models() -> Iterable[str]:
    rows = [["model", "family", "inpaints with", "streams", "characters", "vibes", "references", "price"]]
    rows += [
        [
            f"`{info.id}`",
            info.family,
            f"`{info.inpainting_id}`",
            "yes" if info.streams else "no",
            str(info.max_characters or "no"),
            {"raw": "pictures", "encoded": f"encoded as `{info.vibe_encoding}`", None: "no"}[info.vibes],
            "yes" if "character_references" in info.options else "no",
            f"x {info.price_factor:g}",
        ]
        for info in INFOS
    ]
    return _table(rows)


def _sizes() -> Iterable[str]:
    rows = [["name", "width", "height"], *([f"`{name}`", str(w), str(h)] for name, (w, h) in SIZES.items())]
    limits = "; ".join(f"{count} up to {area:,} pixels" for area, count in SAMPLES_BY_AREA)
    return [*_table(rows), "", f"`n_samples` at most: {limits}."]


def _words() -> Iterable[str]:
    rows = [["models", "field", "preset", "words"]]
    for field, column in (("quality", "quality_texts"), ("uc_preset", "uc_texts")):
        groups: dict[tuple[str, str], list[ModelInfo]] = {}
        for info in INFOS:
            for preset, words in getattr(info, column).items():
                groups.setdefault((preset, words), []).append(info)
        rows += [
            [_names(infos), f"`{field}`", f"`{preset}`", f"`{words}`" if words else "none"]
            for (preset, words), infos in groups.items()
        ]
    rules = [
        "Quality words follow the prompt: before a `text:` section and in the first `|` part, on V3 in every part.",
        "Undesired-content words come before the negative prompt. Where the model is not a Curated one and the prompt",
        "does not say nsfw, a preset other than `none` begins with `nsfw`.",
        "",
    ]
    return [*rules, *_table(rows), ""]


def _table(rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = [f"| {' | '.join(row)} |" for row in cells]
    return [head, "|" + "---|" * len(rows[0]), *body]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
