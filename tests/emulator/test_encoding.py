"""Encoding vibes, and what tokens and references do to a picture."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from nai_trio.emulator import Emulator, Encoding, Generation
from nai_trio.emulator.checks import JOB_FAILED, failure, refusal
from nai_trio.emulator.encoding import encode
from nai_trio.emulator.settings import ENCODINGS, MODELS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., Any]
    Body = Callable[..., dict[str, Any]]
    PictureText = Callable[..., str]
    WithCharacters = Callable[..., None]

PATH = "/ai/encode-vibe"
FULL = "nai-diffusion-4-5-full"


@pytest.fixture
def body(picture_text: PictureText) -> dict[str, Any]:
    return {"image": picture_text(Image.new("RGB", (16, 16), "teal")), "information_extracted": 0.7, "model": FULL}


def token(body: dict[str, Any]) -> bytes:
    encoded = encode(body)
    assert isinstance(encoded, Encoding)
    return encoded.token


def refused(body: object) -> str:
    answer = encode(body)
    assert not isinstance(answer, Encoding)
    assert answer.status == 400
    return answer.message


async def test_an_encoded_vibe_is_an_attachment_of_the_services_size(ask: Ask, body: dict[str, Any]) -> None:
    answer = await ask(Emulator(), body, path=PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/binary"
    assert re.fullmatch(r"attachment; filename=[0-9a-z]{8}\.vibe40", answer.headers["content-disposition"])
    assert len(answer.body) == 48_916


async def test_encodings_are_recorded_and_counted(ask: Ask, body: dict[str, Any]) -> None:
    emulator = Emulator()
    first = await ask(emulator, body, path=PATH)
    await ask(emulator, body | {"information_extracted": 1, "model": "nai-diffusion-4-full"}, path=PATH)
    one, other = emulator.encodings
    assert (one.model, one.encoding, one.information_extracted, one.cost) == (FULL, "v4-5full", 0.7, 2)
    assert one.token == first.body
    assert re.fullmatch("[0-9a-f]{64}", one.image_id)
    assert (other.encoding, other.information_extracted) == ("v4full", 1.0)
    assert other.image_id == one.image_id
    assert emulator.jobs == []


def test_a_token_follows_from_picture_encoding_and_extraction(body: dict[str, Any], picture_text: PictureText) -> None:
    variations: list[dict[str, Any]] = [
        {}, {"information_extracted": 0.71}, {"model": "nai-diffusion-4-5-curated"}, {"model": "nai-diffusion-4-full"},
        {"model": "nai-diffusion-4-curated-preview"}, {"image": picture_text(Image.new("RGB", (16, 16), "red"))},
    ]  # fmt: skip
    assert len({token(body | change) for change in variations}) == len(variations)
    assert token(body) == token(dict(body))
    assert token(body | {"model": f"{FULL}-inpainting"}) == token(body)
    assert token(body | {"information_extracted": 1}) == token(body | {"information_extracted": 1.0})


def test_optional_members_are_taken_and_not_used(body: dict[str, Any]) -> None:
    optional = {"mask": "x", "crop_to_mask": True, "focus_seed": 1, "info_extract_seed": 2, "unknown": [], "url": None}
    assert token(body | optional) == token(body)


@pytest.mark.parametrize("name", ["image", "information_extracted", "model"])
def test_missing_members_are_named(body: dict[str, Any], name: str) -> None:
    assert refused(body | {name: None}) == f"Validation error: {name} is required"
    del body[name]
    assert refused(body) == f"Validation error: {name} is required"


@pytest.mark.parametrize("value", [0, 0.009, 1.01, -1, "0.7", True, [1]])
def test_extraction_runs_from_a_hundredth_to_one(body: dict[str, Any], value: object) -> None:
    assert refused(body | {"information_extracted": value}) == (
        "Validation error: information_extracted must be a number of at least 0.01 and at most 1"
    )


@pytest.mark.parametrize("value", [0.01, 1])
def test_both_ends_of_the_extraction_are_taken(body: dict[str, Any], value: float) -> None:
    assert len(token(body | {"information_extracted": value})) == 48_916


@pytest.mark.parametrize("model", sorted(set(MODELS) - set(ENCODINGS)))
def test_v3_and_v5_encode_nothing(body: dict[str, Any], model: str) -> None:
    assert refused(body | {"model": model}) == f"Validation error: model {model} doesn't support vibe encoding"


def test_unknown_models_and_pictures_are_refused(body: dict[str, Any]) -> None:
    assert refused(body | {"model": "nai-diffusion-2"}) == "Validation error: model nai-diffusion-2 doesn't exist"
    assert refused(body | {"image": "AAAA"}) == "Validation error: image is not a readable PNG, JPEG or WebP picture"
    assert refused(body | {"image": "data:x"}) == 'image field references unknown form part "data:x"'
    assert refused([]) == "Validation error: request body must be a JSON object"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.dictionaries(st.text(), s)))
def test_any_body_is_judged_without_raising(value: object) -> None:
    assert refused(value).startswith("Validation error: ")


async def test_refusals_of_the_endpoint(ask: Ask, body: dict[str, Any]) -> None:
    emulator = Emulator(anlas=1)
    assert (await ask(emulator, body, path=PATH, key=None)).status == 401
    assert (await ask(emulator, b"{", path=PATH)).status == 400
    assert (await ask(emulator, body | {"model": "x"}, path=PATH)).status == 400
    assert (await ask(emulator, body, path=PATH)).json == {"statusCode": 402, "message": "Not enough Anlas"}
    wrong = await ask(emulator, b"", path=PATH, method="GET")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert emulator.encodings == []


def with_vibes(request_body: Body, *texts: str, strength: float = 0.6, **changes: Any) -> dict[str, Any]:
    strengths = [strength] * len(texts)
    return request_body(reference_image_multiple=list(texts), reference_strength_multiple=strengths, **changes)


def why_broken(request: dict[str, Any]) -> str | None:
    assert refusal(request) is None
    return failure(Settings.of(request))


@pytest.mark.parametrize("model", sorted(ENCODINGS))
@pytest.mark.parametrize("made_for", ["nai-diffusion-4-full", "nai-diffusion-4-5-curated", FULL])
def test_a_token_fits_the_encoding_it_was_made_for(
    request_body: Body, body: dict[str, Any], model: str, made_for: str
) -> None:
    text = base64.b64encode(token(body | {"model": made_for})).decode()
    broken = why_broken(with_vibes(request_body, "AAAA", text) | {"model": model})
    assert (broken is None) == (ENCODINGS[model] == ENCODINGS[made_for])


def test_tokens_from_elsewhere_are_accepted(request_body: Body) -> None:
    text = base64.b64encode(bytes(range(256)) * 191).decode()
    assert why_broken(with_vibes(request_body, text)) is None


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_a_raw_picture_breaks_the_job_from_v4_on(
    request_body: Body, picture_text: PictureText, image_format: str
) -> None:
    image = picture_text(Image.new("RGB", (16, 16)), image_format)
    assert why_broken(with_vibes(request_body, image)) == JOB_FAILED
    v3 = with_vibes(request_body, image, v4_prompt=None, reference_information_extracted_multiple=[1])
    assert why_broken(v3 | {"model": "nai-diffusion-3"}) is None


def picture_of(request: dict[str, Any]) -> Image.Image:
    (event,) = Generation(request).finals()
    assert isinstance(event["image"], bytes)
    return Image.open(io.BytesIO(event["image"])).convert("RGB")


def distance(one: Image.Image, other: Image.Image) -> int:
    return sum(ImageChops.difference(one, other).resize((1, 1), Image.Resampling.BOX).tobytes())


def test_vibes_steer_the_palette_by_their_strength(request_body: Body) -> None:
    plain = picture_of(request_body())
    distances = [distance(plain, picture_of(with_vibes(request_body, "AAAA", strength=s))) for s in (0, 0.3, 0.6, 1)]
    assert distances == sorted(distances)
    assert distances[0] == 0
    assert distances[-1] > 10
    assert (
        picture_of(with_vibes(request_body, "BBBB")).tobytes() != picture_of(with_vibes(request_body, "AAAA")).tobytes()
    )
    assert distance(plain, picture_of(with_vibes(request_body, "AAAA", strength=1, controlnet_strength=0))) == 0


def references(picture_text: PictureText, kind: str, strength: float) -> dict[str, Any]:
    """An orange picture, letterboxed on black."""
    image = Image.new("RGB", (96, 144))
    image.paste((250, 130, 10), (0, 40, 96, 104))
    return {
        "director_reference_images": [picture_text(image)],
        "director_reference_descriptions": [{"caption": {"base_caption": kind, "char_captions": []}}],
        "director_reference_information_extracted": [1],
        "director_reference_strength_values": [strength],
        "director_reference_secondary_strength_values": [0],
    }


def test_a_character_reference_colours_the_coat(
    request_body: Body, picture_text: PictureText, with_characters: WithCharacters
) -> None:
    def coat(strength: float) -> tuple[int, ...]:
        request = request_body(width=256, height=256, **references(picture_text, "character", strength))
        with_characters(request, ("girl, blue coat", 0.5, 0.5))
        return tuple(picture_of(request).crop((112, 118, 124, 126)).resize((1, 1), Image.Resampling.BOX).tobytes())

    none, full = coat(0), coat(1)
    assert none[2] > none[0]
    assert full[0] > full[2]


def test_a_referred_character_stands_there_even_without_characters(
    request_body: Body, picture_text: PictureText
) -> None:
    changes = {"width": 128, "height": 128}
    plain = picture_of(request_body(**changes))
    character = picture_of(request_body(**changes, **references(picture_text, "character", 0)))
    style = picture_of(request_body(**changes, **references(picture_text, "style", 0)))
    assert distance(plain, style) == 0
    assert distance(plain, character) > 10
