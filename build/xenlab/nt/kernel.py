# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel: its areas, the IRQL, the drivers that are loaded, and the threads that run on its one processor.

Guest code runs in slices of random length. Between two slices, and whenever a routine has changed something
(:attr:`Kernel.attention`), what the IRQL allows comes first: service routines, then DPCs, then the thread of the
highest priority (:mod:`xenlab.nt.execution`). The kernel's own routines (:mod:`xenlab.nt.routine`) run between two
guest instructions.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from gplpv.matrix import Nt
from xenlab.cpu import loader, memory
from xenlab.cpu.loader import Image
from xenlab.cpu.machine import Machine
from xenlab.cpu.memory import PAGE_SIZE
from xenlab.cpu.symbols import Symbols
from xenlab.errors import Violation
from xenlab.nt import objects, routine, seh
from xenlab.nt.apc import Apcs
from xenlab.nt.clock import Clock
from xenlab.nt.dispatcher import Dispatcher
from xenlab.nt.execution import Execution
from xenlab.nt.guest import GuestMemory
from xenlab.nt.interrupts import Dpcs, Interrupts
from xenlab.nt.paging import Pager
from xenlab.nt.pcr import ProcessorBlock
from xenlab.nt.pool import Pool
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, Call, Steps, Wait
from xenlab.nt.scheduler import Scheduler
from xenlab.nt.spinlocks import SpinLocks
from xenlab.nt.thread import Frame, Thread

_Part = TypeVar("_Part")

_WORKERS = 4
_IMAGES = {"x64": 0xFFFFF880_01000000, "x32": 0xF0000000}
_NULL_END = 0x10000
_USER_END = {"x64": 0x7FF_FFFF0000, "x32": 0x7FFF0000}
_WORDS = {memory.READ: "read", memory.WRITE: "written", memory.EXECUTE: "executed"}


@dataclass
class Driver:
    """A loaded driver image; `entry` is its DriverEntry."""

    name: str
    image: Image

    @property
    def entry(self) -> int:
        return self.image.entry


class Kernel(GuestMemory):
    """One Windows kernel on one machine.

    Attributes:
        nt: its version, such as (5, 2): which exports there are.
        irql: the processor's present IRQL.
        attention: set when something became due; the running slice ends.
        calls: how often each routine was called.
    """

    def __init__(self, machine: Machine, nt: Nt = (5, 2)) -> None:
        super().__init__(machine)
        routine.load_package("xenlab.nt")
        self.world = machine.world
        self.nt = nt
        self.irql = PASSIVE_LEVEL
        self.attention = self.in_dpc = False
        self.calls: Counter[str] = Counter()
        self.drivers: list[Driver] = []
        self._parts: dict[type, object] = {}
        self._exported: dict[tuple[str, str], int] = {}
        self._next_image = _IMAGES[self.arch]
        self._work: deque[tuple[Callable[[], Steps], str]] = deque()
        self._workers = 0
        self.symbols = Symbols(machine)
        self.pager = Pager(self.memory)
        self.pool = Pool(self)
        self.locks = SpinLocks(self)
        self.dispatcher = Dispatcher(self)
        self.dpcs = Dpcs(self)
        self.interrupts = Interrupts(self)
        self.clock = Clock(self)
        self.apcs = Apcs(self)
        self._set_up_processor()

    def _set_up_processor(self) -> None:
        self.processor = ProcessorBlock(self)
        self.memory.fault = self._fault
        self.machine.cr8 = lambda: self.irql
        self.machine.on_cr8 = self._on_cr8
        self.execution = Execution(self)
        self.scheduler = Scheduler(self)

    # Areas of the kernel

    def part(self, kind: Callable[[Kernel], _Part]) -> _Part:
        """Return the one instance of `kind`, made on first use: where an area of the kernel keeps its state."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)  # type: ignore[index]
        return self._parts[kind]  # type: ignore[index, return-value]

    def alloc(self, size: int, tag: str = "Krnl", paged: bool = False) -> int:
        """Allocate zeroed memory of the kernel's own."""
        return self.pool.allocate_own(size, tag, paged)

    def free(self, va: int) -> None:
        self.pool.free(va)

    def at_free(self, check: Callable[[int, int], None]) -> None:
        """Have ``check(va, size)`` called before a pool block goes."""
        self.pool.checks.append(check)

    def put_unicode_string(self, va: int, text: str, tag: str = "Name") -> None:
        """Fill the UNICODE_STRING at `va` with a buffer of the kernel's own."""
        data = text.encode("utf-16-le")
        buffer = self.alloc(len(data) + 2, tag)
        self.write(buffer, data)
        self.put_u16(va, len(data))
        self.put_u16(va + 2, len(data) + 2)
        self.put_ptr(va + self.pointer_size, buffer)

    def init_event(self, va: int, synchronization: bool, state: bool) -> None:
        self.dispatcher.init_event(va, synchronization, state)

    def set_event(self, va: int) -> int:
        return self.dispatcher.set_event(va)

    def reset_event(self, va: int) -> int:
        return self.dispatcher.reset_event(va)

    @property
    def system_time(self) -> int:
        """Units of 100 ns since 1601."""
        return self.clock.system_time

    def connect_interrupt(
        self,
        service_routine: int,
        context: int,
        *,
        irql: int,
        vector: int,
        spin_lock: int = 0,
        synchronize_irql: int | None = None,
        latched: bool = False,
    ) -> int:
        """Connect a service routine to the platform's line or, latched, to a vector; returns its KINTERRUPT."""
        return self.interrupts.connect(service_routine, context, irql, vector, spin_lock, synchronize_irql, latched)

    def disconnect_interrupt(self, va: int) -> None:
        self.interrupts.disconnect(va)

    def queue_call(self, make: Callable[[], Steps], what: str) -> None:
        """Have the kernel's own function run at DISPATCH_LEVEL, as a DPC."""
        self.world.trace("dpc", f"{what} is queued")
        self.dpcs.insert_call(make)

    def queue_work(self, make: Callable[[], Steps], what: str) -> None:
        """Have a function run on a system worker thread, at PASSIVE_LEVEL."""
        self._work.append((make, what))
        if self._workers < _WORKERS:
            self._workers += 1
            self.start(self._drain_work(), "system worker", 12)

    def _drain_work(self) -> Steps:
        while self._work:
            make, what = self._work.popleft()
            yield from make()
            if self.irql != PASSIVE_LEVEL:
                self.violation(f"The work item {what} returns at IRQL {self.irql}.")
        self._workers -= 1
        return 0

    # IRQL

    def set_irql(self, irql: int) -> None:
        """Set the IRQL without a rule: for what the processor does by itself."""
        if irql >= DISPATCH_LEVEL > self.irql:
            self.pager.trim()
        if irql < self.irql:
            self.attention = True
        self.irql = irql
        self.processor.tell_irql(irql)

    def raise_irql(self, irql: int) -> int:
        """Raise the IRQL; returns the one before."""
        before = self.irql
        if irql < before:
            self.violation(f"The IRQL is raised from {before} to the lower {irql} (IRQL_NOT_GREATER_OR_EQUAL).")
        self.set_irql(irql)
        return before

    def lower_irql(self, irql: int) -> None:
        if irql > self.irql:
            self.violation(f"The IRQL is lowered from {self.irql} to the higher {irql} (IRQL_NOT_LESS_OR_EQUAL).")
        if irql < DISPATCH_LEVEL and self.locks.held:
            self.violation(f"The IRQL is lowered to {irql} while a spin lock is held.")
        self.set_irql(irql)

    def _on_cr8(self, irql: int) -> None:
        if irql > self.irql:
            self.raise_irql(irql)
        else:
            self.lower_irql(irql)

    def require_irql(self, maximum: int, what: str) -> None:
        """Raises:
        Violation: the IRQL is above `maximum`.
        """
        if self.irql > maximum:
            self.violation(f"{what} at IRQL {self.irql}; {maximum} is the highest allowed.")

    @contextmanager
    def as_interrupt(self) -> Iterator[None]:
        """Do something as the clock's interrupt would: pageable memory is out of reach meanwhile."""
        before = self.irql
        self.set_irql(max(before, DISPATCH_LEVEL))
        try:
            yield
        finally:
            self.set_irql(before)

    # Failing

    def violation(self, text: str) -> NoReturn:
        """End the run: the guest broke a rule.

        Raises:
            Violation: always, with the guest's stack.
        """
        raise Violation(text[:1].upper() + text[1:], self.stack())

    def bug_check(self, code: int, *parameters: int) -> NoReturn:
        self.violation(f"Bug check {code:#x} ({', '.join(f'{each:#x}' for each in parameters)}).")

    def stack(self) -> list[str]:
        """Where the guest is, innermost first."""
        sp = self.machine.sp
        lines = self.symbols.stack(self.machine.pc, sp, self.scheduler.stack_top(sp))
        calls = [frame.call.address for frame in self.current_thread.frames if frame.call]
        if len(lines) == 1 and calls:
            lines.append(f"{self.symbols.describe(calls[-1])}, which has jumped there")
        return lines

    def call_chain(self) -> tuple[int, ...]:
        """The return addresses on the guest's stack, innermost first."""
        sp = self.machine.sp
        return tuple(self.symbols.calls(sp, self.scheduler.stack_top(sp)))

    def caller(self) -> int:
        """The return address of the kernel routine that is running, or 0."""
        return self.execution.caller()

    def _fault(self, va: int, access: int) -> None:
        if self.pager.is_out(va):
            if self.irql >= DISPATCH_LEVEL:
                self.violation(f"Pageable memory is {_WORDS[access]} at IRQL {self.irql}: {self._explain(va)}.")
            self.pager.page_in(va)
        page = self.memory.page(va)
        if page and page[1] & access:
            return
        denied = ", which its page does not allow" if page else ""
        text = f"{va:#x} is {_WORDS[access]}{denied}: {self._explain(va)}."
        if va < _USER_END[self.arch] and self.irql < DISPATCH_LEVEL and access != memory.EXECUTE:
            raise seh.UserFault(text, self.stack(), va, access == memory.WRITE)
        self.violation(text)

    def _explain(self, va: int) -> str:
        if va < _NULL_END:
            return "a null pointer"
        image = self.symbols.image_of(va)
        if image:
            inside = [each.name for each in image.sections if each.address <= va < each.address + each.size]
            return f"{' and '.join(inside) or 'a header or discarded section'} of {image.name}"
        return self.scheduler.describe(va) or self.pool.describe(va) or "nothing is there"

    # Drivers

    def load_driver(self, path: Path, service_name: str) -> Driver:
        """Map a driver's image and bind its imports.

        Raises:
            GplpvError: it is no image of this arch, or imports what the lab lacks (the message names all of it).
        """
        base = self._next_image + PAGE_SIZE * self.world.random.randrange(1, 64)
        image = loader.load(self.machine, Path(path), base, self.exported_address)
        self._next_image = (image.base + image.size + (1 << 20)) & ~((1 << 16) - 1)
        for section in image.sections:
            if section.pageable:
                self.pager.add(section.address, section.size)
        driver = Driver(service_name, image)
        self.symbols.images.append(image)
        self.drivers.append(driver)
        self.world.trace("image", f"{image.path.name} at {base:#x}")
        return driver

    def discard_initialization(self, driver: Driver) -> None:
        """Take away what a driver needs for its DriverEntry only."""
        loader.discard(self.machine, driver.image)

    def unload_driver(self, driver: Driver) -> None:
        """Take a driver's image away.

        Raises:
            Violation: a DPC, a timer or a service routine would still lead into it.
        """
        image = driver.image
        for thread in self.scheduler.threads:
            for frame in thread.frames:
                if frame.call and image.contains(frame.call.address):
                    self.violation(f"{image.name} is unloaded while thread {thread.name} runs in it.")
        for each in self.interrupts.connected:
            if image.contains(each.service_routine):
                self.violation(f"{image.name} is unloaded with an interrupt still connected.")
        for dpc in (*self.dpcs.queued, *self.clock.dpcs):
            if image.contains(objects.view(self, "KDPC", dpc)["DeferredRoutine"]):
                self.violation(f"{image.name} is unloaded while a DPC or a timer still leads to it.")
        for apc in self.apcs.queued():
            if image.contains(objects.view(self, "KAPC", apc)["KernelRoutine"]):
                self.violation(f"{image.name} is unloaded while an APC still leads to it.")
        self.pool.release(image.base, image.size)
        loader.unload(self.machine, image)
        self.drivers.remove(driver)

    def exported_address(self, module: str, name: str) -> int:
        """Return the address of an export as this version of Windows has it, or 0."""
        key = (module.lower(), name)
        if key not in self._exported:
            found = routine.find(*key)
            since = found.export.since(self.arch) if found and found.export else None
            if not found or not since or since > self.nt:
                return 0
            self._exported[key] = found.function(self) if found.data else self.bind(found)
        return self._exported[key]

    def bind(self, found: routine.Routine) -> int:
        """Put a routine behind an address of its own that guest code can call; returns the address."""
        return self.execution.bind(found)

    # Threads

    @property
    def current_thread(self) -> Thread:
        return self.scheduler.current or self.scheduler.idle

    def start(self, steps: Steps, name: str = "system", priority: int = 8) -> Thread:
        """Run a generator as a thread."""
        thread = self.scheduler.create(name, priority)
        thread.frames.append(Frame(steps, name))
        self.scheduler.make_ready(thread, None)
        return thread

    def call(self, address: int, *args: int) -> Steps:
        """Call a guest function, from a generator: ``result = yield from kernel.call(...)``."""
        return (yield Call(address, *args))

    def sleep(self, ns: int) -> Steps:
        """Let time pass for the current thread."""
        return (yield Wait(timeout_100ns=-max(1, ns // 100)))

    def run_to_end(self, steps: Steps, name: str = "system", limit_ns: int = 60 * 10**9) -> int | None:
        """Run a generator as a thread until it has finished; returns what it returned."""
        thread = self.start(steps, name)
        self.run(lambda: thread.finished, limit_ns)
        return thread.result

    def run(self, until: Callable[[], bool] | None = None, limit_ns: int = 60 * 10**9) -> None:
        """Run until `until()` holds, or without it until nothing is left to happen.

        Raises:
            Violation: a rule was broken, `limit_ns` of virtual time have passed, or `until` can no longer come true.
        """
        deadline = self.world.now + limit_ns
        with self._telling_where():
            while not (until and until()):
                if self.world.now > deadline:
                    limit = f"{limit_ns / 1e9:g} s of virtual time"
                    self.violation(f"Nothing comes to an end within {limit}.{self.scheduler.blocked()}")
                if not self.execution.turn():
                    if until:
                        self.violation(
                            f"What is waited for never comes: nothing is left to happen.{self.scheduler.blocked()}"
                        )
                    return

    def run_for(self, ns: int) -> None:
        """Run for a time."""
        self.world.at(ns, lambda: None, "a pause ends")
        end = self.world.now + ns
        self.run(lambda: self.world.now >= end, 2 * ns + 10**9)

    def preempt(self, steps: Steps, name: str) -> None:
        """Have something run on top of what the processor does now, whatever the IRQL: a non-maskable interrupt."""
        self.execution.push(steps, name)

    def make_ready(self, thread: Thread, status: int) -> None:
        """A wait of `thread` is over with `status`."""
        self.scheduler.make_ready(thread, status)

    @contextmanager
    def _telling_where(self) -> Iterator[None]:
        try:
            yield
        except Violation as violation:
            violation.stack = violation.stack or self.stack()
            raise
