# SPDX-License-Identifier: GPL-2.0-or-later
"""The portable core of xenvbd, compiled for this machine, between a model port driver and a model back end.

The program (host/core.c) sends random SCSI requests, compares every byte with a model disk, and ends with a message at
the first thing that a real back end, port driver or kernel would crash on: a grant ended while it is mapped, an SRB
completed twice, a segment outside its page, a request that is never answered because a notification was not sent.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gplpv import process
from gplpv.process import ProcessError
from gplpv.tools import Zig

ROOT = Path(__file__).parents[3]
HOST = Path(__file__).parent / "host"
XENVBD = ROOT / "drivers_src" / "xenvbd"
# What is not core: the port drivers' halves.
NOT_CORE = {"scsiport.c", "storport.c"}
CORE = sorted(path for path in XENVBD.glob("*.c") if path.name not in NOT_CORE)
REQUESTS = 3000


class Core:
    """The compiled program."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, **options: int) -> dict[str, int]:
        """What it counted, by name."""
        arguments = [f"{name}={value}" for name, value in {"requests": REQUESTS, **options}.items()]
        output = process.run([self.program, *arguments], timeout=120).output
        return {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", output)}


def compile_core(program: Path, sources: list[Path], *flags: str) -> Core:
    zig = Zig()
    zig.run(
        [
            "cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-strict-aliasing",
            "-fsanitize=undefined", "-fno-sanitize=alignment", "-DDBG=1", *flags,
            f"-I{HOST}", f"-I{XENVBD}",
            *(f"-I{ROOT / 'drivers_src' / folder}" for folder in ("include/ddk-compat", "include", "common")),
            "-idirafter", zig.library / "libc" / "include" / "any-windows-any" / "ddk",
            "-o", program, *sources, *sorted(HOST.glob("*.c")),
        ]
    )  # fmt: skip
    return Core(program)


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    return compile_core(tmp_path_factory.mktemp("xenvbd") / "core", CORE)


@pytest.mark.parametrize("protocol", [0, 1], ids=["x86_32-abi", "x86_64-abi"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_every_byte_arrives_in_either_layout_and_any_size_of_ring(core: Core, protocol: int, order: int) -> None:
    counts = core.run(seed=order, protocol=protocol, order=order)
    assert counts["done"] == REQUESTS
    assert counts["failed"] == 0


@pytest.mark.parametrize("block", [512, 2048, 4096])
@pytest.mark.parametrize("misaligned", [0, 50, 100])
def test_every_byte_arrives_whatever_the_block_size_and_the_alignment(core: Core, block: int, misaligned: int) -> None:
    assert core.run(seed=block, block=block, misaligned=misaligned)["done"] == REQUESTS


def test_indirect_segments_save_ring_entries(core: Core) -> None:
    direct, indirect = core.run(seed=1), core.run(seed=1, indirect=256)
    assert indirect["entries"] < direct["entries"] * 2 / 3


def test_persistent_grants_are_never_ended_and_never_more_than_the_frames(core: Core) -> None:
    assert core.run(seed=2, persistent=1, indirect=64)["grants"] == 352 + 32 + 4


@pytest.mark.parametrize("offer", [{"flush": 1}, {"flush": 0, "barrier": 1}, {"flush": 0}], ids=str)
def test_flushes_are_what_the_back_end_offers(core: Core, offer: dict[str, int]) -> None:
    assert core.run(seed=3, **offer)["failed"] == 0


def test_without_discard_unmap_is_refused(core: Core) -> None:
    assert core.run(seed=4, discard=0)["failed"] > 0


def test_errors_of_the_back_end_become_sense_data(core: Core) -> None:
    assert core.run(seed=5, fail=5)["failed"] > 0


@pytest.mark.parametrize("limit", [40, 120, 200])
def test_a_grant_table_that_is_full_slows_down_and_nothing_else(core: Core, limit: int) -> None:
    counts = core.run(seed=limit, grants=limit)
    assert (counts["done"], counts["failed"]) == (REQUESTS, 0)


def test_a_buffer_that_cannot_be_mapped_makes_the_port_driver_try_again(core: Core) -> None:
    assert core.run(seed=6, busy=20)["busy"] > 0


@pytest.mark.parametrize("persistent", [0, 1])
@pytest.mark.parametrize("indirect", [0, 32])
def test_suspends_in_the_middle_lose_nothing(core: Core, persistent: int, indirect: int) -> None:
    counts = core.run(seed=7, suspends=40, persistent=persistent, indirect=indirect)
    assert counts["suspended"] > 5
    assert (counts["done"], counts["failed"]) == (REQUESTS, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_back_end_that_closes_and_comes_back_is_used_again(core: Core, seed: int) -> None:
    counts = core.run(seed=seed, restarts=8, order=1)
    assert 0 < counts["gone"] < REQUESTS / 2


@pytest.mark.parametrize("seed", range(4))
def test_a_back_end_that_lies_about_the_ring_harms_nothing(core: Core, seed: int) -> None:
    assert core.run(seed=seed, hostile=20, persistent=seed % 2)["done"] == REQUESTS


def test_a_disk_that_grows_is_told_of_once(core: Core) -> None:
    assert core.run(seed=8, resizes=20)["attentions"] > 5


@pytest.mark.parametrize("seed", range(4))
def test_all_of_it_at_once(core: Core, seed: int) -> None:
    counts = core.run(seed=seed, suspends=10, restarts=5, hostile=5, resizes=5, order=2, indirect=64, misaligned=30)
    assert counts["done"] == REQUESTS


@pytest.mark.parametrize("front", [1, 3, 4, 5, 6])
def test_whatever_state_a_predecessor_left_the_front_end_in_it_connects(core: Core, front: int) -> None:
    assert core.run(seed=9, front=front)["done"] == REQUESTS


def test_a_node_that_cannot_be_written_is_tried_again(core: Core) -> None:
    assert core.run(seed=10, write=3, order=1)["done"] == REQUESTS


def test_a_read_only_disk_is_read_and_not_written(core: Core) -> None:
    counts = core.run(seed=11, info=4)
    assert 0 < counts["failed"] < REQUESTS


@pytest.mark.parametrize("failing", [1, 2])
def test_without_memory_for_the_ring_the_adapter_is_refused_and_nothing_is_left(core: Core, failing: int) -> None:
    assert core.run(seed=12, pool=failing, persistent=1, indirect=64) == {}


@pytest.mark.parametrize("failing", range(3, 11))
def test_what_takes_more_memory_is_done_without(core: Core, failing: int) -> None:
    assert core.run(seed=13, pool=failing, persistent=1, indirect=64)["done"] == REQUESTS


@pytest.mark.parametrize("offer", [{}, {"persistent": 1}, {"indirect": 64, "protocol": 0}], ids=str)
def test_a_crash_dump_is_written_by_polling_whatever_was_in_flight(core: Core, offer: dict[str, int]) -> None:
    assert core.run(seed=14, dump=1, **offer) == {"dumped": REQUESTS}


# A change to the core as somebody might make it by mistake: the file, what it says, what it would say, and the options
# of a run that has to notice.
MUTANTS: list[tuple[str, str, str, dict[str, int]]] = [
    ("ring.c", "count != 0 ? count : xen_front_ring_final_check(&ring->front)", "count", {}),
    ("ring.c", "*(ULONG64 *)(slot + layout->indirect_sector) = entry->sector;", "", {"indirect": 64}),
    ("ring.c", "*(PUSHORT)(slot + 2) = ring->handle;", "", {}),
    ("request.c", "if (xenvbd_ring_push(&adapter->ring)) {", "if (xenvbd_ring_push(&adapter->ring) && 0) {", {}),
    ("request.c", "request->sector + request->offset / BLKIF_SECTOR_SIZE", "request->sector", {}),
    ("request.c", "    request->outstanding--;\n", "", {}),
    ("request.c", "        InsertHeadList(&adapter->waiting, link);", "", {"suspends": 20}),
    ("request.c", "    rewind_request(request);\n    Insert", "    Insert", {}),
    ("request.c", "request->status = XENVBD_RSP_GONE;", ";", {"restarts": 30}),
    ("segment.c", "bytes = min(bytes, XEN_PAGE_SIZE - page_offset);", "", {}),
    ("segment.c", "slot->read && succeeded", "slot->read && 0", {"misaligned": 100}),
    ("segment.c", "        data += bytes;\n", "", {"misaligned": 100}),
    ("segment.c", "        trim(adapter, slot);\n", "", {"block": 4096, "misaligned": 0}),
    ("segment.c", "request->operation == XENVBD_WRITE);\n        add", "TRUE);\n        add", {}),
    ("segment.c", "        xenvbd_stack_push(stack, item);\n", "", {"misaligned": 100}),
    ("segment.c", "xenvbd_stack_push(&adapter->indirect, slot->indirect);", "", {"indirect": 64}),
    ("segment.c", "    xenvbd_stack_push(&adapter->refs, item);\n    return TRUE;", "    return TRUE;", {}),
    ("slot.c", "slot->generation++;", "", {"hostile": 60, "persistent": 1}),
    ("flush.c", "adapter->flush == XENVBD_FLUSH_CACHE ?", "1 ?", {"flush": 0, "barrier": 1}),
    ("stack.c", "item->granted = FALSE;\n            xenvbd_stack_push", "xenvbd_stack_push", {"suspends": 20}),
    ("connect.c", "        xenvbd_requests_rewind(adapter);\n", "", {"suspends": 20}),
    ("connect.c", "        xenvbd_requests_close(adapter);\n", "", {"restarts": 30}),
    ("connect.c", "    adapter->link.port = 0; /* it is closed */\n", "", {"suspends": 20}),
    ("connect.c", "xenvbd_link_free(adapter);\n}", "}", {}),
    ("connect.c", "    xenvbd_pump(adapter);\n", "", {"suspends": 1, "depth": 1, "requests": 20000}),
    ("link.c", '"ring-ref1"', '"ring-ref2"', {"order": 2}),
    ("link.c", "xen->event_mask(xen->context, port, TRUE);", "", {}),
    ("link.c", "event_raise(adapter->xen->context, adapter->link.port);", "size;", {}),
    ("dump.c", "    adapter->persistent = TRUE;\n", "", {"dump": 1}),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[f"{file}-{number}" for number, (file, *_) in enumerate(MUTANTS)])
def test_mistakes_do_not_pass(tmp_path: Path, mutant: tuple[str, str, str, dict[str, int]]) -> None:
    file, right, wrong, options = mutant
    text = (XENVBD / file).read_text()
    assert text.count(right) == 1
    changed = tmp_path / file
    changed.write_text(text.replace(right, wrong))
    sources = [changed if path.name == file else path for path in CORE]
    broken = compile_core(tmp_path / "core", sources, "-Wno-error")
    with pytest.raises(ProcessError):
        for seed in range(4):
            broken.run(seed=seed, **options)
