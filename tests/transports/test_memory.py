"""The in-process transport: handlers, and where each error goes."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from nai_trio.errors import InvalidParamsError
from nai_trio.transport import Origin
from nai_trio.transports import MemoryStream, MemoryTransport

ORIGIN = Origin("https", "service.example", 443)


async def echo(stream: trio.abc.HalfCloseableStream) -> None:
    async for chunk in stream:
        await stream.send_all(chunk)


async def silent(stream: trio.abc.HalfCloseableStream) -> None:
    await trio.sleep_forever()


def failing(error: BaseException, *, reads: int = 0) -> MemoryTransport:
    """A transport whose handler reads that many times, then raises `error`."""

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        for _ in range(reads):
            await stream.receive_some()
        raise error

    return MemoryTransport(handler)


async def test_each_connection_has_a_handler_of_its_own() -> None:
    async with MemoryTransport(echo) as transport:
        one, other = await transport.connect(ORIGIN), await transport.connect(ORIGIN)
        await one.send_all(b"one")
        await other.send_all(b"other")
        assert await one.receive_some() == b"one"
        assert await other.receive_some() == b"other"


async def test_connect_is_a_checkpoint_that_starts_nothing_when_cancelled() -> None:
    served = []

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        served.append(stream)

    async with MemoryTransport(handler) as transport:
        with trio.testing.assert_checkpoints():
            await transport.connect(ORIGIN)
        with trio.CancelScope() as scope:
            scope.cancel()
            await transport.connect(ORIGIN)
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        assert len(served) == 1


def test_secure_says_that_no_tls_is_needed_unless_told_otherwise() -> None:
    assert MemoryTransport(echo).secure is True
    assert MemoryTransport(echo, secure=False).secure is False


async def test_the_buffer_size_is_the_streams() -> None:
    async with MemoryTransport(silent, buffer_size=3) as transport:
        stream = await transport.connect(ORIGIN)
        await stream.send_all(b"abc")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, b"d")
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InvalidParamsError, match="handler: expected an async function"):
        MemoryTransport(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidParamsError, match="buffer_size"):
        MemoryTransport(echo, buffer_size=0)


def test_repr_names_the_handler() -> None:
    assert repr(MemoryTransport(echo)) == "MemoryTransport(echo)"


async def test_connect_outside_says_how_to_enter() -> None:
    transport = MemoryTransport(echo)
    with pytest.raises(RuntimeError, match="async with transport"):
        await transport.connect(ORIGIN)
    async with transport:
        pass
    with pytest.raises(RuntimeError, match="async with transport"):
        await transport.connect(ORIGIN)


async def test_entering_twice_at_once_is_refused_and_the_first_goes_on() -> None:
    async with MemoryTransport(echo) as transport:
        with pytest.raises(RuntimeError, match="entered already"):
            await transport.__aenter__()
        stream = await transport.connect(ORIGIN)
        await stream.send_all(b"still here")
        assert await stream.receive_some() == b"still here"


async def test_entering_again_after_leaving_works() -> None:
    transport = MemoryTransport(echo)
    for _ in range(2):
        async with transport:
            stream = await transport.connect(ORIGIN)
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"


async def test_entering_and_leaving_are_schedule_points_and_entering_can_be_cancelled() -> None:
    transport = MemoryTransport(echo)
    with trio.testing.assert_checkpoints():
        await transport.__aenter__()
    await transport.__aexit__(None, None, None)
    with trio.CancelScope() as scope:
        scope.cancel()
        async with transport:
            raise AssertionError("entered")
    assert scope.cancelled_caught
    async with transport:
        pass


async def test_a_handler_that_returns_ends_the_stream() -> None:
    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        await stream.send_all(b"bye")

    async with MemoryTransport(handler) as transport:
        stream = await transport.connect(ORIGIN)
        assert [bytes(chunk) async for chunk in stream] == [b"bye"]
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_leaving_cancels_the_handlers_and_waits_for_them(autojump_clock: trio.testing.MockClock) -> None:
    ended = []

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            ended.append(trio.current_time())

    async with MemoryTransport(handler) as transport:
        streams = [await transport.connect(ORIGIN) for _ in range(3)]
        start = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
    assert ended == [start + 5] * 3
    assert [await stream.receive_some() for stream in streams] == [b"", b"", b""]


@pytest.mark.parametrize("operation", ["receive_some", "send_all"])
async def test_the_clients_next_call_meets_the_handlers_error(operation: str) -> None:
    error = ValueError("the handler's")
    async with failing(error) as transport:
        stream = await transport.connect(ORIGIN)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError) as caught:
            await (stream.receive_some() if operation == "receive_some" else stream.send_all(b"x"))
        assert caught.value.__cause__ is error
    # and leaving did not raise it again


async def test_a_waiting_client_meets_the_handlers_error() -> None:
    error = ValueError("the handler's")
    async with failing(error, reads=1) as transport:
        stream = await transport.connect(ORIGIN)
        await stream.send_all(b"go")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some()
        assert caught.value.__cause__ is error


async def test_a_handler_that_closes_its_stream_on_the_way_out_loses_no_error() -> None:
    error = ValueError("inside")

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        async with stream:
            await stream.send_all(b"before")
            raise error

    async with MemoryTransport(handler) as transport:
        stream = await transport.connect(ORIGIN)
        await trio.testing.wait_all_tasks_blocked()
        assert await stream.receive_some() == b"before"
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some()
        assert caught.value.__cause__ is error


async def leave_with_closed_stream(transport: MemoryTransport) -> None:
    async with transport:
        stream = await transport.connect(ORIGIN)
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()


async def test_an_error_that_no_client_met_is_raised_on_leaving() -> None:
    cause = KeyError("its cause")
    error = ValueError("unmet")
    error.__cause__ = cause
    with pytest.raises(ValueError, match="unmet") as caught:
        await leave_with_closed_stream(failing(error, reads=1))
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__context__ is None


async def test_an_error_of_a_stream_that_was_never_read_again_is_raised_on_leaving() -> None:
    error = ValueError("unmet")
    with pytest.raises(ValueError, match="unmet"):
        async with failing(error) as transport:
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()


async def test_several_unmet_errors_leave_as_one_group() -> None:
    with pytest.raises(ExceptionGroup, match="several handlers") as caught:
        async with failing(ValueError("unmet")) as transport:
            await transport.connect(ORIGIN)
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
    assert [str(error) for error in caught.value.exceptions] == ["unmet", "unmet"]


async def test_an_unmet_error_is_raised_once_not_on_the_next_use() -> None:
    transport = failing(ValueError("unmet"), reads=1)
    with pytest.raises(ValueError, match="unmet"):
        await leave_with_closed_stream(transport)
    async with transport:
        pass


async def test_an_unmet_error_yields_to_the_bodys_error() -> None:
    error = KeyError("the body's")
    with pytest.raises(KeyError) as caught:
        async with failing(ValueError("unmet")) as transport:
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
            raise error
    assert caught.value is error
    assert error.__context__ is None


async def test_a_handler_that_fails_while_it_is_cancelled_is_not_lost() -> None:
    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    with pytest.raises(ValueError, match="in cleanup"):
        async with MemoryTransport(handler) as transport:
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()


async def test_a_handlers_group_with_cancellations_in_it_is_not_lost() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in cleanup")

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(ExceptionGroup) as caught:
        async with MemoryTransport(handler) as transport:
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
    assert [str(error) for error in caught.value.exceptions] == ["in cleanup"]


@pytest.mark.parametrize("in_nursery", [False, True])
async def test_a_client_that_hangs_up_is_no_error_of_the_handler(in_nursery: bool) -> None:
    broken = []

    async def send_for_ever(stream: trio.abc.HalfCloseableStream) -> None:
        try:
            while True:
                await stream.send_all(bytes(1000))
        except trio.BrokenResourceError:
            broken.append(True)
            raise

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        if not in_nursery:
            await send_for_ever(stream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_for_ever, stream)

    await leave_with_closed_stream(MemoryTransport(handler))
    assert broken == [True]


async def test_a_broken_resource_of_the_handlers_own_is_an_error() -> None:
    with pytest.raises(trio.BrokenResourceError, match="of its own"):
        await leave_with_closed_stream(failing(trio.BrokenResourceError("of its own"), reads=1))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("waits", [False, True])
async def test_an_interrupt_in_a_handler_comes_out_as_itself(kind: type[BaseException], waits: bool) -> None:
    error = kind()
    with pytest.raises(kind) as caught:
        async with failing(error) as transport:
            await transport.connect(ORIGIN)
            if waits:
                await trio.sleep_forever()
    assert caught.value is error
    assert error.__context__ is None


async def test_an_interrupt_comes_before_the_bodys_error_which_is_its_context() -> None:
    error = ValueError("the body's")
    with pytest.raises(KeyboardInterrupt) as caught:
        async with failing(KeyboardInterrupt()) as transport:
            await transport.connect(ORIGIN)
            raise error
    assert caught.value.__context__ is error


async def test_an_interrupt_in_a_handlers_own_nursery_comes_out_bare() -> None:
    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def handler(stream: trio.abc.HalfCloseableStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt)
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(KeyboardInterrupt):
        async with MemoryTransport(handler) as transport:
            await transport.connect(ORIGIN)
            await trio.sleep_forever()


@pytest.mark.parametrize("handler", [echo, silent])
async def test_the_bodys_error_comes_out_bare_and_unchanged(handler: object) -> None:
    error, context = ValueError("the body's"), KeyError("before")
    with pytest.raises(ValueError, match="the body's") as caught:
        async with MemoryTransport(handler) as transport:  # type: ignore[arg-type]
            await transport.connect(ORIGIN)
            try:
                raise context
            except KeyError:
                raise error  # noqa: B904 - the context is the point
    assert caught.value is error
    assert error.__context__ is context
    assert error.__cause__ is None


async def test_the_bodys_own_group_is_the_same_object_outside() -> None:
    group = ExceptionGroup("the body's", [ValueError(), ExceptionGroup("nested", [KeyError()])])
    with pytest.raises(ExceptionGroup) as caught:
        async with MemoryTransport(silent) as transport:
            await transport.connect(ORIGIN)
            raise group
    assert caught.value is group


async def test_an_outer_cancellation_passes_through(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(5) as scope:
        async with MemoryTransport(silent) as transport:
            stream = await transport.connect(ORIGIN)
            await stream.receive_some()
    assert scope.cancelled_caught


async def test_an_outer_cancellation_leaves_the_block_bare() -> None:
    seen: list[BaseException] = []
    with trio.CancelScope() as scope:
        try:
            async with MemoryTransport(silent) as transport:
                await transport.connect(ORIGIN)
                scope.cancel()
                await trio.sleep_forever()
        except BaseException as error:
            seen.append(error)
            raise
    assert [type(error) for error in seen] == [trio.Cancelled]


async def test_a_cancellation_that_comes_while_leaving_does_not_replace_the_bodys_error() -> None:
    with trio.CancelScope() as scope, pytest.raises(ValueError, match="the body's"):
        async with MemoryTransport(silent) as transport:
            await transport.connect(ORIGIN)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            raise ValueError("the body's")


async def test_a_cancellation_inside_the_body_stays_inside() -> None:
    async with MemoryTransport(silent) as transport:
        stream = await transport.connect(ORIGIN)
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive_some()
        assert scope.cancelled_caught
        assert isinstance(stream, MemoryStream)
        await stream.send_all(b"goes on")


def test_nothing_depends_on_the_hosts_choice_of_groups() -> None:
    async def main() -> None:
        await test_the_bodys_own_group_is_the_same_object_outside()
        await test_an_outer_cancellation_leaves_the_block_bare()

    with pytest.warns(trio.TrioDeprecationWarning):
        trio.run(main, strict_exception_groups=False)
