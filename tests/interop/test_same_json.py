"""For the same wish, this library sends what other clients send, member by member, but for a written list.

The peers run unchanged in environments of their own and really send, to a server that writes it down. The list is
tests/support/differences.py; docs/differences.md is made from it.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from capture_server import CaptureServer, capture_server, vibe_token
from compare import ABSENT, Case, Comparison, Picture, readable, same
from differences import DIFFERENCES
from expected import SDK_IDS
from peers import run_peer
from unsayable import UNSAYABLE, Unsayable
from wish_pictures import write_pictures
from wishes import PEERS, WISHES, Wish

from nai_trio.params import MODELS, EncodedVibe, ImageParams
from nai_trio.protocol.vibe import encode_vibe_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compare import Found

SUPPORT = Path(__file__).resolve().parents[1] / "support"
SCRIPTS = {"novelai-sdk": SUPPORT / "ask_sdk.py", "nekoai-api": SUPPORT / "ask_nekoai.py"}
BY_NAME = {wish.name: wish for wish in WISHES}


@attrs.frozen
class Asked:
    """What came of asking one peer for every wish.

    Attributes:
        server: with what it sent.
        errors: wish to the error that came out of it.
    """

    server: CaptureServer
    errors: dict[str, str]

    @property
    def wishes(self) -> list[Wish]:
        return [wish for wish in WISHES if wish.name in self.server.sent]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def asked(pictures: Path) -> dict[str, Asked]:
    """Every wish asked of every peer, each in one process of its own."""
    wishes = pictures / "wishes.json"
    wishes.write_text(json.dumps([wish.for_peer(pictures) for wish in WISHES]), "utf-8")
    with ThreadPoolExecutor(len(PEERS)) as threads:
        return dict(zip(PEERS, threads.map(lambda peer: ask(peer, wishes), PEERS), strict=True))


def ask(peer: str, wishes: Path) -> Asked:
    with capture_server() as server:
        printed = run_peer(peer, SCRIPTS[peer].read_text("utf-8"), server.url, str(wishes))
    return Asked(server, dict(json.loads(line) for line in printed.splitlines()))


@pytest.fixture(scope="module")
def pairs(asked: dict[str, Asked], pictures: Path) -> list[tuple[str, Case, Any, Any]]:
    """Peer, case, our body and theirs, with the pictures in them decoded."""
    return [
        (peer, Case(wish, pictures), our_body(peer, wish, pictures), readable(each.server.sent[wish.name][0].body))
        for peer, each in asked.items()
        for wish in each.wishes
    ]


def our_body(peer: str, wish: Wish, pictures: Path) -> dict[str, Any]:
    params = ImageParams.from_fields(**our_fields(wish, pictures))
    body: dict[str, Any] = json.loads(params.to_json(stream=framing(peer, wish)))
    return readable(body)


def our_fields(wish: Wish, pictures: Path) -> dict[str, Any]:
    fields = wish.with_files(pictures)
    encoding = MODELS[wish.worker].vibe_encoding
    if "controlnet" in fields and encoding is not None:
        fields["controlnet"]["images"] = [encoded(each, encoding) for each in fields["controlnet"]["images"]]
    return fields


def encoded(vibe: dict[str, Any], encoding: str) -> dict[str, Any]:
    level = vibe["information_extracted"]
    token = vibe_token(Path(vibe["image"]).read_bytes(), level)
    return {**vibe, "image": EncodedVibe(token=token, encoding=encoding, information_extracted=level)}


def framing(peer: str, wish: Wish) -> Any:
    """What the peer asks to get back: novelai-sdk knows SSE alone, nekoai-api streams whatever can be streamed."""
    if peer == "nekoai-api":
        return None if wish.family == "V3" else "msgpack"
    return "sse" if wish.stream else None


def unsayable(peer: str, wish: Wish) -> list[Unsayable]:
    return [each for each in UNSAYABLE if each.peer == peer and each.applies(wish)]


def compared(pairs: list[tuple[str, Case, Any, Any]]) -> Iterator[tuple[str, Case, Found]]:
    for peer, case, ours, theirs in pairs:
        for found in Comparison(peer, DIFFERENCES).differences(case, ours, theirs):
            yield peer, case, found


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_sends_each_wish_once_or_has_no_words_for_it(asked: dict[str, Asked], peer: str) -> None:
    for wish in WISHES:
        reasons, error = unsayable(peer, wish), asked[peer].errors[wish.name]
        sent = asked[peer].server.sent.get(wish.name, [])
        assert len(sent) == (0 if reasons else 1), (wish.name, reasons, error)
        assert not reasons or any(each.error in error for each in reasons), (wish.name, error)


@pytest.mark.parametrize("each", UNSAYABLE, ids=lambda each: f"{each.peer}: {each.says}")
def test_what_a_peer_has_no_words_for_is_wished_by_somebody(asked: dict[str, Asked], each: Unsayable) -> None:
    wishes = [wish for wish in WISHES if each.applies(wish)]
    assert any(each.error in asked[each.peer].errors[wish.name] for wish in wishes)


def test_at_least_sixty_wishes_over_all_models_are_sent(asked: dict[str, Asked]) -> None:
    for peer, models in zip(PEERS, (len(MODELS), len(MODELS) - 2), strict=True):
        wishes = asked[peer].wishes
        assert len(wishes) >= 60
        assert len({wish.model for wish in wishes}) == models
    assert {wish.model for each in asked.values() for wish in each.wishes} == set(MODELS)


@pytest.mark.parametrize("peer", PEERS)
def test_the_endpoint_is_the_one_for_the_framing(asked: dict[str, Asked], peer: str) -> None:
    for wish in asked[peer].wishes:
        path = "/ai/generate-image" if framing(peer, wish) is None else "/ai/generate-image-stream"
        assert asked[peer].server.sent[wish.name][0].path == path


def test_every_member_is_equal_but_for_the_list(pairs: list[tuple[str, Case, Any, Any]]) -> None:
    unexplained = [
        f"{case.wish.name} ({peer}): {found}" for peer, case, found in compared(pairs) if found.record is None
    ]
    assert not unexplained, "\n" + "\n".join(unexplained)


def test_every_difference_of_the_list_happens(pairs: list[tuple[str, Case, Any, Any]]) -> None:
    met = {(id(found.record), peer, found.member) for peer, _case, found in compared(pairs)}
    stale = [
        (peer, member, record.reason)
        for record in DIFFERENCES
        for peer in PEERS
        for member in record.members
        if record.side(peer) is not None and (id(record), peer, member) not in met
    ]
    assert not stale


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_mistake_in_any_member_would_be_seen(pairs: list[tuple[str, Case, Any, Any]], peer: str, side: str) -> None:
    """The list hides nothing: with any member changed, left out or added, on either side, the comparison fails."""
    comparison = Comparison(peer, DIFFERENCES)
    place = 0 if side == "ours" else 1
    hidden = []
    for _peer, case, *bodies in (pair for pair in pairs if pair[0] == peer):
        for member in members(*bodies):
            values = [member_of(body, member) for body in bodies]
            for wrong in mistakes(values[place]):
                changed = [wrong if index == place else value for index, value in enumerate(values)]
                if all(found.record for found in comparison.differences(case, *changed, member)):
                    hidden.append((case.wish.name, member, values[place], wrong))
    assert not hidden


@pytest.mark.parametrize("peer", PEERS)
def test_pictures_to_encode_are_sent_in_the_same_way(asked: dict[str, Asked], pictures: Path, peer: str) -> None:
    """But for novelai-sdk's own model ids. Both peers encode a picture once only."""
    ids = SDK_IDS if peer == "novelai-sdk" else {}
    wishes = [wish for wish in asked[peer].wishes if MODELS[wish.worker].vibe_encoding is not None]
    ours = {
        encode_vibe_body(
            (pictures / vibe["image"]).read_bytes(),
            model=ids.get(wish.model, wish.model),
            information_extracted=vibe["information_extracted"],
        )
        for wish in wishes
        for vibe in wish.vibes
    }
    theirs = [each for wish in wishes for each in asked[peer].server.encoded.get(wish.name, [])]
    assert len(ours) >= 8
    for body in map(json.loads, ours):
        assert any(same(body, each) for each in theirs)
    assert all(any(same(each, body) for body in map(json.loads, ours)) for each in theirs)


def members(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The members of two bodies, and of the `parameters` in them."""
    inner = {**ours["parameters"], **theirs["parameters"]}
    return [*({**ours, **theirs}.keys() - {"parameters"}), *(f"parameters.{name}" for name in inner)]


def member_of(body: dict[str, Any], member: str) -> Any:
    value: Any = body
    for name in member.split("."):
        value = value.get(name, ABSENT)
    return value


def mistakes(value: Any) -> Iterator[Any]:
    """A value with one thing wrong in it, in each way and place in turn."""
    if value is not ABSENT:
        yield ABSENT
    if isinstance(value, dict):
        yield {**value, "another": 0}
        for name in value:
            yield from ({**value, name: wrong} for wrong in mistakes(value[name]) if wrong is not ABSENT)
            yield {other: value[other] for other in value if other != name}
    elif isinstance(value, list):
        yield [*value, 0]
        for index, each in enumerate(value):
            head, tail = value[:index], value[index + 1 :]
            yield from ([*head, wrong, *tail] for wrong in mistakes(each) if wrong is not ABSENT)
            yield [*head, *tail]
    else:
        yield another(value)


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, Picture):
        return attrs.evolve(value, pixels="another's")
    if isinstance(value, str):
        return f"{value}x"
    return 7 if value is None or value is ABSENT else value + 0.125
