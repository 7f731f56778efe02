# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel: threads, IRQL and interrupts on one processor, and the drivers that are loaded.

Guest code runs in slices of random length. Between two slices, and whenever a routine has changed something
(:attr:`Kernel.attention`), what the IRQL allows comes first: service routines, then DPCs, then the thread of the
highest priority. The kernel's own routines (:mod:`xenlab.nt.routine`) run between two guest instructions.
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
from xenlab.nt import binding, objects, routine, seh
from xenlab.nt.binding import Bound
from xenlab.nt.clock import Clock
from xenlab.nt.dispatcher import Dispatcher
from xenlab.nt.guest import GuestMemory
from xenlab.nt.interrupts import Dpcs, Interrupts
from xenlab.nt.paging import Pager
from xenlab.nt.pcr import ProcessorBlock
from xenlab.nt.pool import Pool
from xenlab.nt.routine import DISPATCH_LEVEL, PASSIVE_LEVEL, Call, CdeclCall, LockCall, Steps, Wait
from xenlab.nt.scheduler import Scheduler
from xenlab.nt.spinlocks import SpinLocks
from xenlab.nt.thread import Frame, GuestCall, Mode, State, Thread

_Part = TypeVar("_Part")

_LONGEST_SLICE = 600
_ROUTINE_NS = 100
_WORKERS = 4
_IMAGES = {"x64": 0xFFFFF880_01000000, "x32": 0xF0000000}
_NULL_END = 0x10000
_USER_END = {"x64": 0x7FF_FFFF0000, "x32": 0x7FFF0000}
_WORDS = {memory.READ: "read", memory.WRITE: "written", memory.EXECUTE: "executed"}


class ThreadExit(Exception):
    """Raised by a routine to end the current thread with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


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
        self._bound: dict[int, Bound] = {}
        self._event: tuple[Bound, Steps | None] | None = None
        self._trap_sp = self._elapsed = 0
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
        self._set_up_processor()

    def _set_up_processor(self) -> None:
        self.processor = ProcessorBlock(self)
        self.memory.fault = self._fault
        self.machine.on_trap = self._on_trap
        self.machine.cr8 = lambda: self.irql
        self.machine.on_cr8 = self._on_cr8
        self._return_trap = self.machine.trap(0)
        self.symbols.names[self._return_trap] = "(return to the kernel)"
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

    def caller(self) -> int:
        """The return address of the kernel routine that is running, or 0."""
        frames = self.current_thread.frames
        sp = self._trap_sp or next(
            (each.registers[1] for each in reversed(frames) if each.routine and each.registers), 0
        )
        address = self.ptr(sp) if sp else 0
        if address - self._return_trap == 0 and frames and frames[-1].call:
            return frames[-1].call.address + 1  # The function has jumped to the routine: a tail call.
        return address

    def _fault(self, va: int, access: int) -> None:
        if self.pager.is_out(va):
            if self.irql >= DISPATCH_LEVEL:
                self.violation(f"Pageable memory is {_WORDS[access]} at IRQL {self.irql}: {self._explain(va)}.")
            self.pager.page_in(va)
        page = self.memory.page(va)
        if page is None:
            text = f"{va:#x} is {_WORDS[access]}: {self._explain(va)}."
            if va < _USER_END[self.arch] and self.irql < DISPATCH_LEVEL and access != memory.EXECUTE:
                raise seh.UserFault(text, self.stack(), va, access == memory.WRITE)
            self.violation(text)
        if not page[1] & access:
            self.violation(f"{va:#x} is {_WORDS[access]}, which its page does not allow: {self._explain(va)}.")

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
        address = self.machine.trap(binding.stack_bytes(found, self.arch))
        self._bound[self.machine.trap_number(address)] = Bound(found, address)
        for offset in (0, 2):
            self.symbols.names[address + offset] = f"{Path(found.module).stem}!{found.name}"
        return address

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
                if not self._turn():
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
        self._push_interrupt(steps, name)

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

    # Execution

    def _turn(self) -> bool:
        """Do the next thing; False when there is none."""
        self.attention = False
        thread = self.scheduler.current
        if not (thread and thread.mode.guest and not self.machine.interrupts_enabled):
            self._interrupt()
            self.scheduler.choose()
        thread = self.scheduler.current
        if thread is None:
            due = self.world.next_time
            if due is None:
                return False
            self._pass_time(due - self.world.now)
        elif thread.mode.guest:
            self._run_guest(thread)
        else:
            self._step(thread)
        return True

    def _pass_time(self, ns: int) -> None:
        self.world.advance(ns)
        self.clock.tell()

    def _interrupt(self) -> None:
        serve = self.interrupts.due()
        if serve:
            self._push_interrupt(serve(), "interrupt")
        elif self.dpcs and self.irql < DISPATCH_LEVEL:
            self._push_interrupt(self.dpcs.run(), "DPC")
            self.machine.sp = self.scheduler.dpc_stack - 0x80

    def _push_interrupt(self, steps: Steps, name: str) -> None:
        if not self.scheduler.current:
            self.scheduler.switch_to(self.scheduler.idle)
        thread = self.current_thread
        thread.frames.append(Frame(steps, name, None, self.machine.save(vectors=True), thread.mode))
        thread.mode = Mode(False)

    def _run_guest(self, thread: Thread) -> None:
        instructions = self.world.random.randint(1, _LONGEST_SLICE)
        self._event, self._elapsed = None, 0
        try:
            self.machine.run(instructions)
        except seh.UserFault as fault:
            self._push_exception(thread, fault)
            return
        event, self._event = self._event, None
        if event:
            bound, steps = event
            self.machine.pc = bound.address + 2
            if steps:
                thread.frames.append(
                    Frame(steps, bound.routine.name, bound.routine, self.machine.save(), None, bound.address)
                )
                thread.mode = Mode(False)
        elif self.machine.pc - self._return_trap in (0, 2):
            self._returned(thread)
        self._pass_time(self._elapsed + instructions // (4 if event else 1))

    def _on_trap(self, number: int) -> bool:
        bound = self._bound.get(number)
        if not bound:
            return True
        made = bound.routine
        self._elapsed += _ROUTINE_NS
        self.calls[made.name] += 1
        if not made.irql_min <= self.irql <= made.irql_max:
            allowed = (
                f"{made.irql_max} is the highest" if self.irql > made.irql_max else f"{made.irql_min} is the lowest"
            )
            self.violation(f"{made.name} is called at IRQL {self.irql}; {allowed} allowed.")
        if made.pops is not None:
            made.function(self)
            return False
        self._trap_sp, arguments = bound.arguments(self)
        try:
            if made.generator:
                self._event = (bound, made.function(self, *arguments))
                return True
            bound.put_result(self.machine, made.function(self, *arguments))
            if self.attention:
                self._event = (bound, None)
            return self.attention
        except ThreadExit as leaving:
            steps = _leave_with(leaving.status)
        except seh.Raised as raised:
            steps = seh.dispatch(self, raised)
        except seh.UserFault as fault:
            steps = seh.dispatch_fault(self, fault, within_routine=True)
        finally:
            self._trap_sp = 0
        self._event = (bound, steps)
        return True

    def _push_exception(self, thread: Thread, fault: seh.UserFault) -> None:
        """An instruction of the driver's has faulted: look for its __except, from where it stands."""
        steps = seh.dispatch_fault(self, fault, within_routine=False)
        thread.frames.append(Frame(steps, "an exception", None, self.machine.save(vectors=True), thread.mode))
        thread.mode = Mode(False)

    def _step(self, thread: Thread) -> None:
        frame = thread.frames[-1]
        try:
            item = frame.steps.send(thread.mode.value)  # type: ignore[arg-type]
        except StopIteration as stop:
            self._finish(thread, frame, stop.value)
            return
        except seh.Raised as raised:
            frame.steps = seh.dispatch(self, raised)
            thread.mode = Mode(False)
            return
        except seh.Resume as resumed:
            self._resume(thread, resumed)
            return
        except ThreadExit as leaving:
            for each in reversed(thread.frames):
                each.steps.close()
            self.scheduler.end(thread, leaving.status)
            return
        if isinstance(item, Call):
            self._enter(thread, frame, item)
            return
        status = self.dispatcher.wait(thread, item)
        if status is None:
            self.scheduler.leave(State.WAITING)
        else:
            thread.mode = Mode(False, status)

    def _resume(self, thread: Thread, resumed: seh.Resume) -> None:
        """Go on in the guest where it handles an exception."""
        for each in reversed(thread.frames[resumed.depth :]):
            each.steps.close()
        del thread.frames[resumed.depth :]
        self.machine.restore(resumed.registers)
        thread.mode = Mode(True)

    def _enter(self, thread: Thread, frame: Frame, call: Call) -> None:
        if call.address < _NULL_END:
            self.violation(f"{frame.name} is to call a function at {call.address:#x}: a null pointer.")
        before = self.machine.sp
        preserved = self.machine.get(*binding.PRESERVED[self.arch])
        after = binding.enter(self, call.address, call.args, self._return_trap, isinstance(call, CdeclCall))
        locks = None if isinstance(call, LockCall) else tuple(self.locks.held)
        frame.call = GuestCall(call.address, before, after, preserved, self.irql, locks)
        thread.mode = Mode(True)

    def _returned(self, thread: Thread) -> None:
        frame = thread.frames[-1] if thread.frames else None
        call = frame.call if frame else None
        if not frame or not call:
            self.violation("A function returns to the kernel that the kernel has not called.")
        name = self.symbols.describe
        off = self.machine.sp - call.sp_after
        if off:
            self.violation(
                f"{name(call.address)} returns with the stack pointer {off:+} bytes off: its parameters or its calling "
                f"convention are not what {frame.name} calls."
            )
        now = self.machine.get(*binding.PRESERVED[self.arch])
        for register, was, is_now in zip(binding.PRESERVED[self.arch], call.preserved, now, strict=True):
            if was != is_now:
                self.violation(f"{name(call.address)} returns with {register} changed, which it must preserve.")
        if call.locks is not None and tuple(self.locks.held) != call.locks:
            self.violation(f"{name(call.address)} returns with spin locks held or released that were not so before.")
        if call.locks is not None and self.irql != call.irql:
            self.violation(f"{name(call.address)} is called at IRQL {call.irql} and returns at {self.irql}.")
        self.machine.sp = call.sp
        frame.call = None
        thread.mode = Mode(False, self.machine.get("rax" if self.arch == "x64" else "eax")[0])

    def _finish(self, thread: Thread, frame: Frame, value: int | None) -> None:
        thread.frames.pop()
        if frame.registers is None:
            self.scheduler.end(thread, value)
            return
        self.machine.restore(frame.registers)
        if frame.routine:
            Bound(frame.routine, frame.address).put_result(self.machine, value)
            self.machine.pc = frame.address + 2
            thread.mode = Mode(True)
            return
        thread.mode = frame.mode or Mode(False)
        if thread is self.scheduler.idle and not thread.frames:
            self.scheduler.current = None


def _leave_with(status: int) -> Steps:
    """The steps of a routine that ends its thread."""
    raise ThreadExit(status)
    yield Wait()
