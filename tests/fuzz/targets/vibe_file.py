"""Vibe files and bundles of them: vibes that are written back as they came, or one error that names its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from shaken import shaken

from nai_trio.errors import InvalidParamsError
from nai_trio.params.vibe_files import VibeFile, read_vibes, write_vibes

MEASURED = ("nai_trio.params.vibe_files", "nai_trio.params.vibe_json", "nai_trio.params.vibe_parts")
LONGEST = 1600
WORDS = (
    b'"identifier":"novelai-vibe-transfer"', b'"identifier":"novelai-vibe-transfer-bundle"', b'"version":1',
    b'"vibes":[', b'"type":"image"', b'"type":"encoding"', b'"image":"aGk="', b'"encodings":{"v4full":{"unknown":{',
    b'"encoding":"aGk="', b'"params":{"information_extracted":0.7}', b'"mask":', b'"importInfo":{', b'"strength":',
    b'"model":', b'"name":""', b'"thumbnail":"data:image/png;base64,aGk="', b'"createdAt":', b'"id":', b"null",
    b"1e999", b"NaN", b'"\\ud800"',
)  # fmt: skip


def check(data: bytes) -> None:
    """Any file is vibes or one error; what is read can be written, and is read as the same."""
    for file in (data, *shaken(data)):
        _check_file(file)


def _check_file(data: bytes) -> None:
    try:
        vibes = read_vibes(data)
    except InvalidParamsError as error:
        assert error.field
        assert ": expected " in str(error)
        assert len(str(error)) < 2000
        return
    assert vibes
    for vibe in vibes:
        written = vibe.to_bytes()
        assert VibeFile.from_bytes(written) == vibe
        assert VibeFile.from_bytes(written).to_bytes() == written
        for encoding in vibe.encodings:
            assert 0.01 <= encoding.information_extracted <= 1
        _use(vibe)
    assert read_vibes(write_vibes(vibes)) == vibes
    document = json.loads(data)
    for given, vibe in zip(document.get("vibes", [document]), vibes, strict=False):
        told = {name for name, value in given.items() if value is not None}
        assert set(vibe.document()) == told | {"id", "encodings", "name"}, "what a file told is lost"


def _use(vibe: VibeFile) -> None:
    """For a generation: the noted strength may be none that a generation takes."""
    try:
        vibe.vibe("nai-diffusion-4-5-full")
    except InvalidParamsError as error:
        assert error.field


def seeds() -> Iterator[bytes]:
    token = {"encoding": base64.b64encode(b"token").decode(), "params": {"information_extracted": 0.7}}
    bare: dict[str, Any] = {
        "identifier": "novelai-vibe-transfer",
        "version": 1,
        "type": "encoding",
        "id": "0" * 64,
        "encodings": {"v4full": {"unknown": token}, "v4-5full": {"a": {**token, "params": {"mask": "x"}}}},
        "name": "000000-000000",
        "createdAt": 1_740_000_000_000,
        "importInfo": {"model": "nai-diffusion-4-full", "information_extracted": 0.7, "strength": 0.6},
    }
    whole = {**bare, "type": "image", "image": "iVBORw0KGgo=", "thumbnail": "data:image/jpeg;base64,/9j/"}
    for document in (bare, whole, {**bare, "encodings": {}}, {**whole, "thumbnail": 5, "createdAt": "now"}):
        yield json.dumps(document).encode()
    yield json.dumps({"identifier": "novelai-vibe-transfer-bundle", "version": 1, "vibes": [bare, whole]}).encode()
    yield b'{"identifier":"novelai-vibe-transfer","identifier":""}'
    yield b"\xef\xbb\xbf" + json.dumps({**bare, "importInfo": {"strength": -5, "x": [1]}}).encode()
    yield b"[" * 500
