# SPDX-License-Identifier: GPL-2.0-or-later
"""All fourteen packages from clean, and the same bytes wherever they are built."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gplpv import config, ddk, images, plan
from gplpv.config import Config
from gplpv.files import write_bytes

from .tree import Outcome, Tree, copy


def test_one_run_makes_fourteen_packages_of_each_kind(first: tuple[Tree, Outcome], settings: Config) -> None:
    tree, outcome = first
    assert outcome.exit_code == 0, outcome.output
    variants = settings.matrix.variants()
    assert len(variants) == 14
    kinds = ("msi", "exe", "symbols.zip")
    assert tree.dist() == sorted(variant.package(kind) for variant in variants for kind in kinds)


def test_off_a_terminal_it_says_one_line_a_package(first: tuple[Tree, Outcome]) -> None:
    tree, outcome = first
    assert sorted(outcome.output.splitlines()) == [str(Path("dist") / name) for name in tree.dist()]


def test_a_second_run_has_nothing_to_do(built: Tree) -> None:
    outcome = built.scons("all")
    assert (outcome.exit_code, outcome.output) == (0, "scons: `all' is up to date.\n")


def test_silent_means_silent(built: Tree) -> None:
    (built.root / "dist" / built.dist()[0]).unlink()
    outcome = built.scons("-s", "all")
    assert (outcome.exit_code, outcome.output) == (0, "")


def test_two_builds_in_different_folders_are_the_same_bytes(built: Tree, second: Tree) -> None:
    one, other = outputs(built), outputs(second)
    assert len([name for name in one if "unsigned" in name and name.endswith((".msi", ".exe"))]) > 28
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    assert differing == []


def test_precompiled_headers_leave_no_trace(built: Tree, tmp_path: Path) -> None:
    """The objects of a variant are those that the compiler makes of each source by itself."""
    here = config.load(copy(tmp_path).root)
    [variant] = here.matrix.select(["Vista2008"], ["x64"], [False])
    kit, work = ddk.get(here.matrix.ddks[variant.platform.ddk]), plan.Places(variant).work
    write_bytes(here.root / work / "include/gplpv_version.h", images.version_header(here, variant).encode())
    wanted = [*plan.drivers(here, variant), *plan.programs(here)]

    def differs(image: plan.Image, source: Path) -> bool:
        target = (work / source.relative_to(source.parts[0])).with_suffix(".obj")
        (here.root / target).parent.mkdir(parents=True, exist_ok=True)
        options = plan.image_options(here, variant, image.mode)
        includes = (work / "include", *plan.INCLUDES, plan.LIBRARIES[image.mode], image.folder)
        kit.compile(source, here.root / target, options, includes, image.defines)
        return (here.root / target).read_bytes() != (built.root / target).read_bytes()

    sources = [(image, source) for image in wanted for source in image.sources]
    assert len(sources) > 50
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda each: differs(*each), sources))
    assert [str(source) for (_, source), other in zip(sources, results, strict=True) if other] == []


def test_no_output_names_the_folder_of_the_build(built: Tree) -> None:
    for name in outputs(built):
        data = (built.root / name).read_bytes()
        assert str(built.root).encode() not in data, name
        assert str(built.root).encode("utf-16-le") not in data, name


def outputs(tree: Tree) -> dict[str, str]:
    """Digest by name, of all that packages are made of and the packages themselves."""
    found = [path for folder in ("target", "dist") for path in (tree.root / folder).rglob("*") if path.is_file()]
    wanted = {".sys", ".exe", ".pdb", ".inf", ".cat", ".msi", ".zip", ".wxs"}
    return {
        path.relative_to(tree.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.suffix in wanted
    }
