"""The names as types and as data: the two say the same."""

from __future__ import annotations

import typing

from nai_trio.params import MODELS, SIZES, Family, ModelId, NoiseSchedule, Quality, Sampler, SizeName, UCPreset


def test_literal_types_and_tables_name_the_same_things() -> None:
    def column(name: str) -> set[str]:
        return {each for info in MODELS.values() for each in getattr(info, name)}

    assert typing.get_args(ModelId) == tuple(MODELS)
    assert typing.get_args(SizeName) == tuple(SIZES)
    assert set(typing.get_args(Family)) == {info.family for info in MODELS.values()}
    assert set(typing.get_args(Sampler)) == column("samplers")
    assert set(typing.get_args(NoiseSchedule)) == column("noise_schedules")
    assert set(typing.get_args(Quality)) == column("quality_texts")
    assert set(typing.get_args(UCPreset)) == column("uc_texts")
