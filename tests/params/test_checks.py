"""Values that are nearly what is wanted, and what records do when they are copied, compared or used by threads."""

from __future__ import annotations

import copy
import enum
import itertools
import json
import pickle
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from drawn import drawing, encoded

from nai_trio.errors import InvalidParamsError
from nai_trio.params import EncodedVibe, ImageParams, VibeFile

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = encoded(drawing((64, 64)))


def wire(**fields: object) -> dict[str, Any]:
    return json.loads(ImageParams.from_fields(**{"prompt": "cat", **fields}).to_json())


class Html(str):
    """As libraries for HTML have it: what is joined to it is escaped."""

    __slots__ = ()

    def __add__(self, other: str) -> Html:
        return Html(str.__add__(self, other.replace("<", "&lt;")))

    def __radd__(self, other: str) -> Html:
        return Html(other.replace("<", "&lt;") + str(self))

    def partition(self, mark: str) -> tuple[Html, ...]:
        return tuple(map(Html, str.partition(self, mark)))

    def strip(self, *_characters: str) -> str:
        raise AssertionError("a method of the user's own")


def test_text_of_a_subclass_is_sent_as_it_reads() -> None:
    sent = wire(
        prompt=Html("a<b|c"),
        negative_prompt=Html("<hat|>"),
        uc_preset="none",
        quality="standard",
        characters=[{"prompt": Html("<x>"), "negative_prompt": Html("<y>")}],
    )
    assert sent["input"] == "a<b, very aesthetic, masterpiece, no text|c"
    assert sent["parameters"]["negative_prompt"] == "<hat|>"
    [character] = sent["parameters"]["characterPrompts"]
    assert (character["prompt"], character["uc"]) == ("<x>", "<y>")
    assert type(ImageParams(Html("cat")).prompt) is str


class Choice(str, enum.Enum):  # noqa: UP042 - other than StrEnum, it does not print as its text
    MODEL = "nai-diffusion-4-full"
    SIZE = "square"
    SAMPLER = "k_euler"
    CELL = "B2"


class Number(enum.IntEnum):
    STEPS = 12
    SIDE = 128


class Real(float):
    def __repr__(self) -> str:
        return "a number of another library"


def test_members_of_enumerations_and_numbers_of_other_libraries_do_for_plain_values() -> None:
    odd = wire(
        model=Choice.MODEL,
        size=Choice.SIZE,
        sampler=Choice.SAMPLER,
        steps=Number.STEPS,
        scale=Real(5.5),
        cfg_rescale=Real(1.0),
        seed=Number.SIDE,
        characters=[{"prompt": "girl", "position": Choice.CELL}, {"prompt": "boy", "position": (Real(0.3), 1)}],
    )
    plain = wire(
        model="nai-diffusion-4-full",
        size="square",
        sampler="k_euler",
        steps=12,
        scale=5.5,
        cfg_rescale=1,
        seed=128,
        characters=[{"prompt": "girl", "position": "B2"}, {"prompt": "boy", "position": (0.3, 1)}],
    )
    assert json.dumps(odd) == json.dumps(plain)
    assert wire(size=(Number.SIDE, Number.SIDE), seed=1)["parameters"]["width"] == 128


class Index:
    """What numpy's integers are to Python."""

    def __index__(self) -> int:
        return 12

    def __repr__(self) -> str:
        return "int64(12)"


@pytest.mark.parametrize("name", ["steps", "seed", "n_samples", "scale", "cfg_rescale"])
@pytest.mark.parametrize("value", [Index(), Fraction(1, 2), 1j, "1", b"1", [1]])
def test_what_only_looks_like_a_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(prompt="cat", **{name: value})
    assert caught.value.field == name


def test_numbers_too_long_to_print_are_refused() -> None:
    for name, value in itertools.product(["steps", "seed", "scale", "size"], [10**5000, -(10**5000)]):
        with pytest.raises(InvalidParamsError, match=f"^{name}: expected "):
            ImageParams.from_fields(prompt="cat", **{name: (value, 64) if name == "size" else value})


def test_a_collection_that_holds_itself_is_refused() -> None:
    mapping: dict[str, object] = {}
    mapping.update(image=mapping, images=mapping, prompt=mapping)
    several: list[object] = []
    several.append(several)
    for name, value in [
        *itertools.product(["i2i", "inpaint", "controlnet", "prompt", "size", "model"], [mapping, several]),
        ("characters", several),
        ("characters", [mapping]),
        ("character_references", [mapping]),
        ("controlnet", {"images": several}),
    ]:
        with pytest.raises(InvalidParamsError) as caught:
            ImageParams.from_fields(**{"prompt": "cat", name: value})
        assert caught.value.field.startswith(name)


# Numbers in JSON

SECONDARY = "director_reference_secondary_strength_values"


# Copies and comparisons


def everything() -> ImageParams:
    token = EncodedVibe(token=b"token", encoding="v4-5full", information_extracted=0.5)
    return ImageParams(
        "cat",
        seed=5,
        characters=[{"prompt": "girl", "position": (0.25, 0.5)}, {"prompt": "boy", "position": "e5"}],
        i2i={"image": PNG, "seed": 7},
        controlnet={"images": [token, {"image": token, "strength": -0.3}]},
    )


@pytest.mark.parametrize("copied", [lambda each: pickle.loads(pickle.dumps(each)), copy.copy, copy.deepcopy])
def test_copies_are_equal_and_ask_for_the_same(copied: Callable[[ImageParams], ImageParams]) -> None:
    params = everything()
    other = copied(params)
    assert other == params
    assert hash(other) == hash(params)
    assert other.to_json() == params.to_json()


def test_a_copy_with_a_pillow_image_asks_for_the_same() -> None:
    params = ImageParams("cat", seed=5, i2i={"image": drawing((70, 70))})
    assert pickle.loads(pickle.dumps(params)).to_json() == params.to_json()


def test_records_that_are_made_alike_are_equal_and_hash_alike() -> None:
    assert everything() == everything()
    assert hash(everything()) == hash(everything())
    assert everything() != everything().replace(seed=6)
    assert len({everything(), everything(), everything().replace(i2i=None)}) == 2
    assert ImageParams("cat", seed=1, scale=5) == ImageParams("cat", seed=1, scale=5.0)
    assert hash(ImageParams("cat", seed=1, scale=5)) == hash(ImageParams("cat", seed=1, scale=5.0))


def test_vibe_files_can_be_hashed_although_they_hold_mappings() -> None:
    files = [VibeFile.of(PNG, name="a") for _ in range(2)]
    token = EncodedVibe(token=b"x", encoding="v4full", information_extracted=1)
    assert hash(files[0]) == hash(files[1])
    assert len({*files, VibeFile.of(None, [token])}) == 2


def test_the_order_of_fields_and_of_mappings_does_not_matter() -> None:
    fields = {"prompt": "cat", "steps": 5, "seed": 1, "i2i": {"image": PNG, "strength": 0.5, "noise": 0.1}}
    turned = {name: fields[name] for name in reversed(fields)}
    turned["i2i"] = dict(reversed(fields["i2i"].items()))
    assert ImageParams.from_fields(**turned).to_json() == ImageParams.from_fields(**fields).to_json()


def test_several_threads_build_the_same_request() -> None:
    params = everything()
    built: list[bytes] = []
    threads = [threading.Thread(target=lambda: built.append(params.to_json())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [params.to_json()] * 8
