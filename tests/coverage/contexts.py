"""A pytest plugin for `make coverage`: says which test file each measured line was run for.

Coverage is started by its own start-up file, in pytest, in its workers and in every program that a test starts
(COVERAGE_PROCESS_START); this plugin only names the context. A program started by a test reads the name from the
environment, through `context` in pyproject.toml.

One context per test file, not one per test: the files are what the check asks about, and a switch writes the
database. What the modules do while they are imported belongs to no test file, or rather to whichever came first:
all are imported under a name of their own, before anything else. What they keep in caches would belong to whichever
came first as well: each test file begins with empty ones.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from own_tests import ROOT, module_names

IMPORTING = "import"
"""The context of what runs while the library is imported."""
VARIABLE = "COVERED_BY"
"""The environment variable that tells a test's programs for whom they run."""


def _switch(context: str) -> None:
    measuring = Coverage.current()
    assert measuring is not None, "coverage was not started: run this through `make coverage`"
    measuring.switch_context(context)


def _run_for(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    if os.environ.get(VARIABLE) != name:
        os.environ[VARIABLE] = name
        _switch(name)
        _forget()


def _forget() -> None:
    for module in [module for name, module in sys.modules.items() if name.startswith("nai_trio.")]:
        for value in vars(module).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Import the library before a conftest does."""
    _switch(IMPORTING)
    for name in module_names():
        __import__(name)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Tests that are made up while a file is read belong to that file."""
    if isinstance(collector, pytest.Module):
        _run_for(collector.path)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test with its fixtures belongs to its file."""
    _run_for(item.path)
    return (yield)


def pytest_sessionfinish() -> None:
    """Write what was measured here; a worker may be ended without its exit functions."""
    measuring = Coverage.current()
    assert measuring is not None
    measuring.save()
