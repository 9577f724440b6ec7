"""Record the tapes in this folder anew, from the emulator, on a virtual clock.

    python tests/tapes/record.py [FOLDER]

Each is one generation of the same small picture: as it should be, or failed in a way that was seen in the field. The
clock jumps, so the times on the tapes are those of a service that takes 85 ms per step (wire document, section 10), and
recording takes no time. What a tape is named after is in `TAPES`; what a test may expect of it, too.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import trio
import trio.testing

from nai_trio import ImageParams, NovelAI, NovelAIError
from nai_trio.emulator import Cut, Emulator, MissingFinal, Refuse, StreamError, StreamRetry, WrongType
from nai_trio.transports import RecordingTransport

if TYPE_CHECKING:
    from nai_trio import Chunk
    from nai_trio.emulator import Fault

FOLDER = Path(__file__).resolve().parent
KEY = "pst-not-a-real-key"
BASE = "https://image.novelai.net"
STEP = 0.085
PROMPT = "1girl, cat ears"


@attrs.frozen(kw_only=True)
class Case:
    """What a tape has.

    Attributes:
        stream: how the pictures come.
        fault: what goes wrong, or None.
        n_samples: how many pictures.
        side: of the picture, in pixels.
        anlas: the account's balance.
        key: whether the emulator takes the key.
        error: the name of the error that the client raises, or "".
    """

    stream: Literal["sse", "msgpack", "zip", "json"] = "sse"
    fault: Fault | None = None
    n_samples: int = 1
    side: int = 64
    anlas: int = 10_000
    key: bool = True
    error: str = ""

    @property
    def params(self) -> ImageParams:
        return ImageParams(PROMPT, size=(self.side, self.side), steps=8, seed=7, n_samples=self.n_samples)

    def emulator(self) -> Emulator:
        emulator = Emulator(step_delay=STEP, anlas=self.anlas, api_keys=[KEY if self.key else "pst-another"])
        if self.fault is not None:
            emulator.inject(self.fault)
        return emulator


TAPES = {
    "sse": Case(side=128),
    "msgpack": Case(stream="msgpack", side=128),
    "sse-4-samples": Case(n_samples=4),
    "msgpack-4-samples": Case(stream="msgpack", n_samples=4),
    "zip": Case(stream="zip"),
    "json": Case(stream="json"),
    "refused-401": Case(key=False, error="AuthenticationError"),
    "refused-402": Case(anlas=0, error="PaymentRequiredError"),
    "refused-429": Case(fault=Refuse(429), error="ConcurrencyLockedError"),
    "refused-500": Case(fault=Refuse(500), error="ServerError"),
    "html-502": Case(fault=Refuse(502, html=True), error="ServerError"),
    "html-200": Case(stream="msgpack", fault=WrongType("html"), error="ProtocolError"),
    "sse-retry": Case(fault=StreamRetry(2)),
    "sse-error": Case(fault=StreamError(3), error="GenerationError"),
    "msgpack-error": Case(stream="msgpack", fault=StreamError(3), error="GenerationError"),
    "sse-cut": Case(fault=Cut(3000), error="StreamInterrupted"),
    "msgpack-cut": Case(stream="msgpack", fault=Cut(3000), error="StreamInterrupted"),
    "sse-no-final": Case(fault=MissingFinal(), error="StreamInterrupted"),
}
"""Name to what is on the tape."""


async def take(case: Case, transport: Any) -> tuple[list[Chunk], str]:
    """What the client makes of a case over a transport: the chunks, and the name of the error, or ""."""
    chunks: list[Chunk] = []
    async with NovelAI(KEY, image_base=BASE, transport=transport) as client:
        try:
            if case.stream in {"zip", "json"}:
                chunks += await client.image.generate(case.params, stream=case.stream)
            else:
                async with client.image.generate_stream(case.params, stream=case.stream) as stream:
                    async for chunk in stream:
                        chunks.append(chunk)
        except NovelAIError as error:
            return chunks, type(error).__name__
    return chunks, ""


async def record_all(folder: Path) -> None:
    for name, case in TAPES.items():
        tape = RecordingTransport(case.emulator().transport(), folder / f"{name}.tape", overwrite=True)
        chunks, error = await take(case, tape)
        assert error == case.error, (name, error)
        size = (folder / f"{name}.tape").stat().st_size
        print(f"{name:20} {size:8,} bytes, {len(chunks):3} chunks {error}")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    trio.run(record_all, target, clock=trio.testing.MockClock(autojump_threshold=0))
