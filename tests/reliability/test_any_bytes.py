"""Whatever bytes come in: chunks or an error of ours, the same in every cut, in bounded memory.

The functions that say so are the fuzzer's targets (tests/fuzz/targets), one for each reader of bytes. Here they get the
fuzzer's corpus, with everything that it ever found, and what hypothesis makes of it; `make fuzz` is the long form.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))
import corpora  # noqa: E402 - where the targets are

sys.path.remove(str(FUZZ))

TARGETS = corpora.targets()
quickly = settings(max_examples=60, suppress_health_check=list(HealthCheck))

edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 5000), st.integers(1, 255)),
        st.tuples(st.just("delete"), st.integers(0, 5000), st.integers(1, 60)),
        st.tuples(st.just("insert"), st.integers(0, 5000), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("word"), st.integers(0, 5000), st.integers(0, 100)),
        st.tuples(st.just("repeat"), st.integers(0, 5000), st.integers(1, 60)),
        st.tuples(st.just("truncate"), st.integers(0, 5000), st.none()),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, name: str, changes: list[tuple[str, int, object]]) -> bytes:
    """Bytes with some changes, among them what the target has in its dictionary."""
    words = corpora.load(name).WORDS
    for kind, where, what in changes:
        place = where % (len(data) + 1)
        before, after = data[:place], data[place:]
        if kind == "flip" and after:
            data = before + bytes([after[0] ^ what]) + after[1:]  # type: ignore[operator]
        elif kind == "delete":
            data = before + after[what:]  # type: ignore[misc]
        elif kind == "insert":
            data = before + what + after  # type: ignore[operator]
        elif kind == "word":
            data = before + words[what % len(words)] + after  # type: ignore[operator]
        elif kind == "repeat":
            data = before + after[:what] + after  # type: ignore[misc]
        elif kind == "truncate":
            data = before
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_all_that_the_fuzzer_ever_found_or_kept(name: str) -> None:
    inputs = corpora.files_in(corpora.CORPUS / name)
    assert inputs
    for path in inputs:
        corpora.load(name).check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=300))
@quickly
def test_arbitrary_bytes(name: str, data: bytes) -> None:
    corpora.load(name).check(data)


@pytest.mark.parametrize("name", TARGETS)
@given(draw=st.data(), changes=edits)
@quickly
def test_real_bytes_with_changes(name: str, draw: st.DataObject, changes: list[tuple[str, int, object]]) -> None:
    path = draw.draw(st.sampled_from(corpora.files_in(corpora.CORPUS / name)))
    corpora.load(name).check(edited(path.read_bytes(), name, changes))


@pytest.mark.parametrize("name", TARGETS)
def test_a_corpus_is_small_and_has_no_key(name: str) -> None:
    inputs = corpora.files_in(corpora.CORPUS / name)
    kept = [path for path in inputs if not path.name.startswith(corpora.FINDINGS)]
    assert 8 <= len(kept) <= corpora.MOST_FILES
    assert sum(path.stat().st_size for path in kept) <= corpora.MOST_BYTES
    assert all(path.stat().st_size <= corpora.load(name).LONGEST for path in kept)
    assert not any(re.search(rb"pst-[A-Za-z0-9]{20}|eyJ[A-Za-z0-9_-]{20}", path.read_bytes()) for path in inputs)


def test_every_corpus_belongs_to_a_target() -> None:
    assert sorted(path.name for path in corpora.CORPUS.iterdir()) == TARGETS
