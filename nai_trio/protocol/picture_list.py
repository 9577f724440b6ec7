"""The JSON answer of the endpoint that does not stream: `{"images":[{"image","index","seed"}]}` (wire document, 5).

The only answer that tells the seed. A picture that is sound comes out before the fault of one behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nai_trio.errors import LimitExceeded, ProtocolError
from nai_trio.protocol.chunks import FinalChunk
from nai_trio.protocol.members import Members, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nai_trio.protocol.limits import Limits

__all__ = ["finals_from_json"]

_MAX_SEED = 2**32 - 1


def finals_from_json(answer: Mapping[str, Any], *, n_samples: int, limits: Limits) -> Iterator[FinalChunk]:
    """Read the pictures, in the answer's order; `index` is their `samp_ix`.

    Args:
        answer: the JSON object.
        n_samples: how many pictures were asked for.
        limits: `max_images` and `max_image_size` are used here.

    Raises:
        ProtocolError: a member is missing, is not what it must be, or an index comes twice.
        LimitExceeded: more pictures, or a larger one, than the limits allow.
    """
    images = answer["images"]
    if not isinstance(images, list):
        raise ProtocolError.mismatch(expected="'images' that are a list", received=show(images), offset=0)
    if len(images) > limits.max_images:
        raise LimitExceeded.of("max_images", limits.max_images, f"{len(images)} in a JSON answer")
    indices = set(range(n_samples))
    for place, image in enumerate(images):
        yield _final(Members.of_object(image, of=f"an entry 'images[{place}]'"), indices, limits)


def _final(entry: Members, indices: set[int], limits: Limits) -> FinalChunk:
    index = entry.take_index("index")
    if index not in indices:
        raise entry.wrong("index", f"one of {sorted(indices)}", index)
    indices.remove(index)
    image = entry.take_image()
    if len(image) > limits.max_image_size:
        raise LimitExceeded.of("max_image_size", limits.max_image_size, f"a picture of {len(image)} in a JSON answer")
    return FinalChunk(samp_ix=index, gen_id=None, image=image, seed=_take_seed(entry), extra=entry.fields)


def _take_seed(entry: Members) -> int | None:
    """None where there is none: a picture that is paid for is not lost over that."""
    if not entry.has("seed"):
        entry.drop("seed")
        return None
    seed = entry.take_index("seed")
    if seed > _MAX_SEED:
        raise entry.wrong("seed", f"an integer from 0 to {_MAX_SEED}", seed)
    return seed
