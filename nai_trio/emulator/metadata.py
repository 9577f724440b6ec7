"""What the service writes into finished pictures (wire document, section 7)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Literal

from nai_trio.emulator.settings import Json, Settings, present

__all__ = ["text_chunks", "user_comment"]

_SOURCES = {
    "V3": "Stable Diffusion XL 7BCCAA2C",
    "V4": "NovelAI Diffusion V4 37442FCA",
    "V4.5": "NovelAI Diffusion V4.5 4BDE2A90",
    "V5": "NovelAI Diffusion V5 0ADF9AB7",
}

_REQUEST_TYPES = {
    "generate": "PromptGenerateRequest",
    "img2img": "Img2ImgRequest",
    "infill": "NativeInfillingRequest",
}

_ECHO_DEFAULTS: Json = {
    "scale": 5.0, "cfg_rescale": 0.0, "legacy_v3_extend": False, "sampler": "k_euler_ancestral",
    "controlnet_strength": 1.0, "dynamic_thresholding": False, "sm": False, "sm_dyn": False,
    "skip_cfg_above_sigma": None, "deliberate_euler_ancestral_bug": True, "prefer_brownian": True,
}  # fmt: skip

_REFERENCE_ECHOES = {
    "director_reference_strengths": "director_reference_strength_values",
    "director_reference_descriptions": "director_reference_descriptions",
    "director_reference_information_extracted": "director_reference_information_extracted",
    "director_reference_secondary_strengths": "director_reference_secondary_strength_values",
}
"""Names in the comment, and in the request."""

_VIBE_ECHOES = ("reference_strength_multiple", "reference_information_extracted_multiple")

_CONSTANTS: Json = {
    "uncond_scale": 0.0, "controlnet_model": None, "reference_information_extracted_multiple": [],
    "reference_strength_multiple": [], **dict.fromkeys(_REFERENCE_ECHOES),
    "dynamic_thresholding_percentile": 0.999, "dynamic_thresholding_mimic_scale": 10.0, "skip_cfg_below_sigma": 0.0,
    "lora_unet_weights": None, "lora_clip_weights": None, "cfg_sched_eligibility": "enable_for_post_summer_samplers",
    "explike_fine_detail": False, "minimize_sigma_inf": False, "uncond_per_vibe": True,
    "wonky_vibe_correlation": True, "version": 1, "extra_passthrough_testing": {},
}  # fmt: skip


def text_chunks(settings: Settings, sample: int, *, streamed: bool) -> dict[str, str]:
    """The PNG text chunks of one sample, by name.

    `Comment` says in `stream` how the job came: "msgpack" for any streamed one, the only value captured for streams, so
    that both framings give the same bytes; "none" for the plain endpoint.
    """
    comment = _comment(settings, sample, "msgpack" if streamed else "none")
    return {
        "Title": "AI generated image",
        "Description": settings.description,
        "Software": "NovelAI",
        "Source": _SOURCES[settings.family],
        "Generation_time": repr(_generation_time(settings)),
        "Comment": json.dumps(comment),
    }


def user_comment(chunks: dict[str, str]) -> str:
    """The EXIF UserComment of a WebP: the same as JSON, since WebP has no text chunks."""
    return json.dumps({"Comment": chunks["Comment"], "Source": chunks["Source"]})


def _generation_time(settings: Settings) -> float:
    """Seconds, near the 2.4 captured for 832×1216 at 23 steps, with the request's own decimals."""
    jitter = int.from_bytes(settings.fingerprint[8:12]) / 2**32
    return 0.3 + settings.n_samples * settings.steps * settings.pixels / 1_011_712 * (0.09 + 0.002 * jitter)


def _comment(settings: Settings, sample: int, stream: Literal["msgpack", "none"]) -> dict[str, object]:
    parameters = settings.parameters
    comment: dict[str, object] = {
        "prompt": settings.description,
        "steps": settings.steps,
        "height": settings.height,
        "width": settings.width,
        "seed": (settings.seed + sample) % 2**32,
        "n_samples": settings.n_samples,
        "noise_schedule": settings.noise_schedule,
        **{name: parameters.get(name, default) for name, default in _ECHO_DEFAULTS.items()},
        **_prompts(parameters),
        "uc": parameters.get("negative_prompt", ""),
        "stream": stream,
        **_CONSTANTS,
        **_reference_echoes(parameters),
        "request_type": _REQUEST_TYPES[settings.action],
    }
    if settings.family == "V5":
        comment |= {"straight_alpha": parameters.get("straight_alpha", False), "model_name": settings.model}
        comment |= {name: value for name, value in parameters.items() if name.startswith("tag_hint_")}
    digest = hashlib.sha512(settings.fingerprint + sample.to_bytes(1)).digest()
    return comment | {"signed_hash": base64.b64encode(digest).decode()}


def _reference_echoes(parameters: Json) -> dict[str, object]:
    """What was sent of vibes and character references, in the constants' places."""
    vibes = {name: parameters[name] for name in _VIBE_ECHOES if name in parameters}
    references = {shown: parameters[name] for shown, name in _REFERENCE_ECHOES.items() if parameters.get(name)}
    return vibes | references


def _prompts(parameters: Json) -> dict[str, object]:
    """Both prompt objects, their flags filled in; false in the negative."""
    found: dict[str, object] = {}
    for name, order in (("v4_prompt", True), ("v4_negative_prompt", False)):
        prompt = present(parameters.get(name))
        if prompt:
            found[name] = {
                "caption": prompt.get("caption"),
                "use_coords": prompt.get("use_coords", False),
                "use_order": prompt.get("use_order", order),
                "legacy_uc": prompt.get("legacy_uc", False),
            }
    return found
