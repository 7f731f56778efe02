# SPDX-License-Identifier: GPL-2.0-or-later
"""Independent programs read what we make: msitools, olefile and python-msi each .msi, LLVM each image and PDB."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import olefile
import pymsi
import pytest

import wixpy
from gplpv import config, pdb, plan
from gplpv.matrix import Variant
from gplpv.packages import describe, payload

from .tree import PROJECT, Tree

SETTINGS = config.load(PROJECT)
VARIANTS = {variant.name: variant for variant in SETTINGS.matrix.variants()}
each_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, check=False)
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output + done.stderr.decode("utf-8", "replace")
    return output


def llvm(name: str) -> str:
    """A program of LLVM, under whichever name the distribution gives it."""
    names = [name, *(f"{name}-{version}" for version in range(25, 13, -1))]
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"{name} is not installed. Install it: sudo apt-get install llvm"
    return found


def msi(tree: Tree, variant: Variant) -> Path:
    return tree.root / plan.Places(variant).dist("msi")


def images(variant: Variant) -> list[plan.Image]:
    return [*plan.drivers(SETTINGS, variant), *plan.programs(SETTINGS)]


@each_variant
def test_msiinfo_reads_summary_and_every_table(built: Tree, variant: Variant, tmp_path: Path) -> None:
    path = msi(built, variant)
    summary = run("msiinfo", "suminfo", path)
    assert f"Template: {'x64' if variant.arch_name == 'x64' else 'Intel'};1033" in summary
    tables = run("msiinfo", "tables", path).split()
    assert {"File", "Component", "ServiceInstall", "CustomAction", "LaunchCondition"} <= set(tables)
    database = wixpy.open(path)
    assert set(tables) - {"_SummaryInformation", "_ForceCodepage"} == set(database.tables)
    for table in database.tables:
        exported = run("msiinfo", "export", path, table, cwd=tmp_path)  # it writes streams into the working folder
        lines = [line.split("\t") for line in exported.replace("\r", "").split("\n")[3:] if line]
        rows = [["" if cell is None else str(cell) for cell in row.cells] for row in database.rows(table)]
        assert sorted(map(texts, lines)) == sorted(map(texts, rows)), table


def texts(cells: list[str]) -> list[str]:
    """Cells of a row without the names that msiinfo makes up for files of streams."""
    return [cell for cell in cells if not cell.endswith(".ibd") and not cell.startswith(("Binary.", "Icon."))]


@each_variant
def test_a_refusal_names_the_windows_and_the_right_package(built: Tree, variant: Variant, tmp_path: Path) -> None:
    refusals = run("msiinfo", "export", msi(built, variant), "LaunchCondition", cwd=tmp_path)
    assert f"This package is for {describe(variant)}. [GPLPV_ADVICE]" in refusals
    advice = run("msiinfo", "export", msi(built, variant), "CustomAction", cwd=tmp_path)
    for other in VARIANTS.values():
        named = f"The package for this computer is '{other.package('msi')}'." in advice
        assert named == (other.debug == variant.debug)


@each_variant
def test_msiextract_takes_out_what_was_put_in(built: Tree, variant: Variant, tmp_path: Path) -> None:
    run("msiextract", "-C", tmp_path, msi(built, variant))
    extracted = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    items = payload(SETTINGS, variant)
    assert extracted == {item.destination.name: (built.root / item.source).read_bytes() for item in items}


@each_variant
def test_olefile_and_python_msi_agree(built: Tree, variant: Variant) -> None:
    path = msi(built, variant)
    with olefile.OleFileIO(path) as container:
        assert container.root.clsid == "000C1084-0000-0000-C000-000000000046"
        assert container.parsing_issues == []
        assert container.get_metadata().subject
    database = wixpy.open(path)
    with pymsi.Package(path) as package:
        properties = {row["Property"]: row["Value"] for row in package.get("Property").rows}
        for name, table in database.tables.items():
            texts = [column.name for column in table.columns if not column.is_binary]
            found = sorted(repr([row[column] for column in texts]) for row in package.get(name).iter())
            assert found == sorted(repr([row[column] for column in texts]) for row in database.rows(name)), name
    assert properties["ProductVersion"] == SETTINGS.matrix.product.version
    assert ("debug" in properties["ProductName"]) == variant.debug


@each_variant
def test_llvm_finds_the_source_line_of_each_entry_point(built: Tree, variant: Variant) -> None:
    folder = built.root / plan.Places(variant).images
    for image in images(variant):
        summary = run(llvm("llvm-pdbutil"), "dump", "-summary", folder / f"{image.name}.pdb")
        assert f"GUID: {{{str(pdb.of_image(folder / image.file)[0].guid).upper()}}}" in summary
        name = "DriverEntry" if image.mode == "kernel" else "program_entry"
        address = entry_point(folder / image.file)
        resolved = run(llvm("llvm-symbolizer"), f"--obj={folder / image.file}", hex(address))
        function, line = resolved.splitlines()[:2]
        assert name in function, image.file
        assert re.search(r"\.c:[1-9][0-9]*:", line.replace("\\", "/")), line


def entry_point(image: Path) -> int:
    headers = run(llvm("llvm-readobj"), "--file-headers", image)
    fields = dict(re.findall(r"(AddressOfEntryPoint|ImageBase): (0x[0-9A-F]+)", headers))
    return int(fields["AddressOfEntryPoint"], 16) + int(fields["ImageBase"], 16)


@each_variant
def test_x32_code_uses_no_register_that_the_kernel_does_not_save(built: Tree, variant: Variant) -> None:
    for image in images(variant):
        code = run(llvm("llvm-objdump"), "-d", built.root / plan.Places(variant).images / image.file)
        assert re.search(r"\bret", code)
        if variant.arch_name == "x32" or image.mode == "kernel":
            assert not re.search(r"%(xmm|mm|st)[0-9(]", code), image.file


@each_variant
def test_only_debug_images_can_print(built: Tree, variant: Variant) -> None:
    for image in plan.drivers(SETTINGS, variant):
        data = (built.root / plan.Places(variant).images / image.file).read_bytes()
        assert (b"DbgPrint" in data) == variant.debug, image.file


@each_variant
def test_the_symbols_archive_holds_every_pdb(built: Tree, variant: Variant) -> None:
    places = plan.Places(variant)
    with zipfile.ZipFile(built.root / places.dist("symbols.zip")) as archive:
        assert archive.testzip() is None
        stored = {name: archive.read(name) for name in archive.namelist()}
    names = [f"{image.name}.pdb" for image in images(variant)]
    assert stored == {name: (built.root / places.images / name).read_bytes() for name in names}
