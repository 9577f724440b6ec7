"""For any input: valid parameters become JSON that reads back, junk becomes `InvalidParamsError`."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, SIZES, Character, ImageParams, ModelInfo

FIELDS = [attribute.name for attribute in attrs.fields(ImageParams)]
CHARACTER_FIELDS = [attribute.name for attribute in attrs.fields(Character)]

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
units = st.floats(0, 1)
characters = st.builds(
    Character,
    texts,
    negative_prompt=texts,
    position=st.none() | st.tuples(units, units) | st.from_regex("[A-Ea-e][1-5]", fullmatch=True),
    enabled=st.booleans(),
)
OF_PICTURES = {"i2i", "inpaint", "controlnet", "character_references"}
sides = st.integers(1, 32).map(lambda n: n * 64)
pairs = st.tuples(sides, sides).filter(lambda size: size[0] * size[1] <= 3_145_728)


def fields_for(info: ModelInfo) -> st.SearchStrategy[dict[str, object]]:
    switches = {name: st.booleans() for name in sorted(info.options) if name not in OF_PICTURES}
    optional = {
        "size": st.sampled_from(sorted(SIZES)) | pairs,
        "steps": st.integers(1, 46 if info.price_factor > 1 else 50),  # more is too dear at the largest size
        "scale": st.none() | st.floats(0, 10) | st.integers(0, 10),
        "sampler": st.sampled_from(info.samplers),
        "noise_schedule": st.sampled_from(info.noise_schedules),
        "seed": st.none() | st.integers(0, 2**32 - 1),
        "n_samples": st.integers(1, 4),
        "negative_prompt": texts,
        "quality": st.sampled_from([*info.quality_texts, True, False]),
        "uc_preset": st.sampled_from(sorted(info.uc_texts)),
        "cfg_rescale": units,
        "decrisper": st.booleans(),
        "image_format": st.sampled_from(["png", "webp"]),
        "characters": st.lists(characters, max_size=min(3, info.max_characters)),
    }
    required = {"prompt": texts.filter(str.strip), "model": st.just(info.id)}
    return st.fixed_dictionaries(required, optional={**optional, **switches})


valid = st.sampled_from(list(MODELS.values())).flatmap(fields_for).map(lambda f: ImageParams.from_fields(**f))

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=8)
    | st.complex_numbers()
    | st.sampled_from([object(), int, "\ud800", range(3), {1}, Ellipsis])
    | st.integers(5000, 5001).map(lambda digits: 10**digits),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.sampled_from(CHARACTER_FIELDS), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(valid, st.sampled_from(["sse", "msgpack", None]))
@settings(max_examples=150, deadline=None)
def test_json_reads_back_as_the_wire_object(params: ImageParams, stream: str | None) -> None:
    stream = stream if params.info.streams else None
    wire = params.to_wire(stream=stream)
    body = params.to_json(stream=stream)
    assert json.loads(body) == wire
    # Equal is not enough: 1 == True. The same text means the same JSON types.
    assert json.dumps(json.loads(body)) == json.dumps(wire)


@given(valid)
@settings(max_examples=50, deadline=None)
def test_fields_build_an_equal_record(params: ImageParams) -> None:
    assert params.replace() == params
    assert ImageParams.from_fields(**attrs.asdict(params)) == params


@given(st.sampled_from([*FIELDS, "stream"]), junk)
@settings(max_examples=400, deadline=None)
def test_junk_in_a_field_is_taken_or_refused_and_nothing_else(name: str, value: object) -> None:
    try:
        if name == "stream":
            ImageParams("cat").to_json(stream=value)
        else:
            json.loads(ImageParams.from_fields(**{"prompt": "cat", name: value}).to_json())
    except InvalidParamsError as error:
        told = error
    else:
        return
    assert told.field.startswith(name)
    assert told.allowed


@given(st.dictionaries(st.sampled_from(CHARACTER_FIELDS), junk, max_size=4))
@settings(max_examples=150, deadline=None)
def test_junk_in_a_character_is_taken_or_refused_and_nothing_else(fields: dict[str, object]) -> None:
    try:
        ImageParams.from_fields(prompt="cat", characters=[fields]).to_json()
    except InvalidParamsError as error:
        told = error
    else:
        return
    assert told.field.startswith("characters[0]")


@given(st.text(max_size=12).filter(lambda name: name not in FIELDS), junk)
@settings(max_examples=100, deadline=None)
def test_any_unknown_name_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        ImageParams.from_fields(prompt="cat", **{name: value})
    assert caught.value.field == name
