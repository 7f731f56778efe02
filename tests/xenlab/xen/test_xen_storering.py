# SPDX-License-Identifier: GPL-2.0-or-later
"""The wire: a guest's conversation with xenstored over the ring page, and what breaks the protocol."""

from __future__ import annotations

import struct

import pytest

from xenlab.errors import Violation
from xenlab.xen.abi import XS
from xenlab.xen.ports import PAGE
from xenlab.xen.releases import RELEASES
from xenlab.xen.storering import Manner

from .guest import Guest, StoreClient, StoreError

SEEDS = pytest.mark.parametrize("seed", range(5))
ORDERLY = Manner(reorder=False, pieces=False)


def talk(seed: int = 1, **options: object) -> tuple[Guest, StoreClient]:
    guest = Guest(seed=seed, **options)  # type: ignore[arg-type]
    return guest, guest.start()


@SEEDS
@pytest.mark.parametrize("arch", ["x64", "x32"])
def test_write_read_directory_remove(seed: int, arch: str):
    guest, client = talk(seed, arch=arch)
    client.write("data/a", "one")
    client.write("data/b", "two")
    assert client.read("data/a") == "one"
    assert client.directory("data") == ["a", "b"]
    client.ask(XS.MKDIR, "data/c\0")
    client.ask(XS.RM, "data/a\0")
    assert client.directory("data") == ["b", "c"]
    assert guest.ring.requests["WRITE"] == 2


def test_a_relative_path_starts_at_the_domains_home():
    guest, client = talk()
    client.write("data/a", "x")
    assert client.read(f"{guest.tools.home}/data/a") == "x"
    assert client.ask(XS.GET_DOMAIN_PATH, b"1\0") == b"/local/domain/1\0"


@SEEDS
def test_messages_longer_than_the_ring(seed: int):
    _, client = talk(seed)
    value = "".join(chr(33 + number % 90) for number in range(2000))
    client.write("data/long", value)
    assert client.read("data/long") == value


@SEEDS
def test_the_rings_indices_run_past_their_end(seed: int):
    _, client = talk(seed)
    for number in range(60):
        client.write("data/n", f"{number:040}")
        assert client.read("data/n") == f"{number:040}"
    assert client.index("req_prod") > 2048


@SEEDS
def test_many_requests_at_once_get_their_own_replies(seed: int):
    _, client = talk(seed)
    client.write("data/a", "x")
    idents = {client.send(XS.WRITE, f"data/n{number}\0{number}".encode()): number for number in range(20)}
    reads = {client.send(XS.READ, f"data/n{number}\0".encode()): number for number in range(20)}
    for ident in idents:
        assert client.reply(ident) == b"OK\0"
    for ident, number in reads.items():
        assert client.reply(ident) == str(number).encode()


def reply_order(manner: Manner, seed: int) -> list[int]:
    guest = Guest(seed=seed, manner=manner)
    client = guest.start()
    client.ask(XS.DIRECTORY, b"data\0")
    for _ in range(8):
        client.send(XS.READ, b"domid\0")
    guest.settle()
    return list(client.replies)


def test_replies_overtake_each_other_unless_told_not_to():
    assert any(reply_order(Manner(), seed) != sorted(reply_order(Manner(), seed)) for seed in range(10))
    assert all(reply_order(ORDERLY, seed) == sorted(reply_order(ORDERLY, seed)) for seed in range(10))


def test_nothing_is_answered_at_once_or_without_a_notification():
    guest, client = talk()
    guest.settle()
    ident = client.send(XS.READ, b"domid\0")
    assert ident not in client.replies
    guest.settle()
    assert ident in client.replies
    before = client.index("req_prod")
    message = struct.pack("<4I", XS.READ, 999, 0, 6) + b"domid\0"
    for offset, byte in enumerate(message):
        guest.memory.write(client.base + (before + offset) % 1024, bytes([byte]))
    client.set_index("req_prod", before + len(message))
    guest.settle()
    assert 999 not in client.replies


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        (XS.READ, b"missing\0", "ENOENT"),
        (XS.READ, b"domid", "EINVAL"),
        (XS.READ, b"", "EINVAL"),
        (XS.READ, b"domid\0x\0", "EINVAL"),
        (XS.READ, b"a//b\0", "EINVAL"),
        (XS.WRITE, b"no-separator", "EINVAL"),
        (XS.WRITE, b"new\0x", "EACCES"),
        (XS.WRITE, b"domid\0007", "EACCES"),
        (XS.WATCH, b"path\0", "EINVAL"),
        (XS.UNWATCH, b"path\0token\0", "ENOENT"),
        (XS.TRANSACTION_END, b"T\0", "ENOENT"),
        (XS.TRANSACTION_END, b"X\0", "EINVAL"),
        (XS.CONTROL, b"print\0x\0", "EACCES"),
        (XS.GET_DOMAIN_PATH, b"one\0", "EINVAL"),
        (77, b"\0", "ENOSYS"),
    ],
)
def test_errors_are_named(kind: int, payload: bytes, error: str):
    _, client = talk()
    with pytest.raises(StoreError, match=f"^{error}$"):
        client.ask(kind, payload)


@SEEDS
def test_watch_events_arrive_unasked(seed: int):
    guest, client = talk(seed)
    client.watch("data", "token")
    client.wait_event("data", "token")
    guest.store.dom0.write(f"{guest.tools.home}/data/x", "1")
    client.wait_event("data/x", "token")
    client.ask(XS.UNWATCH, b"data\0token\0")


@SEEDS
def test_transactions_over_the_wire(seed: int):
    guest, client = talk(seed)
    tx = client.begin()
    client.write("data/a", "1", tx)
    with pytest.raises(StoreError, match="ENOENT"):
        client.read("data/a")
    client.end(tx)
    assert client.read("data/a") == "1"
    tx = client.begin()
    client.write("data/a", "2", tx)
    guest.store.dom0.write(f"{guest.tools.home}/data/a", "3")
    with pytest.raises(StoreError, match="EAGAIN"):
        client.end(tx)
    assert client.read("data/a") == "3"


def test_a_transaction_within_a_transaction_is_refused():
    _, client = talk()
    tx = client.begin()
    with pytest.raises(StoreError, match="EBUSY"):
        client.ask(XS.TRANSACTION_START, b"\0", tx)


def test_resetting_watches_is_known_from_4_2_on():
    _, client = talk()
    client.watch("data", "t")
    assert client.ask(XS.RESET_WATCHES, b"\0") == b"OK\0"
    client.watch("data", "t")
    _, client = talk(release=RELEASES["4.1"])
    with pytest.raises(StoreError, match="ENOSYS"):
        client.ask(XS.RESET_WATCHES, b"\0")


def test_before_4_0_an_unknown_request_is_never_answered():
    guest, client = talk(release=RELEASES["3.2"])
    ident = client.send(XS.RESET_WATCHES, b"\0")
    guest.settle()
    assert ident not in client.replies
    assert client.read("domid") == "1"


def test_xend_gives_the_guest_its_home_and_xl_parts_of_it():
    _, client = talk(release=RELEASES["4.1"])
    client.write("anything", "x")
    _, client = talk(release=RELEASES["4.2"])
    with pytest.raises(StoreError, match="EACCES"):
        client.write("anything", "x")
    client.write("control/shutdown", "")


def test_a_full_response_ring_waits_for_the_guest():
    guest, client = talk()
    guest.handlers[client.port] = lambda: None
    for _ in range(200):
        client.send(XS.READ, b"domid\0")
        guest.settle()
    assert (client.index("rsp_prod") - client.index("rsp_cons")) == 1024
    guest.handlers[client.port] = client._read_ring
    client._read_ring()
    guest.settle()
    assert len(client.replies) == 200


class TestWhatBreaksTheProtocol:
    def broken(self, guest: Guest, client: StoreClient, match: str) -> None:
        with pytest.raises(Violation, match=match):
            guest.send(client.port)
            guest.settle()

    def test_a_payload_over_4096_bytes(self):
        guest, client = talk()
        with pytest.raises(Violation, match="payload of 4097"):
            client.send(XS.WRITE, b"x" * 4097)
            guest.settle()

    def test_a_producer_beyond_the_ring(self):
        guest, client = talk()
        client.set_index("req_prod", client.index("req_prod") + 1025)
        self.broken(guest, client, "overrun")

    def test_reading_what_is_not_there(self):
        guest, client = talk()
        client.set_index("rsp_cons", client.index("rsp_cons") + 1)
        self.broken(guest, client, "not there")

    @pytest.mark.parametrize("name", ["req_cons", "rsp_prod"])
    def test_writing_xenstoreds_indices(self, name: str):
        guest, client = talk()
        client.set_index(name, client.index(name) + 1)
        self.broken(guest, client, name)

    def test_a_req_id_in_use(self):
        guest, client = talk()
        client.send_bytes(2 * (struct.pack("<4I", XS.READ, 5, 0, 6) + b"domid\0"))
        self.broken(guest, client, "unanswered")

    def test_taking_back_the_grant_of_the_ring_page(self):
        guest, _ = talk()
        guest.memory.write(guest._entry(1), bytes(8))
        with pytest.raises(Violation, match="grant 1"):
            guest.xen.grants.audit()


def test_the_store_page_is_the_parameters():
    guest, client = talk()
    assert client.base == guest.xen.params[1] * PAGE
