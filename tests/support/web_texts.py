"""The web client's preset texts, once more as the wire document (section 2.6) has them, for the comparison with peers.

Kept apart from the library's own table on purpose: what is compared must not come from what is checked.
"""

from __future__ import annotations

QUALITY = {
    "nai-diffusion-5-full": {
        "standard": "very aesthetic, masterpiece, no text",
        "light": "very aesthetic, amazing quality, no text",
        "none": "",
    },
    "nai-diffusion-5-curated": {
        "standard": "very aesthetic, masterpiece, no text",
        "light": "very aesthetic, amazing quality, no text",
        "none": "",
    },
    "nai-diffusion-4-5-full": {
        "standard": "very aesthetic, masterpiece, no text",
        "none": "",
    },
    "nai-diffusion-4-5-curated": {
        "standard": "very aesthetic, masterpiece, no text, -0.8::feet::, rating:general",
        "none": "",
    },
    "nai-diffusion-4-full": {
        "standard": "no text, best quality, very aesthetic, absurdres",
        "none": "",
    },
    "nai-diffusion-4-curated-preview": {
        "standard": "rating:general, best quality, very aesthetic, absurdres",
        "none": "",
    },
    "nai-diffusion-3": {
        "standard": "best quality, amazing quality, very aesthetic, absurdres",
        "none": "",
    },
    "nai-diffusion-furry-3": {
        "standard": "{best quality}, {amazing quality}",
        "none": "",
    },
}
"""Model to quality preset to the words after the prompt."""

UNDESIRED = {
    "nai-diffusion-5-full": {
        "heavy": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page"
        ),
        "light": (
            "lowres, bad hands, bad anatomy, artistic error, sepia, white haze, worst quality, very "
            "displeasing, jpeg artifacts, 0::ai-generated::"
        ),
        "humanFocus": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page, @_@, mismatched pupils, glowing "
            "eyes, bad anatomy"
        ),
        "furryFocus": (
            "{worst quality}, distracting watermark, unfinished, bad quality, {widescreen}, upscale, "
            "{sequence}, {{grandfathered content}}, blurred foreground, chromatic aberration, sketch, "
            "everyone, [sketch background], simple, [flat colors], ych (character), outline, multiple "
            "scenes, [[horror (theme)]], comic"
        ),
        "none": "",
    },
    "nai-diffusion-5-curated": {
        "heavy": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page"
        ),
        "light": (
            "lowres, bad hands, bad anatomy, artistic error, sepia, white haze, worst quality, very "
            "displeasing, jpeg artifacts, 0::ai-generated::"
        ),
        "humanFocus": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page, @_@, mismatched pupils, glowing "
            "eyes, bad anatomy"
        ),
        "furryFocus": (
            "{worst quality}, distracting watermark, unfinished, bad quality, {widescreen}, upscale, "
            "{sequence}, {{grandfathered content}}, blurred foreground, chromatic aberration, sketch, "
            "everyone, [sketch background], simple, [flat colors], ych (character), outline, multiple "
            "scenes, [[horror (theme)]], comic"
        ),
        "none": "",
    },
    "nai-diffusion-4-5-full": {
        "heavy": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page"
        ),
        "light": (
            "lowres, artistic error, scan artifacts, worst quality, bad quality, jpeg artifacts, multiple "
            "views, very displeasing, too many watermarks, negative space, blank page"
        ),
        "humanFocus": (
            "lowres, artistic error, film grain, scan artifacts, worst quality, bad quality, jpeg "
            "artifacts, very displeasing, chromatic aberration, dithering, halftone, screentone, multiple "
            "views, logo, too many watermarks, negative space, blank page, @_@, mismatched pupils, glowing "
            "eyes, bad anatomy"
        ),
        "furryFocus": (
            "{worst quality}, distracting watermark, unfinished, bad quality, {widescreen}, upscale, "
            "{sequence}, {{grandfathered content}}, blurred foreground, chromatic aberration, sketch, "
            "everyone, [sketch background], simple, [flat colors], ych (character), outline, multiple "
            "scenes, [[horror (theme)]], comic"
        ),
        "none": "",
    },
    "nai-diffusion-4-5-curated": {
        "heavy": (
            "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, worst quality, bad "
            "quality, jpeg artifacts, very displeasing, chromatic aberration, halftone, multiple views, "
            "logo, too many watermarks, negative space, blank page"
        ),
        "light": (
            "blurry, lowres, upscaled, artistic error, scan artifacts, jpeg artifacts, logo, too many "
            "watermarks, negative space, blank page"
        ),
        "humanFocus": (
            "blurry, lowres, upscaled, artistic error, film grain, scan artifacts, bad anatomy, bad hands, "
            "worst quality, bad quality, jpeg artifacts, very displeasing, chromatic aberration, halftone, "
            "multiple views, logo, too many watermarks, @_@, mismatched pupils, glowing eyes, negative "
            "space, blank page"
        ),
        "none": "",
    },
    "nai-diffusion-4-full": {
        "heavy": (
            "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg artifacts, "
            "very displeasing, chromatic aberration, multiple views, logo, too many watermarks, white blank "
            "page, blank page"
        ),
        "light": (
            "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, white "
            "blank page, blank page"
        ),
        "none": "",
    },
    "nai-diffusion-4-curated-preview": {
        "heavy": (
            "blurry, lowres, error, film grain, scan artifacts, worst quality, bad quality, jpeg artifacts, "
            "very displeasing, chromatic aberration, logo, dated, signature, multiple views, gigantic "
            "breasts, white blank page, blank page"
        ),
        "light": (
            "blurry, lowres, error, worst quality, bad quality, jpeg artifacts, very displeasing, logo, "
            "dated, signature, white blank page, blank page"
        ),
        "none": "",
    },
    "nai-diffusion-3": {
        "heavy": (
            "lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, bad quality, "
            "watermark, unfinished, displeasing, chromatic aberration, signature, extra digits, artistic "
            "error, username, scan, [abstract]"
        ),
        "light": "lowres, jpeg artifacts, worst quality, watermark, blurry, very displeasing",
        "humanFocus": (
            "lowres, {bad}, error, fewer, extra, missing, worst quality, jpeg artifacts, bad quality, "
            "watermark, unfinished, displeasing, chromatic aberration, signature, extra digits, artistic "
            "error, username, scan, [abstract], bad anatomy, bad hands, @_@, mismatched pupils, "
            "heart-shaped pupils, glowing eyes"
        ),
        "none": "lowres",
    },
    "nai-diffusion-furry-3": {
        "heavy": (
            "{{worst quality}}, [displeasing], {unusual pupils}, guide lines, {{unfinished}}, {bad}, url, "
            "artist name, {{tall image}}, mosaic, {sketch page}, comic panel, impact (font), [dated], "
            "{logo}, ych, {what}, {where is your god now}, {distorted text}, repeated text, {floating "
            "head}, {1994}, {widescreen}, absolutely everyone, sequence, {compression artifacts}, hard "
            "translated, {cropped}, {commissioner name}, unknown text, high contrast"
        ),
        "light": (
            "{worst quality}, guide lines, unfinished, bad, url, tall image, widescreen, compression "
            "artifacts, unknown text"
        ),
        "none": "lowres",
    },
}
"""Model to undesired-content preset to the words before the negative prompt, without "nsfw"."""

NSFW_GUARDED = (
    "nai-diffusion-5-full",
    "nai-diffusion-4-5-full",
    "nai-diffusion-4-full",
    "nai-diffusion-3",
    "nai-diffusion-furry-3",
)
"""Models that are not Curated: "nsfw" goes in front of a preset there unless the prompt has the word."""
