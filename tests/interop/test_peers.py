"""The emulator serves clients that know nothing of it, and they and we read the same pictures from the same request."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest
from emulator_thread import emulator_on_a_port
from peers import run_peer

from nai_trio.emulator import Generation
from nai_trio.protocol import MsgpackDecoder, SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator_thread import Served

SDK = """
import base64, hashlib, json, sys
from novelai import NovelAI
from novelai.types import GenerateImageStreamParams

client = NovelAI(api_key="pst-not-a-real-key", image_base=sys.argv[1])
params = GenerateImageStreamParams(
    prompt="1girl, cat ears", model="nai-diffusion-4-5-full", size=(128, 192), steps=6, seed=7, n_samples=2
)
for chunk in client.image.generate_stream(params):
    digest = hashlib.sha256(base64.b64decode(chunk.image)).hexdigest()
    print(json.dumps([chunk.event_type, chunk.samp_ix, chunk.step_ix, digest]))
"""

NEKOAI = """
import asyncio, hashlib, json, sys
from nekoai import NovelAI

async def main():
    client = NovelAI(token="pst-not-a-real-key", host=sys.argv[1])
    stream = client.generate_image_stream(
        prompt="1girl, cat ears", model="nai-diffusion-4-5-full", width=128, height=192, steps=6, seed=7, n_samples=2
    )
    async for event in stream:
        step = event.step_ix if event.event_type.value == "intermediate" else -1
        digest = hashlib.sha256(event.image.data).hexdigest()
        print(json.dumps([event.event_type.value, event.samp_ix, step, digest]))
    await client.close()

asyncio.run(main())
"""


@pytest.fixture
def served() -> Iterator[Served]:
    with emulator_on_a_port() as served:
        yield served


def digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def rows(events: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [event["event_type"], event["samp_ix"], event.get("step_ix", -1), digest(event["image"])] for event in events
    ]


def send_again(served: Served, request: dict[str, Any], kind: str) -> bytes:
    """POST a peer's own request again, in the other framing too, with the standard library's client."""
    body = {**request, "parameters": {**request["parameters"], "stream": kind}}
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    headers = {"Authorization": "Bearer pst-not-a-real-key", "Content-Type": "application/json"}
    connection.request("POST", "/ai/generate-image-stream", json.dumps(body), headers)
    response = connection.getresponse()
    assert response.status == 200
    try:
        return response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("package", "script", "kind"), [("novelai-sdk", SDK, "sse"), ("nekoai-api", NEKOAI, "msgpack")]
)
def test_a_peer_streams_a_generation_and_gets_the_same_pictures(
    served: Served, package: str, script: str, kind: str
) -> None:
    printed = [json.loads(line) for line in run_peer(package, script, served.url).splitlines()]
    job = served.last_job
    assert (job.state, job.stream) == ("finished", kind)
    expected = rows(list(Generation(job.request).events()))
    assert printed == expected
    assert [row[0] for row in printed].count("intermediate") == 10
    assert [row[0] for row in printed].count("final") == 2

    over_sse = SSEDecoder().feed(send_again(served, job.request, "sse"))
    over_msgpack = MsgpackDecoder().feed(send_again(served, job.request, "msgpack"))
    assert rows(over_msgpack) == printed
    texts = [json.loads(event.data) for event in over_sse]
    images = [event.pop("image") for event in over_msgpack]
    assert [base64.b64decode(text.pop("image")) for text in texts] == images
    assert texts == over_msgpack
