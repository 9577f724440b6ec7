"""From the options to `ImageParams`.

There are three layers, each over the one before: the picture of `--like`, the file of `--params`, the options.
A field that an option sets replaces the file's, also inside a record: `--strength` changes the strength of the file's
`i2i` and leaves its picture. A list (characters, vibes, references) is replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from nai_trio.cli.naming import Naming, Origin, flag_origin, without_api_words
from nai_trio.cli.options import OPTIONS, RECORDS
from nai_trio.cli.params_file import read_params_file
from nai_trio.cli.vibe_inputs import load_vibes
from nai_trio.errors import InvalidParamsError
from nai_trio.params import ImageParams
from nai_trio.params.models import DEFAULT_MODEL
from nai_trio.params.support import EXCLUSIONS

if TYPE_CHECKING:
    from nai_trio.cli.options import Option

__all__ = ["Request", "read_request"]

_ENDINGS: Final = {".png": "png", ".webp": "webp"}


@attrs.frozen(kw_only=True)
class Request:
    """What was asked for.

    Attributes:
        params: the parameters.
        naming: where each came from, for errors that show later.
    """

    params: ImageParams
    naming: Naming


def read_request(values: Mapping[str, Any], *, output: Path | None = None) -> Request:
    """Read the parameters.

    Args:
        values: of each option of `OPTIONS` by its name, and of "prompt", "params" and "like"; None, or nothing, where
            it was not given.
        output: where the picture goes: its ending asks for a format.

    Raises:
        click.ClickException: something is wrong, in words of the command line.
    """
    layers = _Layers()
    like = None if values.get("like") is None else layers.add_like(values["like"])
    if values.get("params") is not None:
        layers.add_file(Path(values["params"]))
    layers.add_options(values, output)
    layers.check(like)
    return Request(params=layers.build(like), naming=layers.naming)


class _Layers:
    """The fields as far as they are known, and where they came from."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.naming = Naming()

    def add_like(self, path: str) -> ImageParams:
        try:
            params = ImageParams.from_png(path)
        except InvalidParamsError as error:
            words = without_api_words(str(error)).removeprefix("picture: ")
            raise click.ClickException(f"--like {path}: {words}") from None
        self.naming.set_all((each.name for each in attrs.fields(ImageParams)), path)
        return params

    def add_file(self, path: Path) -> None:
        fields = read_params_file(path)
        self.fields.update(fields)
        self.naming.set_all(fields, str(path))

    def add_options(self, values: Mapping[str, Any], output: Path | None) -> None:
        ending = _ENDINGS.get("" if output is None else output.suffix.lower())
        if ending is not None:
            self._set("image_format", ending, "--output")
        if values.get("prompt") is not None:
            self._set("prompt", values["prompt"], "PROMPT")
        given = [
            (option, _read(option, value))
            for options in OPTIONS.values()
            for option in options
            if (value := values.get(option.name)) not in {None, ()}
        ]
        for head in (True, False):  # the options that make a record come before those that go into one
            for option, value in given:
                if head == (option.flag in _HEADS):
                    self._add(option, value)

    def check(self, like: ImageParams | None) -> None:
        """Refuse what can be said better in terms of options."""
        if like is None and self.fields.get("prompt") is None:
            raise click.UsageError("no PROMPT: give one, or a file that has one (--params, --like)")
        for exclusion in EXCLUSIONS:
            if self.fields.get(exclusion.one) and self.fields.get(exclusion.other):
                one, other = (self.naming.of(field) for field in (exclusion.one, exclusion.other))
                raise click.UsageError(f"{one} and {other} exclude each other: {exclusion.reason}")
        if self.naming.knows("inpaint.image") and "mask" not in self.fields["inpaint"]:
            raise click.UsageError("--inpaint needs --mask")

    def build(self, like: ImageParams | None) -> ImageParams:
        if "controlnet" in self.fields:
            model = self.fields.get("model", DEFAULT_MODEL if like is None else like.model)
            self.fields["controlnet"] = load_vibes(self.fields["controlnet"], model, self.naming)
        try:
            return ImageParams.from_fields(**self.fields) if like is None else like.replace(**self.fields)
        except InvalidParamsError as error:
            raise click.ClickException(self.naming.text(error)) from None

    def _add(self, option: Option, value: Any) -> None:
        places = option.places if option.flag in _HEADS else [each for each in option.places if self._has(each)]
        if not places:
            heads = " or ".join(RECORDS[place.partition(".")[0]].head for place in option.places)
            raise click.UsageError(f"{option.flag} needs {heads}")
        for place in places:
            self._set(place, value, option.flag)

    def _has(self, place: str) -> bool:
        record = place.rpartition(".")[0]
        return not record or self.fields.get(record) is not None

    def _set(self, place: str, value: Any, flag: str) -> None:
        record, _, field = place.rpartition(".")
        if record:
            around = self.fields.get(record)
            if not isinstance(around, Mapping | None):
                return  # the file's is wrong as a whole, and will be refused
            self.fields[record] = {**(around or {}), field: value}
        else:
            self.fields[field] = value
        self.naming.set(place, flag_origin(flag))
        for index in range(len(value) if isinstance(value, list) else 0):
            self.naming.set(f"{place}[{index}]", flag_origin(flag, index))


_HEADS: Final = frozenset(record.head for record in RECORDS.values())


def _read(option: Option, given: Any) -> Any:
    if option.repeatable:
        return [_read_one(option, each, flag_origin(option.flag, index)) for index, each in enumerate(given)]
    return _read_one(option, given, flag_origin(option.flag))


def _read_one(option: Option, given: Any, origin: Origin) -> Any:
    try:
        return option.read(given) if isinstance(given, str) else given
    except ValueError as error:
        raise click.ClickException(f"{origin.label}: {error}") from None
