"""What is waited for, in words."""

from __future__ import annotations

import attrs
import pytest

from nai_trio import QueueWait, RetryWait
from nai_trio.errors import status_error
from nai_trio.waiting import tell


def test_the_records_say_what_is_waited_for() -> None:
    assert str(QueueWait(place=3)) == "waiting for this key's other generations, place 3 in the queue"
    wait = RetryWait(attempt=2, error=status_error(503, "busy"), delay=1.25)
    assert str(wait) == "attempt 2 failed (503: busy); the next one in 1.2 s"


def test_the_records_are_frozen_and_compare_by_value() -> None:
    assert QueueWait(place=1) == QueueWait(place=1) != QueueWait(place=2)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        QueueWait(place=1).place = 2  # type: ignore[misc]


def test_who_wants_to_know_is_told_and_the_log_in_any_case(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []
    with caplog.at_level("INFO"):
        tell(QueueWait(place=1), told.append)
        tell(QueueWait(place=2), None)
    assert told == [QueueWait(place=1)]
    assert [record.getMessage() for record in caplog.records] == [str(QueueWait(place=place)) for place in (1, 2)]
