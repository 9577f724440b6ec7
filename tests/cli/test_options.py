"""Options: everything `ImageParams` has can be given, what each reads, and how mistakes in them are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click
import pytest
from PIL import Image

from nai_trio.cli.generate import generate
from nai_trio.cli.naming import usage_text
from nai_trio.cli.options import FLAGS, RECORDS
from nai_trio.cli.wishes import read_request
from nai_trio.errors import InvalidParamsError
from nai_trio.params import ImageParams

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = {
    "model": "nai-diffusion-5-full", "size": (128, 64), "steps": 9, "scale": 3.5, "sampler": "k_euler",
    "noise_schedule": "karras", "seed": 7, "negative_prompt": "hat", "n_samples": 2, "quality": "light",
    "uc_preset": "light", "image_format": "webp", "cfg_rescale": 0.5, "decrisper": True,
    "auto_smea": True, "legacy_uc": True, "transparent_background": True, "straight_alpha": False,
}  # fmt: skip
ON_V3 = {"model": "nai-diffusion-3", "variety_boost": True, "smea": True, "smea_dyn": True}


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "source.png"
    Image.new("RGB", (128, 64), "red").save(path)
    return str(path)


def params_of(*arguments: object) -> ImageParams:
    """The parameters that a command line asks for."""
    with generate.make_context("generate", [str(each) for each in arguments]) as context:
        return read_request(context.params, output=context.params["output"]).params


def words_for(field: str, value: Any) -> list[str]:
    flag = FLAGS[field]
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    return [flag, "x".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def test_everything_that_parameters_have_has_an_option() -> None:
    fields = {field.name for field in attrs.fields(ImageParams)} - {"prompt"}
    assert {place.partition(".")[0] for place in FLAGS} == fields
    for name, record in RECORDS.items():
        inner = {place.partition(".")[2] for place in FLAGS if place.startswith(f"{name}.")}
        assert inner == {field.name for field in attrs.fields(record.kind)}
    declared = {option for parameter in generate.params for option in parameter.opts}
    assert set(FLAGS.values()) <= declared


@pytest.mark.parametrize("given", [GIVEN, ON_V3])
def test_what_is_given_arrives_and_what_is_not_keeps_its_default(given: dict[str, Any]) -> None:
    params = params_of("1girl", *(word for field, value in given.items() for word in words_for(field, value)))
    for field, value in given.items():
        assert getattr(params, field) == value
    assert params.variety_boost is (given is ON_V3)


def test_every_scalar_option_was_tried() -> None:
    scalar = {place for place in FLAGS if "." not in place} - {"characters", "character_references"}
    assert scalar == set(GIVEN) | set(ON_V3)


def test_a_source_with_everything(picture: str) -> None:
    params = params_of("x", "--i2i", picture, "--strength", 0.25, "--noise", 0.5, "--noise-seed", 3, "--fit", "crop")
    assert params.i2i is not None
    assert params.size == (128, 64)
    assert params.inpaint is None
    assert attrs.asdict(params.i2i, recurse=False, filter=attrs.filters.exclude("image")) == {
        "strength": 0.25, "noise": 0.5, "seed": 3, "fit": "crop",
    }  # fmt: skip


def test_inpainting_with_everything(picture: str) -> None:
    params = params_of(
        "x", "--inpaint", picture, "--mask", picture, "--strength", 0.25, "--noise-seed", 3, "--fit", "letterbox",
        "--add-original-image",
    )  # fmt: skip
    assert params.inpaint is not None
    assert params.i2i is None
    assert attrs.asdict(params.inpaint, recurse=False, filter=attrs.filters.exclude("image", "mask")) == {
        "strength": 0.25, "seed": 3, "fit": "letterbox", "add_original_image": True,
    }  # fmt: skip


def test_characters_vibes_and_references_come_in_their_order(picture: str) -> None:
    params = params_of(
        "x", "--character", "girl, red hair @ b3 ! hat", "--character", "boy @ 0.25,1", "--character", "?"
    )
    assert [(each.prompt, each.negative_prompt, each.position) for each in params.characters] == [
        ("girl, red hair", "hat", "B3"), ("boy", "", (0.25, 1.0)), ("?", "", None),
    ]  # fmt: skip
    params = params_of(
        "x", "--vibe", f"{picture},strength=-0.5,extracted=0.25", "--vibe", picture, "--vibe-strength", 0.5,
        "--no-normalize-vibes",
    )  # fmt: skip
    assert params.controlnet is not None
    assert [(each.strength, each.information_extracted) for each in params.controlnet.images] == [
        (-0.5, 0.25),
        (0.6, 0.7),
    ]
    assert (params.controlnet.strength, params.controlnet.normalize) == (0.5, False)
    params = params_of("x", "--reference", picture, "--reference", f"{picture},type=style,fidelity=0.25,strength=0.5")
    assert [(each.type, each.fidelity, each.strength) for each in params.character_references] == [
        ("character&style", 1, 1), ("style", 0.25, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [("64x64", (64, 64)), ("128X64", (128, 64)), ("64×128", (64, 128)), ("large-portrait", "large_portrait")],
)
def test_a_size_is_two_sides_or_a_name(text: str, size: object) -> None:
    assert params_of("x", "--size", text).size == size


@pytest.mark.parametrize("text", ["64x65", "64", "x", "64x64x64", "-64x64", "9999999x64", "huge", ""])
def test_another_size_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(click.ClickException, match=r"^--size: expected "):
        params_of("x", "--size", text)


@pytest.mark.parametrize(
    ("output", "asked", "image_format"),
    [
        ("o.png", None, "png"), ("o.webp", None, "webp"), ("o.WEBP", None, "webp"), ("o", None, "png"),
        ("o.jpg", None, "png"), ("o.webp", "png", "png"), ("o.png", "webp", "webp"),
    ],
)  # fmt: skip
def test_the_output_files_ending_asks_for_a_format(output: str, asked: str | None, image_format: str) -> None:
    more = [] if asked is None else ["--image-format", asked]
    assert params_of("x", "-o", output, *more).image_format == image_format


def test_errors_name_the_option_not_the_field() -> None:
    for field, flag in {"prompt": "PROMPT", "stream": "--stream", "vibe_cache": "--vibe-cache", **FLAGS}.items():
        error = InvalidParamsError.for_field(field, "bad", "good")
        assert usage_text(error) == f"{flag}: expected good, got 'bad'"
    assert usage_text(InvalidParamsError("several at once")) == "several at once"


def test_the_key_is_no_options_value() -> None:
    options = {option for parameter in generate.params for option in parameter.opts}
    assert {option for option in options if "key" in option} == {"--key-file"}
