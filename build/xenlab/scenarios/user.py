# SPDX-License-Identifier: GPL-2.0-or-later
r"""Programs that use xenstore through the device that xenpci has for them, \\.\XenPci (xenpci_ioctl.h)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xenlab.errors import Violation
from xenlab.lab import Lab
from xenlab.nt.codes import Status, describe
from xenlab.nt.files import Access, Control, File, Process
from xenlab.nt.pnp import PnpManager
from xenlab.nt.routine import Steps
from xenlab.nt.thread import Thread
from xenlab.scenario import NewLab, scenario

DEVICE = r"\\.\XenPci"
READ, DIRECTORY, WRITE, REMOVE, WATCH, WAIT = (0x22 << 16 | 3 << 14 | 0x800 + n << 2 for n in range(6))
UNKNOWN = 0x22 << 16 | 3 << 14 | 0x8FF << 2
PATH_SIZE, VALUE_SIZE, WATCHES = 256, 4097, 16


class Client:
    """A program with the device open."""

    def __init__(self, lab: Lab, *, administrator: bool = True) -> None:
        self.lab = lab
        self.process = Process(lab.kernel, "client", administrator=administrator)
        self.file: File | None = None

    def open(self, access: Access = Access.READ | Access.WRITE) -> int:
        """Open the device; return the status."""
        status, self.file = self.lab.perform(self.process.open(DEVICE, access), "an open")
        return status

    def opened(self) -> Client:
        """Open the device, which must succeed."""
        self.expect(self.open(), Status.SUCCESS, "an administrator opens the device")
        return self

    def expect(self, status: int, wanted: int, what: str) -> None:
        self.lab.expect(status == wanted, f"{what}: {describe(wanted)}, not {describe(status)}")

    def handle(self) -> File:
        assert self.file is not None
        return self.file

    def ask(self, code: int, data: bytes = b"", room: int = VALUE_SIZE) -> Control:
        return self.lab.perform(self.process.control(self.handle(), code, data, room), "a control request", 120)

    def begin(self, code: int, data: bytes = b"", room: int = PATH_SIZE) -> Control:
        """Send a request without waiting for its end."""
        return self.lab.perform(self.process.send(self.handle(), code, data, room), "the begin of a request", 120)

    def read(self, path: str) -> bytes:
        """Return a node's value, which must be there."""
        control = self.ask(READ, text(path))
        self.expect(control.status, Status.SUCCESS, f"{path} is read")
        self.lab.expect(control.data.endswith(b"\0"), f"the value of {path} is terminated")
        return control.data[:-1]

    def tell(self, code: int, *texts: str) -> int:
        return self.ask(code, b"".join(map(text, texts)), 0).status

    def names(self, path: str) -> list[str]:
        control = self.ask(DIRECTORY, text(path))
        self.expect(control.status, Status.SUCCESS, f"{path} is listed")
        self.lab.expect(control.data.endswith(b"\0"), f"the list of {path} ends with an empty name")
        return control.data.decode().split("\0")[:-2]

    def wait_for(self, path: str) -> None:
        """Wait until the watch on a path has fired."""
        control = self.ask(WAIT, room=PATH_SIZE)
        got = f"{describe(control.status)}, {control.data!r}"
        self.lab.expect(control.data == text(path), f"a change of {path} is told, not {got}")

    def close(self) -> None:
        self.lab.perform(self.process.close(self.handle()), "a close", 120)


def text(of: str) -> bytes:
    return of.encode("latin-1") + b"\0"


def _started(new: NewLab) -> Lab:
    lab = new()
    lab.boot()
    lab.run(1)
    return lab


def _finish(lab: Lab) -> None:
    """Shut down, with nothing left of any program."""
    lab.run(0.5)
    lab.shut_down()


@scenario("user-store", "a program reads, writes, lists, removes and watches the store, through two handles at a time")
def user_store(new: NewLab) -> None:
    lab = _started(new)
    dom0, home = lab.xen.store.dom0, lab.xen.toolstack.home
    one, other = Client(lab).opened(), Client(lab).opened()
    lab.expect(one.read("name") == b"guest", "a path is relative to the domain's home")
    lab.expect(other.read(f"{home}/name") == b"guest", "a path with a slash is absolute")
    one.expect(one.tell(WRITE, "data/report", "all is well"), Status.SUCCESS, "a node is written")
    lab.expect(dom0.read(f"{home}/data/report") == b"all is well", "Dom0 reads what a program has written")
    one.expect(one.tell(WRITE, "data/empty", ""), Status.SUCCESS, "an empty value is written")
    lab.expect(other.read("data/empty") == b"", "an empty value is read")
    lab.expect(other.names("data") == ["empty", "report"], "the nodes below one are listed")
    lab.expect(other.names("data/empty") == [], "a node without others below it has an empty list")
    one.expect(one.tell(REMOVE, "data/empty"), Status.SUCCESS, "a node is removed")
    one.expect(one.ask(READ, text("data/empty")).status, Status.OBJECT_NAME_NOT_FOUND, "a node that is gone is read")
    for client, path in ((one, "data/report"), (other, "control/shutdown"), (other, "data")):
        client.expect(client.tell(WATCH, path), Status.SUCCESS, f"{path} is watched")
        client.wait_for(path)
    pending = other.begin(WAIT)
    lab.run(0.1)
    lab.expect(not pending.done, "a wait is not over before anything happens")
    dom0.write(f"{home}/control/shutdown", "poweroff")
    lab.wait(lambda: pending.done, "the end of a wait")
    lab.expect(pending.data == text("control/shutdown"), "the wait tells which watch has fired")
    dom0.write(f"{home}/data/report", "noted")
    one.wait_for("data/report")
    other.wait_for("data")
    one.close()
    lab.expect(other.read("name") == b"guest", "one handle works on when another is closed")
    other.close()
    _finish(lab)


@scenario(
    "user-errors", "whatever a program sends: the store's errors, and buffers too short, too long, not terminated"
)
def user_errors(new: NewLab) -> None:
    lab = _started(new)
    client = Client(lab).opened()
    dom0, home = lab.xen.store.dom0, lab.xen.toolstack.home
    dom0.write("/secret", "not for guests")
    dom0.set_perms("/secret", ["n0"])
    dom0.write(f"{home}/data/long", "v" * 1000)
    dom0.write(f"{home}/data/long/child", "")
    for what, code, data, room, wanted in _mistakes():
        control = client.ask(code, data, room)
        client.expect(control.status, wanted, what)
        lab.expect(not control.data, f"{what}: nothing is answered")
    lab.expect(len(client.ask(READ, text("data/long"), 1001).data) == 1001, "a buffer of just the size is enough")
    for _ in range(WATCHES):
        client.expect(client.tell(WATCH, "data"), Status.SUCCESS, "a handle has 16 watches")
    lab.expect(client.tell(WATCH, "data") >> 31 == 1, "a handle does not have 17 watches")
    short = client.ask(WAIT, room=4)
    client.expect(short.status, Status.BUFFER_TOO_SMALL, "a wait with too little room")
    client.wait_for("data")
    client.close()
    _finish(lab)


def _mistakes() -> Iterator[tuple[str, int, bytes, int, int]]:
    """What a program may do wrong: a description, the request, and the status it must end with."""
    invalid, short, missing = Status.INVALID_PARAMETER, Status.BUFFER_TOO_SMALL, Status.OBJECT_NAME_NOT_FOUND
    for code in (READ, DIRECTORY, WRITE, REMOVE, WATCH):
        yield "no input", code, b"", VALUE_SIZE, invalid
        yield "a path that is not terminated", code, b"data", VALUE_SIZE, invalid
        yield "an over-long path", code, text("p" * PATH_SIZE), VALUE_SIZE, invalid
        yield "a path of foreign characters", code, text("data/\xe4\xf6 *") + text("v"), VALUE_SIZE, invalid
        yield "a path with an empty name in it", code, text("data//x") + text("v"), VALUE_SIZE, invalid
    yield "a write without value", WRITE, text("data/x"), 0, invalid
    yield "a value that is not terminated", WRITE, text("data/x") + b"value", 0, invalid
    yield "a value longer than a message", WRITE, text("data/x") + text("v" * 5000), 0, invalid
    yield "a value longer than the store allows", WRITE, text("data/x") + text("v" * 3000), 0, Status.QUOTA_EXCEEDED
    yield "a read into no buffer", READ, text("name"), 0, short
    yield "a read into a short buffer", READ, text("data/long"), 1000, short
    yield "a list into a short buffer", DIRECTORY, text("data/long"), 6, short
    yield "a node that is not there", READ, text("data/nothing"), VALUE_SIZE, missing
    yield "the removal of a node that is not there", REMOVE, text("data/no/thing"), 0, missing
    yield "a node of Dom0's", READ, text("/secret"), VALUE_SIZE, Status.ACCESS_DENIED
    yield "a write to Dom0's", WRITE, text("/secret") + text("v"), 0, Status.ACCESS_DENIED
    yield "an unknown request", UNKNOWN, text("name"), VALUE_SIZE, Status.INVALID_DEVICE_REQUEST
    yield "an unknown request without input", UNKNOWN, b"", 0, Status.INVALID_DEVICE_REQUEST


@scenario("user-rights", "administrators and the system may use the store, others may not; a handle's access counts")
def user_rights(new: NewLab) -> None:
    lab = _started(new)
    user = Client(lab, administrator=False)
    user.expect(user.open(), Status.ACCESS_DENIED, "an ordinary user opens the device")
    server = Client(lab)
    server.process.impersonate(administrator=False)
    server.expect(server.open(), Status.ACCESS_DENIED, "a service that acts on behalf of a user opens the device")
    for access in (Access(0), Access.READ, Access.WRITE):
        client = Client(lab)
        client.expect(client.open(access), Status.SUCCESS, "an administrator opens the device for less")
        client.expect(client.ask(READ, text("name")).status, Status.ACCESS_DENIED, "a handle without access reads")
        client.close()
    _finish(lab)


@scenario("user-cancel", "waits that are cancelled, doubled, left pending at a close, or by a process that dies")
def user_cancel(new: NewLab) -> None:
    lab = _started(new)
    client = Client(lab).opened()
    client.expect(client.tell(WATCH, "data"), Status.SUCCESS, "a node is watched")
    client.wait_for("data")
    pending = client.begin(WAIT)
    client.expect(client.ask(WAIT).status, Status.DEVICE_BUSY, "a second wait of one handle")
    lab.perform(client.process.cancel(pending), "a cancellation")
    client.expect(pending.status, Status.CANCELLED, "a wait is cancelled")
    lab.xen.store.dom0.write(f"{lab.xen.toolstack.home}/data/x", "1")
    client.wait_for("data")
    for _ in range(10):
        _race(lab, client)
    pending = client.begin(WAIT)
    client.process.duplicate(client.handle())
    client.close()
    lab.expect(not pending.done, "a wait goes on while a duplicate of the handle is open")
    client.close()
    lab.wait(lambda: pending.done, "a wait whose handle is closed")
    client.expect(pending.status, Status.CANCELLED, "a wait of a handle that is closed")
    _die(lab)
    _finish(lab)


def _race(lab: Lab, client: Client) -> None:
    """A change and a cancellation at nearly one moment: the wait ends once, and the change is not lost."""
    pending = client.begin(WAIT)
    lab.xen.store.dom0.write(f"{lab.xen.toolstack.home}/data/x", "1")
    lab.run(lab.world.random.uniform(0, 0.0006))
    lab.perform(client.process.cancel(pending), "a cancellation")
    lab.wait(lambda: pending.done, "a wait that is cancelled as its watch fires")
    if pending.status == Status.CANCELLED:
        client.wait_for("data")
    else:
        client.expect(pending.status, Status.SUCCESS, "a wait ends one way or the other")


def _die(lab: Lab) -> None:
    """A process goes with a wait pending and requests under way in other threads."""
    for _ in range(5):
        client = Client(lab).opened()
        client.expect(client.tell(WATCH, "data"), Status.SUCCESS, "a node is watched")
        client.wait_for("data")
        pending = client.begin(WAIT)
        for code in (READ, DIRECTORY, WATCH):
            lab.kernel.start(_ask_once(client, code), "another thread")
        lab.run(lab.world.random.uniform(0, 0.0004))
        lab.perform(client.process.die(), "a death", 120)
        lab.expect(pending.status in (Status.CANCELLED, Status.SUCCESS), "a wait ends when its process dies")


@scenario("user-suspend", "programs read, write, wait and close all through suspends: nothing fails, no change is lost")
def user_suspend(new: NewLab) -> None:
    lab = _started(new)
    toolstack = lab.xen.toolstack
    watcher = Client(lab).opened()
    watcher.expect(watcher.tell(WATCH, "control/shutdown"), Status.SUCCESS, "a node is watched")
    watcher.wait_for("control/shutdown")
    steps: list[Callable[[], None]] = [toolstack.checkpoint, toolstack.save_and_restore, toolstack.save_and_restore]
    for count, step in enumerate(steps, 1):
        step()
        statuses: list[int] = []
        threads: list[Thread] = []
        while toolstack.resumes < count:
            client = Client(lab).opened()
            threads.append(lab.kernel.start(_life(client, statuses), "a program's life"))
            lab.run(0.0002)
        lab.wait(lambda threads=threads: all(each.finished for each in threads), "programs through a suspend", 300)  # type: ignore[misc]
        for status in statuses:
            watcher.expect(status, Status.SUCCESS, "a request at the time of a suspend")
        watcher.wait_for("control/shutdown")
    toolstack.store.dom0.write(f"{toolstack.home}/control/shutdown", "reboot")
    watcher.wait_for("control/shutdown")
    lab.expect(watcher.read("control/shutdown") == b"reboot", "the store is there after suspends")
    watcher.close()
    _finish(lab)


def _life(client: Client, statuses: list[int]) -> Steps:
    """Watch, wait and read, then close with another wait pending."""
    process, file = client.process, client.handle()
    for code, data in ((WATCH, "data"), (WAIT, ""), (READ, "name"), (DIRECTORY, "control")):
        control = yield from process.control(file, code, text(data) if data else b"", VALUE_SIZE)
        statuses.append(control.status)
    yield from process.send(file, WAIT, b"", PATH_SIZE)
    yield from process.close(file)
    return None


@scenario("user-removed", "the platform device goes while programs have the store open, comes again, and goes for good")
def user_removed(new: NewLab) -> None:
    for surprise in (False, True):
        lab = _started(new)
        pnp, node = lab.kernel.part(PnpManager), lab.platform_node()
        old = Client(lab).opened()
        old.expect(old.tell(WATCH, "data"), Status.SUCCESS, "a node is watched")
        old.wait_for("data")
        pending = old.begin(WAIT)
        threads = [lab.kernel.start(_ask_often(old), "another thread") for _ in range(3)]
        lab.run(0.0003)
        if surprise:
            pnp.pci.take_out(node.pdo)
            lab.perform(pnp.locked(pnp.enumerate(node.parent)), "a surprise removal", 120)  # type: ignore[arg-type]
        else:
            lab.perform(pnp.locked(pnp.eject(node)), "a removal", 120)
        lab.wait(lambda threads=threads: all(each.finished for each in threads), "requests at a removal")  # type: ignore[misc]
        lab.expect(pending.done, "a wait ends when the device goes")
        for code in (READ, WATCH, WRITE):
            gone = old.ask(code, text("data") + text("x"))
            lab.expect(gone.status >> 30 == 3, f"a request to a device that is gone fails ({describe(gone.status)})")
        lab.expect(Client(lab).open() == Status.OBJECT_NAME_NOT_FOUND, "a device that is gone cannot be opened")
        if not surprise:
            _start_again(lab, old)
        old.close()
        _finish(lab)


def _start_again(lab: Lab, old: Client) -> None:
    """The device is enabled again, while the handle of before is still open."""
    pnp, node = lab.kernel.part(PnpManager), lab.platform_node()
    lab.perform(pnp.locked(pnp.add_drivers(node)), "AddDevice")
    lab.expect(lab.perform(pnp.locked(pnp.start(node)), "a start"), "the device starts again")
    fresh, more = Client(lab).opened(), Client(lab).opened()
    lab.expect(fresh.read("name") == b"guest", "the store is there again")
    lab.expect(old.ask(READ, text("name")).status >> 30 == 3, "the handle of before does not come to life again")
    duplicate = Client(lab).opened()
    old.process.duplicate(old.handle())
    old.close()
    for client in (fresh, duplicate, more):
        client.expect(client.tell(WATCH, "data"), Status.SUCCESS, "a node is watched")
        client.wait_for("data")
        client.close()


def _ask_once(client: Client, code: int) -> Steps:
    yield from client.process.control(client.handle(), code, text("data"), VALUE_SIZE)
    return None


def _ask_often(client: Client) -> Steps:
    for number in range(60):
        data = text(f"data/{number}") + text("x")
        control = yield from client.process.control(client.handle(), WRITE, data, 0)
        if control.status:
            break
    return None


@scenario("user-no-memory", "each allocation fails in turn while a program uses the store: errors, and nothing is kept")
def user_no_memory(new: NewLab) -> None:
    lab = _started(new)
    pool = lab.kernel.pool
    failing = 1
    while True:
        before = pool.count
        pool.fail_at(before + failing)
        try:
            _use(Client(lab))
        except Violation as violation:
            raise Violation(f"When allocation {failing} fails: {violation.what}", violation.stack) from violation
        if pool.count - before < failing:
            break
        failing += 1
    pool.fail_at(0)
    lab.expect(failing > 5, f"a program's requests need memory ({failing - 1} allocations)")
    _finish(lab)


def _use(client: Client) -> None:
    if client.open() != Status.SUCCESS:
        return
    for code, data in ((READ, text("name")), (WRITE, text("data/x") + text("y")), (WATCH, text("data"))):
        status = client.ask(code, data).status
        client.lab.expect(status in (Status.SUCCESS, Status.INSUFFICIENT_RESOURCES), f"{describe(status)} is sensible")
    client.close()
