"""The last words of a generation: one line that says how it ended, and the exit code for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.cli.exit_codes import OK, exit_code, signal_code
from nai_trio.cli.files import remove_temporaries
from nai_trio.cli.service import explained
from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from nai_trio.cli.album import Album
    from nai_trio.cli.display import Display
    from nai_trio.cli.job import Job
    from nai_trio.cli.naming import Naming
    from nai_trio.cli.run import Ending
    from nai_trio.cli.stopping import StopSignals
    from nai_trio.cli.streams import Streams
    from nai_trio.errors import NovelAIError

__all__ = ["say_last_words", "tell_ending"]


def tell_ending(job: Job, album: Album, ending: Ending, *, streams: Streams, stop: StopSignals, naming: Naming) -> int:
    """Say on stderr how it ended, and return the code for it: a signal counts before an error, that before a file."""
    code = OK
    if ending.stopped and stop.received is not None:
        streams.note(f"stopped by {stop.received.name}, connection closed; {_remains(job, album, ending)}")
        code = signal_code(stop.received)
    elif ending.error is not None:
        streams.error(_text(ending.error, job, naming))
        if album.paths or ending.billing_unknown:
            streams.note(_remains(job, album, ending))
        code = exit_code(ending.error)
    failure = album.failure or streams.failure
    if failure is not None:
        streams.error(str(failure))
        code = code or exit_code(failure)
    if album.elsewhere:
        streams.note(f"written elsewhere: {', '.join(map(str, album.elsewhere))}")
    if code == OK:
        streams.note(_summary(job, album, ending))
    return code


def say_last_words(album: Album, display: Display, streams: Streams) -> None:
    """Write what arrived, and say so, where the process is about to end by force; may come from a signal handler."""
    album.keep_at_once()
    remove_temporaries()
    display.abandon()
    kept = ", ".join(map(str, album.paths))
    streams.last_note(f"stopped at once; {f'kept {kept}' if kept else 'nothing to keep'}")
    if album.failure is not None:
        streams.last_note(f"error: {album.failure}")


def _text(error: NovelAIError, job: Job, naming: Naming) -> str:
    return naming.text(error) if isinstance(error, InvalidParamsError) else explained(error, job.service)


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
