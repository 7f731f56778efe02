# SPDX-License-Identifier: GPL-2.0-or-later
"""The store's tree: values, permissions, transactions, watches, quotas."""

from __future__ import annotations

import pytest

from xenlab.world import World
from xenlab.xen.store import Connection, Quota, Store, StoreError

HOME = "/local/domain/1"


@pytest.fixture
def store() -> Store:
    made = Store(World(3), Quota(nodes=20, value_size=64, watches=3, transactions=2))
    made.dom0.mkdir(HOME)
    made.dom0.set_perms(HOME, ["n1"])
    return made


@pytest.fixture
def guest(store: Store) -> Connection:
    return Connection(store, 1, lambda path, token: events.append((path, token)))


events: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def no_events():
    events.clear()


def refused(name: str):
    return pytest.raises(StoreError, match=f"^{name}$")


def test_writing_makes_the_missing_parents(guest: Connection):
    guest.write("a/b/c", b"x")
    assert guest.read(f"{HOME}/a/b/c") == b"x"
    assert guest.read("a/b") == b""
    assert guest.directory("a") == ["b"]


@pytest.mark.parametrize("path", ["", "a//b", "a/", "/a/", "a b", "a\n", "x" * 2049, "/" + "y" * 3072])
def test_ill_formed_paths_are_refused(guest: Connection, path: str):
    with refused("EINVAL"):
        guest.read(path)


def test_a_node_that_is_not_there(guest: Connection):
    for operation in (guest.read, guest.directory, guest.get_perms):
        with refused("ENOENT"):
            operation("missing")


def test_making_a_node_that_is_there_keeps_its_value(guest: Connection):
    guest.write("a", b"x")
    guest.mkdir("a")
    assert guest.read("a") == b"x"


def test_removing_takes_the_children_along(guest: Connection, store: Store):
    guest.write("a/b/c", b"")
    guest.remove("a")
    assert store.dom0.directory(HOME) == []
    with refused("ENOENT"):
        guest.read("a/b/c")


def test_removing_what_is_not_there_needs_a_parent(guest: Connection):
    guest.remove("missing")
    with refused("ENOENT"):
        guest.remove("missing/below")
    with refused("EINVAL"):
        guest.remove("/")


def test_a_guest_has_no_business_elsewhere(guest: Connection, store: Store):
    store.dom0.write("/local/domain/2/secret", b"s")
    store.dom0.set_perms("/local/domain/2/secret", ["n0", "r2"])
    with refused("EACCES"):
        guest.read("/local/domain/2/secret")
    with refused("EACCES"):
        guest.write("/local/domain/2/new", b"")
    with refused("EACCES"):
        guest.remove("/local/domain/2")


def test_a_reader_may_read_and_not_write(guest: Connection, store: Store):
    store.dom0.write("/offer", b"1")
    store.dom0.set_perms("/offer", ["n0", "r1"])
    assert guest.read("/offer") == b"1"
    with refused("EACCES"):
        guest.write("/offer", b"2")
    store.dom0.set_perms("/offer", ["n0", "b1"])
    guest.write("/offer", b"2")


def test_only_the_owner_changes_permissions_and_stays_the_owner(guest: Connection, store: Store):
    guest.write("mine", b"")
    guest.set_perms("mine", ["n1", "r0"])
    assert guest.get_perms("mine") == ("n1", "r0")
    with refused("EACCES"):
        guest.set_perms("mine", ["n0"])
    store.dom0.write("/offer", b"")
    store.dom0.set_perms("/offer", ["b0"])
    with refused("EACCES"):
        guest.set_perms("/offer", ["b1"])
    with refused("EINVAL"):
        guest.set_perms("mine", ["x1"])


def test_what_a_guest_makes_is_its_own(guest: Connection):
    guest.write("mine/below", b"")
    assert guest.get_perms("mine/below") == ("n1",)


def test_a_transaction_is_seen_by_others_only_once_committed(guest: Connection, store: Store):
    tx = guest.transaction_start()
    guest.write("a", b"1", tx)
    assert guest.read("a", tx) == b"1"
    with refused("ENOENT"):
        guest.read("a")
    guest.transaction_end(tx, commit=True)
    assert store.dom0.read(f"{HOME}/a") == b"1"
    with refused("ENOENT"):
        guest.transaction_end(tx, commit=True)


def test_a_discarded_transaction_changes_nothing(guest: Connection):
    tx = guest.transaction_start()
    guest.write("a", b"1", tx)
    guest.transaction_end(tx, commit=False)
    with refused("ENOENT"):
        guest.read("a")


@pytest.mark.parametrize("change", ["write", "remove", "create"])
def test_a_conflicting_change_fails_the_commit(guest: Connection, store: Store, change: str):
    guest.write("a", b"0")
    tx = guest.transaction_start()
    if change == "create":
        with refused("ENOENT"):
            guest.read("b", tx)
    else:
        guest.read("a", tx)
    guest.write("mine", b"", tx)
    {
        "write": lambda: store.dom0.write(f"{HOME}/a", b"1"),
        "remove": lambda: store.dom0.remove(f"{HOME}/a"),
        "create": lambda: store.dom0.write(f"{HOME}/b", b"1"),
    }[change]()
    with refused("EAGAIN"):
        guest.transaction_end(tx, commit=True)
    with refused("ENOENT"):
        guest.read("mine")


def test_an_unrelated_change_does_not(guest: Connection, store: Store):
    guest.write("a", b"0")
    tx = guest.transaction_start()
    guest.write("a", b"1", tx)
    store.dom0.write("/elsewhere", b"")
    guest.transaction_end(tx, commit=True)


def test_the_older_daemons_fail_after_any_write(guest: Connection, store: Store):
    store.any_write_conflicts = True
    tx = guest.transaction_start()
    store.dom0.write("/elsewhere", b"")
    with refused("EAGAIN"):
        guest.transaction_end(tx, commit=True)


def test_commits_may_fail_by_chance(guest: Connection, store: Store):
    store.spurious_conflicts = 1.0
    tx = guest.transaction_start()
    guest.write("a", b"", tx)
    with refused("EAGAIN"):
        guest.transaction_end(tx, commit=True)


def test_a_watch_fires_once_at_once_and_then_at_changes_below(guest: Connection, store: Store):
    guest.watch("a", "t")
    store.world.advance(10**9)
    assert events == [("a", "t")]
    guest.write("a/b", b"")
    store.dom0.write(f"{HOME}/other", b"")
    store.world.advance(10**9)
    assert events[1:] == [("a/b", "t")]


def test_an_absolute_watch_gives_absolute_paths(guest: Connection, store: Store):
    guest.watch(f"{HOME}/a", "t")
    guest.write("a", b"")
    store.world.advance(10**9)
    assert events == [(f"{HOME}/a", "t")] * 2


def test_removing_a_parent_fires_the_watch_with_its_own_path(guest: Connection, store: Store):
    guest.write("a/b/c", b"")
    guest.watch("a/b", "t")
    store.world.advance(10**9)
    events.clear()
    store.dom0.remove(f"{HOME}/a")
    store.world.advance(10**9)
    assert events == [("a/b", "t")]


def test_watches_do_not_tell_of_nodes_that_cannot_be_read(guest: Connection, store: Store):
    store.dom0.mkdir("/secret")
    guest.watch("/secret", "t")
    store.world.advance(10**9)
    events.clear()
    store.dom0.write("/secret/x", b"")
    store.world.advance(10**9)
    assert events == []


def test_a_transaction_fires_at_its_commit(guest: Connection, store: Store):
    guest.watch("a", "t")
    store.world.advance(10**9)
    events.clear()
    tx = guest.transaction_start()
    guest.write("a", b"", tx)
    store.world.advance(10**9)
    assert events == []
    guest.transaction_end(tx, commit=True)
    store.world.advance(10**9)
    assert events == [("a", "t")]


def test_after_unwatch_nothing_comes(guest: Connection, store: Store):
    guest.watch("a", "t")
    guest.unwatch("a", "t")
    store.world.advance(10**9)
    assert events == []
    with refused("ENOENT"):
        guest.unwatch("a", "t")


def test_one_watch_a_path_and_token(guest: Connection):
    guest.watch("a", "t")
    guest.watch("a", "u")
    with refused("EEXIST"):
        guest.watch("a", "t")


def test_watch_events_come_in_chance_order():
    orders = set()
    for seed in range(30):
        made = Store(World(seed))
        seen: list[str] = []
        connection = Connection(made, 0, lambda path, token, seen=seen: seen.append(token))
        for token in "abc":
            connection.watch("/x", token)
        made.world.advance(10**9)
        orders.add("".join(seen))
    assert len(orders) > 3


def test_quotas(guest: Connection):
    with refused("ENOSPC"):
        guest.write("big", b"x" * 65)
    for number in range(18):
        guest.write(f"n{number}", b"")
    with refused("ENOSPC"):
        guest.write("p/q/r", b"")
    for token in "abc":
        guest.watch("x", token)
    with refused("E2BIG"):
        guest.watch("x", "d")
    guest.transaction_start()
    guest.transaction_start()
    with refused("ENOSPC"):
        guest.transaction_start()


def test_reset_forgets_watches_and_transactions(guest: Connection, store: Store):
    guest.watch("a", "t")
    tx = guest.transaction_start()
    guest.reset()
    store.world.advance(10**9)
    assert events == []
    with refused("ENOENT"):
        guest.read("a", tx)
