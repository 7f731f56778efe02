# SPDX-License-Identifier: GPL-2.0-or-later
"""xenstored's database: tree, permissions, transactions, watches and quotas.

Source: xen/docs/misc/xenstore.txt; the reference daemon, tools/xenstore, for what the document leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from xenlab.xen.abi import XENSTORE_ABS_PATH_MAX, XENSTORE_REL_PATH_MAX
from xenlab.xen.ports import World

_PATH = re.compile(r"(/|(/[A-Za-z0-9_@+-]+)+)")
_PERM = re.compile(r"[rwbn][0-9]{1,5}")
_WATCH_LATENCY_NS = (5_000, 300_000)

Notify = Callable[[str, str], None]


class StoreError(Exception):
    """An error of the protocol; `name` is what an ERROR reply carries."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Node:
    """`perms`: the owner first ("n1": owned by domain 1, no access for others), then exceptions for single domains."""

    value: bytes
    perms: tuple[str, ...]
    children: frozenset[str] = frozenset()
    generation: int = 0


@dataclass(frozen=True)
class Quota:
    """What one guest may use (the defaults of xenstored's command line)."""

    nodes: int = 1000
    value_size: int = 2048
    watches: int = 128
    transactions: int = 10


USUAL_QUOTA = Quota()


@dataclass(eq=False)
class Watch:
    path: str
    token: str
    relative: bool
    connection: Connection


@dataclass
class Transaction:
    """A private copy of the tree, what was touched in it, and the changes to repeat on the tree itself at its end."""

    nodes: dict[str, Node]
    start: int
    touched: set[str] = field(default_factory=set)
    replay: list[Callable[[], object]] = field(default_factory=list)


class Store:
    """The tree and its connections; domain 0's own :attr:`dom0` is there from the start.

    Attributes:
        spurious_conflicts: the share of commits that fail with EAGAIN though nothing has intervened.
        any_write_conflicts: any intervening write makes a commit fail, as in the older daemons, not only a related one.
    """

    def __init__(self, world: World, quota: Quota = USUAL_QUOTA) -> None:
        self.world = world
        self.quota = quota
        self.spurious_conflicts = 0.0
        self.any_write_conflicts = False
        self.generation = 0
        self.nodes: dict[str, Node] = {"/": Node(b"", ("n0",))}
        self.connections: list[Connection] = []
        self.dom0 = Connection(self, 0)

    def fire(self, path: str, removed: bool) -> None:
        """Announce a change at `path`; removal reaches watches below it too."""
        for connection in list(self.connections):
            for watch in list(connection.watches):
                if _is_child(path, watch.path) and (removed or connection.may_see(path)):
                    connection.announce(watch, path)
                elif removed and _is_child(watch.path, path):
                    connection.announce(watch, watch.path)


def _is_child(path: str, parent: str) -> bool:
    return parent in {path, "/"} or path.startswith(parent + "/")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


class Connection:
    """One client of the store. Domain 0 may do everything.

    `notify(path, token)` is called for each watch event, late and in chance order; a relative watch has relative paths.
    """

    def __init__(self, store: Store, domid: int, notify: Notify | None = None) -> None:
        self.store = store
        self.domid = domid
        self.home = f"/local/domain/{domid}"
        self.notify = notify
        self.watches: list[Watch] = []
        self.transactions: dict[int, Transaction] = {}
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._next_transaction = 1
        store.connections.append(self)

    def close(self) -> None:
        """Forget the client with its watches and transactions."""
        self.reset()
        self.store.connections.remove(self)

    def reset(self) -> None:
        """RESET_WATCHES: no watches, no transactions."""
        self.watches.clear()
        self.transactions.clear()

    def read(self, path: str, tx: int = 0) -> bytes:
        return self._readable(self.absolute(path), tx).value

    def directory(self, path: str, tx: int = 0) -> list[str]:
        return sorted(self._readable(self.absolute(path), tx).children)

    def get_perms(self, path: str, tx: int = 0) -> tuple[str, ...]:
        return self._readable(self.absolute(path), tx).perms

    def write(self, path: str, value: bytes | str, tx: int = 0) -> None:
        data = value.encode() if isinstance(value, str) else value
        if self.domid and len(data) > self.store.quota.value_size:
            raise StoreError("ENOSPC")
        self._change(tx, lambda at: self._set(at, self.absolute(path), data))

    def mkdir(self, path: str, tx: int = 0) -> None:
        target = self.absolute(path)
        if target not in self._nodes(tx):
            self._change(tx, lambda at: self._set(at, target, b""))

    def remove(self, path: str, tx: int = 0) -> None:
        self._change(tx, lambda at: self._remove(at, self.absolute(path)))

    def set_perms(self, path: str, perms: Sequence[str], tx: int = 0) -> None:
        if not perms or not all(_PERM.fullmatch(perm) for perm in perms):
            raise StoreError("EINVAL")
        self._change(tx, lambda at: self._set_perms(at, self.absolute(path), tuple(perms)))

    def exists(self, path: str) -> bool:
        return self.absolute(path) in self.store.nodes

    def watch(self, path: str, token: str) -> None:
        """Add a watch; it fires once at once."""
        relative = not path.startswith(("/", "@"))
        target = path if path.startswith("@") else self.absolute(path)
        if any((watch.path, watch.token) == (target, token) for watch in self.watches):
            raise StoreError("EEXIST")
        if self.domid and len(self.watches) >= self.store.quota.watches:
            raise StoreError("E2BIG")
        watch = Watch(target, token, relative, self)
        self.watches.append(watch)
        self.announce(watch, target)

    def unwatch(self, path: str, token: str) -> None:
        target = path if path.startswith("@") else self.absolute(path)
        for watch in self.watches:
            if (watch.path, watch.token) == (target, token):
                self.watches.remove(watch)
                return
        raise StoreError("ENOENT")

    def subscribe(self, path: str, handler: Callable[[str], None]) -> str:
        """Watch on behalf of a part of the simulation: `handler(path)`. Returns the token for :meth:`unsubscribe`."""
        token = f"{path}#{len(self._handlers)}"
        self._handlers[token] = handler
        self.watch(path, token)
        return token

    def unsubscribe(self, token: str) -> None:
        del self._handlers[token]
        self.unwatch(token.rpartition("#")[0], token)

    def announce(self, watch: Watch, path: str) -> None:
        """Send the event later, unless the watch has gone by then."""
        store = self.store
        shown = path.removeprefix(self.home + "/") if watch.relative else path

        def deliver() -> None:
            if watch not in self.watches:
                return
            handler = self._handlers.get(watch.token)
            if handler:
                handler(path)
            elif self.notify:
                self.notify(shown, watch.token)

        store.world.at(store.world.random.randint(*_WATCH_LATENCY_NS), deliver, f"watch {path}")

    def transaction_start(self) -> int:
        if self.domid and len(self.transactions) >= self.store.quota.transactions:
            raise StoreError("ENOSPC")
        number = self._next_transaction
        self._next_transaction += 1
        self.transactions[number] = Transaction(dict(self.store.nodes), self.store.generation)
        return number

    def transaction_end(self, tx: int, commit: bool) -> None:
        """Commit or discard; EAGAIN when something has intervened."""
        transaction = self._transaction(tx)
        del self.transactions[tx]
        if not commit:
            return
        if self._conflicts(transaction):
            raise StoreError("EAGAIN")
        for step in transaction.replay:
            step()

    def _conflicts(self, transaction: Transaction) -> bool:
        store = self.store
        if transaction.replay and store.world.random.random() < store.spurious_conflicts:
            return True
        if store.any_write_conflicts:
            return store.generation != transaction.start
        return any(self._newer(path, transaction.start) for path in transaction.touched)

    def _newer(self, path: str, start: int) -> bool:
        """Whether the node, or for one that is not there its nearest parent that is, has changed since `start`."""
        while path not in self.store.nodes:
            path = _parent(path)
        return self.store.nodes[path].generation > start

    def absolute(self, path: str) -> str:
        """Return the path from the root; EINVAL for one that is not well formed."""
        if path.startswith("/"):
            target, limit = path, XENSTORE_ABS_PATH_MAX
        else:
            target, limit = f"{self.home}/{path}" if path else "", XENSTORE_REL_PATH_MAX
        if len(path) > limit or not _PATH.fullmatch(target):
            raise StoreError("EINVAL")
        return target

    def _transaction(self, tx: int) -> Transaction:
        transaction = self.transactions.get(tx)
        if transaction is None:
            raise StoreError("ENOENT")
        return transaction

    def _nodes(self, tx: int) -> dict[str, Node]:
        return self._transaction(tx).nodes if tx else self.store.nodes

    def _readable(self, path: str, tx: int) -> Node:
        nodes = self._nodes(tx)
        if tx:
            self.transactions[tx].touched.add(path)
        node = nodes.get(path)
        if node is None:
            raise StoreError("ENOENT" if self._may(self._nearest(nodes, path), "r") else "EACCES")
        if not self._may(node, "r"):
            raise StoreError("EACCES")
        return node

    def may_see(self, path: str) -> bool:
        """Whether the client may read the node; of one that is not there, its nearest parent."""
        return self._may(self._nearest(self.store.nodes, path), "r")

    @staticmethod
    def _nearest(nodes: dict[str, Node], path: str) -> Node:
        while path not in nodes:
            path = _parent(path)
        return nodes[path]

    def _may(self, node: Node, access: str) -> bool:
        owner, *others = node.perms
        if self.domid in {0, int(owner[1:])}:
            return True
        granted = next((perm[0] for perm in others if int(perm[1:]) == self.domid), owner[0])
        return granted in {access, "b"}

    def _change(self, tx: int, action: Callable[[Transaction | None], None]) -> None:
        if not tx:
            action(None)
            return
        transaction = self._transaction(tx)
        action(transaction)
        transaction.replay.append(lambda: action(None))

    def _put(self, transaction: Transaction | None, path: str, node: Node) -> None:
        if transaction is None:
            self.store.generation += 1
            self.store.nodes[path] = replace(node, generation=self.store.generation)
        else:
            transaction.nodes[path] = node
            transaction.touched.add(path)

    def _announce(self, transaction: Transaction | None, path: str, removed: bool) -> None:
        if transaction is None:
            self.store.fire(path, removed)

    def _tree(self, transaction: Transaction | None) -> dict[str, Node]:
        return self.store.nodes if transaction is None else transaction.nodes

    def _set(self, transaction: Transaction | None, path: str, value: bytes) -> None:
        nodes = self._tree(transaction)
        if path in nodes:
            if not self._may(nodes[path], "w"):
                raise StoreError("EACCES")
            self._put(transaction, path, replace(nodes[path], value=value))
        else:
            self._create(transaction, path, value)
        self._announce(transaction, path, removed=False)

    def _create(self, transaction: Transaction | None, path: str, value: bytes) -> None:
        """Make the node and its missing parents; they take the permissions of the parent that is there."""
        nodes = self._tree(transaction)
        missing = [path]
        while _parent(missing[-1]) not in nodes:
            missing.append(_parent(missing[-1]))
        parent = _parent(missing[-1])
        if not self._may(nodes[parent], "w"):
            raise StoreError("EACCES")
        if self.domid and self._owned(nodes) + len(missing) > self.store.quota.nodes:
            raise StoreError("ENOSPC")
        perms = nodes[parent].perms
        if self.domid:
            perms = (perms[0][0] + str(self.domid), *perms[1:])
        for target in reversed(missing):
            above = nodes[_parent(target)]
            name = target.rpartition("/")[2]
            self._put(transaction, _parent(target), replace(above, children=above.children | {name}))
            self._put(transaction, target, Node(value if target == path else b"", perms))

    def _owned(self, nodes: dict[str, Node]) -> int:
        return sum(int(node.perms[0][1:]) == self.domid for node in nodes.values())

    def _remove(self, transaction: Transaction | None, path: str) -> None:
        nodes = self._tree(transaction)
        if path == "/":
            raise StoreError("EINVAL")
        if path not in nodes:
            if _parent(path) not in nodes:
                raise StoreError("ENOENT")
            return
        if not self._may(nodes[path], "w"):
            raise StoreError("EACCES")
        for below in [other for other in nodes if _is_child(other, path)]:
            del nodes[below]
            if transaction is not None:
                transaction.touched.add(below)
        above = nodes[_parent(path)]
        self._put(transaction, _parent(path), replace(above, children=above.children - {path.rpartition("/")[2]}))
        self._announce(transaction, path, removed=True)

    def _set_perms(self, transaction: Transaction | None, path: str, perms: tuple[str, ...]) -> None:
        node = self._tree(transaction).get(path)
        if node is None:
            raise StoreError("ENOENT")
        if self.domid and (self.domid != int(node.perms[0][1:]) or int(perms[0][1:]) != self.domid):
            raise StoreError("EACCES")
        self._put(transaction, path, replace(node, perms=perms))
        self._announce(transaction, path, removed=False)
