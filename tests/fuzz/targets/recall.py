"""A picture's Comment back to the fields of a request: any JSON text there, under every family's name."""

from __future__ import annotations

import json
from collections.abc import Iterator

from any_answers import options
from made_metadata import SOURCES, made_comment
from picture_bytes import png, text_chunk
from shaken import shaken

from nai_trio import ImageParams
from nai_trio.errors import InvalidParamsError
from nai_trio.pictures.claims import decoded

MEASURED = ("nai_trio.params.recall", "nai_trio.pictures.metadata")
LONGEST = 2000
FAMILIES = tuple(SOURCES.values())
WORDS = (
    b'"prompt":', b'"uc":', b'"steps":', b'"width":', b'"scale":', b'"seed":', b'"sampler":"k_euler"',
    b'"v4_prompt":', b'"v4_negative_prompt":', b'"caption":{', b'"base_caption":', b'"char_captions":[',
    b'"centers":[', b'"use_coords":', b'"legacy_uc":', b'"skip_cfg_above_sigma":', b'"model_name":',
    b'"noise_schedule":"karras"', b"null", b"true", b"{}", b", best quality, amazing quality", b", very aesthetic",
    b"lowres", b"|", b"1e999", b"NaN", b'"\\ud800"', b"-0.0",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any Comment gives parameters that can be asked for, or one error that names a field."""
    choice, comment = options(data)
    for text in (comment, *shaken(comment)):
        _check_comment(choice, text)


def _check_comment(choice: int, comment: bytes) -> None:
    picture = png(text_chunk("Source", FAMILIES[choice % len(FAMILIES)]), text_chunk("Comment", comment))
    try:
        params = ImageParams.from_png(picture)
    except InvalidParamsError as error:
        assert error.field
        assert len(str(error)) < 2000
        return
    recorded = json.loads(decoded(comment))
    assert (params.width, params.height) == (recorded["width"], recorded["height"])
    assert params.seed == recorded["seed"]
    assert json.loads(params.to_json(stream=None))["parameters"]["seed"] == params.seed
    assert ImageParams.from_png(picture) == params


def seeds() -> Iterator[bytes]:
    for choice, family in enumerate(SOURCES):
        yield bytes([choice]) + json.dumps(made_comment(objects=family != "V3")).encode()
    placed = {"base_caption": "a", "char_captions": [{"char_caption": "b", "centers": [{"x": 0.5, "y": 0.1}]}]}
    yield b"\2" + json.dumps(made_comment(v4_prompt={"caption": placed, "use_coords": True})).encode()
    yield b"\2" + json.dumps(made_comment("cat, very aesthetic, masterpiece, no text")).encode()
    yield b"\3" + json.dumps(made_comment(model_name="nai-diffusion-5-curated", scale=6)).encode()
    yield b"\1" + json.dumps(made_comment(steps=None, seed=...)).encode()
    old = made_comment("cat | dog", "lowres", objects=False, sm=True, dynamic_thresholding=True)
    yield b"\0" + json.dumps(old).encode()
    yield b"\0[]"
    yield b"\0\xff"
