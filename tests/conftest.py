"""Test policy.

Every `async def test_*` runs under trio: on the real clock, or, where the test asks for the `autojump_clock` fixture,
on a virtual one that jumps to the next deadline as soon as every task waits. Virtual time is for in-memory streams
only: with sockets and threads the clock would jump while the machine still works.

Tests are deterministic: no sleeping for real, no timed assertions, no skips; hypothesis draws the same examples each
time (HYPOTHESIS_PROFILE=random draws new ones). Warnings are errors, ResourceWarning and
unraisable exceptions included. The proxies in the environment of who runs them play no part.
"""

from __future__ import annotations

import inspect
import itertools
import os
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True, database=None)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]  # here and not in a fixture, for the programs that tests start, and for module fixtures

REAL_TIME_LIMIT = 60.0
"""Seconds after which a test on the real clock has hung."""


@pytest.fixture
def fresh_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process, which may look at so many TLS sessions."""
    monkeypatch.setattr("nai_trio.transports.tls_sessions._looks", itertools.count())


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """A virtual clock; asking for it makes the test run on it."""
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test function under trio."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    clock = pyfuncitem.funcargs.get("autojump_clock")
    if clock is None:
        trio.run(_bounded, partial(function, **arguments))
    else:
        trio.run(partial(function, **arguments), clock=clock)
    return True


async def _bounded(test: partial[object]) -> None:
    with trio.fail_after(REAL_TIME_LIMIT):
        await test()
