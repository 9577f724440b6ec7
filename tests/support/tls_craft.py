"""TLS records made by hand: what no `ssl` module sends on demand, such as a key update or a request to renegotiate.

A real server does the handshake and logs its secrets (`SSLContext.keylog_filename`); from then on the records are made
here with the keys that follow from them. AES-256-GCM with SHA-384 alone, which OpenSSL prefers.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from pathlib import Path

ALERT, HANDSHAKE, DATA = 21, 22, 23
KEY_UPDATE, HELLO_REQUEST = 24, 0


def secrets(keylog: Path) -> dict[str, tuple[bytes, bytes]]:
    """Label to (client random, secret), from the key log of one connection."""
    lines = [line.split() for line in keylog.read_text().splitlines() if not line.startswith("#")]
    return {label: (bytes.fromhex(random), bytes.fromhex(secret)) for label, random, secret in lines}


class Modern:
    """One direction of a TLS 1.3 connection after its handshake (RFC 8446, 5.2 and 7)."""

    def __init__(self, secret: bytes) -> None:
        self._use(secret)

    def _use(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(_expand(secret, b"key", 32))
        self._iv = int.from_bytes(_expand(secret, b"iv", 12), "big")
        self._number = 0

    def update(self) -> None:
        """Go on with the next generation of keys."""
        self._use(_expand(self._secret, b"traffic upd", 48))

    def record(self, kind: int, content: bytes) -> bytes:
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        return header + self._cipher.encrypt(self._nonce(), content + bytes([kind]), header)

    def key_update(self, *, requested: bool) -> bytes:
        """A key update (RFC 8446, 4.6.3), after which this direction goes on with new keys."""
        made = self.record(HANDSHAKE, bytes([KEY_UPDATE, 0, 0, 1, requested]))
        self.update()
        return made

    def open(self, record: bytes) -> tuple[int, bytes]:
        """Kind and content of a record."""
        plain = self._cipher.decrypt(self._nonce(), record[5:], record[:5])
        return plain[-1], plain[:-1]

    def _nonce(self) -> bytes:
        nonce = (self._iv ^ self._number).to_bytes(12, "big")
        self._number += 1
        return nonce


class Older:
    """One direction of a TLS 1.2 connection after its handshake (RFC 5288, RFC 5246 section 6.3)."""

    def __init__(self, master: bytes, client_random: bytes, server_random: bytes, *, server: bool) -> None:
        block = _prf(master, b"key expansion" + server_random + client_random, 72)
        key = block[32:64] if server else block[:32]
        self._cipher, self._salt = AESGCM(key), block[68:72] if server else block[64:68]
        self._number = 1  # the first one was Finished

    def record(self, kind: int, content: bytes) -> bytes:
        number = self._next()
        sealed = self._cipher.encrypt(self._salt + number, content, _associated(number, kind, len(content)))
        return bytes([kind, 3, 3]) + (len(sealed) + 8).to_bytes(2, "big") + number + sealed

    def open(self, record: bytes) -> tuple[int, bytes]:
        """Kind and content of a record."""
        number, sealed = self._next(), record[13:]
        associated = _associated(number, record[0], len(sealed) - 16)
        return record[0], self._cipher.decrypt(self._salt + record[5:13], sealed, associated)

    def _next(self) -> bytes:
        number = self._number.to_bytes(8, "big")
        self._number += 1
        return number


def split(data: bytes) -> list[bytes]:
    """Whole records, one by one."""
    records = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        records.append(data[:size])
        data = data[size:]
    return records


def _associated(number: bytes, kind: int, size: int) -> bytes:
    return number + bytes([kind, 3, 3]) + size.to_bytes(2, "big")


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(SHA384(), size, info).derive(secret)


def _prf(secret: bytes, seed: bytes, size: int) -> bytes:
    made, chain = b"", seed
    while len(made) < size:
        chain = hmac.digest(secret, chain, "sha384")
        made += hmac.digest(secret, chain + seed, "sha384")
    return made[:size]
