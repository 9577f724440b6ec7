"""Defects that were there once, each by the behaviour that was missing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from scripted import ScriptedTransport, answering, read_request

from nai_trio import (
    HTTPStatusError,
    InvalidParamsError,
    Limits,
    NetworkError,
    NetworkTimeout,
    NovelAI,
    NovelAIError,
    ProtocolError,
    Retry,
    Timeouts,
)
from nai_trio.protocol.http import Request
from nai_trio.transports import MemoryTransport

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from nai_trio.transport import Origin

KEY = "pst-not-a-real-key"
AT_ONCE = Limits(max_concurrent_generations=4)
RESPONSE = recorded.stream_response("msgpack")
EMPTY_STREAM = recorded.response(b"", "text/event-stream").removesuffix(b"0\r\n\r\n")
HEARTBEAT = b"3\r\n:\n\n\r\n"


class Service:
    """Answers every request in small pieces and counts who is connected."""

    def __init__(self) -> None:
        self.open = 0
        self.requests = 0

    async def __call__(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        try:
            async with stream:
                with contextlib.suppress(EOFError, trio.BrokenResourceError):
                    while True:
                        await read_request(stream)
                        self.requests += 1
                        for start in range(0, len(RESPONSE), 700):
                            await stream.send_all(RESPONSE[start : start + 700])
                            await trio.lowlevel.checkpoint()
        finally:
            self.open -= 1


class Wrapped(trio.abc.Stream):
    """Passes everything on; it cannot tell whether it is readable."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self.inner = inner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.inner.aclose()


class Wrapping(MemoryTransport):
    """Wraps each stream in the next of the given classes, the last of them for all that follow."""

    def __init__(self, handler: Any, *kinds: type[Wrapped] | None) -> None:
        super().__init__(handler)
        self._kinds = list(kinds)

    async def connect(self, origin: Origin) -> trio.abc.Stream:  # type: ignore[override]
        kind = self._kinds.pop(0) if len(self._kinds) > 1 else self._kinds[0]
        stream = await super().connect(origin)
        return stream if kind is None else kind(stream)


class SlowToConnect(ScriptedTransport):
    """Connects when told so; a stubborn one does not hear of cancellation."""

    def __init__(self, *, stubborn: bool) -> None:
        super().__init__()
        self.go = trio.Event()
        self.stubborn = stubborn

    async def connect(self, origin: Origin) -> trio.abc.Stream:
        with trio.CancelScope(shield=self.stubborn):
            await self.go.wait()
            return await super().connect(origin)


@pytest.mark.parametrize("entered_again", [False, True])
@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_connection_that_is_opened_after_the_client_was_left_is_not_leaked(
    stubborn: bool, entered_again: bool
) -> None:
    transport = SlowToConnect(stubborn=stubborn)
    client = NovelAI(KEY, transport=transport)
    refused = trio.Event()

    async def generate() -> None:
        with pytest.raises(trio.ClosedResourceError, match="left"):
            await client.image.generate(recorded.params())
        refused.set()

    async with trio.open_nursery() as nursery:
        async with client:
            nursery.start_soon(generate)
            await trio.testing.wait_all_tasks_blocked()
        async with client if entered_again else contextlib.nullcontext():
            if stubborn:
                transport.go.set()
                assert await (await transport.accept()).receive_some() == b"", "closed, and nothing was sent on it"
            await refused.wait()


class AtStep(trio.abc.Instrument):
    """Sets an event after the n-th step of the task that made it."""

    def __init__(self, step: int, event: trio.Event) -> None:
        self._task = trio.lowlevel.current_task()
        self._left = step
        self._event = event

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._event.set()


async def leave_at_step(step: int, client: NovelAI) -> bool:
    """Leave the client at that step of another task's generations; return whether these were over by then."""
    reached, finished = trio.Event(), False

    async def generate_twice() -> None:
        nonlocal finished
        instrument = AtStep(step, reached)
        trio.lowlevel.add_instrument(instrument)
        try:
            for _ in range(2):
                await client.image.generate(recorded.params())
            finished = True
        except trio.ClosedResourceError:
            pass
        finally:
            trio.lowlevel.remove_instrument(instrument)
            reached.set()

    async with trio.open_nursery() as nursery:
        async with client:
            nursery.start_soon(generate_twice)
            await reached.wait()
    return finished


async def test_leaving_the_client_at_every_step_of_another_task_is_its_closed_resource_error() -> None:
    service = Service()
    client = NovelAI(KEY, transport=MemoryTransport(service))
    step = 1
    while not await leave_at_step(step, client):
        assert service.open == 0
        step += 1
    assert step > 10


async def test_a_client_that_two_tasks_enter_at_once_is_busy_for_the_second() -> None:
    class Slow(ScriptedTransport):
        async def __aenter__(self) -> Self:
            await trio.testing.wait_all_tasks_blocked()
            return self

    client = NovelAI(KEY, transport=Slow())
    outcomes: list[str] = []

    async def enter() -> None:
        try:
            async with client:
                await trio.testing.wait_all_tasks_blocked()
            outcomes.append("open")
        except trio.BusyResourceError:
            outcomes.append("busy")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(enter)
        nursery.start_soon(enter)
    assert outcomes == ["busy", "open"]


async def test_a_client_whose_transport_did_not_start_can_be_entered_again() -> None:
    class Failing(ScriptedTransport):
        starts = 0

        async def __aenter__(self) -> Self:
            await trio.lowlevel.checkpoint()
            self.starts += 1
            if self.starts == 1:
                raise OSError("not now")
            return self

    client = NovelAI(KEY, transport=Failing())
    with pytest.raises(OSError, match="not now"):
        async with client:
            raise AssertionError("entered")
    async with client:
        assert "open" in repr(client)


async def test_a_generation_that_two_tasks_enter_at_once_is_refused_to_the_second() -> None:
    service = Service()
    outcomes: list[str] = []
    async with NovelAI(KEY, transport=MemoryTransport(service)) as client:
        generation = client.image.generate_stream(recorded.params(), stream="msgpack")

        async def enter() -> None:
            try:
                async with generation as stream:
                    await anext(stream)
                outcomes.append("streamed")
            except RuntimeError:
                outcomes.append("refused")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter)
            nursery.start_soon(enter)
        await trio.testing.wait_all_tasks_blocked()
        assert (sorted(outcomes), service.requests, service.open) == (["refused", "streamed"], 1, 0)


class ClosingFails(Wrapped):
    def readable(self) -> bool:
        return False

    async def aclose(self) -> None:
        try:
            await self.inner.aclose()
        finally:
            raise ValueError("odd close")


async def test_one_stream_that_fails_to_close_keeps_neither_the_others_nor_the_transport_open() -> None:
    class Counted(Wrapping):
        left_with: object = None

        async def __aexit__(
            self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
        ) -> bool:
            self.left_with = exc
            return await super().__aexit__(exc_type, exc, traceback)

    service = Service()
    transport = Counted(service, ClosingFails)
    client = NovelAI(KEY, transport=transport, limits=AT_ONCE)
    with pytest.raises(ValueError, match="odd close") as caught:
        async with client:
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(client.image.generate, recorded.params())
            assert service.open == 3
    assert service.open == 0
    assert transport.left_with is caught.value
    assert len(caught.value.__notes__) == 2
    assert "closed" in repr(client)


async def test_a_stream_that_cannot_tell_does_not_push_a_kept_one_out() -> None:
    service = Service()
    async with NovelAI(KEY, transport=Wrapping(service, None, Wrapped), limits=AT_ONCE) as client:
        async with (
            client.image.generate_stream(recorded.params(), stream="msgpack") as kept,
            client.image.generate_stream(recorded.params(), stream="msgpack") as mute,
        ):
            async for _ in kept:
                pass
            async for _ in mute:
                pass
            await trio.testing.wait_all_tasks_blocked()
            assert service.open == 1
            await client.image.generate(recorded.params())
            await trio.testing.wait_all_tasks_blocked()
            assert service.open == 1


async def test_kept_connections_that_have_expired_are_closed_also_where_a_newer_one_serves(
    autojump_clock: object,
) -> None:
    service, timeouts = Service(), Timeouts(keep_alive=30)
    async with NovelAI(KEY, transport=MemoryTransport(service), timeouts=timeouts, limits=AT_ONCE) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(client.image.generate, recorded.params())
        assert service.open == 4
        for _ in range(2):
            await trio.sleep(20)
            await client.image.generate(recorded.params())
        await trio.testing.wait_all_tasks_blocked()
        assert service.open == 1


async def test_a_2xx_head_before_the_request_was_sent_whole_may_be_billed_and_is_not_sent_again() -> None:
    requests = 0

    async def handler(stream: trio.abc.Stream) -> None:
        nonlocal requests
        requests += 1
        async with stream:
            await stream.receive_some(10)
            await stream.send_all(RESPONSE[:300])

    transport = MemoryTransport(handler, buffer_size=400)
    async with NovelAI(KEY, transport=transport, retry=Retry(attempts=3, first_delay=0)) as client:
        with pytest.raises(NetworkError) as caught:
            await client.image.generate(recorded.params())
    assert caught.value.billing_unknown
    assert requests == 1


async def test_an_answer_to_a_request_that_is_not_taken_says_more_than_the_timeout(autojump_clock: object) -> None:
    refusal = recorded.response(b'{"message":"too large"}', "application/json", status=413, framing="length")

    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some(10)
        await stream.send_all(refusal)
        await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=200)) as client:
        with pytest.raises(HTTPStatusError, match="too large") as caught:
            await client.image.generate(recorded.params())
    assert (caught.value.status, caught.value.billing_unknown) == (413, False)


async def test_what_waits_beside_a_stalled_request_and_is_no_answer_delays_the_timeout_by_a_second_at_most(
    autojump_clock: object,
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 ")
        await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=200)) as client:
        start = trio.current_time()
        with pytest.raises(NetworkTimeout) as caught:
            await client.image.generate(recorded.params())
        assert trio.current_time() - start == pytest.approx(61, abs=0.1)
    assert (caught.value.phase, caught.value.billing_unknown) == ("send", False)


async def test_leaving_the_client_is_a_checkpoint() -> None:
    client = NovelAI(KEY, transport=ScriptedTransport())
    await client.__aenter__()
    with trio.testing.assert_checkpoints():
        await client.__aexit__(None, None, None)


async def test_meeting_the_same_fault_again_is_a_checkpoint() -> None:
    content = recorded.frames(recorded.events()[0]) + b"\x00\x00\x00\x05garbage"
    transport = MemoryTransport(answering(recorded.response(content, "application/msgpack")))
    async with (
        NovelAI(KEY, transport=transport) as client,
        client.image.generate_stream(recorded.params(), stream="msgpack") as stream,
    ):
        await anext(stream)
        for _ in range(2):
            with trio.testing.assert_checkpoints(), pytest.raises(ProtocolError):
                await anext(stream)


@pytest.mark.parametrize(("heartbeat", "phase", "seconds"), [(0, "read", 60), (10, "event", 180)])
async def test_the_timers_go_on_for_a_reader_that_waits_a_little_at_a_time(
    autojump_clock: object, heartbeat: float, phase: str, seconds: float
) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(EMPTY_STREAM)
        while heartbeat:
            await trio.sleep(heartbeat)
            await stream.send_all(HEARTBEAT)
        await trio.sleep_forever()

    waits = 0
    async with (
        NovelAI(KEY, transport=MemoryTransport(handler)) as client,
        client.image.generate_stream(recorded.params()) as stream,
    ):
        with pytest.raises(NetworkTimeout) as caught:
            while waits < 1000:
                waits += 1
                with trio.move_on_after(0.7):
                    await anext(stream)
    assert caught.value.phase == phase
    assert waits == pytest.approx(seconds / 0.7, abs=1)


async def test_work_between_two_short_waits_does_not_count(autojump_clock: object) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(EMPTY_STREAM)
        await trio.sleep(6000)
        await stream.send_all(recorded.stream_response("sse").removeprefix(EMPTY_STREAM))

    async with (
        NovelAI(KEY, transport=MemoryTransport(handler)) as client,
        client.image.generate_stream(recorded.params()) as stream,
    ):
        chunks: list[object] = []
        while len(chunks) < recorded.STEPS:
            with trio.move_on_after(0.5):
                chunks.append(await anext(stream))
            await trio.sleep(100)


async def test_bytes_that_come_in_the_moment_of_the_deadline_undo_it(autojump_clock: trio.testing.MockClock) -> None:
    """As when another task keeps the event loop busy for longer than the timeout: the bytes were there in time."""

    class Late(Wrapped):
        async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
            data = await super().receive_some(max_bytes)
            autojump_clock.jump(70)
            await trio.lowlevel.cancel_shielded_checkpoint()  # the scheduler sees the deadline pass
            return data

    async def handler(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        for byte in recorded.stream_response("sse", chunk=60):
            await stream.send_all(bytes([byte]))

    timeouts = Timeouts(read=60, event=None, response=None)
    transport = Wrapping(handler, Late)
    async with NovelAI(KEY, transport=transport, timeouts=timeouts) as client:
        async with client.image.generate_stream(recorded.params()) as stream:
            assert len([chunk async for chunk in stream]) == recorded.STEPS


def locals_of(error: BaseException | None) -> str:
    """Everything that a traceback with locals would show of the library's frames."""
    shown = ""
    while error is not None:
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_globals["__name__"] != __name__:  # the caller's own are the caller's
                shown += repr(step.tb_frame.f_locals)
            step = step.tb_next
        error = error.__cause__ or error.__context__
    return shown


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("asks", ["pictures", "account"])
async def test_the_key_is_in_no_local_of_a_failed_send(autojump_clock: object, hangs: bool, asks: str) -> None:
    async def handler(stream: trio.abc.Stream) -> None:
        await stream.receive_some(10)
        if hangs:
            await trio.sleep_forever()

    async with NovelAI(KEY, transport=MemoryTransport(handler, buffer_size=16)) as client:
        with pytest.raises(NovelAIError) as caught:
            if asks == "pictures":
                await client.image.generate(recorded.params())
            else:
                await client.account.subscription()
    shown = locals_of(caught.value)
    assert "Driver" in shown
    assert KEY not in shown


def test_a_client_that_could_not_be_made_shows_itself_without_the_key() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        NovelAI(KEY, image_base="ftp://example.org")
    shown = locals_of(caught.value)
    assert "<NovelAI, not made>" in shown
    assert KEY not in shown


@pytest.mark.parametrize("base", ["https://user:s3cret/x@host", "https://u:s3cret/@h:1", "https://u:p@[s3cret]/"])
def test_half_a_password_that_looks_like_a_port_is_not_repeated(base: str) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        NovelAI(KEY, image_base=base)
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3cret" not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_header_that_is_not_allowed_is_in_no_error_of_the_chain() -> None:
    request = Request(method="POST", target="/", headers=(("Host", "h"), ("Authorization", f"Bearer {KEY}\n")))
    with pytest.raises(ValueError, match="characters") as caught:
        request.to_bytes()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in str(caught.value)
