"""Vibes that are named by a .naiv4vibe or .naiv4vibebundle file, in place of a picture.

Such a file holds encodings for some models, perhaps with the picture they were made of; the one for the model at hand
is taken, so that nothing is paid again. A bundle stands for all the vibes in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from nai_trio.cli.naming import without_api_words
from nai_trio.errors import InvalidParamsError
from nai_trio.params import Vibe
from nai_trio.params.checks import known_fields, within

if TYPE_CHECKING:
    from nai_trio.cli.naming import Naming

__all__ = ["load_vibes"]

_ENDINGS: Final = (".naiv4vibe", ".naiv4vibebundle")
_NUMBERS: Final = ("strength", "information_extracted")


def load_vibes(controlnet: Any, model: Any, naming: Naming) -> Any:
    """The value of `controlnet` with the vibes out of such files in place of their names; else as it was.

    Args:
        controlnet: fields of a `ControlNet`, unchecked.
        model: the model, unchecked.
        naming: what the vibes are called; is told where each comes from.

    Raises:
        click.ClickException: a file cannot be used.
    """
    images = controlnet.get("images") if isinstance(controlnet, Mapping) else None
    if not isinstance(images, list) or not any(map(_is_file, images)):
        return controlnet
    found: list[Any] = []
    origins = []
    for index, each in enumerate(images):
        place = f"controlnet.images[{index}]"
        vibes = _loaded(each, model, place, naming) if _is_file(each) else [each]
        found += vibes
        origins += [naming.origin(place)] * len(vibes)
    for index, origin in enumerate(origins):
        naming.set(f"controlnet.images[{index}]", origin)
    return {**controlnet, "images": found}


def _is_file(vibe: Any) -> bool:
    name = vibe.get("image") if isinstance(vibe, Mapping) else None
    return isinstance(name, str) and name.lower().endswith(_ENDINGS)


def _loaded(vibe: Mapping[str, Any], model: Any, place: str, naming: Naming) -> list[Vibe]:
    from nai_trio.params.vibe_files import read_vibes  # noqa: PLC0415 - seldom needed

    try:
        with within(place):
            known_fields(Vibe, vibe)
            numbers = _numbers(vibe)
    except InvalidParamsError as error:
        raise click.ClickException(naming.text(error)) from None
    try:
        return [each.vibe(model, **numbers) for each in read_vibes(vibe["image"])]
    except InvalidParamsError as error:
        if error.field == "model":
            raise click.ClickException(naming.text(error)) from None
        words = without_api_words(str(error))
        raise click.ClickException(f"{naming.of(place)}: {vibe['image']}: {words}") from None


def _numbers(vibe: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for all vibes of the file, checked as for a picture."""
    given = {name: vibe[name] for name in _NUMBERS if name in vibe}
    for name, value in given.items():
        attribute = getattr(attrs.fields(Vibe), name)
        attribute.validator(None, attribute, value)
    return given
