"""One generation, from the request's bytes to the last chunk, as a state machine without I/O.

How a driver runs it is said in service.py: `data_to_send`, then `receive_data` until `complete`.

The generation is complete when the response has ended *and* every sample has its final: an end that the transfer
framing does not mark proves nothing, and neither does a well-framed body in which a picture is missing.

Whatever ends the generation early carries what had arrived: the last preview of each sample, the finals, and whether
the account may have been charged.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - keeps the annotations resolvable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from nai_trio.errors import InvalidParamsError, StreamInterrupted
from nai_trio.protocol.bodies import bytes_to_see, open_body, promises_pictures
from nai_trio.protocol.chunks import Chunk, FinalChunk
from nai_trio.protocol.events import EventReader
from nai_trio.protocol.http import json_request
from nai_trio.protocol.pictures import Pictures
from nai_trio.protocol.service import ServiceExchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nai_trio.errors import NovelAIError
    from nai_trio.params import ImageParams, StreamKind
    from nai_trio.protocol.chunks import IntermediateChunk
    from nai_trio.protocol.collected import Body
    from nai_trio.protocol.credentials import APIKey
    from nai_trio.protocol.decoder import Buffer
    from nai_trio.protocol.gather import Buffers
    from nai_trio.protocol.http import Request, ResponseHead
    from nai_trio.protocol.limits import Limits

__all__ = ["DELIVERIES", "Delivery", "Endpoint", "ImageExchange", "endpoint_of"]

Delivery: TypeAlias = Literal["sse", "msgpack", "zip", "json"]
"""How the pictures shall come: streamed in one of two framings, or all at the end in one of two."""


@attrs.frozen
class Endpoint:
    """Where a delivery is asked for, and how.

    Attributes:
        target: the path.
        stream: the `stream` parameter, None where there is none.
        accept: the Accept header.
    """

    target: str
    stream: StreamKind | None
    accept: str = "*/*"


DELIVERIES: Final[Mapping[str, Endpoint]] = MappingProxyType(
    {
        "sse": Endpoint("/ai/generate-image-stream", "sse"),
        "msgpack": Endpoint("/ai/generate-image-stream", "msgpack"),
        "zip": Endpoint("/ai/generate-image", None),
        "json": Endpoint("/ai/generate-image", None, "application/json"),
    }
)
"""Each delivery's endpoint (wire document, sections 1, 4 and 5)."""


def endpoint_of(stream: Delivery | None) -> Endpoint:
    """The endpoint of a delivery; None is "zip".

    Raises:
        InvalidParamsError: there is no such delivery.
    """
    name = "zip" if stream is None else stream
    if not isinstance(name, str) or name not in DELIVERIES:
        raise InvalidParamsError.for_field("stream", stream, f"one of {', '.join(DELIVERIES)}, or None")
    return DELIVERIES[name]


class ImageExchange(ServiceExchange[Chunk]):
    """A generation on one HTTP/1.1 connection.

    Args:
        params: what to generate.
        api_key: the bearer token.
        host: what the Host header says, e.g. "image.novelai.net" or "localhost:8000".
        stream: what to ask for: "sse" or "msgpack" from the endpoint that streams, "zip" or "json" from the one that
            answers with the finals alone; None is "zip". What comes is told by the response, not by this.
        body: the request's JSON, where `params.to_json(stream=...)` has been called already (it reads files, so a
            driver may want it in a thread).
        limits: bounds on what the response may hold.
        buffers: memory to use; by default what all exchanges of this process share.
        path_prefix: what stands before the service's own paths, for reverse proxies, e.g. "/novelai".

    Attributes:
        fault: the error that the next `receive_data` raises, or None.

    Raises:
        InvalidParamsError: `stream` is unknown, or `params` cannot be sent so.
    """

    def __init__(
        self,
        params: ImageParams,
        *,
        api_key: str | APIKey,
        host: str,
        stream: Delivery | None = "sse",
        body: bytes | None = None,
        limits: Limits | None = None,
        buffers: Buffers | None = None,
        path_prefix: str = "",
    ) -> None:
        endpoint = endpoint_of(stream)
        self._json = endpoint.accept == "application/json"
        self._n_samples = params.n_samples
        self._seed = params.seed
        self._events = EventReader(steps=params.steps_taken, n_samples=params.n_samples)
        self._pictures = Pictures()
        content = params.to_json(stream=endpoint.stream) if body is None else body
        super().__init__(_request(endpoint, path_prefix, host, api_key, content), limits, buffers)

    @property
    def previews(self) -> list[IntermediateChunk]:
        """The last preview of each sample so far, ordered by `samp_ix`."""
        return self._pictures.previews

    @property
    def finals(self) -> list[FinalChunk]:
        """The finished pictures so far, ordered by `samp_ix`."""
        return self._pictures.finals

    def attach_evidence(self, error: NovelAIError) -> NovelAIError:
        """As every exchange does; with pictures that are whole although the end of their body was lost."""
        if self._body is not None and not self.finals:
            for chunk in self._body.salvage():
                self._pictures.take(self._with_seed(chunk))
        return super().attach_evidence(error)

    def _arrived(self) -> dict[str, Any]:
        return {"previews": self.previews, "finals": self.finals}

    def _progress(self) -> str:
        return f", {len(self.finals)} of {self._n_samples} pictures finished, previews of {len(self.previews)}"

    def _promises(self, head: ResponseHead) -> bool:
        return promises_pictures(head, asked_for_json=self._json)

    def _bytes_to_see(self, opening: bytearray) -> int:
        return bytes_to_see(opening)

    def _open_body(self, head: ResponseHead, first: bytes) -> Body[Chunk]:
        return open_body(
            head,
            first,
            events=self._events,
            limits=self._limits,
            asked_for_json=self._json,
            buffers=self._buffers,
        )

    def _items(self, data: Buffer) -> Iterator[Chunk]:
        for chunk in super()._items(data):
            known = self._with_seed(chunk)
            self._pictures.take(known)
            yield known

    def _with_seed(self, chunk: Chunk) -> Chunk:
        """Sample i is made from seed + i (wire document, section 2.3)."""
        if isinstance(chunk, FinalChunk) and chunk.seed is None:
            return attrs.evolve(chunk, seed=(self._seed + chunk.samp_ix) % 2**32)
        return chunk

    def _check_whole(self) -> None:
        finished = len(self.finals)
        if finished < self._n_samples:
            raise StreamInterrupted(f"the response ended with {finished} of {self._n_samples} finished pictures")


def _request(endpoint: Endpoint, path_prefix: str, host: str, api_key: str | APIKey, body: bytes) -> Request:
    target = path_prefix + endpoint.target
    return json_request(host=host, target=target, api_key=api_key, body=body, accept=endpoint.accept)
