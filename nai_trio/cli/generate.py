"""`nai-trio generate`: from the command line to the exit code, in four steps: read, check, run, tell.

Errors are one line on stderr and an exit code, with `--json` too: a program reads the code, a person the line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nai_trio.cli.exit_codes import OK, exit_code, signal_code
from nai_trio.cli.options import TABLES, params_from_options, picture_options
from nai_trio.cli.sections import Decorator, SectionedCommand, SectionOption
from nai_trio.errors import AuthenticationError, NotFoundError, RateLimitError

if TYPE_CHECKING:
    from nai_trio.cli.album import Album
    from nai_trio.cli.files import Targets
    from nai_trio.cli.job import Job, Service
    from nai_trio.cli.run import Ending
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams
    from nai_trio.errors import NovelAIError
    from nai_trio.params import ImageParams

__all__ = ["generate"]

_PACE = 0.2
"""Seconds per step of the emulator: slow enough to watch, as in a demonstration."""


def _output(*declarations: str, **attributes: Any) -> Decorator:
    return click.option(*declarations, cls=SectionOption, section="Output", **attributes)


def _service(*declarations: str, **attributes: Any) -> Decorator:
    return click.option(*declarations, cls=SectionOption, section="Service", **attributes)


@click.command(cls=SectionedCommand, tables=TABLES, short_help="Generate pictures, and watch them form.")
@click.argument("prompt")
@_output("-o", "--output", required=True, type=click.Path(path_type=Path), help="Where to write the picture.")
@_output("--previews", type=click.Path(path_type=Path), metavar="DIR", help="Write every preview here, as sSS_NNN.jpg.")
@_output("--json", "json_lines", is_flag=True, help="One JSON line per event on stdout, without picture bytes.")
@picture_options
@_service("--stream", type=click.Choice(["sse", "msgpack"]), help="The framing on the wire (default: sse).")
@_service("--emulator", is_flag=True, help="Ask an emulator in this process: no key, no account, no network.")
@_service("--pace", type=click.FloatRange(0, 60), metavar="SECONDS", help=f"Its seconds per step (default: {_PACE}).")
@_service("--image-base", metavar="URL", help="Where the service is (default: NOVELAI_IMAGE_BASE, else the real one).")
@_service("--allow-plain-http", is_flag=True, help="Take an http:// URL off this machine, where others can listen.")
@_service("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Give up after so long in all.")
@click.pass_context
def generate(ctx: click.Context, /, **values: Any) -> None:
    """Generate pictures of PROMPT, and watch them form.

    The API key is read from the environment variable NOVELAI_API_KEY.

    Pictures are written whole or not at all: out.png, or out_0.png, out_1.png, ... where there are several; the ending
    follows the picture's real format. Their paths go to stdout, progress to stderr. Whatever ends a generation early
    (Ctrl-C, too), the pictures that came are kept, and for the others the last preview, as out.preview.jpg.

    With --json, stdout has a line per event instead ("intermediate", "final", "retry", ...), with the path of its file.
    Errors, and what was kept of a generation that ended early, are lines on stderr.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    with StopSignals() as stop:
        ctx.exit(_generate(stop, **values))


def _generate(
    stop: StopSignals,
    *,
    prompt: str,
    output: Path,
    previews: Path | None,
    json_lines: bool,
    timeout: float | None,
    **values: Any,
) -> int:
    from nai_trio.cli.files import Targets  # noqa: PLC0415 - as above
    from nai_trio.cli.streams import Streams  # noqa: PLC0415

    job = _read_job(prompt, output, timeout, values)
    params = job.params
    targets = Targets(output=output, samples=params.n_samples, expected=params.image_format, previews=previews)
    targets.check()
    streams = Streams(secret=job.service.api_key)
    return _run(job, targets, streams, stop, json_lines=json_lines)


def _read_job(prompt: str, output: Path, timeout: float | None, values: dict[str, Any]) -> Job:
    """The job that the options ask for; every mistake in them comes to light here.

    Raises:
        InvalidParamsError: an option is wrong.
        MissingAPIKeyError: there is no key.
    """
    from nai_trio.cli.job import Job  # noqa: PLC0415 - as above

    emulator, pace = values.pop("emulator"), values.pop("pace")
    image_base, allow_plain_http = values.pop("image_base"), values.pop("allow_plain_http")
    stream = values.pop("stream")
    if output.name in ("", "..", "-"):
        raise click.UsageError(f"--output: expected a file's path, got {str(output)!r}")
    if values["image_format"] is None and output.suffix.lower() == ".webp":
        values["image_format"] = "webp"
    params = params_from_options(prompt, values)
    return Job(
        params=params,
        stream=_framing(params, stream),
        service=_read_service(emulator, pace, image_base, allow_plain_http=allow_plain_http),
        timeout=timeout,
    )


def _framing(params: ImageParams, asked: Literal["sse", "msgpack"] | None) -> Literal["sse", "msgpack"] | None:
    """The framing to use; None for a model that does not stream, unless one was asked for by name."""
    if asked is None:
        return "sse" if params.info.streams else None
    params.to_wire(stream=asked)  # refuses what the model cannot do
    return asked


def _read_service(emulator: bool, pace: float | None, image_base: str | None, *, allow_plain_http: bool) -> Service:
    from nai_trio.cli.job import EMULATOR_KEY, Service, service_from_environment  # noqa: PLC0415 - as above

    if emulator:
        if image_base is not None:
            raise click.UsageError("--emulator and --image-base exclude each other")
        return Service(api_key=EMULATOR_KEY, emulator_pace=_PACE if pace is None else pace)
    if pace is not None:
        raise click.UsageError("--pace needs --emulator")
    service = service_from_environment(image_base=image_base, allow_plain_http=allow_plain_http)
    service.client()  # its settings are checked before files are
    return service


def _run(job: Job, targets: Targets, streams: Streams, stop: StopSignals, *, json_lines: bool) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.cli.album import Album  # noqa: PLC0415
    from nai_trio.cli.display import open_display  # noqa: PLC0415
    from nai_trio.cli.run import run_job  # noqa: PLC0415

    labels = [targets.final(samp_ix, targets.expected).name for samp_ix in range(targets.samples)]
    display = open_display(streams, labels=labels, steps=job.params.steps, json_lines=json_lines)
    with display:
        if job.stream is None:
            display.notice(f"{job.params.model} does not stream: there are no previews")
        album = Album(targets, job.params.seed, display=display, streams=streams, json_lines=json_lines)
        ending = trio.run(run_job, job, album, stop)
    for path in () if json_lines else album.paths:
        streams.path(path)
    return _tell_stderr(job, album, ending, streams, stop)


def _tell_stderr(job: Job, album: Album, ending: Ending, streams: Streams, stop: StopSignals) -> int:
    """Say how it ended, and return the code for it: a signal counts before an error, that before a file."""
    code = OK
    if ending.stopped and stop.received is not None:
        streams.note(f"stopped by {stop.received.name}, connection closed; {_remains(job, album, ending)}")
        code = signal_code(stop.received)
    elif ending.error is not None:
        streams.error(_explained(ending.error, job))
        if album.paths or ending.billing_unknown:
            streams.note(_remains(job, album, ending))
        code = exit_code(ending.error)
    failure = album.failure or streams.failure
    if failure is not None:
        streams.error(str(failure))
        code = code or exit_code(failure)
    if code == OK:
        streams.note(_summary(job, album, ending))
    return code


def _explained(error: NovelAIError, job: Job) -> str:
    """The error, with what the user can do about it."""
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        return f"{error} (the service asks to wait {error.retry_after:g} s)"
    if isinstance(error, AuthenticationError):
        return f"{error} ({job.service.address} does not take the key in NOVELAI_API_KEY)"
    if isinstance(error, NotFoundError):
        return f"{error} (nothing of the service at {job.service.address}; see --image-base and NOVELAI_IMAGE_BASE)"
    return str(error)


def _summary(job: Job, album: Album, ending: Ending) -> str:
    size = f"{job.params.width}x{job.params.height}"
    names = ", ".join(path.name for path in album.paths)
    return f"saved {names} ({size}, seed {job.params.seed}) in {ending.seconds:.1f} s"


def _remains(job: Job, album: Album, ending: Ending) -> str:
    """What an early end leaves: files, and doubt about the bill."""
    kept = ", ".join(str(path) for path in album.paths)
    words = f"kept {kept}" if kept else "nothing to keep"
    if ending.billing_unknown and job.service.emulator_pace is None:
        words += "; whether it was billed is unknown, so read the balance before trying again"
    return words
