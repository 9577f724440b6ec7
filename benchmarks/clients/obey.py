"""What every client does the same way: it connects, obeys lines on standard input, answers each with a line of JSON.

    python CLIENT.py URL FRAMING SMALL WHOLE READ

SMALL and WHOLE are the lengths of the two responses in bytes, and READ how much to receive at most at once: for the
floors, which understand nothing. At the start a
client asks for a small generation, so that all is imported and the connection stands; it says `{"ready": true}`.

- `go N`: N generations one after the other. Each is timed in CPU time of this process, user and system, from just
  before the request until the last of its pictures is in hand, decoded. Pictures of the one before are dropped first.
- `memory N`: N generations whose pictures are looked at as they come and then dropped, as by a user who shows or
  writes them. Told are the resident memory before (`idle`) and the peak during each, both in bytes.

Both tell the number of pictures of the last generation and the SHA-256 digest over them, made outside of what is timed.
Only the standard library is imported here: this runs in the environments of other clients, too.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Take = Callable[[bytes], object]
    Generate = Callable[[str, Take], Awaitable[None]]

__all__ = ["SMALL", "STEPS", "WHOLE", "Digest", "arguments", "floor_arguments", "obey", "request_body"]

SMALL, WHOLE = "a small picture", "a whole picture"
STEPS = 28


def arguments() -> tuple[str, str]:
    """The URL and the framing."""
    return sys.argv[1], sys.argv[2]


def floor_arguments() -> tuple[dict[str, int], int]:
    """The length of the response to each prompt, and how much to receive at most."""
    small, whole, read = map(int, sys.argv[3:])
    return {SMALL: small, WHOLE: whole}, read


def request_body(prompt: str, framing: str) -> dict[str, Any]:
    """The request as a user writes it who has no client for the service (832x1216, 28 steps)."""
    parameters = {"width": 832, "height": 1216, "steps": STEPS, "n_samples": 1, "seed": 7, "stream": framing}
    return {"input": prompt, "model": "nai-diffusion-4-5-full", "action": "generate", "parameters": parameters}


class Digest:
    """Counts pictures and digests them."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def take(self, image: bytes) -> None:
        self.count += 1
        self._hash.update(len(image).to_bytes(8, "big"))
        self._hash.update(image)

    def told(self) -> dict[str, Any]:
        return {"count": self.count, "sha256": self._hash.hexdigest()}


async def go(generate: Generate, times: int) -> dict[str, Any]:
    images: list[bytes] = []
    seconds = []
    gc.collect()
    for _ in range(times):
        images.clear()
        start = time.process_time()
        await generate(WHOLE, images.append)
        seconds.append(time.process_time() - start)
    digest = Digest()
    for image in images:
        digest.take(image)
    return {"seconds": seconds, **digest.told()}


async def memory(generate: Generate, times: int) -> dict[str, Any]:
    gc.collect()
    idle = status("VmRSS")
    peaks = []
    digest = Digest()
    for _ in range(times):
        digest = Digest()
        reset_peak()
        await generate(WHOLE, digest.take)
        peaks.append(status("VmHWM"))
    return {"idle": idle, "peaks": peaks, **digest.told()}


def reset_peak() -> None:
    """The peak (VmHWM) starts anew from what is resident now: man 5 proc, clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def status(field: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)


async def obey(generate: Generate) -> None:
    await generate(SMALL, Digest().take)
    print(json.dumps({"ready": True}), flush=True)
    commands = {"go": go, "memory": memory}
    while line := sys.stdin.readline():
        name, times = line.split()
        print(json.dumps(await commands[name](generate, int(times))), flush=True)
