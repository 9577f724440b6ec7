"""The request of each model family, member by member (wire document, section 2.9)."""

from __future__ import annotations

import json

import pytest
from asked import MASK, PNG

from nai_trio.params import MODELS, SIZES, Character, EncodedVibe, ImageParams

POSITIVE = "1girl, solo, very aesthetic, masterpiece, no text"
NEGATIVE = "nsfw, lowres"

V45 = {
    "input": POSITIVE,
    "model": "nai-diffusion-4-5-full",
    "action": "generate",
    "use_new_shared_trial": True,
    "parameters": {
        "params_version": 3,
        "width": 832,
        "height": 1216,
        "scale": 5,
        "sampler": "k_euler_ancestral",
        "steps": 23,
        "n_samples": 1,
        "seed": 1234567,
        "noise_schedule": "karras",
        "cfg_rescale": 0,
        "dynamic_thresholding": False,
        "controlnet_strength": 1,
        "legacy": False,
        "legacy_v3_extend": False,
        "add_original_image": True,
        "autoSmea": False,
        "skip_cfg_above_sigma": None,
        "use_coords": False,
        "legacy_uc": False,
        "normalize_reference_strength_multiple": True,
        "inpaintImg2ImgStrength": 1,
        "deliberate_euler_ancestral_bug": False,
        "prefer_brownian": True,
        "characterPrompts": [],
        "negative_prompt": NEGATIVE,
        "image_format": "png",
        "stream": "sse",
        "v4_prompt": {
            "caption": {"base_caption": POSITIVE, "char_captions": []},
            "use_coords": False,
            "use_order": True,
        },
        "v4_negative_prompt": {
            "caption": {"base_caption": NEGATIVE, "char_captions": []},
            "legacy_uc": False,
        },
    },
}
"""The wire document's complete request, as it stands there."""


def params(**changes: object) -> ImageParams:
    wanted = {"prompt": "1girl, solo", "seed": 1234567, "uc_preset": "none", "negative_prompt": NEGATIVE}
    return ImageParams.from_fields(**{**wanted, **changes})


def expected(**changes: object) -> dict[str, object]:
    """The V4.5 request with some `parameters` changed; `...` leaves a member out."""
    members = {**V45["parameters"], **changes}
    return {**V45, "parameters": {name: value for name, value in members.items() if value is not ...}}


def with_texts(body: dict[str, object], positive: str, negative: str) -> dict[str, object]:
    text = json.dumps(body).replace(POSITIVE, positive).replace(NEGATIVE, negative)
    return json.loads(text)


def test_v45_request_is_the_documented_one() -> None:
    assert params().to_wire() == V45


def test_v45_request_is_the_documented_one_as_text_of_members() -> None:
    """1 and True, 5 and 5.0 are equal to Python but not to JSON: compare the texts."""
    assert json.dumps(params().to_wire(), sort_keys=True) == json.dumps(V45, sort_keys=True)


def test_v45_curated_differs_in_id_and_words_alone() -> None:
    words = "1girl, solo, very aesthetic, masterpiece, no text, -0.8::feet::, rating:general"
    wanted = with_texts({**V45, "model": "nai-diffusion-4-5-curated"}, words, NEGATIVE)
    assert params(model="nai-diffusion-4-5-curated").to_wire() == wanted


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nai-diffusion-4-full", "no text, best quality, very aesthetic, absurdres"),
        ("nai-diffusion-4-curated-preview", "rating:general, best quality, very aesthetic, absurdres"),
    ],
)
def test_v4_request_has_the_v45_members_and_its_own_scale(model: str, words: str) -> None:
    wanted = with_texts({**expected(scale=5.5), "model": model}, f"1girl, solo, {words}", NEGATIVE)
    assert params(model=model).to_wire() == wanted


@pytest.mark.parametrize("model", ["nai-diffusion-5-full", "nai-diffusion-5-curated"])
def test_v5_request_has_version_4_straight_alpha_and_no_variety(model: str) -> None:
    wanted = expected(params_version=4, scale=7, skip_cfg_above_sigma=..., straight_alpha=True)
    assert params(model=model).to_wire() == {**wanted, "model": model}


@pytest.mark.parametrize(
    ("model", "words", "scale"),
    [
        ("nai-diffusion-3", "best quality, amazing quality, very aesthetic, absurdres", 5),
        ("nai-diffusion-furry-3", "{best quality}, {amazing quality}", 6.2),
    ],
)
def test_v3_request_has_smea_and_no_prompt_objects(model: str, words: str, scale: float) -> None:
    absent = (
        "autoSmea use_coords legacy_uc normalize_reference_strength_multiple inpaintImg2ImgStrength "
        "v4_prompt v4_negative_prompt stream"
    )
    wanted = expected(scale=scale, sm=False, sm_dyn=False, **dict.fromkeys(absent.split(), ...))
    wanted = with_texts({**wanted, "model": model}, f"1girl, solo, {words}", f"lowres, {NEGATIVE}")
    assert params(model=model).to_wire(stream=None) == wanted


def test_v3_sends_an_empty_character_list_and_a_null_variety() -> None:
    members = params(model="nai-diffusion-3").to_wire(stream=None)["parameters"]
    assert members["characterPrompts"] == []
    assert members["skip_cfg_above_sigma"] is None


@pytest.mark.parametrize("stream", ["sse", "msgpack"])
def test_stream_names_the_framing(stream: str) -> None:
    assert params().to_wire(stream=stream) == expected(stream=stream)


def test_no_stream_member_for_the_plain_endpoint() -> None:
    assert params().to_wire(stream=None) == expected(stream=...)


def test_characters_come_out_as_documented() -> None:
    """The example of the wire document, section 2.4."""
    wire = ImageParams(
        "park, bench",
        uc_preset="none",
        negative_prompt="nsfw, lowres",
        characters=[
            Character("girl, red hair", negative_prompt="hat", position=(0.3, 0.5)),
            Character("boy, blue coat", position="D3"),
        ],
    ).to_wire()["parameters"]
    assert wire["use_coords"] is True
    assert wire["characterPrompts"] == [
        {"prompt": "girl, red hair", "uc": "hat", "center": {"x": 0.3, "y": 0.5}, "enabled": True},
        {"prompt": "boy, blue coat", "uc": "", "center": {"x": 0.7, "y": 0.5}, "enabled": True},
    ]
    assert wire["v4_prompt"] == {
        "use_coords": True,
        "use_order": True,
        "caption": {
            "base_caption": "park, bench, very aesthetic, masterpiece, no text",
            "char_captions": [
                {"char_caption": "girl, red hair", "centers": [{"x": 0.3, "y": 0.5}]},
                {"char_caption": "boy, blue coat", "centers": [{"x": 0.7, "y": 0.5}]},
            ],
        },
    }
    assert wire["v4_negative_prompt"] == {
        "legacy_uc": False,
        "caption": {
            "base_caption": "nsfw, lowres",
            "char_captions": [
                {"char_caption": "hat", "centers": [{"x": 0.3, "y": 0.5}]},
                {"char_caption": "", "centers": [{"x": 0.7, "y": 0.5}]},
            ],
        },
    }


@pytest.mark.parametrize("model", [id_ for id_, info in MODELS.items() if info.max_characters])
def test_a_character_changes_only_the_members_about_characters(model: str) -> None:
    alone = params(model=model).to_wire()["parameters"]
    both = params(model=model, characters=[Character("girl")]).to_wire()["parameters"]
    changed = {name for name in both if both[name] != alone.get(name)}
    assert changed == {"characterPrompts", "v4_prompt", "v4_negative_prompt"}
    assert both["v4_prompt"]["caption"]["char_captions"] == [
        {"char_caption": "girl", "centers": [{"x": 0.5, "y": 0.5}]}
    ]


def test_disabled_characters_stay_listed_but_get_no_caption() -> None:
    off = Character("ghost", position="A1", enabled=False)
    wire = params(characters=[off, Character("girl")]).to_wire()["parameters"]
    assert [each["enabled"] for each in wire["characterPrompts"]] == [False, True]
    assert [each["char_caption"] for each in wire["v4_prompt"]["caption"]["char_captions"]] == ["girl"]
    assert len(wire["v4_negative_prompt"]["caption"]["char_captions"]) == 1
    assert wire["use_coords"] is False


def test_use_coords_is_equal_in_both_places_and_follows_an_explicit_center() -> None:
    """An explicit middle is a wish too: the web client's "AI's choice" is off then."""
    wire = params(characters=[Character("girl", position=(0.5, 0.5))]).to_wire()["parameters"]
    assert wire["use_coords"] is wire["v4_prompt"]["use_coords"] is True
    assert "use_coords" not in wire["v4_negative_prompt"]


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"steps": 50}, {"steps": 50}),
        ({"scale": 5.5}, {"scale": 5.5}),
        ({"size": (640, 1024)}, {"width": 640, "height": 1024}),
        ({"n_samples": 4}, {"n_samples": 4}),
        ({"seed": 4294967295}, {"seed": 4294967295}),
        ({"cfg_rescale": 0.02}, {"cfg_rescale": 0.02}),
        ({"decrisper": True}, {"dynamic_thresholding": True}),
        ({"auto_smea": True}, {"autoSmea": True}),
        ({"image_format": "webp"}, {"image_format": "webp"}),
        ({"variety_boost": True}, {"skip_cfg_above_sigma": 58}),
        ({"noise_schedule": "exponential"}, {"noise_schedule": "exponential"}),
        (
            {"sampler": "k_euler"},
            {"sampler": "k_euler", "deliberate_euler_ancestral_bug": ..., "prefer_brownian": ...},
        ),
        (
            {"legacy_uc": True},
            {
                "legacy_uc": True,
                "v4_negative_prompt": {
                    "caption": {"base_caption": NEGATIVE, "char_captions": []},
                    "legacy_uc": True,
                },
            },
        ),
    ],
)
def test_each_option_changes_its_own_member_alone(changes: dict[str, object], sent: dict[str, object]) -> None:
    assert params(**changes).to_wire() == expected(**sent)


@pytest.mark.parametrize(
    ("changes", "sent"),
    [({"smea": True}, {"sm": True}), ({"smea": True, "smea_dyn": True}, {"sm": True, "sm_dyn": True})],
)
def test_smea_is_v3s_sm(changes: dict[str, object], sent: dict[str, object]) -> None:
    plain = params(model="nai-diffusion-3").to_wire(stream=None)["parameters"]
    wire = params(model="nai-diffusion-3", **changes).to_wire(stream=None)["parameters"]
    assert wire == {**plain, **sent}


def test_native_schedule_takes_the_ancestral_members_away() -> None:
    wire = params(model="nai-diffusion-3", noise_schedule="native").to_wire(stream=None)["parameters"]
    assert "deliberate_euler_ancestral_bug" not in wire
    assert "prefer_brownian" not in wire


@pytest.mark.parametrize("alpha", [True, False])
def test_straight_alpha_is_said_either_way_on_v5(alpha: bool) -> None:
    wire = params(model="nai-diffusion-5-full", straight_alpha=alpha).to_wire()["parameters"]
    assert wire["straight_alpha"] is alpha


def test_transparent_background_is_a_hint_and_words_before_the_quality_words() -> None:
    wire = params(model="nai-diffusion-5-full", transparent_background=True).to_wire()
    assert wire["parameters"]["tag_hint_transparent_background"] is True
    assert wire["input"] == "1girl, solo, transparent background, very aesthetic, masterpiece, no text"
    assert wire["parameters"]["v4_prompt"]["caption"]["base_caption"] == wire["input"]


@pytest.mark.parametrize(
    ("model", "size", "sigma"),
    [
        ("nai-diffusion-4-5-full", (1280, 1856), 88.87784456804029),
        ("nai-diffusion-4-5-curated", (832, 1216), 58),
        ("nai-diffusion-4-full", (832, 1216), 19),
        ("nai-diffusion-3", (832, 1216), 19),
        ("nai-diffusion-4-full", (512, 768), 19 * (64 * 96 / (104 * 152)) ** 0.5),
    ],
)
def test_variety_sigma_grows_with_the_area(model: str, size: tuple[int, int], sigma: float) -> None:
    wanted = params(model=model, size=size, variety_boost=True)
    assert wanted.to_wire(stream=None)["parameters"]["skip_cfg_above_sigma"] == sigma


@pytest.mark.parametrize("name", SIZES)
def test_each_size_name_stands_for_its_pixels(name: str) -> None:
    wire = params(size=name).to_wire()["parameters"]
    assert (wire["width"], wire["height"]) == SIZES[name]
    assert (params(size=name).width, params(size=name).height) == SIZES[name]


PICTURES = [
    ({}, "generate", {}),
    (
        {"i2i": {"image": PNG, "strength": 0.6, "noise": 0.1, "seed": 9}},
        "img2img",
        {"strength": 0.6, "noise": 0.1, "extra_noise_seed": 9, "color_correct": False},
    ),
    ({"i2i": {"image": PNG}}, "img2img", {"strength": 0.7, "noise": 0, "extra_noise_seed": 1234566}),
    (
        {"inpaint": {"image": PNG, "mask": MASK}},
        "infill",
        {"strength": 0.7, "noise": 0, "inpaintImg2ImgStrength": 1},
    ),
    (
        {"inpaint": {"image": PNG, "mask": MASK, "strength": 0.4, "seed": 3}},
        "infill",
        {"img2img": {"strength": 0.4, "color_correct": True}, "inpaintImg2ImgStrength": 0.4, "extra_noise_seed": 3},
    ),
    (
        {"model": "nai-diffusion-3", "controlnet": {"images": [{"image": PNG, "information_extracted": 0.5}]}},
        "generate",
        {"reference_strength_multiple": [0.6], "reference_information_extracted_multiple": [0.5]},
    ),
    (
        {"character_references": [{"image": PNG, "type": "style", "fidelity": 0.7, "strength": 0.9}]},
        "generate",
        {
            "director_reference_descriptions": [
                {"caption": {"base_caption": "style", "char_captions": []}, "legacy_uc": False}
            ],
            "director_reference_information_extracted": [1],
            "director_reference_strength_values": [0.9],
            "director_reference_secondary_strength_values": [0.3],
        },
    ),
]


@pytest.mark.parametrize(("fields", "action", "members"), PICTURES)
def test_the_picture_to_start_from_decides_action_and_members(
    fields: dict[str, object], action: str, members: dict[str, object]
) -> None:
    request = params(**fields).to_wire(stream=None)
    assert request["action"] == action
    assert {name: request["parameters"].get(name) for name in members} == members
    if "inpaint" not in fields or "strength" not in fields["inpaint"]:  # type: ignore[operator]
        assert "img2img" not in request["parameters"]


def test_an_encoded_vibe_has_its_extraction_in_it() -> None:
    vibe = EncodedVibe(token=b"token", encoding="v4-5full", information_extracted=0.4)
    sent = params(controlnet={"images": [vibe]}).to_wire()["parameters"]
    assert sent["reference_strength_multiple"] == [0.6]
    assert "reference_information_extracted_multiple" not in sent
