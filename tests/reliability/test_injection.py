"""Whatever is written into a key, a host, a path or a header: no line of ours on the wire is one that we did not write.

Each value is refused with an error of ours (or is no such value), or what goes out has just our lines in it, cut at
anything that some reader of HTTP somewhere takes for the end of one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import recorded
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nai_trio import InvalidParamsError, NovelAI, NovelAIError
from nai_trio.protocol import ImageExchange
from nai_trio.protocol.http import Request, get_request, json_request
from nai_trio.transport import Origin
from nai_trio.transports import HTTPProxyTransport, MemoryTransport, SOCKSTransport, WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "pst-not-a-real-key"
PARAMS = recorded.params()
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA1), 0xAD)]
LINE_ENDS = ["\r\n", "\n\r", "\u2028", "\u2029", "\u0085", "\u200b", "\ufeff", "\u010a", "\u010d", "\u560a", "\u560d",
             "%0d%0a", "\uff0d\uff0a", "\u3000", "\u2024", "\u2100", "\udc0a"]  # fmt: skip
"""Line ends, what becomes one when only the low byte is kept, when it is percent-decoded, and the like."""

breaks = st.sampled_from([*CONTROLS, *LINE_ENDS])
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=4)
dirty = st.builds(
    lambda before, cut, after: f"a{before}{cut}X-Injected: {after}b", words, breaks, words
)  # what would be a header of its own, were the cut one
every_break = [example(f"a{cut}X-Injected:b") for cut in (*CONTROLS, *LINE_ENDS)]

_ANY_END = re.compile(rb"\r\n|[\r\n\x0b\x0c\x85\x00]|\xe2\x80[\xa8\xa9]|\xc2\x85")


def on_every_break(test: Callable[..., Any]) -> Any:
    for each in every_break:
        test = each(test)
    return settings(max_examples=60)(given(dirty)(test))


def lines_of(wire: bytes) -> list[bytes]:
    """The lines of a request's head, the request line first."""
    head, end, _ = wire.partition(b"\r\n\r\n")
    assert end
    return head.split(b"\r\n")


def check_lines(wire: bytes, names: list[str]) -> None:
    """The head has just these headers, and no reader finds another line in it."""
    lines = lines_of(wire)
    assert [line.partition(b":")[0].decode().lower() for line in lines[1:]] == names
    for line in lines:
        assert len(_ANY_END.split(line)) == 1, line
        assert not line.lower().startswith(b"x-injected")


OURS = ["host", "authorization", "content-type", "accept", "accept-encoding", "user-agent", "content-length"]


@on_every_break
def test_no_key_makes_a_line(text: str) -> None:
    try:
        NovelAI(text, image_base="http://localhost")
    except InvalidParamsError as error:
        assert "X-Injected" not in str(error)
        with pytest.raises(InvalidParamsError):
            json_request(host="h", target="/", api_key=text, body=b"")
    else:
        assert all("!" <= character <= "~" for character in text)
        check_lines(json_request(host="h", target="/", api_key=text, body=b"").to_bytes(), OURS)


@pytest.mark.parametrize("field", ["host", "target", "accept"])
def test_no_part_of_a_request_makes_a_line(field: str) -> None:
    @on_every_break
    def check(text: str) -> None:
        parts: dict[str, Any] = {"host": "h", "target": "/", "accept": "*/*", field: text}
        try:
            wire = json_request(api_key=KEY, body=b"{}", **parts).to_bytes()
        except ValueError:
            return
        check_lines(wire, OURS)

    check()


@on_every_break
def test_no_part_of_a_request_without_a_body_makes_a_line(text: str) -> None:
    for parts in ({"host": text, "target": "/"}, {"host": "h", "target": text}):
        try:
            wire = get_request(api_key=KEY, **parts).to_bytes()
        except ValueError:
            continue
        check_lines(wire, ["host", "authorization", "accept", "accept-encoding", "user-agent"])


@on_every_break
def test_no_header_of_the_users_own_makes_a_line(text: str) -> None:
    for name, value in ((text, "x"), ("x", text), (text, text)):
        request = Request(method="POST", target="/", headers=(("host", "h"), (name, value)))
        try:
            wire = request.to_bytes()
        except ValueError:
            continue
        check_lines(wire, ["host", name.lower(), "content-length"])


@on_every_break
def test_no_method_makes_a_line(text: str) -> None:
    with pytest.raises(ValueError, match="characters that HTTP does not allow"):
        Request(method=text, target="/", headers=(("host", "h"),)).to_bytes()


@on_every_break
def test_no_base_url_makes_a_line(text: str) -> None:
    for base in (f"https://{text}", f"https://h/{text}", f"https://h:{text}", f"https://h?{text}", text):
        try:
            client = NovelAI(KEY, image_base=base)
        except InvalidParamsError:
            continue
        exchange = ImageExchange(PARAMS, **client.service)
        check_lines(exchange.data_to_send(), OURS)


# What is said to hops.


def said(make: Callable[[MemoryTransport], Any], origin: Origin) -> bytes | None:
    """What a hop hears when it is asked for a way to an origin; None where it is asked nothing."""
    heard = bytearray()

    async def hop(stream: trio.abc.Stream) -> None:
        with trio.move_on_after(1):
            while b"\r\n\r\n" not in heard and not heard.startswith(b"\5"):
                data = await stream.receive_some()
                if not data:
                    return
                heard.extend(data)
            if heard.startswith(b"\5"):
                await stream.send_all(b"\5\0" if heard[1:3] == b"\1\0" else b"\5\2")
                heard.extend(await stream.receive_some())

    async def main() -> None:
        async with make(MemoryTransport(hop)) as transport:
            with trio.move_on_after(5):
                stream = await transport.connect(origin)
                await trio.aclose_forcefully(stream)

    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    except NovelAIError:
        return bytes(heard) or None
    raise AssertionError("the hop has not agreed to anything")


SERVICE = Origin("https", "image.novelai.net", 443)


@settings(max_examples=40)
@given(dirty)
def test_no_proxys_url_makes_a_line(text: str) -> None:
    for url in (f"http://{text}", f"http://h:{text}", f"http://{text}:p@h", f"http://u:{text}@h", f"http://h/{text}"):
        try:
            wire = said(lambda inner, url=url: HTTPProxyTransport(url, inner=inner), SERVICE)
        except InvalidParamsError:
            continue
        if wire is not None:
            check_lines(wire, ["host", "user-agent", *(["proxy-authorization"] if "@" in url else [])])


def websocket_lines(wire: bytes) -> None:
    lines = lines_of(wire)
    names = [line.partition(b":")[0].decode().lower() for line in lines[1:]]
    assert len(names) == len(set(names)), names
    assert set(names) <= {
        "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
        "sec-websocket-extensions", "authorization", "user-agent", "x-own",
    }, names  # fmt: skip
    for line in lines:
        assert len(_ANY_END.split(line)) == 1, line


@settings(max_examples=25)
@given(dirty)
def test_no_relays_url_token_or_header_makes_a_line(text: str) -> None:
    ways: list[Callable[[Any], Any]] = [
        lambda inner: WebSocketTransport(f"ws://{text}", inner=inner),
        lambda inner: WebSocketTransport(f"ws://h/{text}", inner=inner),
        lambda inner: WebSocketTransport(f"ws://h/?a={text}", inner=inner),
        lambda inner: WebSocketTransport(f"ws://u:{text}@h/", inner=inner),
        lambda inner: WebSocketTransport("ws://h/", token=text, inner=inner),
        lambda inner: WebSocketTransport("ws://h/", headers={"x-own": text}, inner=inner),
        lambda inner: WebSocketTransport("ws://h/", headers={text: "x"}, inner=inner),
    ]
    for make in ways:
        try:
            wire = said(make, SERVICE)
        except InvalidParamsError:
            continue
        if wire is not None:
            websocket_lines(wire)


@settings(max_examples=40)
@given(dirty)
def test_no_origins_host_makes_a_line_at_a_hop(text: str) -> None:
    origin = Origin("https", text, 443)
    for make in (
        lambda inner: HTTPProxyTransport("http://h", inner=inner),
        lambda inner: WebSocketTransport("ws://h/", inner=inner),
        lambda inner: SOCKSTransport("socks5://h", inner=inner),
    ):
        wire = said(make, origin)
        assert wire is None or b"X-Injected" not in wire


def test_the_check_finds_a_line_however_it_is_ended() -> None:
    for cut in (b"\r\n", b"\n", b"\r", b"\x0b", b"\x85", "\u2028".encode()):
        with pytest.raises(AssertionError):
            check_lines(b"POST / HTTP/1.1\r\nhost: a" + cut + b"x: b\r\n\r\n", ["host"])
