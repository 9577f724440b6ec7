"""Looks for what must be nowhere: the planted key, token and credentials, in any form, in what is shown or kept."""

from __future__ import annotations

import base64
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote

from conformance_rows import CREDENTIALS, KEY, PASSWORD, TOKEN, USER

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def forms() -> dict[str, str]:
    """The secrets as they might be written, each with a name for it."""
    plain = {"key": KEY, "token": TOKEN, "user name": USER, "password": PASSWORD, "credentials": CREDENTIALS}
    found = {}
    for name, text in plain.items():
        found[name] = text
        found[f"{name}, percent-encoded"] = quote(text, safe="")
        found[f"{name}, in hex"] = text.encode().hex()
        found[f"{name}, in base64"] = base64.b64encode(text.encode()).decode().rstrip("=")
    return found


def shown_in(text: str) -> list[str]:
    """The names of the secrets in a text."""
    return [name for name, form in forms().items() if form in text]


def of_error(error: BaseException) -> Iterator[tuple[str, str]]:
    """Every text that an error and those behind it have, and where it was found; with the locals of all frames."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        name = type(each).__name__
        yield f"str of {name}", str(each)
        yield f"repr of {name}", f"{each!r} {each.args!r}"
        yield f"attributes of {name}", repr(vars(each))
        yield f"notes of {name}", repr(getattr(each, "__notes__", ()))
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback", "".join(told.format())


def of_records(records: Iterable[logging.LogRecord]) -> Iterator[tuple[str, str]]:
    """Log records: their messages and their arguments."""
    for record in records:
        yield f"log record of {record.name}", f"{record.getMessage()} {record.args!r} {record.exc_text}"


def of_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Files and their names."""
    for path in folder.rglob("*"):
        yield f"name of {path.name}", str(path.relative_to(folder))
        if path.is_file():
            yield f"file {path.name}", path.read_bytes().decode("latin-1")


def exposed(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Where which secret is shown, with a little of what is around it."""
    found = []
    for place, text in texts:
        for name in shown_in(text):
            at = text.index(forms()[name])
            found.append(f"{name} in {place}: ...{text[max(0, at - 200) : at + 40]}")
    return found
