"""The fuzzer's judgment: what breaks a promise is noticed, planted bugs are found by the corpora alone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nai_trio.errors import LimitExceeded, NovelAIError, ProtocolError
from nai_trio.params import recall
from nai_trio.params.vibe_files import VibeFile
from nai_trio.pictures import exif_comment, header, png_text
from nai_trio.protocol import SSEDecoder, _json, archive, collected, exchange, frames, framing, http, picture_list, sse
from nai_trio.protocol.decoder import Decoder
from nai_trio.protocol.large_binary import LargeBinary
from nai_trio.protocol.members import Members
from nai_trio.transports import http_proxy, socks, tape, tape_contents, websocket_answer, websocket_link

FUZZ = Path(__file__).resolve().parents[1] / "fuzz"
sys.path.insert(0, str(FUZZ))
import corpora  # noqa: E402 - where they are
import invariants  # noqa: E402
import run  # noqa: E402

sys.path.remove(str(FUZZ))


class Lines(Decoder[bytes]):
    """A small decoder that keeps its promises: lines of at most 20 bytes, a "!" is wrong."""

    def __init__(self) -> None:
        self.kept = bytearray()

    def _parse(self, data: Any) -> Iterator[bytes]:
        for byte in bytes(data):
            if byte == ord("!"):
                raise ProtocolError("expected no exclamation mark, got one")
            if byte == ord("\n"):
                yield bytes(self.kept)
                self.kept.clear()
            else:
                self.kept.append(byte)
            if len(self.kept) > 20:
                raise LimitExceeded.of("max_line", 20, "a longer line")


def lines(data: bytes, kind: Callable[[], Decoder[bytes]] = Lines) -> invariants.Outcome:
    return invariants.same_however_cut(data, lambda pieces: invariants.decoded(kind(), pieces, most=30))


def test_a_decoder_that_keeps_its_promises_passes() -> None:
    assert lines(b"one\ntwo\nrest").items == [b"one", b"two"]
    faulty = lines(b"one\ntwo!three\n")
    assert (faulty.items, faulty.error) == ([b"one"], ProtocolError)
    assert lines(b"x" * 21).error is LimitExceeded


class Forgetful(Lines):
    """Loses what stands before a fault in the same call."""

    def feed(self, data: Any) -> list[bytes]:
        items = super().feed(data)
        return items if self.fault is None else []


class Moody(Lines):
    """Takes every call for a line's end."""

    def feed(self, data: Any) -> list[bytes]:
        return super().feed(bytes(data) + b"\n")


class Greedy(Lines):
    """Never forgets anything."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, bytes]] = []

    def feed(self, data: Any) -> list[bytes]:
        self.all.append({"deep": bytes(data)})
        return super().feed(data)


class Forgiving(Lines):
    """Goes on after a fault."""

    def raise_fault(self) -> None:
        pass


class Careless(Lines):
    """Raises what is none of the library's errors."""

    def _parse(self, data: Any) -> Iterator[bytes]:
        yield {b"a": b"b"}[bytes(data)]


class Clinging(Lines):
    """Keeps a view of the caller's buffer."""

    def feed(self, data: Any) -> list[bytes]:
        self.view = data
        return [bytes(self.view)]


class Wrong(Lines):
    """Blames the parameters for what the peer sent."""

    def _parse(self, data: Any) -> Iterator[bytes]:
        raise NovelAIError("no")
        yield b""


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (Forgetful, b"one\ntwo\n!", "comes out otherwise"),
        (Moody, b"one two three", "comes out otherwise"),
        (Greedy, b"short\n" * 10, "holds"),
        (Forgiving, b"!", "were taken after"),
        (Careless, b"ab", "b'ab'"),
        (Wrong, b"ab", "bytes of a peer ended in"),
    ],
)
def test_a_broken_promise_is_noticed(kind: type[Lines], data: bytes, words: str) -> None:
    with pytest.raises((AssertionError, KeyError), match=words):
        lines(data, kind)


def test_a_view_that_is_kept_sees_the_buffer_overwritten() -> None:
    decoder = Clinging()
    with invariants.lent(b"even") as buffer:
        decoder.feed(bytes(buffer))
        view = memoryview(buffer)
    assert bytes(view) == b"\xa5" * 4


def test_what_is_held_is_found_wherever_it_is() -> None:
    decoder = Greedy()
    decoder.feed(b"x" * 7)
    assert invariants.held(decoder) == 7 + 7 + len("deep")  # the line begun, the whole, and the key beside it
    assert invariants.held([b"ab", ("cd", {b"e": bytearray(3)}), None, 5, {"f"}]) == 9
    shared = b"once"
    assert invariants.held([shared, shared]) == 4


def test_all_ways_to_cut_have_the_same_bytes_and_no_empty_piece() -> None:
    for size in (0, 1, 2, 3, 50, 399, 1000):
        data = bytes(number % 251 for number in range(size))
        ways = list(invariants.ways_to_cut(data))
        assert all(b"".join(pieces) == data and all(pieces) for pieces in ways)
        assert len(ways) >= 2 or size < 2
        assert ways == list(invariants.ways_to_cut(data))
    assert [b"a", b"b"] in invariants.ways_to_cut(b"ab")


def replay(name: str) -> None:
    for path in corpora.files_in(corpora.CORPUS / name):
        corpora.load(name).check(path.read_bytes())


def no_check(*_arguments: Any, **_named: Any) -> None:
    """Checks nothing."""


def unpacked_without_a_limit(opened: Any, entry: Any, limits: Any) -> bytes:
    return bytes(opened.read(entry))


def off_by_one(self: SSEDecoder, start: int, end: int) -> None:
    TAKE_FIELD(self, start, end - self._gather.memory.endswith(b"x", start, end))


TAKE_FIELD, TAKE = SSEDecoder._take_field, LargeBinary.take

PLANTED: dict[str, tuple[str, Any, str, Any]] = {
    "an event's last byte is cut off": ("sse", SSEDecoder, "_take_field", off_by_one),
    "an event has no limit": ("sse", SSEDecoder, "_check_size", no_check),
    "a usual event's name has no limit": ("sse", sse, "_LONGEST_USUAL", 0),
    "a line feed after a carriage return is a line": ("sse", SSEDecoder, "_swallow_lf", lambda self, chunk: 0),
    "msgpack's errors come out bare": ("frames", frames, "_UNPACK_ERRORS", ()),
    "what follows a large binary is lost": (
        "frames",
        LargeBinary,
        "take",
        lambda self, data: TAKE(self, data) and None,
    ),
    "maps may have any keys": ("frames", frames.FrameDecoder, "_frame", lambda self, value: frames.Frame(0, value)),
    "a missing member is a KeyError": ("events", Members, "take", lambda self, name, _: self.fields.pop(name)),
    "an index may be anything": ("events", Members, "take_index", lambda self, name: self.take(name, "")),
    "a number may be anything": ("events", Members, "take_number", lambda self, name: self.take(name, "")),
    "NaN is JSON": ("events", _json, "_no_constant", float),
    "a ZIP unpacks to anything": ("zip_answer", archive, "_unpack", unpacked_without_a_limit),
    "zipfile's errors come out bare": ("zip_answer", archive, "_ZIP_ERRORS", ()),
    "a seed may be anything": ("json_pictures", picture_list, "_take_seed", lambda entry: entry.fields.get("seed")),
    "an error body has no limit": ("refusal", collected.ErrorBody, "_overflow", no_check),
    "an answer may be cut": ("response", exchange.ImageExchange, "_check_whole", no_check),
    "a head's end is passed over": ("head", http, "_HEAD_END", re.compile(b"never")),
    "anything stands between usual chunks": (
        "chunked",
        framing,
        "_BETWEEN_CHUNKS",
        re.compile(rb".?" + framing._BETWEEN_CHUNKS.pattern, re.DOTALL),
    ),
    "a body has no limit": ("chunked", framing.Framing, "_hand_on", lambda self, content, write: write(content)),
    "a missing member of an account is a KeyError": (
        "subscription",
        Members,
        "take",
        lambda self, name, _: self.fields[name],
    ),
    "a torn tape is damaged": ("tape", tape, "_MAX_LINE", 20),
    "checksums are not compared": ("tape", tape, "_checksum", lambda line, data: 0),
    "pieces that go on are dropped": ("tape_records", tape_contents._Coming, "finish", lambda self: self.event),
    "a text may be cut": ("metadata", png_text, "struct", json),
    "EXIF data may be cut": ("metadata", exif_comment, "struct", json),
    "a Comment without a seed": ("recall", recall, "_required", lambda comment, member: comment[member]),
    "a picture lies as nothing can lie": ("picture_header", header, "_orientation", lambda exif: 9),
    "unknown members of a vibe are lost": ("vibe_file", VibeFile, "to_bytes", lambda self: b"{}"),
    "a proxy's first bytes are lost": ("http_proxy", http_proxy, "with_leftover", lambda stream, data: stream),
    "a proxy's words are not cleaned": ("http_proxy", http_proxy, "shown_words", lambda text, secrets: text),
    "a SOCKS answer is read too far": ("socks", socks._Dialogue, "_skip_address", lambda self, kind: self._read(18)),
    "a relay's words are not cleaned": (
        "websocket_answer",
        websocket_answer,
        "shown_words",
        lambda text, secrets: text,
    ),
    "text is taken for bytes": ("websocket_messages", websocket_link, "isinstance", lambda value, kind: False),
}
"""What is wrong: the target that must find it with its corpus alone, and where it is planted."""


@pytest.mark.parametrize("bug", PLANTED)
def test_the_corpus_alone_finds_a_planted_bug(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, place, attribute, replacement = PLANTED[bug]
    monkeypatch.setattr(place, attribute, replacement, raising=False)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the bug comes out as, it comes out
        replay(name)
    assert "positional argument" not in str(caught.value), "not the bug, but how it was planted"


def test_without_atheris_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["run.py", "sse"])
    with pytest.raises(SystemExit, match="make fuzz needs atheris"):
        run.main()


@pytest.mark.parametrize(
    ("arguments", "environment", "targets"),
    [
        ([], {}, corpora.targets()),
        (["sse"], {"FUZZ_TARGETS": "frames"}, ["sse"]),
        ([], {"FUZZ_TARGETS": "sse,frames"}, ["sse", "frames"]),
    ],
)
def test_targets_and_seconds_come_from_options_and_environment(
    arguments: list[str], environment: dict[str, str], targets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FUZZ_SECONDS": "7", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    wanted = run._arguments()
    assert (wanted.targets, wanted.seconds) == (targets, 7)


def test_an_unknown_target_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "nosuch"])
    with pytest.raises(SystemExit):
        run._arguments()
    assert "no target nosuch: expected some of chunked" in capsys.readouterr().err


def test_a_word_of_a_dictionary_is_written_as_libfuzzer_reads_it() -> None:
    assert run._entry(b'a"\\\n\xff') == '"\\x61\\x22\\x5c\\x0a\\xff"\n'
