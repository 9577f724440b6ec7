"""Values and their bytes, written from the msgpack specification alone: what `MsgpackDecoder` must read back.

`EXAMPLES` shows every format of the specification at its bounds, the bytes spelled out. The strategies draw any value
in any format that can hold it, the narrowest or not. No packer has a hand in it; msgpack's two classes for extensions
only stand for values.
"""

from __future__ import annotations

import math
import struct
from functools import reduce
from typing import Any

import attrs
import msgpack
from hypothesis import strategies as st

K64 = 65_536


@attrs.frozen
class Example:
    """One value in one format.

    Attributes:
        format: the format's name in the specification.
        note: what the example shows.
        encoded: its bytes.
        value: what they stand for.
    """

    format: str
    note: str
    encoded: bytes
    value: Any


def _spelled(format_: str, *pairs: tuple[str, Any]) -> list[Example]:
    return [Example(format_, digits.replace(" ", "-"), bytes.fromhex(digits), value) for digits, value in pairs]


def _repeated(format_: str, note: str, head: str, unit: bytes, count: int, value: Any) -> Example:
    return Example(format_, f"{note}-{count}", bytes.fromhex(head) + unit * count, value)


def _texts(format_: str, *heads: tuple[str, int]) -> list[Example]:
    return [_repeated(format_, "bytes", head, b"x", count, "x" * count) for head, count in heads]


def _binaries(format_: str, *heads: tuple[str, int]) -> list[Example]:
    return [_repeated(format_, "bytes", head, b"\xff", count, b"\xff" * count) for head, count in heads]


def _arrays(format_: str, *heads: tuple[str, int]) -> list[Example]:
    return [_repeated(format_, "members", head, b"\xc3", count, [True] * count) for head, count in heads]


def _maps(format_: str, *heads: tuple[str, int]) -> list[Example]:
    keys = [f"{i:04}" for i in range(1024)]
    return [
        Example(
            format_,
            f"members-{count}",
            bytes.fromhex(head) + b"".join(b"\xa4" + key.encode() + b"\xc0" for key in keys[:count]),
            dict.fromkeys(keys[:count]),
        )
        for head, count in heads
    ]


def _extensions(format_: str, *heads: tuple[str, int, int]) -> list[Example]:
    return [
        _repeated(format_, f"type-{code}-bytes", head, b"\xee", count, msgpack.ExtType(code, b"\xee" * count))
        for head, code, count in heads
    ]


def _timestamps(format_: str, *triples: tuple[str, int, int]) -> list[Example]:
    return _spelled(format_, *((digits, msgpack.Timestamp(seconds, nanos)) for digits, seconds, nanos in triples))


NUMBERS = [
    *_spelled("nil", ("c0", None)),
    *_spelled("bool", ("c2", False), ("c3", True)),
    *_spelled("positive fixint", *((f"{i:02x}", i) for i in range(128))),
    *_spelled("negative fixint", *((f"{256 + i:02x}", i) for i in range(-32, 0))),
    *_spelled("uint 8", ("cc 00", 0), ("cc 7f", 127), ("cc 80", 128), ("cc ff", 255)),
    *_spelled("uint 16", ("cd 0000", 0), ("cd 0100", 256), ("cd 8000", 32_768), ("cd ffff", 65_535)),
    *_spelled("uint 32", ("ce 00000000", 0), ("ce 00010000", K64), ("ce 80000000", 2**31), ("ce ffffffff", 2**32 - 1)),
    *_spelled("uint 64", ("cf 0000000000000000", 0), ("cf 0000000100000000", 2**32)),
    *_spelled("uint 64", ("cf 8000000000000000", 2**63), ("cf ffffffffffffffff", 2**64 - 1)),
    *_spelled("int 8", ("d0 00", 0), ("d0 7f", 127), ("d0 80", -128), ("d0 df", -33), ("d0 ff", -1)),
    *_spelled("int 16", ("d1 0000", 0), ("d1 7fff", 32_767), ("d1 8000", -32_768), ("d1 ff7f", -129), ("d1 ffff", -1)),
    *_spelled("int 32", ("d2 00000000", 0), ("d2 7fffffff", 2**31 - 1), ("d2 80000000", -(2**31))),
    *_spelled("int 32", ("d2 ffff7fff", -32_769), ("d2 ffffffff", -1)),
    *_spelled("int 64", ("d3 0000000000000000", 0), ("d3 7fffffffffffffff", 2**63 - 1)),
    *_spelled("int 64", ("d3 8000000000000000", -(2**63)), ("d3 ffffffff7fffffff", -(2**31) - 1)),
    *_spelled("int 64", ("d3 ffffffffffffffff", -1)),
    *_spelled(
        "float 32",
        ("ca 00000000", 0.0),
        ("ca 80000000", -0.0),
        ("ca 3f800000", 1.0),
        ("ca c0490fdb", -3.1415927410125732),
    ),
    *_spelled("float 32", ("ca 00000001", 2.0**-149), ("ca 7f7fffff", 2.0**128 - 2.0**104)),
    *_spelled("float 32", ("ca 7f800000", math.inf), ("ca ff800000", -math.inf), ("ca 7fc00000", math.nan)),
    *_spelled("float 64", ("cb 0000000000000000", 0.0), ("cb 8000000000000000", -0.0), ("cb 3ff0000000000000", 1.0)),
    *_spelled("float 64", ("cb 3fb999999999999a", 0.1), ("cb 0000000000000001", 2.0**-1074)),
    *_spelled("float 64", ("cb 7fefffffffffffff", 1.7976931348623157e308), ("cb 7ff0000000000000", math.inf)),
    *_spelled("float 64", ("cb fff0000000000000", -math.inf), ("cb 7ff8000000000000", math.nan)),
]

STRINGS = [
    *_texts("fixstr", *((f"{0xA0 + size:02x}", size) for size in range(32))),
    *_texts("str 8", ("d9 00", 0), ("d9 01", 1), ("d9 20", 32), ("d9 ff", 255)),
    *_texts("str 16", ("da 0000", 0), ("da 0001", 1), ("da 0100", 256), ("da ffff", 65_535)),
    *_texts("str 32", ("db 00000000", 0), ("db 00000001", 1), ("db 00010000", K64)),
    Example("fixstr", "UTF-8", b"\xac\xc3\xa9\xe2\x82\xac\0\xf0\x9f\x99\x82\n\x7f", "\u00e9\u20ac\0\U0001f642\n\x7f"),
    *_binaries("bin 8", ("c4 00", 0), ("c4 01", 1), ("c4 ff", 255)),
    *_binaries("bin 16", ("c5 0000", 0), ("c5 0001", 1), ("c5 0100", 256), ("c5 ffff", 65_535)),
    *_binaries("bin 32", ("c6 00000000", 0), ("c6 00000001", 1), ("c6 00010000", K64), ("c6 00100000", 2**20)),
]

CONTAINERS = [
    *_arrays("fixarray", *((f"{0x90 + size:02x}", size) for size in range(16))),
    *_arrays("array 16", ("dc 0000", 0), ("dc 0001", 1), ("dc 0010", 16), ("dc 0400", 1024)),
    *_arrays("array 32", ("dd 00000000", 0), ("dd 00000001", 1), ("dd 00000400", 1024)),
    *_maps("fixmap", *((f"{0x80 + size:02x}", size) for size in range(16))),
    *_maps("map 16", ("de 0000", 0), ("de 0001", 1), ("de 0010", 16), ("de 0400", 1024)),
    *_maps("map 32", ("df 00000000", 0), ("df 00000001", 1), ("df 00000400", 1024)),
    Example(
        "fixarray", "of-all-kinds", bytes.fromhex("95 c0 ff 9180 81a16190 c401ff"), [None, -1, [{}], {"a": []}, b"\xff"]
    ),
    Example("fixarray", "16-deep", b"\x91" * 16 + b"\xc0", reduce(lambda inner, _: [inner], range(16), None)),
    Example("fixmap", "16-deep", b"\x81\xa1k" * 16 + b"\xc0", reduce(lambda inner, _: {"k": inner}, range(16), None)),
]

EXTENSIONS = [
    *_extensions("fixext 1", ("d4 00", 0, 1), ("d4 7f", 127, 1)),
    *_extensions("fixext 2", ("d5 00", 0, 2), ("d5 7f", 127, 2)),
    *_extensions("fixext 4", ("d6 00", 0, 4), ("d6 7f", 127, 4)),
    *_extensions("fixext 8", ("d7 00", 0, 8), ("d7 7f", 127, 8)),
    *_extensions("fixext 16", ("d8 00", 0, 16), ("d8 7f", 127, 16)),
    *_extensions("ext 8", ("c7 00 05", 5, 0), ("c7 01 05", 5, 1), ("c7 11 05", 5, 17), ("c7 ff 05", 5, 255)),
    *_extensions(
        "ext 16", ("c8 0000 05", 5, 0), ("c8 0001 05", 5, 1), ("c8 0100 05", 5, 256), ("c8 ffff 05", 5, 65_535)
    ),
    *_extensions("ext 32", ("c9 00000000 05", 5, 0), ("c9 00000001 05", 5, 1), ("c9 00010000 05", 5, K64)),
    *_timestamps("timestamp 32", ("d6 ff 00000000", 0, 0), ("d6 ff 00000001", 1, 0), ("d6 ff ffffffff", 2**32 - 1, 0)),
    *_timestamps("timestamp 64", ("d7 ff 0000000000000000", 0, 0), ("d7 ff 0000000400000001", 1, 1)),
    *_timestamps("timestamp 64", ("d7 ff 0000000300000000", 3 * 2**32, 0)),
    *_timestamps("timestamp 64", ("d7 ff ee6b27ffffffffff", 2**34 - 1, 999_999_999)),
    *_timestamps("timestamp 96", ("c7 0c ff 00000000 0000000000000000", 0, 0)),
    *_timestamps("timestamp 96", ("c7 0c ff 3b9ac9ff ffffffffffffffff", -1, 999_999_999)),
    *_timestamps("timestamp 96", ("c7 0c ff 00000001 8000000000000000", -(2**63), 1)),
    *_timestamps("timestamp 96", ("c7 0c ff 00000000 7fffffffffffffff", 2**63 - 1, 0)),
]

EXAMPLES = [*NUMBERS, *STRINGS, *CONTAINERS, *EXTENSIONS]

FORMATS: dict[str, list[Example]] = {}
"""The examples by their format."""
for _example in EXAMPLES:
    FORMATS.setdefault(_example.format, []).append(_example)


def same(one: Any, other: Any) -> bool:
    """Equal in kind and value, floats by their bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


# Each: first byte, struct code of what follows, lowest and highest value.
_INTEGERS = [
    (0xCC, "B", 0, 2**8 - 1),
    (0xCD, "H", 0, 2**16 - 1),
    (0xCE, "I", 0, 2**32 - 1),
    (0xCF, "Q", 0, 2**64 - 1),
    (0xD0, "b", -(2**7), 2**7 - 1),
    (0xD1, "h", -(2**15), 2**15 - 1),
    (0xD2, "i", -(2**31), 2**31 - 1),
    (0xD3, "q", -(2**63), 2**63 - 1),
]

Encoded = tuple[bytes, Any]


@st.composite
def _integers(draw: st.DrawFn) -> Encoded:
    first, code, lowest, highest = draw(st.sampled_from(_INTEGERS))
    value = draw(st.integers(lowest, highest))
    return struct.pack(f">B{code}", first, value), value


def _head(draw: st.DrawFn, count: int, fix: tuple[int, int] | None, *wide: tuple[int, str]) -> bytes:
    """The first bytes of something of `count` parts, in any width that can say so."""
    heads = [bytes([fix[0] + count])] if fix and count <= fix[1] else []
    heads += [struct.pack(f">B{code}", first, count) for first, code in wide if count < 256 ** struct.calcsize(code)]
    return draw(st.sampled_from(heads))


@st.composite
def _strings(draw: st.DrawFn) -> Encoded:
    value = draw(st.text(max_size=12))
    data = value.encode()
    return _head(draw, len(data), (0xA0, 31), (0xD9, "B"), (0xDA, "H"), (0xDB, "I")) + data, value


@st.composite
def _bytes(draw: st.DrawFn) -> Encoded:
    value = draw(st.binary(max_size=12))
    return _head(draw, len(value), None, (0xC4, "B"), (0xC5, "H"), (0xC6, "I")) + value, value


@st.composite
def _floats(draw: st.DrawFn) -> Encoded:
    width = draw(st.sampled_from([32, 64]))
    value = draw(st.floats(width=width, allow_nan=False))
    return struct.pack(">Bf" if width == 32 else ">Bd", 0xCA if width == 32 else 0xCB, value), value


@st.composite
def _any_extension(draw: st.DrawFn) -> Encoded:
    data = draw(st.binary(max_size=17))
    code = draw(st.integers(0, 127))
    heads = [_head(draw, len(data), None, (0xC7, "B"), (0xC8, "H"), (0xC9, "I"))]
    heads += [bytes([0xD4 + power]) for power in range(5) if len(data) == 1 << power]
    return draw(st.sampled_from(heads)) + bytes([code]) + data, msgpack.ExtType(code, data)


@st.composite
def _lists(draw: st.DrawFn, inner: st.SearchStrategy[Encoded]) -> Encoded:
    members = draw(st.lists(inner, max_size=4))
    head = _head(draw, len(members), (0x90, 15), (0xDC, "H"), (0xDD, "I"))
    return head + b"".join(encoded for encoded, _ in members), [value for _, value in members]


@st.composite
def _dicts(draw: st.DrawFn, inner: st.SearchStrategy[Encoded]) -> Encoded:
    members = draw(st.lists(st.tuples(_strings(), inner), max_size=4, unique_by=lambda member: member[0][1]))
    head = _head(draw, len(members), (0x80, 15), (0xDE, "H"), (0xDF, "I"))
    encoded = b"".join(key + value for (key, _), (value, _) in members)
    return head + encoded, {key: value for (_, key), (_, value) in members}


_constants = st.sampled_from([(b"\xc0", None), (b"\xc2", False), (b"\xc3", True), (b"\x07", 7), (b"\xe0", -32)])
_scalars = st.one_of(_constants, _integers(), _strings(), _bytes(), _floats(), _any_extension())
_values = st.recursive(_scalars, lambda inner: _lists(inner) | _dicts(inner), max_leaves=8)

encoded_maps: st.SearchStrategy[Encoded] = _dicts(_values)
"""A map with text keys: its bytes, and the dict that they stand for."""
