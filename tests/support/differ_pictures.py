"""Differences in what comes with pictures: sources, masks, vibes, references. See differences.py."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import expected
from compare import ABSENT, Case, Difference, Side
from PIL import Image
from wishes import V45

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = Side("not sent", ABSENT)
_FILE = Side("the file as it is", expected.source_as_it_is)


def _later(case: Case) -> bool:
    return case.wish.family != "V3"


def _v3(case: Case) -> bool:
    return case.wish.family == "V3"


def _no_source(case: Case) -> bool:
    return not case.wish.i2i and not case.wish.inpaint


def _opaque_rgba_mask(case: Case) -> bool:
    if not case.wish.inpaint:
        return False
    with Image.open(case.pictures / case.wish.inpaint["mask"]) as image:
        return image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)


def _normalized(case: Case) -> bool:
    normalize: bool = case.wish.fields.get("controlnet", {}).get("normalize", True)
    return normalize


def _added_up(case: Case) -> bool:
    return _normalized(case) and sum(expected.strengths(case)) > 1


def _with_source(kind: str) -> Callable[[Case], bool]:
    """Whether the source is of some kind, of those that somebody changes."""

    def applies(case: Case) -> bool:
        if _no_source(case):
            return False
        with Image.open(expected.source_file(case)) as image:
            see_through = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] < 254
            turned = image.getexif().get(0x0112, 1) != 1
            size, kind_of_file = image.size, image.format
        flattened = see_through and case.wish.family != "V5"
        much_larger = kind_of_file == "JPEG" and min(size) >= 2 * max(case.wish.pixels)
        shrunk = size != case.wish.pixels and all(map(operator.ge, size, case.wish.pixels))
        return {
            "see-through": flattened,
            "turned": turned,
            "JPEG": kind_of_file == "JPEG" and size == case.wish.pixels,
            "much larger": much_larger,
            "resized": size != case.wish.pixels and not turned,
            "shrunk": shrunk and not flattened and not much_larger,
        }[kind]

    return applies


SOURCES = (
    Difference(
        members=("parameters.strength",),
        ours=Side("not sent without a source", ABSENT),
        sdk=Side("0.7", 0.7),
        reason="The web client sends it with a source (3.1).",
        when=_no_source,
    ),
    Difference(
        members=("parameters.strength",),
        ours=Side("0.7 when inpainting, where it does nothing", 0.7),
        nekoai=Side("0.3", 0.3),
        reason="What the web client still sends (3.2).",
        when=lambda case: bool(case.wish.inpaint),
    ),
    Difference(
        members=("parameters.inpaintImg2ImgStrength",),
        ours=Side("1 on V4 and later, unless inpainting is weaker", 1),
        sdk=Side("only with a source", ABSENT),
        reason="The web client always sends it (2.3, 2.9).",
        when=lambda case: _later(case) and _no_source(case),
    ),
    Difference(
        members=("parameters.inpaintImg2ImgStrength",),
        ours=Side("as above", 1),
        nekoai=Side("on V4.5 Full alone", ABSENT),
        reason="As above.",
        when=lambda case: _later(case) and case.wish.worker != V45,
    ),
    Difference(
        members=("parameters.inpaintImg2ImgStrength",),
        ours=Side(
            "with image to image too: 1 on V4 and later, not sent on V3",
            lambda case: 1 if _later(case) else ABSENT,
        ),
        sdk=Side("the strength of image to image", expected.source_strength),
        reason="It is the strength of inpainting (3.2).",
        when=lambda case: bool(case.wish.i2i),
    ),
    Difference(
        members=("parameters.inpaintImg2ImgStrength",),
        ours=Side("not on V3", ABSENT),
        sdk=Side("1", 1),
        reason="The web client does not send it to V3 (2.9); V3 inpaints at full strength only (2.8).",
        when=lambda case: _v3(case) and bool(case.wish.inpaint),
    ),
    Difference(
        members=("parameters.img2img",),
        ours=Side("only when inpainting below full strength", ABSENT),
        sdk=Side("with every source", expected.sdk_img2img),
        reason="The web client's rule (3.1, 3.2).",
        when=lambda case: not _no_source(case) and case.wish.inpaint.get("strength", 1) == 1,
    ),
    Difference(
        members=("parameters.color_correct",),
        ours=Side("false with image to image", False),
        sdk=NOTHING,
        nekoai=NOTHING,
        reason="The web client sends it (3.1).",
        when=lambda case: bool(case.wish.i2i),
    ),
    Difference(
        members=("parameters.extra_noise_seed",),
        ours=Side("the seed minus 1, unless the user gives one", expected.seed_before),
        sdk=Side("random", range(10**9)),
        nekoai=Side("random", range(2**32)),
        reason="The web client's choice; the same wish gives the same picture (3.1).",
        when=lambda case: not _no_source(case) and "seed" not in {**case.wish.i2i, **case.wish.inpaint},
    ),
    Difference(
        members=("parameters.add_original_image",),
        ours=Side("true, but when inpainting", True),
        sdk=Side("false", False),
        reason="The web client's values (2.3, 11).",
        when=lambda case: not case.wish.inpaint,
    ),
    Difference(
        members=("parameters.add_original_image",),
        ours=Side("false when inpainting, unless the user asks", False),
        nekoai=Side("true", True),
        reason="The web client lays the kept part over the picture itself (3.2, 11).",
        when=lambda case: bool(case.wish.inpaint) and "add_original_image" not in case.wish.inpaint,
    ),
    Difference(
        members=("parameters.image",),
        ours=Side("V3 to V4.5: what is transparent becomes white", expected.source),
        sdk=Side("stays transparent", expected.source_resized),
        nekoai=_FILE,
        reason="The web client flattens onto white; V5 keeps alpha (3.1).",
        when=_with_source("see-through"),
    ),
    Difference(
        members=("parameters.image",),
        ours=Side("PNG, also of a JPEG that has the size already", expected.source),
        sdk=_FILE,
        nekoai=_FILE,
        reason="The web client sends PNG; the pixels are equal (3.1).",
        when=_with_source("JPEG"),
    ),
    Difference(
        members=("parameters.image",),
        ours=Side("a JPEG of twice the size or more is decoded at a half, a quarter or an eighth", expected.source),
        sdk=Side("decoded whole, then resized", expected.source_resized),
        nekoai=_FILE,
        reason="60 megapixels are not held in memory for a picture of one; the size is right either way (3.1).",
        when=_with_source("much larger"),
    ),
    Difference(
        members=("parameters.image",),
        ours=Side("a photo lying on its side (EXIF) is turned upright", expected.source),
        sdk=Side("it is stretched as it lies", expected.source_resized),
        nekoai=_FILE,
        reason="As browsers show and draw it, so as the web client sees it; no capture has one.",
        when=_with_source("turned"),
    ),
    Difference(
        members=("parameters.image",),
        ours=Side("resized to the size asked for", expected.source),
        nekoai=_FILE,
        reason="The service wants exactly that size, and the web client sees to it (3.1).",
        when=_with_source("resized"),
    ),
    Difference(
        members=("parameters.mask",),
        ours=Side("black and white by cells of 8 by 8 pixels", expected.mask),
        nekoai=Side("the file as it is", expected.mask_as_it_is),
        reason="The web client's masks are on the latent grid (3.2).",
        when=lambda case: bool(case.wish.inpaint),
    ),
    Difference(
        members=("parameters.mask",),
        ours=Side("alpha says where to repaint only if it varies", expected.mask),
        sdk=Side("alpha counts also when all is opaque: everything is repainted", expected.white_mask),
        reason="The web client's own masks are opaque RGBA, and must be usable (3.2).",
        when=_opaque_rgba_mask,
    ),
)

LOOKS = (
    Difference(
        members=("parameters.normalize_reference_strength_multiple",),
        ours=Side("true on V4 and later, unless the user says otherwise", True),
        sdk=Side("false", False),
        reason="The web client sends true (2.3, 11).",
        when=lambda case: _later(case) and _normalized(case),
    ),
    Difference(
        members=("parameters.reference_strength_multiple",),
        ours=Side("divided by their sum where that exceeds 1", expected.shares),
        sdk=Side("as given", expected.strengths),
        nekoai=Side("as given", expected.strengths),
        reason="The service ignores the flag, so the web client divides (3.3).",
        when=_added_up,
    ),
    Difference(
        members=("parameters.reference_image_multiple[*]",),
        ours=Side("V3: the picture, on 448x448", expected.padded_vibe),
        sdk=Side("V3 too: encoded", expected.sdk_vibe_token),
        reason="V3 takes the pictures themselves (2.8, 3.3).",
        when=_v3,
    ),
    Difference(
        members=("parameters.reference_image_multiple[*]",),
        ours=Side("V3: letterboxed to 448x448", expected.padded_vibe),
        nekoai=Side("the file as it is", expected.vibe_as_it_is),
        reason="The web client pads to that size (3.3).",
        when=_v3,
    ),
    Difference(
        members=("parameters.reference_information_extracted_multiple",),
        ours=Side("V3: what was asked for", expected.extractions),
        sdk=NOTHING,
        reason="V3 requires it (3.3).",
        when=lambda case: _v3(case) and bool(case.wish.vibes),
    ),
    Difference(
        members=("parameters.director_reference_images[*]",),
        ours=Side("on 1024x1536, 1472x1472 or 1536x1024 by the picture's shape", expected.reference),
        sdk=Side("always on 1024x1536", expected.sdk_reference),
        nekoai="cannot be asked",
        reason="Two sources have the three canvases (3.4, 11).",
        when=lambda case: expected.reference(case).size != (1024, 1536),
    ),
    Difference(
        members=("parameters.director_reference_images[*]",),
        ours=Side("what is transparent becomes black", expected.reference),
        sdk=Side("whatever color is stored under it", expected.sdk_reference),
        nekoai="cannot be asked",
        reason="References stand on black (3.4).",
        when=lambda case: expected.reference(case).size == (1024, 1536),
    ),
    Difference(
        members=("parameters.director_reference_strength_values",),
        ours=Side("as given", expected.reference_strengths),
        sdk=Side("two decimals", expected.rounded_reference_strengths),
        nekoai="cannot be asked",
        reason="The field takes any number from 0 to 1 (3.4).",
        when=lambda case: bool(case.wish.references),
    ),
)
