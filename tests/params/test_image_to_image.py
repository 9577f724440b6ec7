"""Records with pictures: their limits, what excludes what, which model has them, and the size taken from a source."""

from __future__ import annotations

import pytest
from asked import EVERYTHING, PNG, refused

from nai_trio.params import ImageParams, ImageToImage


def test_v5_curated_inpaints_as_v45_curated_in_every_respect() -> None:
    params = ImageParams.from_fields(prompt="cat", seed=3, model="nai-diffusion-5-curated", **inpaint())
    same = ImageParams.from_fields(prompt="cat", seed=3, model="nai-diffusion-4-5-curated", **inpaint())
    assert params.info.id == "nai-diffusion-4-5-curated"
    assert params.to_wire() == same.to_wire()
    assert (params.scale, params.straight_alpha) == (5, False)
    error = refused(model="nai-diffusion-5-curated", quality="light", **inpaint())
    doer = "nai-diffusion-4-5-curated, which does the inpainting of nai-diffusion-5-curated"
    assert error.allowed.startswith(f"one of standard, none with {doer}; only ")


def inpaint() -> dict[str, object]:
    return {"inpaint": EVERYTHING["inpaint"]}


@pytest.mark.parametrize(
    ("steps", "strength", "taken"), [(23, 0.7, 16), (28, 0.5, 14), (50, 0.99, 49), (1, 0.01, 1), (50, 0.58, 29)]
)
def test_starting_from_a_picture_takes_fewer_steps(steps: int, strength: float, taken: int) -> None:
    params = ImageParams("cat", steps=steps, i2i=ImageToImage(PNG, strength=strength))
    assert params.steps_taken == taken
    assert params.replace(i2i=None).steps_taken == steps
