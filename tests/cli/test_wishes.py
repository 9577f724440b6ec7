"""Layers: the picture of `--like` under the file of `--params` under the options; and who is blamed for what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
from asking import ask, refused, write
from hypothesis import given
from hypothesis import strategies as st

from nai_trio.cli.naming import Naming, flag_origin, nth
from nai_trio.errors import InvalidParamsError
from nai_trio.params import ImageParams

EVERYTHING = {
    "prompt": "from the file", "model": "nai-diffusion-4-5-full", "size": [64, 128], "steps": 9, "scale": 3.5,
    "sampler": "k_euler", "noise_schedule": "exponential", "seed": 8, "n_samples": 2, "negative_prompt": "hat",
    "quality": False, "uc_preset": "light", "cfg_rescale": 0.5, "variety_boost": True, "decrisper": True, "smea": False,
    "smea_dyn": False, "auto_smea": True, "legacy_uc": True, "image_format": "webp", "transparent_background": False,
    "straight_alpha": False,
    "characters": [
        {"prompt": "girl", "negative_prompt": "cap", "position": "b3", "enabled": False},
        {"prompt": "boy", "position": [0.25, 1]},
    ],
    "i2i": {"image": "red.png", "strength": 0.25, "noise": 0.5, "seed": 9, "fit": "crop"},
    "controlnet": {
        "images": [{"image": "red.png", "strength": 0.5, "information_extracted": 0.25}, {"image": "blue.png"}],
        "strength": 0.5, "normalize": False,
    },
}  # fmt: skip

TOML = """
prompt = "from the file"
model = "nai-diffusion-4-5-full"
size = [64, 128]
steps = 9
scale = 3.5
sampler = "k_euler"
noise_schedule = "exponential"
seed = 8
n_samples = 2
negative_prompt = "hat"
quality = false
uc_preset = "light"
cfg_rescale = 0.5
variety_boost = true
decrisper = true
smea = false
smea_dyn = false
auto_smea = true
legacy_uc = true
image_format = "webp"
transparent_background = false
straight_alpha = false

[[characters]]
prompt = "girl"
negative_prompt = "cap"
position = "b3"
enabled = false

[[characters]]
prompt = "boy"
position = [0.25, 1]

[i2i]
image = "red.png"
strength = 0.25
noise = 0.5
seed = 9
fit = "crop"

[controlnet]
strength = 0.5
normalize = false

[[controlnet.images]]
image = "red.png"
strength = 0.5
information_extracted = 0.25

[[controlnet.images]]
image = "blue.png"
"""


@pytest.mark.parametrize(("name", "content"), [("p.json", EVERYTHING), ("p.toml", TOML)])
def test_a_file_with_everything_is_the_parameters(folder: Path, name: str, content: Any) -> None:
    params = ask("--params", write(folder / name, content))
    direct: dict[str, Any] = json.loads(json.dumps(EVERYTHING))
    for record in (direct["i2i"], *direct["controlnet"]["images"]):
        record["image"] = str(folder / record["image"])
    assert params == ImageParams.from_fields(**direct)
    assert set(direct) | {"inpaint", "character_references"} == {field.name for field in attrs.fields(ImageParams)}


def test_a_file_with_an_inpainting_and_one_with_references(folder: Path) -> None:
    inpaint = {"image": "red.png", "mask": "blue.png", "strength": 0.5, "add_original_image": True}
    params = ask("x", "--params", write(folder / "p.json", {"inpaint": inpaint}))
    assert params.inpaint is not None
    assert params.inpaint.add_original_image
    references = [{"image": "red.png", "type": "style", "fidelity": 0.5, "strength": 0.25}]
    params = ask("x", "--params", write(folder / "q.json", {"character_references": references}))
    assert [(each.type, each.fidelity, each.strength) for each in params.character_references] == [("style", 0.5, 0.25)]


def test_options_go_before_the_file_and_the_file_before_the_picture(folder: Path, like: Path) -> None:
    file = write(folder / "p.json", {"steps": 4, "scale": 2, "negative_prompt": "file"})
    alone = ask("--like", like)
    assert (alone.prompt, alone.steps, alone.seed, alone.size, alone.n_samples) == (
        "1girl, finished",
        3,
        5,
        (64, 64),
        1,
    )
    assert [each.position for each in alone.characters] == [(0.3, 0.5)]
    both = ask("--like", like, "--params", file)
    assert (both.prompt, both.steps, both.scale, both.negative_prompt) == ("1girl, finished", 4, 2, "file")
    all_three = ask("another", "--params", file, "--like", like, "--steps", 5, "--seed", 7)
    assert (all_three.prompt, all_three.steps, all_three.scale, all_three.seed) == ("another", 5, 2, 7)


def test_switches_of_the_file_can_be_turned_off(folder: Path) -> None:
    file = write(folder / "p.json", {"variety_boost": True, "decrisper": True, "straight_alpha": False})
    params = ask("x", "--params", file, "--no-variety-boost")
    assert (params.variety_boost, params.decrisper) == (False, True)


def test_options_change_fields_inside_the_files_records(folder: Path) -> None:
    file = write(folder / "p.json", {"i2i": EVERYTHING["i2i"], "controlnet": EVERYTHING["controlnet"]})
    params = ask("x", "--params", file, "--strength", 0.5, "--i2i", "inner/blue.png", "--vibe-strength", 0.75)
    assert params.i2i is not None
    assert (params.i2i.strength, params.i2i.noise, params.i2i.fit) == (0.5, 0.5, "crop")
    assert "inner/blue.png" in repr(params.i2i.image)
    assert params.controlnet is not None
    assert (params.controlnet.strength, len(params.controlnet.images)) == (0.75, 2)


def test_a_list_is_replaced_whole(folder: Path) -> None:
    fields = {"characters": EVERYTHING["characters"], "controlnet": EVERYTHING["controlnet"]}
    params = ask("x", "--params", write(folder / "p.json", fields), "--character", "?", "--vibe", "inner/blue.png")
    assert [each.prompt for each in params.characters] == ["?"]
    assert params.controlnet is not None
    assert [each.strength for each in params.controlnet.images] == [0.6]
    assert params.controlnet.strength == 0.5


def test_the_format_is_the_option_the_output_the_file_the_picture(folder: Path, like: Path) -> None:
    file = write(folder / "p.json", {"image_format": "webp"})
    assert ask("--like", like, "--params", file).image_format == "webp"
    assert ask("--like", like, "--params", file, "-o", "a.png").image_format == "png"
    assert ask("--like", like, "--params", file, "-o", "a.png", "--image-format", "webp").image_format == "webp"
    assert ask("--like", like, "-o", "a").image_format == "png"
    assert ask("--like", like, "-o", "a.webp").image_format == "webp"


def test_a_model_of_another_default_guidance_brings_its_own(like: Path) -> None:
    assert ask("--like", like).scale == 5
    assert ask("--like", like, "--model", "nai-diffusion-5-full", "--no-legacy-uc").scale == 7


USAGE = [
    (("--strength", 0.5), "--strength needs --i2i or --inpaint"),
    (("--noise-seed", 1), "--noise-seed needs --i2i or --inpaint"),
    (("--fit", "crop"), "--fit needs --i2i or --inpaint"),
    (("--noise", 0.5), "--noise needs --i2i"),
    (("--noise", 0.5, "--inpaint", "inner/red.png", "--mask", "inner/red.png"), "--noise needs --i2i"),
    (("--mask", "inner/red.png"), "--mask needs --inpaint"),
    (("--mask", "inner/red.png", "--i2i", "inner/red.png"), "--mask needs --inpaint"),
    (("--add-original-image", "--i2i", "inner/red.png"), "--add-original-image needs --inpaint"),
    (("--inpaint", "inner/red.png"), "--inpaint needs --mask"),
    (("--vibe-strength", 0.5), "--vibe-strength needs --vibe"),
    (("--no-normalize-vibes",), "--normalize-vibes needs --vibe"),
    (
        ("--i2i", "inner/red.png", "--inpaint", "inner/red.png", "--mask", "inner/red.png"),
        "--i2i and --inpaint exclude each other: a picture is either drawn anew as a whole or in part",
    ),
    (
        ("--vibe", "inner/red.png", "--reference", "inner/red.png"),
        "--vibe and --reference exclude each other: the service takes one kind of reference at a time",
    ),
    (
        ("--vibe", "inner/red.png", "--inpaint", "inner/red.png", "--mask", "inner/red.png"),
        "--vibe and --inpaint exclude each other: the web client drops vibes when it inpaints",
    ),
]


@pytest.mark.parametrize(("arguments", "text"), USAGE)
def test_options_that_do_not_go_together_say_so(folder: Path, arguments: tuple[object, ...], text: str) -> None:
    assert refused("x", *arguments) == text


VALUES = [
    (("--i2i", "no.png"), "--i2i: expected a PNG, JPEG or WebP picture, got the path 'no.png', which cannot be read"),
    (("--i2i", "inner/red.png", "--strength", 1), "--strength: expected a number from 0.01 to 0.99, got 1.0"),
    (("--i2i", "inner/red.png", "--fit", "cut"), "--fit: expected one of stretch, crop, letterbox"),
    (("--i2i", "inner/red.png", "--noise-seed", -1), "--noise-seed: expected an integer from 0 to 4294967295, got -1"),
    (("--inpaint", "inner/red.png", "--mask", "no.png"), "--mask: expected a PNG, JPEG or WebP picture, got the path"),
    (("--character", "a", "--character", "b @ Z9"), "--character (the 2nd): position: expected None, (x, y)"),
    (("--character", "b @ x,1"), "--character (the 1st): x: expected a number, got 'x'"),
    (("--character", "a",) * 7, "--character: expected at most 6 with nai-diffusion-4-5-full"),
    (("--character", "a", "--model", "nai-diffusion-3"), "--character: expected at most 0 with nai-diffusion-3"),
    (("--vibe", "inner/red.png", "--vibe", "no.png"), "--vibe (the 2nd): expected a PNG, JPEG or WebP picture, got"),
    (("--vibe", "inner/red.png,strength=2"), "--vibe (the 1st): strength: expected a number from -1 to 1, got 2.0"),
    (("--vibe", "inner/red.png,extracted=0"), "--vibe (the 1st): extracted: expected a number from 0.01 to 1, got 0"),
    (("--vibe", "inner/red.png,shade=0"), "--vibe (the 1st): expected an option that exists (strength, extracted)"),
    (("--vibe", "inner/red.png") * 17, "--vibe: expected 1 to 16 vibes, got '17 vibes'"),
    (("--vibe", "inner/red.png", "--vibe-strength", 2), "--vibe-strength: expected a number from 0 to 1, got 2.0"),
    (("--vibe", "inner/red.png", "--model", "nai-diffusion-5-full"), "--vibe: expected none with nai-diffusion-5-full"),
    (("--reference", "inner/red.png,type=sytle"), "--reference (the 1st): type: expected one of character, style"),
    (("--reference", "inner/red.png", "--model", "nai-diffusion-3"), "--reference: expected none with nai-diffusion-3"),
    (("--inpaint", "inner/red.png", "--mask", "inner/red.png", "--strength", "0.5", "--model", "nai-diffusion-3"),
     "--strength: expected 1 with nai-diffusion-3"),
    (("--like", "no.png"), "--like no.png: expected a PNG, JPEG or WebP picture, got the path 'no.png', which cannot"),
    (("--like", "inner/red.png"), "--like inner/red.png: expected a picture with the service's metadata, got a PNG"),
    (("--n-samples", 5), "--n-samples: expected at most 4 at 832x1216 pixels, got 5"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "text"), VALUES)
def test_a_wrong_value_is_told_by_its_option(folder: Path, arguments: tuple[object, ...], text: str) -> None:
    assert refused("x", *arguments).startswith(text)


FILES: list[tuple[dict[str, Any], tuple[object, ...], str]] = [
    ({"stepz": 3}, (), "stepz: expected a field of ImageParams (did you mean 'steps'?), got 3"),
    ({"steps": "3"}, (), "steps: expected an integer from 1 to 50, got '3'"),
    ({"characters": {}}, (), "characters: expected a list or tuple of Character, got {}"),
    ({"characters": [{"prompt": "a"}, {"prompt": "b", "position": "Z9"}]}, (), "characters[1].position: expected None"),
    ({"characters": [{"prompt": "a", "negative": "b"}]}, (), "characters[0].negative: expected a field of Character"),
    ({"i2i": "a.png"}, (), "i2i: expected an ImageToImage, or a mapping of its fields"),
    ({"i2i": "a.png"}, ("--strength", 0.5), "i2i: expected an ImageToImage, or a mapping of its fields"),
    ({"inpaint": 5}, ("--inpaint", "inner/red.png"), "inpaint: expected an Inpaint, or a mapping of its fields, got 5"),
    ({"i2i": {"strength": 0.5}}, (), "i2i.image: expected a PNG, JPEG or WebP picture, got None"),
    ({"i2i": {"image": "red.png", "strength": 5}}, (), "i2i.strength: expected a number from 0.01 to 0.99, got 5"),
    ({"i2i": {"image": "no.png"}}, (), "i2i.image: expected a PNG, JPEG or WebP picture, got the path"),
    ({"inpaint": {"image": "red.png"}}, (), "inpaint.mask: expected a PNG, JPEG or WebP picture, got None"),
    ({"controlnet": {"images": []}}, (), "controlnet.images: expected 1 to 16 vibes"),
    ({"controlnet": {"images": [{"image": "red.png", "strength": 2}]}}, (), "controlnet.images[0].strength: expected"),
    ({"character_references": [{"image": "no.png"}]}, (), "character_references[0].image: expected a PNG, JPEG"),
]


@pytest.mark.parametrize(("fields", "arguments", "text"), FILES)
def test_a_wrong_value_in_a_file_is_told_by_its_place(
    folder: Path, fields: dict[str, Any], arguments: tuple[object, ...], text: str
) -> None:
    file = write(folder / "p.json", fields)
    assert refused("x", "--params", file, *arguments).startswith(f"{file}: {text}")


def test_a_wrong_prompt_in_a_file_is_told_by_its_place(folder: Path) -> None:
    file = write(folder / "p.json", {"prompt": 3})
    assert refused("--params", file) == f"{file}: prompt: expected text that is not empty, got 3"
    assert refused("--params", write(folder / "q.json", {})).startswith("no PROMPT")
    assert refused("--params", write(folder / "r.json", {"prompt": None})).startswith("no PROMPT")


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "1st"),
        (1, "2nd"),
        (2, "3rd"),
        (3, "4th"),
        (10, "11th"),
        (11, "12th"),
        (12, "13th"),
        (20, "21st"),
        (110, "111th"),
    ],
)
def test_places_are_counted_as_people_do(index: int, text: str) -> None:
    assert nth(index) == text


def test_what_is_set_anew_forgets_what_was_inside() -> None:
    naming = Naming()
    naming.set("i2i.strength", flag_origin("--strength"))
    naming.set_all(["i2i"], "p.toml")
    assert naming.of("i2i.strength") == "p.toml: i2i.strength"
    assert naming.knows("i2i")
    assert not naming.knows("i2i.strength")


def test_words_for_programs_are_left_out() -> None:
    error = InvalidParamsError.for_field(
        "i2i.image", 5, "a PNG, JPEG or WebP picture (bytes, a path, or a Pillow image)"
    )
    assert Naming().text(error) == "--i2i: expected a PNG, JPEG or WebP picture, got 5"


names = st.sampled_from(
    [*EVERYTHING, "inpaint", "character_references", "images", "image", "mask", "prompt", "position"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
options = st.sampled_from([("--strength", 0.5), ("--vibe-strength", 0.5), ("--character", "a"), ("--fit", "crop"), ()])


@given(st.dictionaries(names | st.text(max_size=8), values, max_size=4), options)
def test_any_fields_are_parameters_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, Any], arguments: tuple[object, ...]
) -> None:
    file = write(tmp_path_factory.getbasetemp() / "any.json", fields)
    try:
        assert ask("x", "--params", file, *arguments).prompt == "x"
    except click.ClickException as error:
        text = error.format_message()
        assert text.startswith((f"{file}: ", "--")), text
        assert "expected" in text or "needs" in text or "exclude each other" in text


@given(st.sampled_from([*EVERYTHING, "inpaint", "character_references"]), values)
def test_any_value_of_a_field_is_taken_or_refused_by_its_place(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    file = write(tmp_path_factory.getbasetemp() / "any.json", {"prompt": "x", field: value})
    try:
        ask("--params", file)
    except click.ClickException as error:
        text = error.format_message()
        assert text.startswith((f"{file}: {field}", "no PROMPT")), text
