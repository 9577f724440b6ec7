"""What every owner of a trio resource needs on its way out: to close at once, and to raise one error.

`close_now` is for the exits where something is wrong already. `trio.aclose_forcefully` will not do there: in a task
that is cancelled it replaces the error in flight by `Cancelled`, because its scope is not shielded (trio issue 1559). A
shielded scope that is cancelled from the start has neither fault: nothing in it can wait, so the shield needs no other
bound, and nothing from outside reaches in.

`unwrap_group`, `is_cancelled` and `reraise` are for code that holds a nursery inside and promises plain exceptions
outside.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

__all__ = ["close_now", "is_cancelled", "reraise", "unwrap_group"]

_GONE_ALREADY = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


async def close_now(resource: trio.abc.AsyncResource) -> None:
    """Close `resource` without waiting for anything, keeping the error in flight.

    Closing what is broken or closed already is no error. Any other failure of `aclose` is raised, unless an exception
    is being handled: that one goes on and gets a note about the failure.

    A schedule point, but never a place where an outer cancellation lands: that would be a second error in flight.

    Args:
        resource: its `aclose` must close even when cancelled, as `trio.abc.AsyncResource` demands.
    """
    in_flight = sys.exception()
    try:
        with trio.CancelScope(shield=True) as scope:
            scope.cancel(reason="closing at once")
            await resource.aclose()
    except _GONE_ALREADY:
        pass
    except Exception as error:
        if in_flight is None:
            raise
        in_flight.add_note(f"closing a {type(resource).__name__} failed as well: {error!r}")
    await trio.lowlevel.cancel_shielded_checkpoint()


def unwrap_group(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one exception that a group from a strict nursery stands for; the group itself where there is no such one.

    The first of these that applies:

    1. the first `KeyboardInterrupt` or `SystemExit`, at any depth;
    2. a group of one is that one, whatever it is (an exception group of the body's own stays whole);
    3. the only member that is more than `Cancelled`;
    4. the first member, when all are `Cancelled`;
    5. the group.

    Nothing is changed on any exception; raise the result with `reraise`.
    """
    for leaf in _leaves(group):
        if isinstance(leaf, KeyboardInterrupt | SystemExit):
            return leaf
    members = group.exceptions
    if len(members) == 1:
        return members[0]
    real = [member for member in members if not is_cancelled(member)]
    if not real:
        return members[0]
    return real[0] if len(real) == 1 else group


def is_cancelled(error: BaseException | None) -> bool:
    """Whether `error` is a `trio.Cancelled`, or a group of nothing else."""
    return error is not None and all(isinstance(leaf, trio.Cancelled) for leaf in _leaves(error))


def reraise(error: BaseException) -> NoReturn:
    """Raise `error` with the context it has.

    A plain `raise error` replaces the context by the exception that is being handled: in an `except` block for a group,
    by the very group that holds the error.
    """
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # a frame that is in the traceback of its own variable is a cycle


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for member in error.exceptions:
        yield from _leaves(member)
