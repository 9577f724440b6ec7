"""Driving the exchange of a short call, and looking at what it sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
import recorded

from nai_trio import NovelAIError
from nai_trio.protocol import encode_vibe_body, encode_vibe_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nai_trio.protocol import CallExchange, Limits


KEY = "pst-not-a-real-key"
VIBE = bytes(range(256)) * 3
PICTURE = recorded.picture("PNG", 7)


def vibe_call(limits: Limits | None = None) -> CallExchange[bytes]:
    body = encode_vibe_body(PICTURE, model="nai-diffusion-4-5-full", information_extracted=0.7)
    return encode_vibe_call(body, api_key=KEY, host="h", limits=limits)


def vibe_response(content: bytes = VIBE, media_type: str = "application/binary", **options: Any) -> bytes:
    return recorded.response(content, media_type, **{"chunk": 100, **options})


def drive(call: CallExchange[Any], pieces: Iterable[bytes], *, eof: bool = False) -> NovelAIError | None:
    """Feed as a driver does, for as long as it would."""
    call.data_to_send()
    try:
        for piece in [*pieces, *([b""] if eof else [])]:
            if call.complete:
                break
            call.receive_data(piece)
        call.raise_fault()
    except NovelAIError as error:
        assert error is call.fault
        assert not call.complete
        return error
    return None


def sent(call: CallExchange[Any]) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(call.data_to_send())
    head = server.next_event()
    assert isinstance(head, h11.Request)
    data = server.next_event()
    return head, bytes(data.data) if isinstance(data, h11.Data) else b""
