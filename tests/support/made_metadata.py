"""Metadata put together by hand: a V4.5 picture of two lines of prompt, with whatever a test changes in it."""

from __future__ import annotations

from typing import Any

from nai_trio.pictures.metadata import PictureMetadata

SOURCES = {
    "V3": "Stable Diffusion XL 7BCCAA2C",
    "V4": "NovelAI Diffusion V4 37442FCA",
    "V4.5": "NovelAI Diffusion V4.5 4BDE2A90",
    "V5": "NovelAI Diffusion V5 0ADF9AB7",
}


def caption(text: Any, *characters: Any, **flags: Any) -> dict[str, Any]:
    """A prompt object; a character is (text, x, y), or whatever a test puts there."""
    entries = [
        {"char_caption": each[0], "centers": [{"x": each[1], "y": each[2]}]} if isinstance(each, tuple) else each
        for each in characters
    ]
    return {"caption": {"base_caption": text, "char_captions": entries}, **flags}


def made_comment(
    prompt: str = "1girl, solo", uc: str = "hat", /, *, objects: bool = True, **changes: Any
) -> dict[str, Any]:
    """A Comment as the service writes it, with changes; a change to ... takes a member out."""
    comment: dict[str, Any] = {
        "prompt": prompt, "steps": 28, "height": 64, "width": 128, "scale": 5.0, "uncond_scale": 0.0,
        "cfg_rescale": 0.0, "seed": 7, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_euler",
        "dynamic_thresholding": False, "sm": False, "sm_dyn": False, "skip_cfg_above_sigma": None, "uc": uc,
        "signed_hash": "bm8gc2lnbmF0dXJl",
    }  # fmt: skip
    if objects:
        comment["v4_prompt"] = caption(prompt, use_coords=False, use_order=True, legacy_uc=False)
        comment["v4_negative_prompt"] = caption(uc, use_coords=False, use_order=False, legacy_uc=False)
    return {name: value for name, value in {**comment, **changes}.items() if value is not ...}


def made_metadata(
    prompt: str = "1girl, solo", uc: str = "hat", /, *, family: str = "V4.5", source: Any = None, **changes: Any
) -> PictureMetadata:
    """The metadata around `made_comment`."""
    return PictureMetadata(
        source=SOURCES[family] if source is None else source,
        comment=made_comment(prompt, uc, **{"objects": family != "V3", **changes}),
        image_format="png",
        origin="chunks",
    )
