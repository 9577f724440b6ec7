"""Accepted generations: their records, and their sending with faults that strike at a byte of the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
import trio

from nai_trio.emulator import bodies, faults
from nai_trio.emulator.checks import failure
from nai_trio.emulator.http import Link, Reply, error_reply

if TYPE_CHECKING:
    from nai_trio.emulator.bodies import Body
    from nai_trio.emulator.generation import Generation

__all__ = ["Job", "JobState", "StreamKind", "is_unpaid", "perform"]

JobState: TypeAlias = Literal["running", "finished", "disconnected", "failed"]
StreamKind: TypeAlias = Literal["sse", "msgpack", "zip", "json"]


@attrs.define(eq=False)
class Job:
    """What became of one accepted request.

    Attributes:
        request: the JSON body as received.
        path: the endpoint.
        stream: how it is answered: "sse", "msgpack", "zip" or "json".
        cost: Anlas that the service would charge.
        charged: Anlas that were taken and not given back; 0 unless the emulator charges.
        fault: what was made to go wrong.
        state: "running"; "finished": answered whole; "disconnected": the peer left before the end; "failed": the job
            broke, by a fault or by itself.
        pieces_sent: body pieces handed to the network whole: events, or the one archive.
        done: set when the state is final and the account's lock is free.
    """

    request: dict[str, object] = attrs.field(repr=False)
    path: str
    stream: StreamKind
    cost: int = 0
    charged: int = 0
    fault: faults.Fault | None = None
    state: JobState = "running"
    pieces_sent: int = 0
    done: trio.Event = attrs.field(factory=trio.Event, repr=False)


_SPOILING = (
    faults.StreamError, faults.HugePrefix, faults.MissingFinal, faults.BadBase64, faults.BadJSON, faults.MissingField,
    faults.WrongType,
)  # fmt: skip


def is_unpaid(job: Job, generation: Generation) -> bool:
    """Whether the service gives up on the job itself, which costs nothing (wire document, section 6).

    What goes wrong on the way to the client is paid for: the pictures were made.
    """
    return isinstance(job.fault, faults.Refuse | faults.StreamError) or failure(generation.settings) is not None


async def perform(link: Link, job: Job, generation: Generation, *, step_delay: float) -> None:
    """Send the job's answer until one of them ends; sets `job.state` unless the peer left first."""
    broken = failure(generation.settings)
    reply = _refusal(job, broken)
    if reply is not None:
        await link.reply(reply)
        job.state = "failed"
        return
    samples = generation.settings.n_samples
    if job.stream in {"zip", "json"}:
        await trio.sleep(step_delay * generation.settings.frames)
    whole = await _send_body(link, job, _body(generation, job), step_delay / samples)
    job.state = "failed" if broken or not whole or isinstance(job.fault, _SPOILING) else "finished"


def _refusal(job: Job, broken: str | None) -> Reply | None:
    """The answer where no 200 begins."""
    match job.fault:
        case faults.Refuse():
            return _refused(job.fault)
        case faults.StreamError(message=message, code=code) if job.stream in {"zip", "json"}:
            return error_reply(500 if code is None else code, message)
    if broken is not None and job.stream in {"zip", "json"}:
        return error_reply(500, broken)
    return None


_MESSAGES = {
    400: "Validation error: refused on request",
    401: "Unauthorized",
    402: "Not enough Anlas",
    404: "Not Found",
    409: "Conflict",
    429: "Concurrent generation is locked",
}


def _refused(fault: faults.Refuse) -> Reply:
    wait = () if fault.retry_after is None else (("retry-after", f"{fault.retry_after:g}"),)
    if fault.html:
        return Reply(fault.status, bodies.cdn_page(fault.status), "text/html; charset=UTF-8", wait)
    return error_reply(fault.status, _MESSAGES.get(fault.status, "Internal Server Error"), *wait)


def _body(generation: Generation, job: Job) -> Body:
    if isinstance(job.fault, faults.WrongType):
        return bodies.wrong_body(generation, job.fault.kind)
    if job.stream in {"zip", "json"}:
        return bodies.plain_body(generation, job.fault, as_json=job.stream == "json")
    return bodies.stream_body(generation, job.stream, job.fault)


async def _send_body(link: Link, job: Job, body: Body, pause: float) -> bool:
    """Send the body, with `pause` seconds before each piece of a stream; False when a fault cut it."""
    named = (("content-disposition", f"attachment; filename={body.attachment}"),) if body.attachment else ()
    await link.start(body.content_type, *named)
    budget = job.fault.after if isinstance(job.fault, faults.Cut | faults.Stall) else None
    for piece in body.pieces:
        if job.stream in {"sse", "msgpack"}:
            await trio.sleep(pause)
        if budget is not None and budget <= len(piece):
            await _strike(link, job, piece, budget)
            return False
        await link.send(piece)
        job.pieces_sent += 1
        budget = None if budget is None else budget - len(piece)
    await link.finish()
    return True


async def _strike(link: Link, job: Job, piece: bytes, count: int) -> None:
    if count:
        await link.send_part(piece, count)
    if isinstance(job.fault, faults.Stall):
        await trio.sleep_forever()
