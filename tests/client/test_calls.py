"""Short calls through the client: the account, and what every call shares with a generation."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from delegating import DelegatingStream
from scripted import ScriptedTransport, answering, read_request
from sweep import cancelled_at_step

from nai_trio import (
    AuthenticationError,
    EncodedVibe,
    HTTPStatusError,
    LimitExceeded,
    Limits,
    NetworkError,
    NetworkTimeout,
    NotFoundError,
    NovelAI,
    PaymentRequiredError,
    ProtocolError,
    Retry,
    ServerError,
    StreamInterrupted,
    Subscription,
    Timeouts,
)
from nai_trio.emulator import Emulator
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from nai_trio.transport import Origin

KEY = "pst-not-a-real-key"
PICTURE = recorded.picture("PNG", 7)
VIBE = bytes(range(256)) * 3
ANSWERS = {
    b"/ai/encode-vibe": recorded.response(VIBE, "application/binary", chunk=100),
    b"/user/subscription": recorded.response(json.dumps(recorded.ACCOUNT).encode(), "application/json", chunk=100),
}


async def ask_account(client: NovelAI) -> object:
    return await client.account.subscription()


async def encode(client: NovelAI) -> object:
    return await client.image.encode_vibe(PICTURE)


CALLS = {"account": (ask_account, False), "vibe": (encode, True)}
each_call = pytest.mark.parametrize(("ask", "billed"), CALLS.values(), ids=list(CALLS))


class Service:
    """Answers each call in small pieces and keeps count of connections and requests."""

    def __init__(self, *answers: bytes, piece: int = 97) -> None:
        self.answers = list(answers)
        self.piece = piece
        self.open = 0
        self.opened = 0
        self.requests: list[bytes] = []

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        self.opened += 1
        try:
            async with stream:
                with contextlib.suppress(EOFError, trio.BrokenResourceError):
                    while True:
                        await self.serve(stream)
        finally:
            self.open -= 1

    async def serve(self, stream: trio.abc.Stream) -> None:
        head, _ = await read_request(stream)
        self.requests.append(head.target)
        answer = self.answers.pop(0) if self.answers else ANSWERS[head.target]
        for start in range(0, len(answer), self.piece):
            await stream.send_all(answer[start : start + self.piece])
            await trio.lowlevel.checkpoint()


def serving(*answers: bytes, **options: Any) -> NovelAI:
    return NovelAI(KEY, transport=MemoryTransport(Service(*answers)), **options)


def refusal(status: int, message: str = "no") -> bytes:
    body = json.dumps({"statusCode": status, "message": message}).encode()
    return recorded.response(body, "application/json", status=status, framing="length")


@pytest.mark.parametrize(("opus", "tier"), [(True, "Opus"), (False, "Scroll")])
async def test_the_emulators_account_is_read(opus: bool, tier: str) -> None:
    async with NovelAI(KEY, transport=Emulator(anlas=123, opus=opus).transport()) as client:
        account = await client.account.subscription()
    assert isinstance(account, Subscription)
    assert (account.anlas, account.tier_name, account.opus, account.usage is not None) == (123, tier, opus, opus)


async def test_the_emulators_vibe_is_what_it_made_and_cost_two_anlas() -> None:
    emulator = Emulator(anlas=10, charge=True)
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        vibe = await client.image.encode_vibe(PICTURE, model="nai-diffusion-4-full", information_extracted=0.4)
        assert (await client.account.subscription()).anlas == 8
    (encoding,) = emulator.encodings
    assert vibe == EncodedVibe(
        token=encoding.token, encoding="v4full", information_extracted=0.4, image_id=encoding.image_id
    )


async def test_a_wrong_key_and_an_empty_account_are_told_apart() -> None:
    async with NovelAI(KEY, transport=Emulator(api_keys={"pst-another-fake"}).transport()) as client:
        for ask, _ in CALLS.values():
            with pytest.raises(AuthenticationError):
                await ask(client)
    async with NovelAI(KEY, transport=Emulator(anlas=1).transport()) as client:
        with pytest.raises(PaymentRequiredError):
            await client.image.encode_vibe(PICTURE)


async def test_calls_and_generations_share_one_connection() -> None:
    emulator = Emulator()
    async with NovelAI(KEY, transport=emulator.transport()) as client:
        for _ in range(2):
            await ask_account(client)
            await client.image.generate(prompt="1girl", size=(64, 64), steps=2)
            await encode(client)
            await trio.testing.wait_all_tasks_blocked()
            assert emulator.connections == 1
    assert emulator.connections == 0


async def test_a_prefix_goes_in_front_of_every_call() -> None:
    service = Service(*ANSWERS.values())
    transport = MemoryTransport(service)
    async with NovelAI(KEY, image_base="http://localhost:1/some/prefix", transport=transport) as client:
        await encode(client)
        await ask_account(client)
    assert service.requests == [b"/some/prefix/ai/encode-vibe", b"/some/prefix/user/subscription"]


@each_call
async def test_a_call_is_a_checkpoint(ask: Any, billed: bool) -> None:
    async with serving() as client:
        for _ in range(2):  # the second time a vibe is at hand
            with trio.testing.assert_checkpoints():
                await ask(client)


@each_call
async def test_a_call_needs_an_open_client(ask: Any, billed: bool) -> None:
    with pytest.raises(trio.ClosedResourceError, match="async with"):
        await ask(serving())


@each_call
@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (404, NotFoundError), (500, ServerError)])
async def test_a_refusal_is_its_status_error_and_the_connection_is_kept(
    ask: Any, billed: bool, status: int, kind: type[HTTPStatusError]
) -> None:
    service = Service(refusal(status, "not now"))
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        with pytest.raises(kind, match="not now") as caught:
            await ask(client)
        await ask(client)
    assert not caught.value.billing_unknown
    assert (service.opened, len(service.requests)) == (1, 2)


@each_call
async def test_an_answer_beyond_its_limit_closes_the_connection(ask: Any, billed: bool) -> None:
    service = Service()
    async with NovelAI(KEY, transport=MemoryTransport(service), limits=Limits(max_call_size=50)) as client:
        with pytest.raises(LimitExceeded, match="max_call_size") as caught:
            await ask(client)
        await trio.testing.wait_all_tasks_blocked()
        assert service.open == 0
    assert caught.value.billing_unknown is billed


@each_call
async def test_a_cut_answer_is_an_interruption_that_only_what_costs_may_have_cost(ask: Any, billed: bool) -> None:
    for end in (1, 60, 250):

        async def handler(stream: trio.abc.Stream, end: int = end) -> None:
            async with stream:
                head, _ = await read_request(stream)
                await stream.send_all(ANSWERS[head.target][:end])

        async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
            with pytest.raises(StreamInterrupted) as caught:
                await ask(client)
        assert caught.value.billing_unknown is billed


async def test_a_vibe_that_is_none_is_refused_and_not_kept() -> None:
    words = recorded.response(b'{"message":"try later"}', "application/json")
    service = Service(words, recorded.response(b"", "application/binary"))
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        for _ in range(2):
            with pytest.raises(ProtocolError, match="encoded vibe") as caught:
                await encode(client)
            assert caught.value.billing_unknown
        await encode(client)
    assert len(service.requests) == 3


async def test_nothing_is_sent_twice_by_default_and_again_when_asked_for(autojump_clock: object) -> None:
    async with serving(refusal(503)) as client:
        with pytest.raises(ServerError):
            await ask_account(client)
    service = Service(refusal(429), refusal(503))
    async with NovelAI(KEY, transport=MemoryTransport(service), retry=Retry(attempts=3, jitter=0)) as client:
        start = trio.current_time()
        await ask_account(client)
        assert trio.current_time() - start == pytest.approx(2 + 4, abs=0.1)
    assert len(service.requests) == 3


@each_call
async def test_only_what_costs_nothing_is_sent_again_when_the_connection_breaks_without_an_answer(
    ask: Any, billed: bool
) -> None:
    requests = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal requests
        async with stream:
            head, _ = await read_request(stream)
            requests += 1
            if requests == 3:
                await stream.send_all(ANSWERS[head.target])

    retry = Retry(attempts=3, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(handler), retry=retry) as client:
        if billed:
            with pytest.raises(StreamInterrupted) as caught:
                await ask(client)
            assert caught.value.billing_unknown
        else:
            await ask(client)
    assert requests == (1 if billed else 3)


@each_call
async def test_after_a_2xx_head_nothing_is_sent_again(ask: Any, billed: bool) -> None:
    requests = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal requests
        async with stream:
            head, _ = await read_request(stream)
            requests += 1
            await stream.send_all(ANSWERS[head.target][:150])

    retry = Retry(attempts=3, first_delay=0)
    async with NovelAI(KEY, transport=MemoryTransport(handler), retry=retry) as client:
        with pytest.raises(StreamInterrupted):
            await ask(client)
    assert requests == 1


class Unseeing(DelegatingStream):
    """Claims to be quiet whatever happens below."""

    def readable(self) -> bool:
        return False


@each_call
async def test_a_kept_connection_that_is_dead_is_replaced_once_where_that_costs_nothing(ask: Any, billed: bool) -> None:
    transport = ScriptedTransport()

    class Blind(ScriptedTransport):
        async def connect(self, origin: Origin) -> trio.abc.Stream:
            return Unseeing(await transport.connect(origin))

    async def serve() -> None:
        for _ in range(2):
            async with await transport.accept() as server:
                head, _ = await read_request(server)
                await server.send_all(ANSWERS[head.target])

    async with NovelAI(KEY, transport=Blind()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await ask_account(client)
        await trio.testing.wait_all_tasks_blocked()
        await ask(client)
        nursery.cancel_scope.cancel()
    assert len(transport.origins) == 2


@pytest.mark.parametrize(("sent", "phase", "seconds"), [(0, "response", 120), (150, "read", 60)])
async def test_silence_ends_in_our_timeout(autojump_clock: object, sent: int, phase: str, seconds: float) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        head, _ = await read_request(stream)
        await stream.send_all(ANSWERS[head.target][:sent])
        await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        start = trio.current_time()
        with pytest.raises(NetworkTimeout) as caught:
            await ask_account(client)
        assert trio.current_time() - start == pytest.approx(seconds, abs=0.1)
    assert (caught.value.phase, caught.value.billing_unknown) == (phase, False)


async def test_an_answer_that_trickles_ends_with_the_timer_of_events(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        head, _ = await read_request(stream)
        for byte in ANSWERS[head.target]:
            await stream.send_all(bytes([byte]))
            await trio.sleep(5)

    async with NovelAI(KEY, transport=MemoryTransport(handler), timeouts=Timeouts(response=None)) as client:
        with pytest.raises(NetworkTimeout) as caught:
            await ask_account(client)
    assert caught.value.phase == "event"


async def test_an_answer_that_comes_before_the_request_was_sent_says_more_than_the_broken_send() -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.receive_some(10)
            await stream.send_all(refusal(413, "too large"))

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=200)) as client:
        with pytest.raises(HTTPStatusError, match="too large") as caught:
            await client.image.encode_vibe(PICTURE + bytes(10_000))
    assert caught.value.status == 413


async def test_a_send_that_breaks_costs_nothing() -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some(10)
        await stream.aclose()

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=16)) as client:
        with pytest.raises(NetworkError) as caught:
            await encode(client)
    assert type(caught.value) is NetworkError
    assert not caught.value.billing_unknown


@each_call
async def test_cancelling_a_call_at_every_step(ask: Any, billed: bool) -> None:
    """One client lives through all of it, so a leaked connection or a poisoned pool would show in a later round."""
    service = Service()
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        step, cancelled = 0, True
        while cancelled:
            step += 1
            client.vibe_cache = type(client.vibe_cache)()
            cancelled = await cancelled_at_step(step, lambda: ask(client))
            await trio.testing.wait_all_tasks_blocked()
            assert service.open <= 1, "at most the one idle connection in the pool"
        await ask(client)
    assert service.open == 0
    assert step > 5


@each_call
async def test_cancelling_a_call_on_the_emulator_at_every_step(ask: Any, billed: bool) -> None:
    emulator = Emulator()
    tasks = trio.lowlevel.current_statistics().tasks_living

    async def session() -> None:
        async with NovelAI(KEY, transport=emulator.transport()) as client:
            await ask(client)

    step, cancelled = 0, True
    while cancelled:
        step += 1
        cancelled = await cancelled_at_step(step, session)
        assert emulator.connections == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert step > 5


async def test_a_deadline_around_a_call_is_the_callers(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler)) as client:
        with trio.move_on_after(5) as scope:
            await ask_account(client)
    assert scope.cancelled_caught


async def test_leaving_the_client_ends_a_call() -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        async with stream:
            await read_request(stream)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await ask_account(client)

        async with NovelAI(KEY, transport=MemoryTransport(silent)) as client:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()


async def test_a_server_that_says_the_same_to_everything_is_no_account() -> None:
    async with NovelAI(KEY, transport=MemoryTransport(answering(ANSWERS[b"/ai/encode-vibe"]))) as client:
        with pytest.raises(ProtocolError) as caught:
            await ask_account(client)
    assert caught.value.expected == "a subscription, a JSON object"
