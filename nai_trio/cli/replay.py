"""`nai-trio replay`: a recorded generation, as if it were live; without key, account or network.

What is shown and written is what the client makes of the recorded bytes now, by the same way as for a live generation:
transport, exchange, display, album. So a failure that was recorded is shown, and ends with its exit code.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nai_trio.cli.exit_codes import OK
from nai_trio.cli.sections import SectionedCommand, option

if TYPE_CHECKING:
    from nai_trio.cli.album import Album
    from nai_trio.cli.display import Display
    from nai_trio.cli.recorded_job import RecordedJob
    from nai_trio.cli.replaying import Viewer
    from nai_trio.cli.run import Ending
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams
    from nai_trio.transports.tape_contents import Tape

__all__ = ["replay"]

_EXAMPLES: Final = (
    "nai-trio replay cat.tape",
    "nai-trio replay cat.tape --speed 0.25 -o cat.png",
)


@click.command(cls=SectionedCommand, examples=_EXAMPLES, short_help="Show a recorded generation as if it were live.")
@click.argument("tape", type=click.Path(path_type=Path), metavar="FILE")
@option("--speed", type=click.FloatRange(0), default=1.0, show_default=True, metavar="N",
         help="How much faster than it was; 0 for at once.")  # fmt: skip
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the picture, too.")
@option("--previews", type=click.Path(path_type=Path), metavar="DIR", help="Write every preview here; needs -o.")
@option("--json", "json_lines", is_flag=True, help="One JSON line per event on stdout, without picture bytes.")
@option("--which", type=click.IntRange(1), metavar="N", help="Which generation, where there are several (default: the "
         "last).")  # fmt: skip
@click.pass_context
def replay(ctx: click.Context, /, **values: Any) -> None:
    """Show the generation on the tape FILE as if it were live: the same pictures, in the same time.

    A tape is what nai-trio generate --record writes. No key, no account and no network is needed, and nothing costs.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    with StopSignals() as stop:
        ctx.exit(_replay(stop, **values))


def _replay(
    stop: StopSignals,
    *,
    tape: Path,
    speed: float,
    output: Path | None,
    previews: Path | None,
    json_lines: bool,
    which: int | None,
) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.cli.display import open_display  # noqa: PLC0415
    from nai_trio.cli.replaying import run_replay  # noqa: PLC0415
    from nai_trio.cli.streams import Streams  # noqa: PLC0415
    from nai_trio.transports.tape_contents import Tape  # noqa: PLC0415

    if not speed < float("inf"):
        raise click.UsageError("--speed: expected a number; 0 is as fast as possible")
    contents, streams = Tape.load(tape), Streams()
    job = _choose(contents, which, streams)
    make, labels = _audience(job, output, previews, json_lines=json_lines)
    done = "shown" if output is None else "saved"
    display = open_display(streams, labels=labels, steps=job.steps_taken, json_lines=json_lines, done=done)
    with display:
        album = make(display, streams)
        ending = trio.run(partial(run_replay, contents, job, album, stop, speed=speed))
    for path in () if json_lines else album.paths:
        streams.path(path)
    return _tell(job, album, ending, streams, stop)


def _choose(tape: Tape, which: int | None, streams: Streams) -> RecordedJob:
    from nai_trio.cli.recorded_job import find_jobs  # noqa: PLC0415 - as above

    jobs = find_jobs(tape)
    if tape.torn:
        streams.note(f"{tape.name} ends in a torn record: what was recording it did not end in order")
    if not jobs:
        failed = [attempt.message or attempt.error for attempt in tape.attempts if attempt.error]
        reason = "; ".join([*failed, *tape.unread])
        raise click.ClickException(f"{tape.name}: no generation was recorded" + (f" ({reason})" if reason else ""))
    if which is None and len(jobs) > 1:
        streams.note(f"{len(jobs)} generations on {tape.name}: this is the last (see --which)")
    if which is not None and which > len(jobs):
        raise click.UsageError(f"--which: expected 1 to {len(jobs)}, which are on {tape.name}, got {which}")
    return jobs[-1 if which is None else which - 1]


def _audience(
    job: RecordedJob, output: Path | None, previews: Path | None, *, json_lines: bool
) -> tuple[Any, list[str]]:
    """What makes the one who takes the chunks, and what the samples are called."""
    from nai_trio.cli.album import Album  # noqa: PLC0415 - as above
    from nai_trio.cli.files import Targets  # noqa: PLC0415
    from nai_trio.cli.replaying import Viewer  # noqa: PLC0415

    if output is None:
        if previews is not None:
            raise click.UsageError("--previews needs --output")

        def view(display: Display, streams: Streams) -> Viewer:
            return Viewer(job.seed, display=display, streams=streams, json_lines=json_lines)

        return view, [f"sample {samp_ix}" for samp_ix in range(job.n_samples)]
    targets = Targets(output=output, samples=job.n_samples, expected=job.image_format, previews=previews)
    targets.check()

    def write(display: Display, streams: Streams) -> Album:
        return Album(targets, job.seed, display=display, streams=streams, json_lines=json_lines)

    return write, [targets.final(samp_ix, targets.expected).name for samp_ix in range(job.n_samples)]


def _tell(job: RecordedJob, album: Album | Viewer, ending: Ending, streams: Streams, stop: StopSignals) -> int:
    """Say how it ended, and return the exit code for it."""
    from nai_trio.cli.exit_codes import exit_code, signal_code  # noqa: PLC0415 - as above

    code = OK
    if ending.stopped and stop.received is not None:
        streams.note(f"stopped by {stop.received.name}")
        code = signal_code(stop.received)
    elif ending.error is not None:
        streams.error(str(ending.error))
        code = exit_code(ending.error)
    failure = album.failure or streams.failure
    if failure is not None:
        streams.error(str(failure))
        code = code or exit_code(failure)
    if code == OK:
        streams.note(f"replayed {job.n_samples} of {job.n_samples} pictures in {ending.seconds:.1f} s")
    return code
