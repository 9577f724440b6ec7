"""The sans-IO heart: order, determinism, real pictures, real metadata."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from nai_trio.emulator import Generation

if TYPE_CHECKING:
    from collections.abc import Callable

    Body = Callable[..., dict[str, Any]]


def opened(image: object) -> Image.Image:
    assert isinstance(image, bytes)
    picture = Image.open(io.BytesIO(image))
    picture.load()
    return picture


def test_n_steps_give_one_preview_less_and_one_final(request_body: Body) -> None:
    events = list(Generation(request_body(steps=5)).events())
    assert [event["event_type"] for event in events] == ["intermediate"] * 4 + ["final"]
    assert [event.get("step_ix") for event in events] == [0, 1, 2, 3, None]


def test_one_step_is_a_final_alone(request_body: Body) -> None:
    assert [event["event_type"] for event in Generation(request_body(steps=1)).events()] == ["final"]


def test_samples_interleave_by_step_and_end_with_a_final_each(request_body: Body) -> None:
    events = Generation(request_body(n_samples=3)).events()
    assert [(event["event_type"], event["samp_ix"], event.get("step_ix")) for event in events] == [
        *(("intermediate", sample, step) for step in range(2) for sample in range(3)),
        *(("final", sample, None) for sample in range(3)),
    ]


def test_members_are_in_wire_order(request_body: Body) -> None:
    events = list(Generation(request_body(steps=2)).events())
    assert list(events[0]) == ["event_type", "samp_ix", "step_ix", "gen_id", "sigma", "image"]
    assert list(events[1]) == ["event_type", "samp_ix", "gen_id", "image"]


def test_img2img_shows_as_many_frames_as_its_strength_leaves(
    request_body: Body, picture_text: Callable[..., str]
) -> None:
    image = picture_text(Image.new("RGB", (64, 64)))
    request = request_body(steps=23, strength=0.7, image=image) | {"action": "img2img"}
    events = list(Generation(request).events())
    assert len(events) == 16
    assert events[0]["sigma"] != 20000


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 192)])
def test_previews_are_baseline_jpegs_of_the_requested_size(request_body: Body, size: tuple[int, int]) -> None:
    event = next(Generation(request_body(width=size[0], height=size[1])).events())
    picture = opened(event["image"])
    assert bytes(event["image"])[:4] == b"\xff\xd8\xff\xe0"  # type: ignore[call-overload]
    assert (picture.format, picture.size, picture.info.get("progressive")) == ("JPEG", size, None)


def test_previews_come_nearer_to_the_final_at_every_look(request_body: Body) -> None:
    events = list(Generation(request_body(steps=12, width=128, height=128)).events())
    pictures = [opened(event["image"]).convert("RGB").resize((16, 16)) for event in events]
    last = pictures[-1].tobytes()
    distances = [sum((a - b) ** 2 for a, b in zip(picture.tobytes(), last, strict=True)) for picture in pictures]
    assert distances[0] > 5 * distances[-2]
    assert distances[2] > distances[5] > distances[8] > distances[10]


def test_final_png_is_rgba_with_the_services_text_chunks(request_body: Body) -> None:
    *_, final = Generation(request_body()).events()
    picture = opened(final["image"])
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (64, 64))
    text = picture.text  # type: ignore[attr-defined]
    assert set(text) == {"Title", "Description", "Software", "Source", "Generation_time", "Comment"}
    assert text["Title"] == "AI generated image"
    assert text["Description"] == "1girl"
    assert text["Software"] == "NovelAI"
    assert text["Source"] == "NovelAI Diffusion V4.5 4BDE2A90"
    assert float(text["Generation_time"]) > 0


def test_comment_echoes_the_request_and_holds_the_constants(request_body: Body) -> None:
    *_, first, second = Generation(request_body(n_samples=2, seed=41)).events()
    comments = [json.loads(opened(event["image"]).text["Comment"]) for event in (first, second)]  # type: ignore[attr-defined]
    assert [comment["seed"] for comment in comments] == [41, 42]
    comment = comments[0]
    assert (comment["steps"], comment["width"], comment["height"], comment["n_samples"]) == (3, 64, 64, 2)
    assert comment["uc"] == "lowres"
    assert comment["stream"] == "msgpack"
    assert comment["request_type"] == "PromptGenerateRequest"
    assert comment["v4_prompt"]["use_order"] is True
    assert comment["v4_negative_prompt"]["use_order"] is False
    assert comment["dynamic_thresholding_percentile"] == 0.999
    assert comment["cfg_sched_eligibility"] == "enable_for_post_summer_samplers"
    assert len(base64.b64decode(comment["signed_hash"], validate=True)) == 64
    assert {"ucPreset", "qualityToggle", "params_version"}.isdisjoint(comment)


def test_comment_says_what_was_done_and_repeats_what_was_sent_of_vibes(
    request_body: Body, picture_text: Callable[..., str]
) -> None:
    image = picture_text(Image.new("RGB", (64, 64)))
    vibes = {
        "reference_image_multiple": ["AAAA"],
        "reference_strength_multiple": [0.4],
        "reference_information_extracted_multiple": [0.9],
    }
    request = request_body(image=image, strength=1, **vibes) | {"action": "img2img"}
    (final,) = Generation(request).finals()
    comment = json.loads(opened(final["image"]).text["Comment"])  # type: ignore[attr-defined]
    assert comment["request_type"] == "Img2ImgRequest"
    assert comment["reference_strength_multiple"] == [0.4]
    assert comment["reference_information_extracted_multiple"] == [0.9]
    assert comment["director_reference_strengths"] is None
    assert "reference_image_multiple" not in comment


def test_comment_repeats_character_references(request_body: Body, picture_text: Callable[..., str]) -> None:
    description = {"caption": {"base_caption": "style", "char_captions": []}, "legacy_uc": False}
    request = request_body(
        director_reference_images=[picture_text(Image.new("RGB", (64, 96), "orange"))],
        director_reference_descriptions=[description],
        director_reference_information_extracted=[1],
        director_reference_strength_values=[0.5],
        director_reference_secondary_strength_values=[0.25],
    )
    (final,) = Generation(request).finals()
    comment = json.loads(opened(final["image"]).text["Comment"])  # type: ignore[attr-defined]
    assert comment["director_reference_descriptions"] == [description]
    assert comment["director_reference_strengths"] == [0.5]
    assert comment["director_reference_secondary_strengths"] == [0.25]
    assert comment["director_reference_information_extracted"] == [1]
    assert comment["reference_strength_multiple"] == []


def test_plain_jobs_say_that_they_were_not_streamed(request_body: Body) -> None:
    (final,) = Generation(request_body(), streamed=False).finals()
    assert json.loads(opened(final["image"]).text["Comment"])["stream"] == "none"  # type: ignore[attr-defined]


def test_prompts_in_any_script_survive(request_body: Body) -> None:
    caption = {"caption": {"base_caption": "\u6d77 caf\u00e9 \ud800", "char_captions": []}}
    *_, final = Generation(request_body(v4_prompt=caption)).events()
    text = opened(final["image"]).text  # type: ignore[attr-defined]
    assert text["Description"] == "\u6d77 caf\u00e9 ?"
    assert json.loads(text["Comment"])["prompt"] == "\u6d77 caf\u00e9 \ud800"


def test_webp_is_lossless_and_carries_the_comment_in_exif(request_body: Body) -> None:
    *_, webp = Generation(request_body(image_format="webp")).events()
    *_, png = Generation(request_body()).events()
    picture = opened(webp["image"])
    assert picture.format == "WEBP"
    assert bytes(webp["image"])[12:16] == b"VP8X"  # type: ignore[call-overload]
    assert picture.convert("RGB").tobytes() == opened(png["image"]).convert("RGB").tobytes()
    comment = json.loads(picture.getexif().get_ifd(0x8769)[0x9286].removeprefix(b"ASCII\0\0\0"))
    assert json.loads(comment["Comment"])["seed"] == 7
    assert comment["Source"].startswith("NovelAI Diffusion V4.5")


def test_the_same_request_gives_the_same_bytes_whatever_the_framing(request_body: Body) -> None:
    one, other = (list(Generation(request_body(stream=kind)).events()) for kind in ("sse", "msgpack"))
    assert one == other


def test_a_null_is_as_good_as_nothing_for_the_bytes(request_body: Body) -> None:
    request = request_body()
    request["parameters"]["image"] = None
    assert list(Generation(request).events()) == list(Generation(request_body()).events())


def test_bytes_are_the_same_in_another_process(request_body: Body) -> None:
    *_, final = Generation(request_body()).events()
    program = (
        "import sys, json, hashlib; from nai_trio.emulator import Generation;"
        "*_, final = Generation(json.load(sys.stdin)).events();"
        "print(hashlib.sha256(final['image']).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(request_body()), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hashlib.sha256(final["image"]).hexdigest()  # type: ignore[arg-type]


def test_seed_changes_the_picture_and_sample_i_is_seed_plus_i(request_body: Body) -> None:
    def pixels(seed: int, sample: int, n_samples: int) -> bytes:
        finals = list(Generation(request_body(seed=seed, n_samples=n_samples)).finals())
        return opened(finals[sample]["image"]).tobytes()

    assert pixels(7, 1, 2) == pixels(8, 0, 1)
    assert pixels(7, 0, 1) != pixels(8, 0, 1)


def test_gen_id_has_seven_digits_and_follows_the_request(request_body: Body) -> None:
    ids = {Generation(request_body(seed=seed)).gen_id for seed in range(50)}
    assert len(ids) == 50
    assert all(1_000_000 <= gen_id <= 9_999_999 for gen_id in ids)


def test_a_request_without_seed_gets_one_that_repeats(request_body: Body) -> None:
    assert Generation(request_body(seed=None)).seed == Generation(request_body(seed=None)).seed
    assert Generation(request_body(seed=None)).seed != Generation(request_body(seed=None, steps=4)).seed


def test_v5_is_forced_to_karras(request_body: Body) -> None:
    request = request_body(noise_schedule="exponential", steps=10) | {"model": "nai-diffusion-5-full"}
    sigmas = [event.get("sigma") for event in Generation(request).events()]
    karras = [event.get("sigma") for event in Generation(request_body(steps=10)).events()]
    assert sigmas == karras


@pytest.mark.parametrize("prompt", ["the sea at night", "city, sunset", "lake, aurora", "forest, noon"])
def test_words_of_the_prompt_choose_the_scene(request_body: Body, prompt: str) -> None:
    plain, worded = (
        opened(next(iter(Generation(request_body() | {"input": text}).finals()))["image"]).tobytes()
        for text in ("1girl", prompt)
    )
    assert plain != worded


def test_normal_portrait_weighs_what_the_services_does(request_body: Body) -> None:
    events = list(Generation(request_body(width=832, height=1216, steps=4, seed=4)).events())
    sizes = [len(bytes(event["image"])) for event in events]  # type: ignore[call-overload]
    assert 8_000 < sizes[0] < 13_000
    assert 9_000 < sizes[-2] < 30_000
    assert 1_300_000 < sizes[-1] < 2_000_000


def test_importing_the_emulator_does_not_need_pillow() -> None:
    program = (
        "import sys; sys.modules['PIL'] = None; import nai_trio.emulator as e\n"
        "g = e.Generation({'input': 'x', 'model': 'nai-diffusion-3', 'parameters': {}})\n"
        "try: next(g.events())\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'nai-trio[cli]'" in done.stdout
