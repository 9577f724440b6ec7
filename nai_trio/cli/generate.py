"""`nai-trio generate`: from the command line to the exit code, in four steps: read, check, run, tell.

Errors are one line on stderr and an exit code, with `--json` too: a program reads the code, a person the line.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nai_trio.cli.exit_codes import OK
from nai_trio.cli.options import TABLES, picture_options
from nai_trio.cli.sections import Decorator, SectionedCommand, option
from nai_trio.cli.service import PACE, given_key, read_service, service_option, service_options

if TYPE_CHECKING:
    from nai_trio.cli.files import Targets
    from nai_trio.cli.job import Job
    from nai_trio.cli.naming import Naming
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams
    from nai_trio.cli.wishes import Request
    from nai_trio.params import ImageParams
    from nai_trio.protocol.exchange import Delivery

__all__ = ["generate"]

_EXAMPLES: Final = (
    'nai-trio generate "1girl, cat ears" -o cat.png --steps 28',
    'nai-trio generate "at night" --i2i cat.png --strength 0.6 -o night.png',
    "nai-trio generate --like cat.png --seed 7 -o another.png",
    "nai-trio generate --params cat.toml --estimate",
)
_DELIVERIES: Final = ("sse", "msgpack", "zip", "json")
_STREAMED: Final = frozenset({"sse", "msgpack"})


def _output(*declarations: str, **attributes: Any) -> Decorator:
    return option(*declarations, section="Output", **attributes)


def _given(*declarations: str, **attributes: Any) -> Decorator:
    return option(*declarations, section="Parameters from files", **attributes)


def _cost(*declarations: str, **attributes: Any) -> Decorator:
    return option(*declarations, section="Cost", **attributes)


@click.command(
    cls=SectionedCommand, examples=_EXAMPLES, tables=TABLES, short_help="Generate pictures, and watch them form."
)
@click.argument("prompt", required=False)
@_output("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write the picture.")
@_output("--previews", type=click.Path(path_type=Path), metavar="DIR", help="Write every preview here, as sSS_NNN.jpg.")
@_output("--json", "json_lines", is_flag=True, help="One JSON line per event on stdout, without picture bytes.")
@_output("--record", type=click.Path(path_type=Path), metavar="FILE", help="Keep what goes over the wire on this tape,"
         " without the key; see nai-trio replay.")  # fmt: skip
@_output("--force", is_flag=True, help="Replace the tape of --record.")
@_given("--params", metavar="FILE", help="Fields of ImageParams by their names, as .toml or .json.")
@_given("--like", metavar="FILE", help="What a finished picture was made from, out of its metadata.")
@_cost("--estimate", is_flag=True, help="Print what it would cost in Anlas, and send nothing; needs no key, no -o.")
@_cost("--opus", is_flag=True, help="The account has Opus, whose small pictures are free.")
@picture_options
@service_option("--stream", type=click.Choice(_DELIVERIES), metavar="KIND", help="How the pictures come: sse,"
                " msgpack, or without previews zip, json (default: sse, for V3 zip).")  # fmt: skip
@service_option("--vibe-cache", type=click.Path(path_type=Path), metavar="DIR", help="Keep encoded vibes here: the same"
                " one again costs nothing.")  # fmt: skip
@service_options
@service_option("--attempts", type=click.IntRange(1, 100), default=1, metavar="N", help="Send a request that failed"
                " again, N times in all, but only where it cannot have been billed (default: 1).")  # fmt: skip
@service_option("--pace", type=click.FloatRange(0, 60), metavar="SECONDS", help=f"The emulator's seconds per step "
                f"(default: {PACE}).")  # fmt: skip
@click.pass_context
def generate(ctx: click.Context, /, **values: Any) -> None:
    """Generate pictures of PROMPT, and watch them form.

    The API key is read from --key-file, or the environment variable NOVELAI_API_KEY.

    Options go before the file of --params, and that before the picture of --like.

    Pictures are written whole or not at all; their paths go to stdout, everything else to stderr. Several are named
    out_0.png, out_1.png, ...; the ending follows the real format. Whatever ends a generation early (Ctrl-C, too), what
    arrived is kept: for a picture that is missing, its last preview, as out.preview.jpg.
    """
    from nai_trio.cli.stopping import StopSignals  # noqa: PLC0415 - loads trio, which --help does not need

    key = given_key(values)
    with StopSignals() as stop:
        ctx.exit(_generate(stop, key=key, **values))


def _generate(
    stop: StopSignals,
    *,
    output: Path | None,
    previews: Path | None,
    json_lines: bool,
    estimate: bool,
    opus: bool,
    timeout: float | None,
    **values: Any,
) -> int:
    from nai_trio.cli.files import Targets, check_tape  # noqa: PLC0415 - as above
    from nai_trio.cli.streams import Streams  # noqa: PLC0415
    from nai_trio.cli.wishes import read_request  # noqa: PLC0415 - pictures are looked at: it is quick, --help quicker

    _check_usage(output, estimate=estimate, opus=opus)
    check_tape(values["record"], force=values["force"])
    request = read_request(values, output=output)
    if estimate:
        return _estimate(request.params, opus=opus, json_lines=json_lines)
    assert output is not None  # noqa: S101 - see _check_usage
    job = _read_job(request, timeout, values, previews=previews)
    params = request.params
    targets = Targets(output=output, samples=params.n_samples, expected=params.image_format, previews=previews)
    _check_disk(job, targets)
    streams = Streams(secret=job.service.api_key.reveal())
    return _run(job, targets, streams, stop, request.naming, json_lines=json_lines)


def _check_usage(output: Path | None, *, estimate: bool, opus: bool) -> None:
    if opus and not estimate:
        raise click.UsageError("--opus needs --estimate")
    if output is None and not estimate:
        raise click.UsageError("missing option '-o' / '--output': where to write the picture")
    if output is not None and output.name in ("", "..", "-"):
        raise click.UsageError(f"--output: expected a file's path, got {str(output)!r}")


def _check_disk(job: Job, targets: Targets) -> None:
    """Make sure, as far as it can be known, that everything the job brings can be written."""
    from nai_trio.cli.files import check_folder  # noqa: PLC0415 - as above
    from nai_trio.cli.space import check_space, wanted_space  # noqa: PLC0415

    record = job.service.record
    if record is not None and os.path.realpath(record) in map(os.path.realpath, targets.files):
        raise click.UsageError(f"--record and --output: expected two files, got {str(record)!r} for both")
    targets.check()
    if job.service.vibe_cache is not None:
        check_folder(job.service.vibe_cache, make=True)
    check_space(wanted_space(job, targets))


def _estimate(params: ImageParams, *, opus: bool, json_lines: bool) -> int:
    from nai_trio.cli.estimate import print_estimate  # noqa: PLC0415 - as above
    from nai_trio.cli.exit_codes import exit_code  # noqa: PLC0415
    from nai_trio.cli.streams import Streams  # noqa: PLC0415

    streams = Streams()
    print_estimate(params, streams, opus=opus, json_lines=json_lines)
    if streams.failure is None:
        return OK
    streams.error(str(streams.failure))
    return exit_code(streams.failure)


def _read_job(request: Request, timeout: float | None, values: dict[str, Any], *, previews: Path | None) -> Job:
    """The job that the options ask for.

    Raises:
        click.UsageError: options contradict each other.
        InvalidParamsError: an option is wrong.
        MissingAPIKeyError: there is no key.
    """
    import attrs  # noqa: PLC0415 - as above

    from nai_trio.cli.job import Job  # noqa: PLC0415

    names = ("key", "emulator", "pace", "image_base", "allow_plain_http", "proxy", "vibe_cache")
    delivery = _delivery(request.params, values["stream"])
    if previews is not None and values["stream"] is not None and delivery not in _STREAMED:
        raise click.UsageError(f"--previews needs a stream of them, and --stream {delivery} is none")
    service = read_service(**{name: values[name] for name in names})
    service = attrs.evolve(service, record=values["record"], overwrite=values["force"], attempts=values["attempts"])
    return Job(params=request.params, stream=delivery, service=service, timeout=timeout)


def _delivery(params: ImageParams, asked: Delivery | None) -> Delivery:
    """How the pictures shall come: as asked, else with previews where the model has them."""
    from nai_trio.params.support import check_stream  # noqa: PLC0415 - as above

    if asked is None:
        return "sse" if params.info.streams else "zip"
    if asked in _STREAMED:
        check_stream(params, asked)  # refuses what the model cannot do
    return asked


def _run(job: Job, targets: Targets, streams: Streams, stop: StopSignals, naming: Naming, *, json_lines: bool) -> int:
    import trio  # noqa: PLC0415 - as above

    from nai_trio.cli.album import Album  # noqa: PLC0415
    from nai_trio.cli.display import open_display  # noqa: PLC0415
    from nai_trio.cli.report import say_last_words, tell_ending  # noqa: PLC0415
    from nai_trio.cli.run import run_job  # noqa: PLC0415
    from nai_trio.cli.streams import warnings_as_notes  # noqa: PLC0415

    labels = [targets.final(samp_ix, targets.expected).name for samp_ix in range(targets.samples)]
    display = open_display(streams, labels=labels, steps=job.params.steps_taken, json_lines=json_lines)
    album = Album(targets, job.params.seed, display=display, streams=streams, json_lines=json_lines)
    stop.last_words = partial(say_last_words, album, display, streams)
    with display, warnings_as_notes(streams):
        if not job.params.info.streams:
            display.notice(f"{job.params.model} does not stream: there are no previews")
        try:
            ending = trio.run(run_job, job, album, stop)
        except BaseException:  # a defect; what was paid for is not lost with it
            say_last_words(album, display, streams)
            raise
    for path in () if json_lines else album.paths:
        streams.path(path)
    if job.service.record is not None and job.service.record.exists() and streams.failure is None:
        streams.note(f"recorded on {job.service.record}")
    return tell_ending(job, album, ending, streams=streams, stop=stop, naming=naming)
