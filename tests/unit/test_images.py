# SPDX-License-Identifier: GPL-2.0-or-later
"""Linked images: what is required of them before anything is packaged, tried on a small driver of each kind."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pefile
import pytest

from gplpv import ddk, exports, images, matrix, pdb, pe
from gplpv.ddk import ImageOptions
from gplpv.errors import GplpvError
from gplpv.process import ProcessError

ROOT = Path(__file__).parents[2]
LOADED = matrix.load(ROOT / "platforms.yaml")
KIT = ddk.get(LOADED.ddks["mingw"])

DRIVER = """
#include <ntddk.h>
DRIVER_INITIALIZE DriverEntry;
static VOID NTAPI unload(PDRIVER_OBJECT driver) { UNREFERENCED_PARAMETER(driver); DbgPrint("bye %p", driver); }
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    BODY
    return STATUS_SUCCESS;
}
"""
RESOURCE = "1 VERSIONINFO\nFILEVERSION 1,2,3,4\nBEGIN\nEND\n"


def link(folder: Path, options: ImageOptions, body: str = "", name: str = "tiny") -> tuple[Path, Path]:
    """Build the driver in `folder` as the graph would."""
    folder.mkdir(exist_ok=True)
    source, resource = folder / "tiny.c", folder / "tiny.rc"
    source.write_text(DRIVER.replace("BODY", body))
    resource.write_text(RESOURCE)
    KIT.compile(source, folder / "tiny.obj", options, [], [])
    KIT.resource(resource, folder / "tiny.res", options, [])
    definition = folder / "ntoskrnl.def"
    definition.write_text(exports.definition("ntoskrnl.exe", options.arch, options.nt))
    KIT.import_library(definition, folder / "ntoskrnl.lib", options)
    image, symbols = folder / f"{name}.sys", folder / f"{name}.pdb"
    objects = [folder / "tiny.obj", folder / "tiny.res"]
    images.link(KIT, objects, [folder / "ntoskrnl.lib"], image, symbols, options)
    return image, symbols


def kernel(folder: Path, arch: matrix.ArchName = "x64", nt: matrix.Nt = (5, 2)) -> ImageOptions:
    return ImageOptions(arch, nt, True, "kernel", folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, ImageOptions]:
    folder = tmp_path_factory.mktemp("tiny")
    options = kernel(folder)
    return *link(folder, options), options


@pytest.mark.parametrize(
    ("arch", "nt"), [("x32", (5, 0)), ("x32", (5, 1)), ("x64", (5, 2)), ("x32", (6, 0)), ("x64", (6, 0))]
)
def test_an_image_states_the_windows_it_is_for(tmp_path, arch, nt):
    image, _ = link(tmp_path, kernel(tmp_path, arch, nt))
    with pefile.PE(str(image)) as opened:
        header = opened.OPTIONAL_HEADER
        assert (header.MajorSubsystemVersion, header.MinorSubsystemVersion) == nt
        assert (header.MajorOperatingSystemVersion, header.MinorOperatingSystemVersion) == nt
        assert header.Subsystem == 1
        assert header.CheckSum == opened.generate_checksum()


def test_the_same_sources_in_another_folder_give_the_same_bytes(tmp_path):
    one = link(tmp_path / "one", kernel(tmp_path / "one"))
    other = link(tmp_path / "a longer name", kernel(tmp_path / "a longer name"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_image_and_symbols_share_guid_and_age(tiny):
    image, symbols, _ = tiny
    identity = pdb.require_match(image, symbols)
    assert pdb.of_image(image) == (identity, "tiny.pdb")
    assert len(str(identity)) == 33


def test_symbols_of_another_build_are_refused(tiny, tmp_path):
    image, _, options = tiny
    _, strangers = link(tmp_path, kernel(tmp_path), body='DbgPrint("other");')
    with pytest.raises(GplpvError, match=r"different links|asks for"):
        images.require_fit(image, strangers, options)


def test_symbols_under_another_name_are_refused(tiny, tmp_path):
    image, symbols, _ = tiny
    renamed = shutil.copy(symbols, tmp_path / "other.pdb")
    with pytest.raises(GplpvError, match=r"tiny\.pdb"):
        pdb.require_match(image, Path(renamed))


@pytest.mark.parametrize("keep", [0, 40, 3000, 8192])
def test_a_pdb_cut_short_is_refused(tiny, tmp_path, keep):
    short = tmp_path / "tiny.pdb"
    short.write_bytes(tiny[1].read_bytes()[:keep])
    with pytest.raises(GplpvError, match=r"not a PDB|damaged"):
        pdb.of_pdb(short)


def test_an_image_without_symbols_is_refused(tiny, tmp_path):
    stripped = tmp_path / "tiny.sys"
    data = bytearray(tiny[0].read_bytes())
    data[data.index(b"RSDS") : data.index(b"RSDS") + 4] = b"XXXX"
    stripped.write_bytes(data)
    with pytest.raises(GplpvError, match="names no PDB"):
        pdb.of_image(stripped)


def field(image: Path, offset: int) -> int:
    """File offset of a field of the optional header."""
    data = image.read_bytes()
    return int(struct.unpack_from("<I", data, 0x3C)[0]) + 24 + offset


@pytest.mark.parametrize(
    ("offset", "size", "value", "says"),
    [
        (64, 4, 1, "checksum"),
        (68, 2, 2, "subsystem is 2, not native"),
        (48, 2, 6, "subsystem version is 6.2, not 5.2"),
        (40, 2, 6, "operating system version is 6.2, not 5.2"),
        (112 + 3 * 8 + 4, 4, 0, "unwind tables"),
        (-2, 2, 0x0023, "relocations are stripped"),
        (-20, 2, 0x14C, "machine is 0x014c"),
    ],
)
def test_a_wrong_header_is_told(tiny, tmp_path, offset, size, value, says):
    wrong = tmp_path / "tiny.sys"
    data = bytearray(tiny[0].read_bytes())
    at = field(tiny[0], offset)
    data[at : at + size] = value.to_bytes(size, "little")
    wrong.write_bytes(data)
    assert any(says in fault for fault in pe.faults(wrong, tiny[2])), pe.faults(wrong, tiny[2])


def test_a_fit_image_has_no_faults(tiny):
    assert pe.faults(tiny[0], tiny[2]) == []


def test_a_call_that_the_windows_lacks_says_since_when_there_is_one(tmp_path):
    with pytest.raises(GplpvError) as caught:
        body = "{ VOID NTAPI KeFlushQueuedDpcs(VOID); KeFlushQueuedDpcs(); }"
        link(tmp_path, kernel(tmp_path, "x32", (5, 0)), body)
    assert "KeFlushQueuedDpcs is exported by ntoskrnl.exe since" in caught.value.message
    assert not (tmp_path / "tiny.sys").exists()
    assert not (tmp_path / "tiny.pdb").exists()


def test_a_misspelt_call_shows_what_the_compiler_said(tmp_path):
    with pytest.raises(ProcessError, match="DbgPrnt"):
        link(tmp_path, kernel(tmp_path), body="DbgPrnt();")


def test_a_warning_is_an_error(tmp_path):
    with pytest.raises(ProcessError, match="unused variable"):
        link(tmp_path, kernel(tmp_path), body="{ int unused; }")


def test_a_declaration_after_a_statement_is_an_error(tmp_path):
    with pytest.raises(ProcessError, match="mixing declarations"):
        link(tmp_path, kernel(tmp_path), body='DbgPrint("a"); int late = 1; DbgPrint("%d", late);')
