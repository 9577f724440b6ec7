"""One generation without any I/O: a request in, the service's events out, in the order of the wire.

Everything follows from the request alone (`stream` left out), so the same request gives the same bytes in either
framing, on any machine with the same Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nai_trio.emulator.checks import refusal
from nai_trio.emulator.metadata import text_chunks, user_comment
from nai_trio.emulator.settings import Json, Settings
from nai_trio.emulator.sigmas import sigmas
from nai_trio.errors import InvalidParamsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.emulator.events import Event
    from nai_trio.emulator.painter import Painter

__all__ = ["Generation"]


class Generation:
    """What the service makes of one request.

    Args:
        request: the decoded JSON body.
        streamed: False for a job of the plain endpoint, which says so in its pictures' metadata.

    Raises:
        InvalidParamsError: the service would refuse the request with a 400; the text says why.
    """

    def __init__(self, request: Json, *, streamed: bool = True) -> None:
        refused = refusal(request)
        if refused is not None:
            raise InvalidParamsError(refused.message)
        self.settings = Settings.of(request)
        self._streamed = streamed

    @property
    def seed(self) -> int:
        """The first sample's seed; sample i has this plus i."""
        return self.settings.seed

    @property
    def gen_id(self) -> int:
        """The number that every event carries: seven digits."""
        return self.settings.gen_id

    def events(self) -> Iterator[Event]:
        """Previews of all samples step by step, then one final per sample; pictures as raw bytes.

        Each event is painted when it is asked for.
        """
        painters = self._painters()
        for step, sigma in enumerate(self._preview_sigmas()):
            for sample, painter in enumerate(painters):
                yield self._intermediate(sample, step, sigma, painter.preview(step, sigma))
        yield from self._finals(painters)

    def finals(self) -> Iterator[Event]:
        """The finished pictures alone, one per sample; the same ones that end `events`."""
        yield from self._finals(self._painters())

    def _finals(self, painters: list[Painter]) -> Iterator[Event]:
        for sample, painter in enumerate(painters):
            yield self._final(sample, painter)

    def _preview_sigmas(self) -> tuple[float, ...]:
        """Levels of all frames but the last; img2img joins the schedule late."""
        settings = self.settings
        levels = sigmas(settings.steps, settings.noise_schedule)
        return levels[settings.steps - settings.frames : -1]

    def _painters(self) -> list[Painter]:
        from nai_trio.emulator.pictures import Studio  # noqa: PLC0415 - Pillow is needed only from here on

        studio = Studio(self.settings)
        return [studio.painter(sample) for sample in range(self.settings.n_samples)]

    def _intermediate(self, sample: int, step: int, sigma: float, image: bytes) -> Event:
        return {
            "event_type": "intermediate",
            "samp_ix": sample,
            "step_ix": step,
            "gen_id": self.gen_id,
            "sigma": sigma,
            "image": image,
        }

    def _final(self, sample: int, painter: Painter) -> Event:
        chunks = text_chunks(self.settings, sample, streamed=self._streamed)
        image = painter.final(self.settings.image_format, chunks, user_comment(chunks))
        return {"event_type": "final", "samp_ix": sample, "gen_id": self.gen_id, "image": image}
