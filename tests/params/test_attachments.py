"""The request with pictures in it, member by member (wire document, section 3)."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from drawn import decoded, drawing, encoded, mask_of, noise

from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, EncodedVibe, ImageParams, ImageToImage

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (128, 64)
PNG = encoded(drawing(SIZE))
MASK = mask_of(SIZE, (16, 16, 32, 48))
MODEL = "nai-diffusion-4-5-full"


def wire(**fields: object) -> dict[str, Any]:
    params = ImageParams.from_fields(**{"prompt": "cat", "seed": 1000, **fields})
    kind = "sse" if params.info.streams else None
    body = params.to_wire(stream=kind)
    assert json.loads(params.to_json(stream=kind)) == body
    return body


def added(**fields: object) -> dict[str, Any]:
    """The members that differ from the same request without pictures; None for those left out."""
    body = wire(**fields)
    without = {name: value for name, value in fields.items() if name in {"model", "size", "stream"}}
    plain = wire(**{"size": SIZE, **without})
    old, new = plain["parameters"], body["parameters"]
    return {name: new.get(name) for name in {*old, *new} if old.get(name) != new.get(name)}


def picture(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


@pytest.mark.parametrize("model", MODELS)
def test_image_to_image(model: str) -> None:
    members = added(model=model, i2i={"image": PNG, "strength": 0.5, "noise": 0.1})
    assert members == {
        "image": base64.b64encode(PNG).decode(),
        "strength": 0.5,
        "noise": 0.1,
        "extra_noise_seed": 999,
        "color_correct": False,
    }
    body = wire(model=model, i2i={"image": PNG})
    assert (body["action"], body["model"]) == ("img2img", model)


@pytest.mark.parametrize(("seed", "own", "sent"), [(0, None, 2**32 - 1), (5, None, 4), (5, 0, 0), (5, 77, 77)])
@pytest.mark.parametrize("field", ["i2i", "inpaint"])
def test_the_noise_seed_is_one_less_unless_given(field: str, seed: int, own: int | None, sent: int) -> None:
    record = {"image": PNG, "seed": own} | ({"mask": MASK} if field == "inpaint" else {})
    assert wire(seed=seed, **{field: record})["parameters"]["extra_noise_seed"] == sent


@pytest.mark.parametrize("model", MODELS)
def test_inpainting(model: str) -> None:
    body = wire(model=model, inpaint={"image": PNG, "mask": MASK})
    assert (body["action"], body["model"]) == ("infill", MODELS[model].inpainting_id)
    members = body["parameters"]
    plain = wire(model=MODELS[model].for_inpainting.id, size=SIZE)["parameters"]
    differing = {name for name in members.keys() | plain.keys() if members.get(name) != plain.get(name)}
    assert differing == {"image", "mask", "strength", "noise", "extra_noise_seed", "add_original_image"}
    assert picture(members["image"]) == PNG
    mask = decoded(picture(members["mask"]))
    assert (mask.mode, mask.size, mask.getchannel("R").getbbox()) == ("RGBA", SIZE, (16, 16, 32, 48))
    sent = {name: members.get(name) for name in ("strength", "noise", "extra_noise_seed", "add_original_image")}
    assert sent == {"strength": 0.7, "noise": 0, "extra_noise_seed": 999, "add_original_image": False}
    assert members.get("inpaintImg2ImgStrength") == (None if "v4_prompt" not in members else 1)
    assert not {"img2img", "color_correct"} & members.keys()


def test_inpainting_below_full_strength() -> None:
    record = {"image": PNG, "mask": MASK, "strength": 0.4, "add_original_image": True}
    members = wire(inpaint=record)["parameters"]
    assert members["inpaintImg2ImgStrength"] == 0.4
    assert members["img2img"] == {"strength": 0.4, "color_correct": True}
    assert members["strength"] == 0.7
    assert members["add_original_image"] is True


def test_source_and_mask_are_brought_to_the_size() -> None:
    members = wire(size=(192, 192), inpaint={"image": PNG, "mask": MASK, "fit": "letterbox"})["parameters"]
    image, mask = decoded(picture(members["image"])), decoded(picture(members["mask"]))
    assert image.size == mask.size == (192, 192)
    assert image.getpixel((96, 2)) == (0, 0, 0)
    assert mask.getchannel("R").getbbox() == (24, 72, 48, 120)


def test_v5_keeps_what_is_transparent_and_others_do_not() -> None:
    clear = encoded(drawing(SIZE).convert("RGBA").copy())
    holed = decoded(clear)
    holed.putalpha(0)
    data = encoded(holed)
    assert picture(wire(model="nai-diffusion-5-full", i2i={"image": data})["parameters"]["image"]) == data
    flat = decoded(picture(wire(i2i={"image": data})["parameters"]["image"]))
    assert flat.getextrema() == ((255, 255),) * 4


def vibe(model: str, token: bytes = b"token") -> EncodedVibe:
    return EncodedVibe(token=token, encoding=MODELS[model].vibe_encoding, information_extracted=0.3)


@pytest.mark.parametrize("model", [each for each, info in MODELS.items() if info.vibes == "encoded"])
def test_encoded_vibes(model: str) -> None:
    images = [vibe(model, b"one"), {"image": vibe(model, b"other"), "strength": 0.2}]
    members = added(model=model, size=SIZE, controlnet={"images": images, "strength": 0.8, "normalize": False})
    assert members == {
        "reference_image_multiple": [base64.b64encode(each).decode() for each in (b"one", b"other")],
        "reference_strength_multiple": [0.6, 0.2],
        "controlnet_strength": 0.8,
        "normalize_reference_strength_multiple": False,
    }


def test_raw_vibes_are_padded_and_say_how_much_is_extracted() -> None:
    images = [{"image": PNG, "strength": 0.5}, {"image": encoded(drawing((448, 448))), "information_extracted": 1}]
    members = added(model="nai-diffusion-3", size=SIZE, controlnet={"images": images})
    assert members["reference_information_extracted_multiple"] == [0.7, 1]
    assert members["reference_strength_multiple"] == [0.5 / 1.1, 0.6 / 1.1]
    first, second = (picture(each) for each in members["reference_image_multiple"])
    assert decoded(first).size == (448, 448)
    assert decoded(first).getpixel((224, 5)) == (0, 0, 0)
    assert second == encoded(drawing((448, 448)))
    assert len(members) == 3


def test_a_vibe_must_be_encoded_before_the_request_is_built() -> None:
    params = ImageParams.from_fields(prompt="cat", model=MODEL, controlnet={"images": [{"image": PNG}]})
    for build in (params.to_json, params.to_wire):
        with pytest.raises(InvalidParamsError) as caught:
            build()
        assert caught.value.field == "controlnet.images[0].image"
        assert caught.value.allowed == f"a vibe encoded as v4-5full with {MODEL} (see client.image.encode_vibe)"


def test_character_references() -> None:
    tall, wide = encoded(drawing((100, 300))), encoded(drawing((1536, 1024)))
    references = [
        {"image": tall, "type": "style", "fidelity": 0.875, "strength": 0.5},
        {"image": wide, "type": "character", "fidelity": 0.4},
        {"image": PNG},
    ]
    members = added(size=SIZE, character_references=references)
    described = [each["caption"] for each in members["director_reference_descriptions"]]
    assert described == [
        {"base_caption": kind, "char_captions": []} for kind in ("style", "character", "character&style")
    ]
    assert [each["legacy_uc"] for each in members["director_reference_descriptions"]] == [False] * 3
    assert members["director_reference_information_extracted"] == [1, 1, 1]
    assert members["director_reference_strength_values"] == [0.5, 1, 1]
    assert members["director_reference_secondary_strength_values"] == [0.12, 0.6, 0]
    pictures = [picture(each) for each in members["director_reference_images"]]
    assert [decoded(each).size for each in pictures] == [(1024, 1536), (1536, 1024), (1536, 1024)]
    assert pictures[1] == wide
    assert len(members) == 5


@pytest.mark.parametrize("length", [1, 2, 3, 196_607, 196_608, 196_609, 500_000])
def test_pictures_of_every_length_are_whole_in_the_json(length: int) -> None:
    token = bytes(range(256)) * (length // 256 + 1)
    images = [vibe(MODEL, token[:length]), vibe(MODEL, b"x"), vibe(MODEL, token[: length + 1])]
    sent = wire(controlnet={"images": images})["parameters"]["reference_image_multiple"]
    assert [picture(each) for each in sent] == [token[:length], b"x", token[: length + 1]]


def test_a_prompt_cannot_reach_into_the_pictures() -> None:
    prompt = 'cat"}},"image":"x"}} \x00 {} }}'
    body = wire(prompt=prompt, quality="none", i2i={"image": PNG})
    assert body["input"] == prompt
    assert picture(body["parameters"]["image"]) == PNG


def test_what_goes_wrong_with_a_picture_names_its_field(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(encoded(noise(SIZE))[:5000])
    good = {"image": PNG, "mask": MASK}
    for fields, field in [
        ({"i2i": {"image": path}, "size": (64, 64)}, "i2i.image"),
        ({"inpaint": {**good, "image": path}, "size": (64, 64)}, "inpaint.image"),
        ({"inpaint": {**good, "mask": path}}, "inpaint.mask"),
        ({"character_references": [{"image": PNG}, {"image": path}]}, "character_references[1].image"),
        ({"controlnet": {"images": [{"image": path}]}, "model": "nai-diffusion-3"}, "controlnet.images[0].image"),
    ]:
        params = ImageParams.from_fields(prompt="cat", **fields)
        with pytest.raises(InvalidParamsError, match="can be decoded") as caught:
            params.to_json(stream=None)
        assert caught.value.field == field
        assert str(caught.value).startswith(f"{field}: expected ")


def test_building_takes_no_copies_beyond_the_base64_and_the_body() -> None:
    """What Pillow holds is not seen here; benchmarks/ measures whole processes."""
    data = encoded(noise((832, 832)))
    params = ImageParams("cat", i2i=ImageToImage(data), seed=1)
    params.to_json()
    tracemalloc.start()
    params.to_json()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * (len(data) * 4 / 3)
