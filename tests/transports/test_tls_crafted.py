"""What a peer may say after the handshake besides data: key updates, requests to renegotiate, alerts, nonsense.

The records are made by hand (`tls_craft`), with the real keys of a real handshake.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

import pytest
import tls_craft
import trio
from delegating import DelegatingStream
from tls_craft import ALERT, DATA, HANDSHAKE

from nai_trio.transports.memory_stream import MemoryStream, memory_stream_pair
from nai_trio.transports.tls import tls_context
from nai_trio.transports.tls_stream import ReadableTLSStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Certificates

HOST = "service.example"
HELLO_REQUEST = bytes(4)


class Crafted(NamedTuple):
    """A client of ours, the wire's other end, and both directions' keys."""

    client: ReadableTLSStream
    wire: MemoryStream
    down: tls_craft.Modern | tls_craft.Older
    up: tls_craft.Modern | tls_craft.Older

    async def heard(self, count: int = 1) -> list[tuple[int, bytes]]:
        """The next records of the client."""
        return [self.up.open(record) for record in tls_craft.split(await self.wire.receive_some())][:count]


class Noting(DelegatingStream):
    """Keeps what is sent on it."""

    sent = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        await super().send_all(data)


async def craft(
    certificates: Certificates,
    folder: Path,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    *,
    context: ssl.SSLContext | None = None,
    https_compatible: bool = True,
    keep_session: Callable[[ssl.SSLSession], None] | None = None,
) -> Crafted:
    server_context = certificates.server()
    server_context.maximum_version = version
    server_context.num_tickets = 0
    server_context.keylog_filename = str(folder / "keys")
    ours, theirs = memory_stream_pair(buffer_size=10**6)
    noting = Noting(theirs)
    client = ReadableTLSStream(
        ours,
        context or tls_context(ca_data=certificates.authority.cert_pem.bytes()),
        server_hostname=HOST,
        https_compatible=https_compatible,
        keep_session=keep_session,
    )
    server = trio.SSLStream(noting, server_context, server_side=True, https_compatible=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        nursery.start_soon(server.do_handshake)
    assert "AES" in client.tls.cipher()[0]
    assert "256" in client.tls.cipher()[0]
    found = tls_craft.secrets(folder / "keys")
    if version is ssl.TLSVersion.TLSv1_3:
        labels = "SERVER_TRAFFIC_SECRET_0", "CLIENT_TRAFFIC_SECRET_0"
        return Crafted(client, theirs, *(tls_craft.Modern(found[label][1]) for label in labels))
    client_random, master = found["CLIENT_RANDOM"]
    server_random = noting.sent[11:43]
    return Crafted(
        client,
        theirs,
        *(tls_craft.Older(master, client_random, server_random, server=server) for server in (True, False)),
    )


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    return request.param  # type: ignore[no-any-return]


async def test_the_crafted_records_are_right(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = await craft(certificates, tmp_path, version)
    await made.wire.send_all(made.down.record(DATA, b"down") + made.down.record(DATA, b" again"))
    assert await made.client.receive_some() == b"down again"
    await made.client.send_all(b"up")
    assert await made.heard() == [(DATA, b"up")]


@pytest.mark.parametrize("allowed", [False, True], ids=["refused by the context", "allowed by the context"])
async def test_a_peer_that_wants_to_renegotiate_is_an_error_after_the_bytes_before_it(
    certificates: Certificates, tmp_path: Path, allowed: bool
) -> None:
    context = certificates.client() if allowed else None
    assert context is None or not context.options & ssl.OP_NO_RENEGOTIATION
    made = await craft(certificates, tmp_path, ssl.TLSVersion.TLSv1_2, context=context)
    await made.wire.send_all(made.down.record(DATA, b"good") + made.down.record(HANDSHAKE, HELLO_REQUEST))
    assert await made.client.receive_some() == b"good"
    assert made.client.readable()
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="asked to renegotiate, which is refused"):
            await made.client.receive_some()
    if not allowed:
        assert await made.heard() == [(ALERT, b"\x01\x64")]  # warning: no_renegotiation (RFC 5246, 7.2.2)


async def test_a_peer_that_wants_to_renegotiate_is_an_error_for_one_that_sends(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = await craft(certificates, tmp_path, ssl.TLSVersion.TLSv1_2, context=certificates.client())
    await made.wire.send_all(made.down.record(HANDSHAKE, HELLO_REQUEST))
    assert made.client.readable()
    with pytest.raises(trio.BrokenResourceError, match="asked to renegotiate, which is refused"):
        await made.client.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await made.client.send_all(b"x")


async def test_keys_are_updated_amid_data_and_ours_before_we_next_send(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = await craft(certificates, tmp_path)
    assert isinstance(made.down, tls_craft.Modern)
    assert isinstance(made.up, tls_craft.Modern)
    for round_ in range(3):
        data = [made.down.record(DATA, b"old ")]
        data += [made.down.key_update(requested=True), made.down.record(DATA, b"new")]
        await made.wire.send_all(b"".join(data))
        assert await made.client.receive_some() == b"old new"
        await made.client.send_all(b"up %d" % round_)
        update, sent = tls_craft.split(await made.wire.receive_some())
        assert made.up.open(update) == (HANDSHAKE, b"\x18\0\0\1\0")  # update_not_requested (RFC 8446, 4.6.3)
        made.up.update()
        assert made.up.open(sent) == (DATA, b"up %d" % round_)


async def test_a_key_update_that_is_asked_for_does_not_stop_a_reader_whose_peer_reads_nothing(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = await craft(certificates, tmp_path)
    assert isinstance(made.down, tls_craft.Modern)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.client.send_all, bytes(2 * 10**6))
        await trio.testing.wait_all_tasks_blocked()
        await made.wire.send_all(made.down.key_update(requested=True) + made.down.record(DATA, b"read on"))
        assert await made.client.receive_some() == b"read on"
        nursery.cancel_scope.cancel()


async def test_a_key_update_alone_is_no_news(certificates: Certificates, tmp_path: Path) -> None:
    made = await craft(certificates, tmp_path)
    assert isinstance(made.down, tls_craft.Modern)
    await made.wire.send_all(made.down.record(DATA, b"x" * 100) + made.down.key_update(requested=False))
    buffer = bytearray(100)
    assert await made.client.receive_into(buffer) == 100  # and the update waits, undigested
    assert not made.client.readable()
    await made.wire.send_all(made.down.record(DATA, b"new keys"))
    assert await made.client.receive_some() == b"new keys"


async def test_a_reader_never_waits_until_its_peer_reads(certificates: Certificates, tmp_path: Path) -> None:
    made = await craft(certificates, tmp_path)
    assert isinstance(made.down, tls_craft.Modern)
    room = 10**6
    while room > 100:  # fill the way up to its last bytes, without anyone waiting
        piece = min(room - 22, 16384)
        await made.client.send_all(bytes(piece))
        room -= piece + 22
    await made.wire.send_all(b"".join(made.down.key_update(requested=True) for _ in range(20)))
    await made.wire.send_all(made.down.record(DATA, b"x"))
    assert await made.client.receive_some() == b"x"


async def test_a_peer_that_asks_for_new_keys_over_and_over_does_not_fill_the_memory(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = await craft(certificates, tmp_path)
    assert isinstance(made.down, tls_craft.Modern)

    async def ask() -> None:
        for _ in range(20):
            await made.wire.send_all(b"".join(made.down.key_update(requested=True) for _ in range(1000)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        with pytest.raises(trio.BrokenResourceError, match="asked for new keys over and over"):
            await made.client.receive_some()


async def test_an_alert_is_an_error_after_the_bytes_before_it_and_again_each_time(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = await craft(certificates, tmp_path, version)
    await made.wire.send_all(made.down.record(DATA, b"good") + made.down.record(ALERT, b"\x02\x50"))  # internal_error
    assert await made.client.receive_some(1) == b"g"
    assert await made.client.receive_some() == b"ood"
    assert made.client.readable()
    errors = []
    for _ in range(2):
        with pytest.raises(trio.BrokenResourceError, match="TLS failed: tlsv1 alert internal error") as caught:
            await made.client.receive_some()
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        errors.append(caught.value)
    assert errors[0] is not errors[1]  # each with a traceback of its own
    with pytest.raises(trio.BrokenResourceError):
        await made.client.send_all(b"x")


def ticket(number: int) -> bytes:
    """A session ticket (RFC 8446, 4.6.1): lifetime, age_add, nonce, ticket, no extensions."""
    body = (7200).to_bytes(4, "big") + bytes(4) + bytes([1, number]) + b"\0\4tic" + bytes([number, 0, 0])
    return b"\x04" + len(body).to_bytes(3, "big") + body


async def test_a_ticket_is_kept_with_the_first_data_and_no_later_one(
    certificates: Certificates, tmp_path: Path
) -> None:
    kept: list[ssl.SSLSession] = []
    made = await craft(certificates, tmp_path, keep_session=kept.append)
    assert kept == []
    await made.wire.send_all(made.down.record(HANDSHAKE, ticket(1)) + made.down.record(DATA, b"x"))
    assert await made.client.receive_some() == b"x"
    assert len(kept) == 1
    await made.wire.send_all(made.down.record(HANDSHAKE, ticket(2)) + made.down.record(DATA, b"y"))
    assert await made.client.receive_some() == b"y"
    await made.client.aclose()
    assert len(kept) == 1
    assert all(session.has_ticket for session in kept)
    await made.client.aclose()
    assert len(kept) == 1


async def test_a_connection_without_a_ticket_has_no_session_to_keep(certificates: Certificates, tmp_path: Path) -> None:
    kept: list[ssl.SSLSession] = []
    made = await craft(certificates, tmp_path, keep_session=kept.append)
    await made.wire.send_all(made.down.record(DATA, b"x"))
    assert await made.client.receive_some() == b"x"
    await made.client.aclose()
    assert kept == []


async def test_an_alert_is_there_to_read_after_a_send_that_failed(certificates: Certificates, tmp_path: Path) -> None:
    made = await craft(certificates, tmp_path)
    await made.wire.send_all(made.down.record(ALERT, b"\x02\x74"))  # certificate_required
    await made.wire.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await made.client.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError, match="the peer wants a client certificate"):
        await made.client.receive_some()


@pytest.mark.parametrize("https_compatible", [True, False])
async def test_a_forged_record_is_an_error_and_the_peer_is_told(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion, https_compatible: bool
) -> None:
    made = await craft(certificates, tmp_path, version, https_compatible=https_compatible)
    good, forged = made.down.record(DATA, b"good"), bytearray(made.down.record(DATA, b"forged"))
    forged[-1] ^= 1
    await made.wire.send_all(good + forged)
    assert await made.client.receive_some() == b"good"
    with pytest.raises(trio.BrokenResourceError, match="decryption failed or bad record mac"):
        await made.client.receive_some()
    assert await made.heard() == [(ALERT, b"\x02\x14")]  # fatal: bad_record_mac
    await made.client.aclose()
    assert await made.wire.receive_some() == b""


@pytest.mark.parametrize("kind", ["plain text", "an unknown record", "a record that is too long"])
async def test_what_is_no_record_is_an_error(certificates: Certificates, tmp_path: Path, kind: str) -> None:
    made = await craft(certificates, tmp_path)
    nonsense = {
        "plain text": b"HTTP/1.1 200 OK\r\n\r\n",
        "an unknown record": b"\x63\x03\x03\x00\x01x",
        "a record that is too long": b"\x17\x03\x03\xff\xff" + bytes(100),
    }[kind]
    await made.wire.send_all(nonsense)
    with pytest.raises(trio.BrokenResourceError, match="TLS failed: "):
        await made.client.receive_some()


async def test_empty_records_are_nothing_and_not_the_end(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = await craft(certificates, tmp_path, version)
    await made.wire.send_all(made.down.record(DATA, b"") + made.down.record(DATA, b"x") + made.down.record(DATA, b""))
    assert await made.client.receive_some() == b"x"
    assert not made.client.readable()
    await made.wire.send_all(made.down.record(DATA, b"y"))
    assert await made.client.receive_some() == b"y"


async def test_a_close_notify_in_the_same_read_is_seen_at_once(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = await craft(certificates, tmp_path, version)
    await made.wire.send_all(made.down.record(DATA, b"last") + made.down.record(ALERT, b"\x01\x00"))
    assert await made.client.receive_some() == b"last"
    assert made.client.readable()
    for _ in range(2):
        assert await made.client.receive_some() == b""
    await made.client.send_all(b"we may go on")  # each direction ends alone (RFC 8446, 6.1)
    assert await made.heard() == [(DATA, b"we may go on")]


async def test_a_part_of_a_record_is_seen_although_it_gives_no_byte_yet(
    certificates: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    made = await craft(certificates, tmp_path, version)
    last, more = made.down.record(DATA, b"last"), made.down.record(DATA, b"more")
    cut = 0
    for cut in range(1, len(more)):
        await made.wire.send_all(last + more[:cut])
        assert await made.client.receive_some() == b"last"
        assert made.client.readable()
        await made.wire.send_all(more[cut:])
        assert await made.client.receive_some() == b"more"
        assert not made.client.readable()
        last, more = made.down.record(DATA, b"last"), made.down.record(DATA, b"more")
    assert cut > 20


async def test_a_record_that_was_read_only_in_part_is_seen(certificates: Certificates, tmp_path: Path) -> None:
    made = await craft(certificates, tmp_path)
    await made.wire.send_all(made.down.record(DATA, b"abc"))
    buffer = bytearray(2)
    assert await made.client.receive_into(buffer) == 2  # nothing waits here or below: it is inside the TLS object
    assert made.client.readable()
    assert made.client.readable()  # looking changes nothing
    assert await made.client.receive_into(buffer) == 1
    assert buffer == b"cb"
    assert not made.client.readable()


async def test_looking_never_loses_a_byte_nor_their_order(certificates: Certificates, tmp_path: Path) -> None:
    made = await craft(certificates, tmp_path)
    sent, received = b"", b""
    for number in range(200):
        piece = bytes([number]) * (1 + number * 131 % 3000)
        sent += piece
        await made.wire.send_all(made.down.record(DATA, piece))
        if number % 3 == 0:
            made.client.readable()
        buffer = bytearray(1 + number * 37 % 900)
        if made.client.readable():
            taken = await made.client.receive_into(buffer)
            received += buffer[:taken]
        if number % 5 == 0 and made.client.readable():
            received += await made.client.receive_some(1 + number * 53 % 5000)
    await made.wire.aclose()
    while data := await made.client.receive_some():
        received += data
    assert received == sent
