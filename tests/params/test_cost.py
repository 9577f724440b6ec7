"""What an estimate is made of, at every limit of the formula, and against the emulator's own arithmetic."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from drawn import drawing, encoded, mask_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nai_trio.emulator.cost import anlas_cost
from nai_trio.emulator.settings import Settings
from nai_trio.errors import InvalidParamsError
from nai_trio.params import MODELS, SIZES, EncodedVibe, ImageParams, ModelInfo
from nai_trio.params.cost import MAX_PRICE, AnlasEstimate, check_price, estimate

PNG = encoded(drawing((64, 64)))
OTHER = encoded(drawing((64, 128)))
SMALL = encoded(drawing((512, 768)))
CANVAS = encoded(drawing((1024, 1536)))  # what a reference is brought to: sent as it is
MASK = encoded(mask_of((64, 64), (0, 0, 32, 32)))
V3, V4, V45, V5 = "nai-diffusion-3", "nai-diffusion-4-full", "nai-diffusion-4-5-full", "nai-diffusion-5-full"
PLAIN = {
    "This is the formula that the service's clients use; the account's balance is the authority.",
    "Whether a request that breaks off before its end is charged is not known.",
}


def params(**fields: object) -> ImageParams:
    return ImageParams.from_fields(**{"prompt": "cat", **fields})


def cost(*, opus: bool = False, **fields: object) -> AnlasEstimate:
    return estimate(params(**fields), opus=opus)


def token(index: int = 0) -> EncodedVibe:
    return EncodedVibe(token=b"token %d" % index, encoding="v4-5full", information_extracted=0.7)


def further_caveats(found: AnlasEstimate) -> set[str]:
    assert set(found.caveats) > PLAIN or set(found.caveats) == PLAIN
    return set(found.caveats) - PLAIN


@pytest.mark.parametrize(
    ("size", "steps", "older", "v5"),
    [
        ((512, 768), 23, 7, 11),
        ((832, 1216), 23, 17, 26),
        ((832, 1216), 28, 20, 30),
        ((832, 1216), 50, 33, 50),
        ((1024, 1024), 28, 20, 30),
        ((1024, 1536), 28, 30, 45),
        ((1472, 1472), 28, 42, 63),
        ((1088, 1920), 28, 40, 60),
    ],
)
def test_prices_are_those_of_the_wire_document(size: tuple[int, int], steps: int, older: int, v5: int) -> None:
    for info in MODELS.values():
        found = cost(model=info.id, size=size, steps=steps)
        assert found == found.per_picture == (v5 if info.family == "V5" else older)


def test_a_picture_never_costs_less_than_two() -> None:
    assert cost(size=(64, 64), steps=1) == 2
    assert cost(size=(64, 64), steps=50, i2i={"image": PNG, "strength": 0.01}) == 2


@pytest.mark.parametrize(
    ("smea", "smea_dyn", "price"),
    [
        (False, False, 17),
        (True, False, 21),  # 17 times 1.2 is 20.4
        (True, True, 24),  # 17 times 1.4 is 23.8
        (False, True, 17),
    ],
)
def test_smea_costs_more_and_its_dynamic_form_only_with_it(smea: bool, smea_dyn: bool, price: int) -> None:
    assert cost(model=V3, smea=smea, smea_dyn=smea_dyn) == price


@pytest.mark.parametrize(
    ("model", "size", "strength", "price"),
    [
        (V45, "portrait", 0.5, 9),  # 17 halved is 8.5
        (V45, (1024, 1024), 0.5, 9),  # 17 halved again
        (V5, "portrait", 0.5, 13),  # 25.5 halved is 12.75: the factor is not rounded first
        (V45, "portrait", 0.99, 17),
        (V45, "portrait", 0.7, 12),
        (V45, "small_portrait", 0.01, 2),
    ],
)
def test_strength_makes_a_picture_cheaper_and_a_half_is_rounded_up(
    model: str, size: object, strength: float, price: int
) -> None:
    assert cost(model=model, size=size, i2i={"image": PNG, "strength": strength}) == price
    inpaint = {"image": PNG, "mask": MASK, "strength": strength}
    assert cost(model=model, size=size, inpaint=inpaint) == price


def test_whole_strength_costs_like_a_new_picture() -> None:
    assert cost(size="portrait", inpaint={"image": PNG, "mask": MASK}) == 17


def test_even_products_are_not_rounded_up() -> None:
    assert cost(size="portrait", steps=28, i2i={"image": PNG, "strength": 0.5}) == 10


def test_v5_curated_inpaints_at_the_price_of_the_model_that_does_it() -> None:
    inpaint = {"image": PNG, "mask": MASK}
    assert cost(model="nai-diffusion-5-curated", size="portrait", inpaint=inpaint) == 17
    assert cost(model=V5, size="portrait", inpaint=inpaint) == 26


@pytest.mark.parametrize(
    ("size", "steps", "free"),
    [
        ((1024, 1024), 28, 1),
        ((1024, 1024), 29, 0),
        ((1024, 1088), 28, 0),
        ((64, 16384), 28, 1),
        ((64, 16448), 28, 0),
        ("portrait", 23, 1),
    ],
)
def test_opus_has_one_picture_free_up_to_an_area_and_a_number_of_steps(size: object, steps: int, free: int) -> None:
    found = cost(opus=True, size=size, steps=steps)
    assert found.free_pictures == free
    assert found == found.per_picture * (1 - free)
    assert cost(size=size, steps=steps).free_pictures == 0


@pytest.mark.parametrize(("n_samples", "opus", "total"), [(1, True, 0), (4, True, 51), (4, False, 68)])
def test_samples_are_paid_for_but_the_free_one(n_samples: int, opus: bool, total: int) -> None:
    found = cost(n_samples=n_samples, opus=opus)
    assert found == total
    assert found.per_picture == 17


def test_raw_vibes_are_encoded_at_two_each() -> None:
    vibes = [{"image": PNG}, {"image": OTHER}, token()]
    found = cost(controlnet={"images": vibes})
    assert (found.vibe_encoding, found.extra_vibes, int(found)) == (4, 0, 21)


def test_the_same_picture_is_encoded_once_for_each_share_of_information() -> None:
    same = [{"image": PNG}, {"image": PNG, "strength": 0.1}]
    assert cost(controlnet={"images": same}).vibe_encoding == 2
    other_share = [{"image": PNG}, {"image": PNG, "information_extracted": 0.5}]
    assert cost(controlnet={"images": other_share}).vibe_encoding == 4


@pytest.mark.parametrize(("count", "extra"), [(1, 0), (4, 0), (5, 2), (16, 24)])
def test_encoded_vibes_cost_two_each_beyond_the_fourth(count: int, extra: int) -> None:
    vibes = [token(index) for index in range(count)]
    found = cost(controlnet={"images": vibes}, n_samples=2)
    assert (found.extra_vibes, found.vibe_encoding) == (extra, 0)
    assert found == 2 * 17 + extra


def test_v3_takes_vibes_as_pictures_for_nothing() -> None:
    found = cost(model=V3, controlnet={"images": [{"image": PNG}] * 6})
    assert (found.extra_vibes, found.vibe_encoding, int(found)) == (0, 0, 17)


@pytest.mark.parametrize(("references", "n_samples", "price"), [(1, 1, 5), (2, 1, 10), (2, 3, 30)])
def test_references_cost_five_for_every_picture(references: int, n_samples: int, price: int) -> None:
    fields = {"character_references": [{"image": PNG}] * references, "n_samples": n_samples}
    assert cost(**fields).references == price
    free = cost(**fields, opus=True)
    assert free == 17 * (n_samples - 1) + price


def test_v5_at_its_largest_reaches_the_refused_price_between_two_steps() -> None:
    largest = {"model": V5, "size": (2048, 1536)}
    at_limit = params(**largest, steps=46)
    check_price(at_limit)
    assert estimate(at_limit, opus=False) == MAX_PRICE == 140


def test_a_refused_price_says_what_would_be_taken() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        check_price(params(model=V5, size=(2048, 1536), steps=47))
    assert (caught.value.field, caught.value.value) == ("steps", 47)
    assert str(caught.value) == (
        "steps: expected at most 46 at 2048x1536 with nai-diffusion-5-full, or a smaller size (the service refuses"
        " pictures of more than 140 Anlas; this one would cost 143), got 47"
    )


def test_a_lower_strength_brings_a_picture_below_the_refused_price() -> None:
    check_price(params(model=V5, size=(2048, 1536), steps=50, i2i={"image": PNG, "strength": 0.93}))
    with pytest.raises(InvalidParamsError, match="steps: expected at most 49 at 2048x1536"):
        check_price(params(model=V5, size=(2048, 1536), steps=50, i2i={"image": PNG, "strength": 0.94}))


def test_the_dearest_v3_picture_is_just_taken() -> None:
    dearest = params(model=V3, size=(2048, 1536), steps=50, smea=True, smea_dyn=True)
    check_price(dearest)
    assert estimate(dearest, opus=False) == 140


def test_opus_is_a_switch() -> None:
    with pytest.raises(InvalidParamsError, match="opus: expected True or False, got 3"):
        estimate(params(), opus=3)


def test_an_estimate_is_an_int() -> None:
    found = cost()
    assert isinstance(found, int)
    assert found == 17
    assert found < 18
    assert found + 1 == 18
    assert type(found + 1) is int
    assert json.dumps({"anlas": found}) == '{"anlas": 17}'
    assert (str(found), f"{found} Anlas", f"{found:>4}") == ("17", "17 Anlas", "  17")


def test_its_repr_tells_the_parts() -> None:
    vibes = [{"image": PNG}, *[token(index) for index in range(4)]]
    assert repr(cost()) == "<17 Anlas: 1 picture at 17>"
    with_vibes = cost(controlnet={"images": vibes}, n_samples=2, opus=True)
    assert repr(with_vibes) == (
        "<21 Anlas: 2 pictures at 17, 1 of them free + 2 for encoding vibes + 2 for vibes beyond 4>"
    )
    references = cost(character_references=[{"image": PNG}])
    assert references.breakdown == "1 picture at 17 + 5 for character references"


def test_it_cannot_be_changed() -> None:
    found = cost()
    for name in ("per_picture", "caveats", "anything"):
        with pytest.raises(AttributeError):
            setattr(found, name, 1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_keep_the_parts(copied: object) -> None:
    found = cost(n_samples=3, opus=True)
    other = copied(found)
    assert type(other) is AnlasEstimate
    assert (int(other), other.breakdown, other.caveats) == (int(found), found.breakdown, found.caveats)


def test_a_plain_request_has_the_plain_caveats_alone() -> None:
    assert further_caveats(cost()) == set()
    assert further_caveats(cost(opus=True)) == set()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"i2i": {"image": PNG}}, "strength below 1"),
        ({"inpaint": {"image": PNG, "mask": MASK, "strength": 0.9}}, "strength below 1"),
        ({"auto_smea": True}, "auto_smea"),
        ({"controlnet": {"images": [{"image": PNG}]}}, "cache"),
        ({"model": V5}, "1.5 times"),
        ({"character_references": [{"image": PNG}], "opus": True}, "17 Anlas more"),
    ],
)
def test_a_doubt_is_said_where_it_applies(fields: dict[str, object], words: str) -> None:
    (found,) = further_caveats(cost(**fields))
    assert words in found


@pytest.mark.parametrize(
    "fields",
    [
        {"inpaint": {"image": PNG, "mask": MASK}},
        {"controlnet": {"images": [token()]}},
        {"character_references": [{"image": PNG}]},
        {"character_references": [{"image": PNG}], "steps": 29, "opus": True},
        {"model": V3, "smea": True, "controlnet": {"images": [{"image": PNG}]}},
    ],
)
def test_no_doubt_is_said_where_it_does_not_apply(fields: dict[str, object]) -> None:
    assert further_caveats(cost(**fields)) == set()


def test_the_quota_of_v5_is_a_doubt_only_about_a_free_picture() -> None:
    def quota(found: AnlasEstimate) -> bool:
        return any("quota" in each for each in found.caveats)

    assert quota(cost(model=V5, opus=True))
    assert not quota(cost(model=V5))
    assert not quota(cost(model=V5, opus=True, steps=50))


def without_pictures(info: ModelInfo) -> st.SearchStrategy[ImageParams]:
    switches = {name: st.booleans() for name in ("smea", "smea_dyn", "auto_smea") if name in info.options}
    fields = {
        "model": st.just(info.id),
        "size": st.sampled_from(sorted(SIZES)) | st.sampled_from([(64, 64), (1024, 1088), (64, 16384)]),
        "steps": st.integers(1, 50),
        "n_samples": st.integers(1, 4),
        **switches,
    }
    return st.fixed_dictionaries(fields).map(lambda found: params(**found))


def with_pictures(info: ModelInfo) -> st.SearchStrategy[ImageParams]:
    strength = st.integers(1, 99).map(lambda hundredths: hundredths / 100)
    inpaint = strength if info.partial_inpaint else st.just(1)
    changes = [
        strength.map(lambda s: {"i2i": {"image": SMALL, "strength": s}}),
        inpaint.map(lambda s: {"inpaint": {"image": SMALL, "mask": MASK, "strength": s}}),
    ]
    if info.vibes == "encoded":
        made = EncodedVibe(token=b"x", encoding=info.vibe_encoding, information_extracted=1)
        changes.append(st.integers(1, 16).map(lambda count: {"controlnet": {"images": [made] * count}}))
    if "character_references" in info.options:
        changes.append(st.integers(1, 3).map(lambda count: {"character_references": [{"image": CANVAS}] * count}))
    return st.builds(
        lambda base, change: base.replace(size=(512, 768), **change), without_pictures(info), st.one_of(changes)
    )


@given(st.sampled_from(list(MODELS.values())).flatmap(without_pictures), st.booleans())
@settings(max_examples=200)
def test_the_emulator_comes_to_the_same_price(request: ImageParams, opus: bool) -> None:
    wire = request.to_wire(stream=None)
    assert estimate(request, opus=opus) == anlas_cost(Settings.of(wire), opus=opus)


@given(st.sampled_from(list(MODELS.values())).flatmap(with_pictures), st.booleans())
@settings(max_examples=150)
def test_the_emulator_comes_to_the_same_price_with_pictures(request: ImageParams, opus: bool) -> None:
    wire = request.to_wire(stream=None)
    assert estimate(request, opus=opus) == anlas_cost(Settings.of(wire), opus=opus)


@given(st.sampled_from(list(MODELS.values())).flatmap(without_pictures), st.booleans())
@settings(max_examples=100)
def test_the_parts_add_up(request: ImageParams, opus: bool) -> None:
    found = estimate(request, opus=opus)
    paid = found.per_picture * (request.n_samples - found.free_pictures)
    assert found == paid + found.vibe_encoding + found.extra_vibes + found.references
    assert 2 <= found.per_picture <= MAX_PRICE
    assert all(each.endswith(".") for each in found.caveats)
