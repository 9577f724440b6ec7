"""What a command line of `nai-trio generate` asks for, without running it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from nai_trio.cli.generate import generate
from nai_trio.cli.wishes import read_request

if TYPE_CHECKING:
    from pathlib import Path

    from nai_trio.params import ImageParams


def ask(*arguments: object) -> ImageParams:
    with generate.make_context("generate", [str(each) for each in arguments]) as context:
        return read_request(context.params, output=context.params["output"]).params


def refused(*arguments: object) -> str:
    with pytest.raises(click.ClickException) as caught:
        ask(*arguments)
    return caught.value.format_message()


def write(path: Path, fields: Any) -> Path:
    path.write_text(fields if isinstance(fields, str) else json.dumps(fields), "utf-8")
    return path
