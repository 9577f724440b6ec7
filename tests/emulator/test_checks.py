"""What is refused, in which words, and what must pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nai_trio.emulator import Generation
from nai_trio.emulator.checks import JOB_FAILED, failure, refusal
from nai_trio.emulator.cost import anlas_cost
from nai_trio.emulator.settings import MODELS, Settings
from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]


def message(request: object) -> str:
    refused = refusal(request)
    assert refused is not None
    assert refused.status == 400
    return refused.message


@pytest.mark.parametrize("model", ["nai-diffusion-2", "safe-diffusion", "nai-diffusion-5-curated-inpainting", ""])
def test_unknown_and_retired_models_do_not_exist(request_body: Body, model: str) -> None:
    assert message(request_body() | {"model": model}) == f"Validation error: model {model} doesn't exist"


def test_image_needs_an_action_that_uses_it(request_body: Body) -> None:
    assert message(request_body(image="iVBORw0KGgo=")) == (
        "Validation error: image is not allowed for regular generations, use img2img or infill"
    )


def test_infill_needs_an_inpainting_model(request_body: Body) -> None:
    request = request_body(image="x", mask="x") | {"action": "infill", "model": "nai-diffusion-5-curated"}
    assert message(request) == "Validation error: model nai-diffusion-5-curated doesn't support action infill"


def test_character_reference_on_v5_is_refused_with_the_services_own_error(request_body: Body) -> None:
    request = request_body(director_reference_images=["x"]) | {"model": "nai-diffusion-5-full"}
    text = message(request)
    assert text.startswith("Error encoding v4 director references: ")
    assert text.endswith("no such host")


@pytest.mark.parametrize("missing", ["input", "model", "parameters"])
def test_missing_members_are_named(request_body: Body, missing: str) -> None:
    request = {name: value for name, value in request_body().items() if name != missing}
    assert message(request) == f"Validation error: {missing} is required"
    assert message(request | {missing: None}) == f"Validation error: {missing} is required"
    assert message(request | {missing: 5}).startswith(f"Validation error: {missing} must be ")


@pytest.mark.parametrize("body", [None, [], "text", 5, True])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert message(body) == "Validation error: request body must be a JSON object"


def test_empty_input_and_unknown_action_are_refused(request_body: Body) -> None:
    assert message(request_body() | {"input": ""}) == "Validation error: input must not be empty"
    assert message(request_body() | {"action": "dream"}).startswith("Validation error: action must be one of")


def test_nesting_is_bounded(request_body: Body) -> None:
    deep: list[Any] = []
    for _ in range(70):
        deep = [deep]
    assert message(request_body() | {"deep": deep}) == "Validation error: request body is nested too deeply"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0), ("steps", 51), ("steps", "23"), ("steps", 2.5), ("steps", True), ("n_samples", 0),
        ("n_samples", 9), ("width", 0), ("width", -64), ("width", 49153), ("height", "64"), ("scale", -0.1),
        ("scale", 10.1), ("seed", -1), ("seed", 2**32), ("seed", 1.5), ("cfg_rescale", 1.1), ("sampler", "k_magic"),
        ("sampler", 3), ("noise_schedule", "linear"), ("strength", 1.5), ("noise", -1), ("image_format", "gif"),
        ("stream", "websocket"), ("stream", True), ("negative_prompt", 3), ("v4_prompt", "1girl"),
        ("characterPrompts", {}), ("sm", "yes"), ("use_coords", 1), ("reference_image_multiple", "x"),
        ("params_version", 9), ("extra_noise_seed", -1), ("extra_noise_seed", 2**32), ("extra_noise_seed", "1"),
        ("color_correct", 1), ("add_original_image", "no"), ("img2img", True), ("img2img", [0.7]),
        ("inpaintImg2ImgStrength", 1.01), ("image", 5), ("mask", ["x"]), ("director_reference_images", "x"),
        ("director_reference_descriptions", {}), ("reference_strength_multiple", 0.6), ("straight_alpha", 1),
    ],
)  # fmt: skip
def test_wrong_types_and_ranges_name_the_member(request_body: Body, name: str, value: object) -> None:
    assert message(request_body(**{name: value})).startswith(f"Validation error: {name} must be ")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"characterPrompts": ["x"]}, "characterPrompts[0] must be an object"),
        ({"characterPrompts": [{"prompt": 1}]}, "characterPrompts[0].prompt must be a string"),
        ({"characterPrompts": [{}, {"center": {"x": 1.01}}]}, "characterPrompts[1].center.x must be a number of"),
        ({"characterPrompts": [{"center": [0.5, 0.5]}]}, "characterPrompts[0].center must be an object"),
        ({"characterPrompts": [{"enabled": 1}]}, "characterPrompts[0].enabled must be a boolean"),
        ({"v4_prompt": {"caption": "1girl"}}, "v4_prompt.caption must be an object"),
        ({"v4_prompt": {"caption": {"base_caption": 1}}}, "v4_prompt.caption.base_caption must be a string"),
        ({"v4_prompt": {"caption": {"char_captions": {}}}}, "v4_prompt.caption.char_captions must be an array"),
        (
            {"v4_prompt": {"caption": {"char_captions": [{"centers": [{"x": 0.5, "y": -0.1}]}]}}},
            "v4_prompt.caption.char_captions[0].centers[0].y must be a number of at least 0 and at most 1",
        ),
        ({"v4_negative_prompt": {"caption": []}}, "v4_negative_prompt.caption must be an object"),
        ({"img2img": {"strength": 2}}, "img2img.strength must be a number"),
        ({"img2img": {"color_correct": 0}}, "img2img.color_correct must be a boolean"),
        ({"reference_image_multiple": [1]}, "reference_image_multiple[0] must be a string"),
        ({"reference_image_multiple": ["AAAA"] * 17}, "reference_image_multiple must have at most 16 members, got 17"),
        ({"reference_strength_multiple": [True]}, "reference_strength_multiple[0] must be a number"),
        ({"reference_strength_multiple": [10**400]}, "reference_strength_multiple[0] must be a number"),
        ({"reference_information_extracted_multiple": [1.1]}, "reference_information_extracted_multiple[0] must be"),
        ({"director_reference_strength_values": [-0.1]}, "director_reference_strength_values[0] must be a number"),
        (
            {"director_reference_descriptions": [{"caption": {"base_caption": "pose"}}]},
            "director_reference_descriptions[0].caption.base_caption must be one of character, style, character&style",
        ),
    ],
)  # fmt: skip
def test_wrong_inner_members_are_named_by_their_path(request_body: Body, changes: dict[str, Any], path: str) -> None:
    assert message(request_body(**changes)).startswith(f"Validation error: {path}")


@pytest.mark.parametrize("name", ["noise", "strength", "inpaintImg2ImgStrength", "cfg_rescale"])
def test_shares_run_from_0_to_1_inclusive(request_body: Body, name: str) -> None:
    assert refusal(request_body(**{name: 0})) is None
    assert refusal(request_body(**{name: 1})) is None
    assert message(request_body(**{name: 1.001})) == (
        f"Validation error: {name} must be a number of at least 0 and at most 1"
    )


VIBES = {"reference_image_multiple": ["AAAA", "BBBB"], "reference_strength_multiple": [0.6, 0.2]}


def test_vibes_and_their_strengths_are_parallel(request_body: Body) -> None:
    assert refusal(request_body(**VIBES)) is None
    assert message(request_body(**VIBES | {"reference_strength_multiple": [0.6]})) == (
        "Validation error: reference_strength_multiple must have as many members as reference_image_multiple, "
        "expected 2, got 1"
    )
    assert "expected 0, got 1" in message(request_body(reference_strength_multiple=[0.6]))
    short = VIBES | {"reference_information_extracted_multiple": [1]}
    assert message(request_body(**short)).startswith("Validation error: reference_information_extracted_multiple must")


def test_v3_alone_needs_the_extraction_of_its_vibes(request_body: Body, picture_text: Callable[..., str]) -> None:
    image = picture_text(Image.new("RGB", (8, 8)))
    changes = {"reference_image_multiple": [image], "reference_strength_multiple": [0.6], "v4_prompt": None}
    request = request_body(**changes) | {"model": "nai-diffusion-3"}
    assert message(request).startswith("Validation error: reference_information_extracted_multiple must have as many")
    request["parameters"]["reference_information_extracted_multiple"] = [1]
    assert refusal(request) is None
    request["parameters"]["reference_image_multiple"] = ["AAAA"]
    assert message(request) == (
        "Validation error: reference_image_multiple[0] is not a readable PNG, JPEG or WebP picture"
    )


REFERENCES = {
    "director_reference_descriptions": [{"caption": {"base_caption": "character"}}],
    "director_reference_information_extracted": [1],
    "director_reference_strength_values": [1],
    "director_reference_secondary_strength_values": [0],
}


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_references_and_what_goes_with_them_are_parallel(
    request_body: Body, picture_text: Callable[..., str], name: str
) -> None:
    changes = REFERENCES | {"director_reference_images": [picture_text(Image.new("RGB", (8, 8)))]}
    assert refusal(request_body(**changes)) is None
    assert message(request_body(**changes | {name: []})) == (
        f"Validation error: {name} must have as many members as director_reference_images, expected 1, got 0"
    )


@pytest.mark.parametrize("model", ["nai-diffusion-3", "nai-diffusion-4-full", "nai-diffusion-4-curated-preview"])
def test_models_without_references_refuse_them(request_body: Body, model: str) -> None:
    request = request_body(director_reference_images=["x"]) | {"model": model}
    assert message(request) == f"Validation error: model {model} doesn't support character references"


def test_a_picture_of_more_than_140_anlas_is_refused(request_body: Body) -> None:
    def asked(steps: int) -> dict[str, Any]:
        return request_body(width=2048, height=1536, steps=steps) | {"model": "nai-diffusion-5-full"}

    assert refusal(asked(46)) is None
    assert anlas_cost(Settings.of(asked(46))) == 140
    assert message(asked(47)) == (
        "Validation error: width, height and steps make a picture of 143 Anlas, maximum is 140"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown_member": {"deep": [1]}}, {"steps": 23.0}, {"seed": 2**32 - 1}, {"scale": 0}, {"ucPreset": 4},
        {"tag_hint_qt": 1}, {"reference_image_multiple": [], "reference_strength_multiple": []}, {"strength": 0.7},
        {"sampler": "k_dpm_2"}, {"params_version": 4}, {"inpaintImg2ImgStrength": 1}, {"stream": "msgpack"},
        {"controlnet_strength": 2}, {"sm": False, "sm_dyn": False, "autoSmea": False}, {"skip_cfg_above_sigma": 58},
        {"extra_noise_seed": 4294967295, "color_correct": False, "add_original_image": True, "noise": 0.99},
        {"img2img": {"strength": 0.7, "color_correct": True}}, {"mask": "not looked at outside of infill"},
        {"reference_image_multiple": ["AAAA"], "reference_strength_multiple": [-0.5]},
        {"v4_prompt": {"caption": {"base_caption": "x", "char_captions": [{"char_caption": "y"}]}, "use_order": None}},
        {"characterPrompts": [{"prompt": "a", "uc": "", "center": {"x": 0.5, "y": 0.5}, "enabled": True}]},
    ],
)  # fmt: skip
def test_what_peers_send_passes(request_body: Body, changes: dict[str, Any]) -> None:
    assert refusal(request_body(**changes)) is None


def test_nulls_count_as_absent(request_body: Body) -> None:
    request = request_body()
    nulls = dict.fromkeys(("steps", "seed", "sampler", "image", "mask", "v4_negative_prompt", "scale"))
    request["parameters"] |= nulls
    assert refusal(request | {"action": None}) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_any_value_is_judged_without_raising(value: object) -> None:
    assert refusal(value) is not None


@given(
    name=st.sampled_from(
        ["steps", "width", "seed", "v4_prompt", "stream", "n_samples", "scale", "reference_image_multiple"]
    ),
    value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
)
def test_any_value_of_a_member_is_judged_and_what_passes_can_be_read(name: str, value: object) -> None:
    request = {
        "input": "x", "model": "nai-diffusion-3", "parameters": {"width": 64, "height": 64, name: value},
    }  # fmt: skip
    refused = refusal(request)
    if refused is None:
        assert anlas_cost(Settings.of(request)) > 0
    else:
        assert name in refused.message


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("nai-diffusion-4-5-full", {"v4_prompt": None}),
        ("nai-diffusion-5-full", {"v4_prompt": None}),
        ("nai-diffusion-3", {}),
        ("nai-diffusion-4-5-full", {"width": 100}),
        ("nai-diffusion-4-5-full", {"height": 65}),
        ("nai-diffusion-4-5-full", {"width": 2048, "height": 2048}),
        ("nai-diffusion-4-5-full", {"width": 640, "height": 640, "n_samples": 7}),
        ("nai-diffusion-4-5-full", {"width": 832, "height": 1216, "n_samples": 5}),
        ("nai-diffusion-5-full", {"reference_image_multiple": ["AAAA"], "reference_strength_multiple": [1]}),
        ("nai-diffusion-4-5-full", {"v4_prompt": {"caption": {"char_captions": [{}] * 7}}}),
    ],
)  # fmt: skip
def test_bad_combinations_break_the_job_and_not_the_request(
    request_body: Body, model: str, changes: dict[str, Any]
) -> None:
    request = request_body(**changes) | {"model": model}
    assert refusal(request) is None
    assert failure(Settings.of(request)) == JOB_FAILED


@pytest.mark.parametrize(
    ("width", "height", "allowed"),
    [(704, 512, 8), (640, 640, 6), (832, 1216, 4), (2048, 1536, 4)],  # the three areas are limits to the pixel
)
def test_samples_are_capped_by_area(request_body: Body, width: int, height: int, allowed: int) -> None:
    def broken(n_samples: int) -> str | None:
        return failure(Settings.of(request_body(width=width, height=height, n_samples=n_samples)))

    assert broken(allowed) is None
    assert broken(allowed + 1) == JOB_FAILED


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_plain_request_works_on_every_model(request_body: Body, model: str) -> None:
    changes = {"v4_prompt": None, "v4_negative_prompt": None} if MODELS[model] == "V3" else {}
    request = request_body(**changes) | {"model": model}
    assert refusal(request) is None
    assert failure(Settings.of(request)) is None


def test_a_refused_request_cannot_become_a_generation(request_body: Body) -> None:
    with pytest.raises(InvalidParamsError, match="steps must be an integer of at least 1 and at most 50"):
        Generation(request_body(steps=99))


@pytest.mark.parametrize(
    ("width", "height", "steps", "cost", "cost_v5"),
    [
        (512, 768, 23, 7, 11), (832, 1216, 23, 17, 26), (832, 1216, 28, 20, 30), (832, 1216, 50, 33, 50),
        (1024, 1024, 28, 20, 30), (1024, 1536, 28, 30, 45), (1472, 1472, 28, 42, 63), (1088, 1920, 28, 40, 60),
        (64, 64, 1, 2, 2),
    ],
)  # fmt: skip
def test_costs_are_the_documented_ones(
    request_body: Body, width: int, height: int, steps: int, cost: int, cost_v5: int
) -> None:
    request = request_body(width=width, height=height, steps=steps)
    assert anlas_cost(Settings.of(request)) == cost
    assert anlas_cost(Settings.of(request | {"model": "nai-diffusion-5-full"})) == cost_v5


def test_opus_has_the_first_small_sample_free(request_body: Body) -> None:
    small = Settings.of(request_body(width=832, height=1216, steps=28, n_samples=2))
    assert (anlas_cost(small), anlas_cost(small, opus=True)) == (40, 20)
    large = Settings.of(request_body(width=832, height=1216, steps=29))
    assert anlas_cost(large) == anlas_cost(large, opus=True)


def test_smea_strength_vibes_and_references_change_the_cost(request_body: Body) -> None:
    def cost(model: str = "nai-diffusion-4-5-full", action: str = "generate", **changes: Any) -> int:
        request = request_body(width=832, height=1216, steps=28, **changes) | {"model": model, "action": action}
        return anlas_cost(Settings.of(request))

    assert cost("nai-diffusion-3", sm=True) == 24
    assert cost("nai-diffusion-3", sm=True, sm_dyn=True) == 28
    assert cost(sm=True) == 20
    assert cost(action="img2img", strength=0.5) == 10
    assert cost(action="infill", inpaintImg2ImgStrength=0.25, strength=0.7) == 5
    assert cost(action="generate", strength=0.5) == 20
    assert cost("nai-diffusion-3", action="infill", inpaintImg2ImgStrength=0.25) == 20
    assert cost(reference_image_multiple=["x"] * 4) == 20
    assert cost(reference_image_multiple=["x"] * 6) == 24
    assert cost("nai-diffusion-3", reference_image_multiple=["x"] * 6) == 20
    assert cost(director_reference_images=["x"], n_samples=2) == 50
