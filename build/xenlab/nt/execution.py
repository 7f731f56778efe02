# SPDX-License-Identifier: GPL-2.0-or-later
"""What the processor does next: guest code in slices of random length, and what comes on top of it.

That is, in a thread's frames: the kernel's routines that the guest calls, the guest functions that these call in turn,
interrupts, DPCs, APCs and exceptions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xenlab.nt import binding, seh
from xenlab.nt.binding import Bound
from xenlab.nt.routine import DISPATCH_LEVEL, Call, CdeclCall, LockCall, Routine, Steps, Wait
from xenlab.nt.thread import Frame, GuestCall, Mode, State, Thread, ThreadExit

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_LONGEST_SLICE = 600
_ROUTINE_NS = 100
_LOWEST_CODE = 0x10000
_RESULT = {"x64": "rax", "x32": "eax"}


class Execution:
    """The one processor of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._machine = kernel.machine
        self._bound: dict[int, Bound] = {}
        self._event: tuple[Bound, Steps | None] | None = None
        self._trap_sp = self._elapsed = 0
        self._machine.on_trap = self._on_trap
        self._return_trap = self._machine.trap(0)
        kernel.symbols.names[self._return_trap] = "(return to the kernel)"

    def bind(self, found: Routine) -> int:
        """Put a routine behind an address of its own that guest code can call; returns the address."""
        address = self._machine.trap(binding.stack_bytes(found, self._kernel.arch))
        self._bound[self._machine.trap_number(address)] = Bound(found, address)
        for offset in (0, 2):
            self._kernel.symbols.names[address + offset] = f"{Path(found.module).stem}!{found.name}"
        return address

    def caller(self) -> int:
        """The return address of the kernel routine that is running, or 0."""
        frames = self._kernel.current_thread.frames
        sp = self._trap_sp or next(
            (each.registers[1] for each in reversed(frames) if each.routine and each.registers), 0
        )
        address = self._kernel.ptr(sp) if sp else 0
        if address - self._return_trap == 0 and frames and frames[-1].call:
            return frames[-1].call.address + 1  # The function has jumped to the routine: a tail call.
        return address

    def turn(self) -> bool:
        """Do the next thing; False when there is none."""
        kernel = self._kernel
        kernel.attention = False
        thread = kernel.scheduler.current
        masked = thread and thread.mode.guest and not self._machine.interrupts_enabled
        if not masked and not self._interrupt():  # What has just interrupted the thread runs before another one does.
            kernel.scheduler.choose()
            self._deliver_apcs()
        thread = kernel.scheduler.current
        if thread is None:
            due = kernel.world.next_time
            if due is None:
                return False
            self._pass_time(due - kernel.world.now)
        elif thread.mode.guest:
            self._run_guest(thread)
        else:
            self._step(thread)
        return True

    def push(self, steps: Steps, name: str) -> None:
        """Have something run on top of what the processor does now."""
        kernel = self._kernel
        if not kernel.scheduler.current:
            kernel.scheduler.switch_to(kernel.scheduler.idle)
        thread = kernel.current_thread
        thread.frames.append(Frame(steps, name, None, self._machine.save(vectors=True), thread.mode))
        thread.mode = Mode(False)

    def _pass_time(self, ns: int) -> None:
        self._kernel.world.advance(ns)
        self._kernel.clock.tell()

    def _interrupt(self) -> bool:
        """Let what the IRQL does not hold off interrupt the thread; whether there was something."""
        kernel = self._kernel
        serve = kernel.interrupts.due()
        if serve:
            self.push(serve(), "interrupt")
            return True
        if kernel.dpcs and kernel.irql < DISPATCH_LEVEL:
            self.push(kernel.dpcs.run(), "DPC")
            self._machine.sp = kernel.scheduler.dpc_stack - 0x80
            return True
        return False

    def _deliver_apcs(self) -> None:
        """An APC runs in its thread, once that has the processor and lets it."""
        kernel = self._kernel
        thread = kernel.scheduler.current
        if thread and thread.kernel_apcs and kernel.apcs.next(thread, kernel.irql):
            self.push(kernel.apcs.deliver(thread), "APC")

    # Guest code, and the routines that it calls

    def _run_guest(self, thread: Thread) -> None:
        instructions = self._kernel.world.random.randint(1, _LONGEST_SLICE)
        self._event, self._elapsed = None, 0
        try:
            self._machine.run(instructions)
        except seh.UserFault as fault:
            self.push(seh.dispatch_fault(self._kernel, fault, within_routine=False), "an exception")
            return
        event, self._event = self._event, None
        if event:
            bound, steps = event
            self._machine.pc = bound.address + 2
            if steps:
                thread.frames.append(
                    Frame(steps, bound.routine.name, bound.routine, self._machine.save(), None, bound.address)
                )
                thread.mode = Mode(False)
        elif self._machine.pc - self._return_trap in (0, 2):
            self._returned(thread)
        self._pass_time(self._elapsed + instructions // (4 if event else 1))

    def _on_trap(self, number: int) -> bool:
        bound = self._bound.get(number)
        if not bound:
            return True
        kernel, made = self._kernel, bound.routine
        self._elapsed += _ROUTINE_NS
        kernel.calls[made.name] += 1
        if not made.irql_min <= kernel.irql <= made.irql_max:
            allowed = (
                f"{made.irql_max} is the highest" if kernel.irql > made.irql_max else f"{made.irql_min} is the lowest"
            )
            kernel.violation(f"{made.name} is called at IRQL {kernel.irql}; {allowed} allowed.")
        if made.pops is not None:
            made.function(kernel)
            return False
        self._trap_sp, arguments = bound.arguments(kernel)
        try:
            if made.generator:
                self._event = (bound, made.function(kernel, *arguments))
                return True
            bound.put_result(self._machine, made.function(kernel, *arguments))
            if kernel.attention:
                self._event = (bound, None)
            return kernel.attention
        except ThreadExit as leaving:
            steps = _leave_with(leaving.status)
        except seh.Raised as raised:
            steps = seh.dispatch(kernel, raised)
        except seh.UserFault as fault:
            steps = seh.dispatch_fault(kernel, fault, within_routine=True)
        finally:
            self._trap_sp = 0
        self._event = (bound, steps)
        return True

    # Steps of the kernel's own

    def _step(self, thread: Thread) -> None:
        kernel, frame = self._kernel, thread.frames[-1]
        if thread.mode.waiter:
            self._waits(thread, kernel.dispatcher.go_on(thread.mode.waiter))
            return
        try:
            item = frame.steps.send(thread.mode.value)  # type: ignore[arg-type]
        except StopIteration as stop:
            self._finish(thread, frame, stop.value)
            return
        except seh.Raised as raised:
            frame.steps = seh.dispatch(kernel, raised)
            thread.mode = Mode(False)
            return
        except seh.Resume as resumed:
            self._resume(thread, resumed)
            return
        except ThreadExit as leaving:
            for each in reversed(thread.frames):
                each.steps.close()
            self._end(thread, leaving.status)
            return
        if isinstance(item, Call):
            self._enter(thread, frame, item)
            return
        self._waits(thread, kernel.dispatcher.wait(thread, item))

    def _waits(self, thread: Thread, status: int | None) -> None:
        """Hand the status of a wait back, or let the thread block."""
        if status is None:
            self._kernel.scheduler.leave(State.WAITING)
        else:
            thread.mode = Mode(False, status)

    def _end(self, thread: Thread, status: int | None) -> None:
        """A thread ends, after its APCs of user mode have been run down."""
        if thread.user_apcs:
            thread.frames[:] = [Frame(self._kernel.apcs.run_down(thread, status), "the end of a thread")]
            thread.mode = Mode(False)
        else:
            self._kernel.scheduler.end(thread, status)

    def _resume(self, thread: Thread, resumed: seh.Resume) -> None:
        """Go on in the guest where it handles an exception."""
        for each in reversed(thread.frames[resumed.depth :]):
            each.steps.close()
        del thread.frames[resumed.depth :]
        self._machine.restore(resumed.registers)
        thread.mode = Mode(True)

    def _enter(self, thread: Thread, frame: Frame, call: Call) -> None:
        kernel = self._kernel
        if call.address < _LOWEST_CODE:
            kernel.violation(f"{frame.name} is to call a function at {call.address:#x}: a null pointer.")
        before = self._machine.sp
        preserved = self._machine.get(*binding.PRESERVED[kernel.arch])
        after = binding.enter(kernel, call.address, call.args, self._return_trap, isinstance(call, CdeclCall))
        locks = None if isinstance(call, LockCall) else tuple(kernel.locks.held)
        frame.call = GuestCall(call.address, before, after, preserved, kernel.irql, locks)
        thread.mode = Mode(True)

    def _returned(self, thread: Thread) -> None:
        kernel = self._kernel
        frame = thread.frames[-1] if thread.frames else None
        call = frame.call if frame else None
        if not frame or not call:
            kernel.violation("A function returns to the kernel that the kernel has not called.")
        name = kernel.symbols.describe
        off = self._machine.sp - call.sp_after
        if off:
            kernel.violation(
                f"{name(call.address)} returns with the stack pointer {off:+} bytes off: its parameters or its calling "
                f"convention are not what {frame.name} calls."
            )
        now = self._machine.get(*binding.PRESERVED[kernel.arch])
        for register, was, is_now in zip(binding.PRESERVED[kernel.arch], call.preserved, now, strict=True):
            if was != is_now:
                kernel.violation(f"{name(call.address)} returns with {register} changed, which it must preserve.")
        if call.locks is not None and tuple(kernel.locks.held) != call.locks:
            kernel.violation(f"{name(call.address)} returns with spin locks held or released that were not so before.")
        if call.locks is not None and kernel.irql != call.irql:
            kernel.violation(f"{name(call.address)} is called at IRQL {call.irql} and returns at {kernel.irql}.")
        self._machine.sp = call.sp
        frame.call = None
        thread.mode = Mode(False, self._machine.get(_RESULT[kernel.arch])[0])

    def _finish(self, thread: Thread, frame: Frame, value: int | None) -> None:
        scheduler = self._kernel.scheduler
        thread.frames.pop()
        if frame.registers is None:
            self._end(thread, value)
            return
        self._machine.restore(frame.registers)
        if frame.routine:
            Bound(frame.routine, frame.address).put_result(self._machine, value)
            self._machine.pc = frame.address + 2
            thread.mode = Mode(True)
            return
        thread.mode = frame.mode or Mode(False)
        if thread is scheduler.idle and not thread.frames:
            scheduler.current = None


def _leave_with(status: int) -> Steps:
    """The steps of a routine that ends its thread."""
    raise ThreadExit(status)
    yield Wait()
