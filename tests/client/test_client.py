"""Making a client: where key and address come from, and what is refused."""

from __future__ import annotations

import pytest

from nai_trio import InvalidParamsError, MissingAPIKeyError, NovelAI

KEY = "pst-not-a-real-key"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOVELAI_API_KEY", raising=False)
    monkeypatch.delenv("NOVELAI_IMAGE_BASE", raising=False)


def test_a_key_is_needed() -> None:
    with pytest.raises(MissingAPIKeyError, match="NOVELAI_API_KEY"):
        NovelAI()
    with pytest.raises(MissingAPIKeyError):
        NovelAI("")


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVELAI_API_KEY", KEY)
    assert NovelAI().api_key.reveal() == KEY
    assert NovelAI("pst-another-fake").api_key.reveal() == "pst-another-fake"


@pytest.mark.parametrize("key", ["pst with space", "pst-\r\nX-Evil: 1", "pst-é", "pst-\0"])
def test_a_key_that_could_break_its_header_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        NovelAI(key)
    assert key not in str(caught.value)


def test_the_base_comes_from_argument_then_environment_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(NovelAI(KEY).base_url) == "https://image.novelai.net"
    monkeypatch.setenv("NOVELAI_IMAGE_BASE", "http://localhost:1234")
    assert str(NovelAI(KEY).base_url) == "http://localhost:1234"
    assert str(NovelAI(KEY, image_base="https://example.org/nai/").base_url) == "https://example.org/nai"


def test_the_key_shows_nowhere() -> None:
    client = NovelAI(KEY)
    assert KEY not in repr(client)
    assert KEY not in repr(vars(client))
    assert KEY not in str(client.api_key)
