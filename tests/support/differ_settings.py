"""Differences in ids, switches and numbers. See differences.py."""

from __future__ import annotations

import expected
from compare import ABSENT, Case, Difference, Side
from expected import SDK_IDS, field
from wishes import FURRY, V4C, V5, V5C

NOTHING = Side("not sent", ABSENT)
TRUE, FALSE = Side("true", True), Side("false", False)


def _later(case: Case) -> bool:
    return case.wish.family != "V3"


def _v3(case: Case) -> bool:
    return case.wish.family == "V3"


def _brownian(case: Case) -> bool:
    return case.wish.fields["sampler"] == "k_euler_ancestral" and case.wish.fields["noise_schedule"] != "native"


MODEL = (
    Difference(
        members=("model",),
        ours=Side("`nai-diffusion-4-curated-preview`, `nai-diffusion-furry-3`", field("model")),
        sdk=Side(
            "`nai-diffusion-4-curated`, `nai-diffusion-3-furry`",
            lambda case: SDK_IDS[case.wish.model],
        ),
        reason="The ids that captures have (2.2, 11).",
        when=lambda case: case.wish.model in {V4C, FURRY} and not case.wish.inpaint,
    ),
    Difference(
        members=("model",),
        ours=Side("`nai-diffusion-furry-3-inpainting`", "nai-diffusion-furry-3-inpainting"),
        sdk=Side("`nai-diffusion-3-furry-inpainting`", "nai-diffusion-3-furry-inpainting"),
        reason="As above.",
        when=lambda case: case.wish.model == FURRY and bool(case.wish.inpaint),
    ),
    Difference(
        members=("model",),
        ours=Side(
            "V5 Curated inpaints as `nai-diffusion-4-5-curated-inpainting`", "nai-diffusion-4-5-curated-inpainting"
        ),
        sdk=Side("`nai-diffusion-5-curated-inpainting`", "nai-diffusion-5-curated-inpainting"),
        nekoai="no V5",
        reason="The service refuses the other id (2.2).",
        when=lambda case: case.wish.model == V5C and bool(case.wish.inpaint),
    ),
    Difference(
        members=("parameters.params_version",),
        ours=Side("3 when V5 Curated inpaints", 3),
        sdk=Side("4", 4),
        nekoai="no V5",
        reason="V4.5 Curated does the work, so the request is its in every respect (2.2, 2.8).",
        when=lambda case: case.wish.model == V5C and bool(case.wish.inpaint),
    ),
    Difference(
        members=("use_new_shared_trial",),
        ours=TRUE,
        nekoai=NOTHING,
        reason="The web client sends it (2.1).",
    ),
    Difference(
        members=("parameters.image_format",),
        ours=Side('"png" where nothing is asked', "png"),
        sdk=NOTHING,
        nekoai=Side("cannot be asked; not sent", ABSENT),
        reason="The service's own default, said (2.3).",
        when=lambda case: "image_format" not in case.wish.fields,
    ),
    Difference(
        members=("parameters.straight_alpha",),
        ours=Side("V5: true unless the user says otherwise", field("straight_alpha", True)),
        sdk=Side("sent only if asked for", ABSENT),
        nekoai="no V5",
        reason="The web client sends true (2.3, 2.8).",
        when=lambda case: case.wish.worker in {V5, V5C} and not case.wish.fields.get("straight_alpha"),
    ),
)

SWITCHES = (
    Difference(
        members=("parameters.skip_cfg_above_sigma",),
        ours=Side("null when off (V3 to V4.5)", None),
        sdk=NOTHING,
        reason="The web client sends null (2.3).",
        when=lambda case: not case.wish.fields.get("variety_boost") and case.wish.worker not in {V5, V5C},
    ),
    Difference(
        members=("parameters.skip_cfg_above_sigma",),
        ours=Side("58 (V4.5) or 19 (V4, V3), scaled by the picture's area", expected.variety),
        sdk=Side("58", 58),
        nekoai=Side("the user's number, a whole one", expected.variety_sigma),
        reason="The web client's formula, captured (2.7, 11).",
        when=lambda case: bool(case.wish.fields.get("variety_boost")),
    ),
    Difference(
        members=("parameters.sm", "parameters.sm_dyn"),
        ours=Side("V3 only", ABSENT),
        sdk=FALSE,
        reason="The web client sends them to V3 alone (2.3, 2.9).",
        when=_later,
    ),
    Difference(
        members=(
            "parameters.autoSmea",
            "parameters.use_coords",
            "parameters.legacy_uc",
            "parameters.normalize_reference_strength_multiple",
        ),
        ours=Side("V4 and later only", ABSENT),
        sdk=FALSE,
        reason="The web client does not send them to V3 (2.3, 2.9).",
        when=_v3,
    ),
    Difference(
        members=("parameters.deliberate_euler_ancestral_bug",),
        ours=Side("false with `k_euler_ancestral` and a schedule that is not native, else not sent", ABSENT),
        sdk=FALSE,
        nekoai=Side("false on V4 and later, whatever the sampler", lambda case: False if _later(case) else ABSENT),
        reason="The web client's rule (2.3).",
        when=lambda case: not _brownian(case),
    ),
    Difference(
        members=("parameters.prefer_brownian",),
        ours=Side("true with `k_euler_ancestral` and a schedule that is not native, else not sent", ABSENT),
        sdk=TRUE,
        nekoai=Side("false on V4 and later with another sampler", lambda case: False if _later(case) else ABSENT),
        reason="The web client's rule (2.3).",
        when=lambda case: not _brownian(case),
    ),
    Difference(
        members=("parameters.deliberate_euler_ancestral_bug",),
        ours=Side("V3 too: false", False),
        nekoai=Side("not on V3", ABSENT),
        reason="The same rule: all families (2.3, 2.9).",
        when=lambda case: _v3(case) and _brownian(case),
    ),
    Difference(
        members=("parameters.prefer_brownian",),
        ours=Side("V3 too: true", True),
        nekoai=Side("not on V3", ABSENT),
        reason="The same rule: all families (2.3, 2.9).",
        when=lambda case: _v3(case) and _brownian(case),
    ),
)
