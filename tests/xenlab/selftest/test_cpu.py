# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated processor and its memory: what a driver may do there, and what ends the run with its source line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gplpv.errors import GplpvError
from xenlab.cpu import memory
from xenlab.cpu.machine import BarePlatform, Machine
from xenlab.cpu.memory import PhysicalMemory
from xenlab.errors import Violation
from xenlab.nt.kernel import Kernel
from xenlab.world import World

from .driver import DeviceWithLine, Lab, line


def fails(lab: Lab, case: str, *args: int) -> Violation:
    with pytest.raises(Violation) as caught:
        lab.run(case, *args)
    return caught.value


def test_an_argument_goes_in_and_a_result_comes_out(lab):
    assert lab.run("echo", 35) == 42


def test_a_64_bit_argument_takes_two_slots_on_x86(lab):
    assert lab.run("adds_64_bits", 1) == 2


def test_cpuid_shows_what_the_platform_says(lab):
    lab.platform.cpuid = lambda leaf, subleaf: (leaf + 1, 0, 0, 0)  # type: ignore[method-assign]
    assert lab.run("reads_processor", 0x40000000) == 0x40000001


def test_vmcall_is_a_hypercall(lab):
    assert lab.run("asks_hypervisor", 4) == 17004


def test_vmcall_without_a_hypervisor_is_an_invalid_opcode(lab):
    lab.kernel.machine.platform = BarePlatform()
    assert "hypercall 17" in fails(lab, "asks_hypervisor", 4).what


def test_model_specific_registers_are_the_platforms(lab):
    assert lab.run("writes_model_register", 0x1234000) == 0x1234000
    assert lab.platform.msrs == {0x40000000: 0x1234000}


def test_an_unknown_model_specific_register_ends_the_run(lab):
    lab.kernel.machine.platform = BarePlatform()
    assert "WRMSR of 0x5 to 0x40000000" in fails(lab, "writes_model_register", 5).what


@pytest.mark.parametrize(
    ("case", "argument", "says", "marker"),
    [
        ("writes_code", 1, "0x[0-9a-f]+ is written, which its page does not allow: .text of cases", "WRITE CODE"),
        ("writes_constant", 1, "is written, which its page does not allow: .rdata of cases", "WRITE CONSTANT"),
        ("runs_data", 0xC3, "is executed, which its page does not allow: the stack of thread runs_data", "RUN DATA"),
        ("reads_null", 0, "is read: a null pointer", "NULL"),
        ("overflows_stack", 1, "the stack of thread overflows_stack overflows", "STACK"),
    ],
)
def test_what_a_page_does_not_allow_is_found_at_its_line(lab, case, argument, says, marker):
    violation = fails(lab, case, argument)
    assert re.search(says, violation.what), violation
    assert any(line(marker) in frame for frame in violation.stack), violation


def test_a_null_dereference_names_the_byte(lab):
    offset = 2 * lab.kernel.pointer_size
    assert fails(lab, "reads_null", 0).what.startswith(f"{offset:#x} is read")


def test_virtual_neighbours_are_no_physical_neighbours(labs):
    distances = {labs(seed=seed).run("physical_differs", 0) for seed in range(1, 5)}
    assert len(distances) > 1


def test_a_function_that_takes_more_than_it_is_given_is_found(lab):
    if lab.kernel.arch == "x64":
        assert lab.run("takes_two", 1, 2) == 3
    else:
        violation = fails(lab, "takes_two", 1)
        assert "takes_two" in violation.what
        assert "+4 bytes off" in violation.what


def test_instructions_are_counted(lab):
    def count(loops: int) -> int:
        with lab.kernel.machine.counting() as total:
            lab.run("counts_in_a_loop", loops)
        return total[0]

    short, long = count(100), count(1100)
    assert (long - short) % 1000 == 0
    assert 2000 <= long - short <= 10000


def test_the_same_seed_runs_the_same(labs):
    def trace(seed: int) -> list[tuple[int, str, str]]:
        seen: list[tuple[int, str, str]] = []
        lab = labs(seed=seed, sink=lambda now, kind, text, _: seen.append((now, kind, text)))
        lab.run("dpc_waits_for_irql")
        lab.run("waits_for_timer")
        return [*seen, (lab.kernel.world.now, "end", "")]

    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def test_an_image_of_the_other_arch_is_refused(built):
    other = {"x64": "x32", "x32": "x64"}[built[1]]
    machine = Machine(other, World(), BarePlatform())
    with pytest.raises(GplpvError, match=f"is not an {other} image"):
        Kernel(machine).load_driver(built[0], "cases")


def test_every_lacking_import_is_named(built, tmp_path):
    image = tmp_path / "cases.sys"
    data = built[0].read_bytes()
    for name in (b"MmIsAddressValid", b"MmMapIoSpace", b"ZwClose"):
        data = data.replace(name + b"\0", name[:-1] + b"q\0")
    image.write_bytes(data)
    with pytest.raises(GplpvError, match=r"ntoskrnl\.exe!MmMapIoSpacq, .*ntoskrnl\.exe!ZwClosq"):
        Kernel(Machine(built[1], World(), BarePlatform())).load_driver(image, "cases")


def test_a_file_that_is_no_image_is_refused(lab, tmp_path):
    path = tmp_path / "text.sys"
    path.write_text("no image")
    with pytest.raises(GplpvError, match="not a PE image"):
        lab.kernel.load_driver(path, "text")


def test_frames_come_in_random_order_and_full_of_garbage():
    physical = PhysicalMemory(World(1), "x64")
    frames = [physical.allocate_frame() for _ in range(64)]
    assert any(frame << memory.PAGE_SHIFT > 1 << 32 for frame in frames)
    assert frames != sorted(frames)
    assert physical.read(frames[0] << memory.PAGE_SHIFT, 1) != b"\0"


def test_contiguous_frames_respect_their_limit():
    physical = PhysicalMemory(World(1), "x64")
    frames = physical.allocate_contiguous(16, highest=0xFFFFFFFF)
    assert frames == list(range(frames[0], frames[0] + 16))
    assert (frames[-1] + 1) << memory.PAGE_SHIFT <= 1 << 32


def test_a_frame_is_not_given_twice():
    physical = PhysicalMemory(World(1), "x32")
    frames = [physical.allocate_frame() for _ in range(1000)] + physical.allocate_contiguous(100)
    assert len(set(frames)) == 1100


def test_a_page_that_xen_has_taken_back_must_not_be_touched(lab):
    memory_of = lab.kernel.machine.memory

    def take(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        memory_of.set_hole(leaf << memory.PAGE_SHIFT, True)
        return 0, 0, 0, 0

    def take_and_return(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        take(leaf, subleaf)
        memory_of.set_hole(leaf << memory.PAGE_SHIFT, False)
        return 0, 0, 0, 0

    lab.platform.cpuid = take_and_return
    assert lab.run("touches_page_of_xens", 42) == 42
    lab.platform.cpuid = take
    violation = fails(lab, "touches_page_of_xens", 42)
    assert "has been given back to Xen" in violation.what
    assert violation.stack[0].startswith("cases!touches_page_of_xens (")


def test_where_there_is_no_memory_there_is_none():
    with pytest.raises(Violation, match="no memory at physical"):
        PhysicalMemory(World(), "x32").read(0, 1)


def test_the_device_of_these_tests_keeps_its_line_up_until_it_is_served():
    device = DeviceWithLine()
    device.assert_line(2)
    device.port_out(0x42, 1, 1)
    assert device.interrupt_asserted
    device.port_out(0x42, 1, 1)
    assert not device.interrupt_asserted


def test_a_symbolised_stack_goes_to_its_callers(lab):
    stack = fails(lab, "waits_at_dispatch").stack
    assert stack[0] == "ntoskrnl!KeWaitForSingleObject"
    assert stack[1].startswith("cases!waits_at_dispatch (")
    assert Path(stack[1].split("(")[1].split(":")[0]).name == "cases.c"


def test_a_tail_call_into_the_kernel_names_the_function_that_made_it(lab):
    stack = fails(lab, "tail_calls", 0).stack
    assert stack[0] == "ntoskrnl!ExAllocatePoolWithTag"
    assert stack[1].startswith("cases!tail_calls (")
