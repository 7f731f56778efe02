# SPDX-License-Identifier: GPL-2.0-or-later
"""Our parser and Wine's SetupAPI, written by others from the same documentation, read INF files alike.

Left out is where they differ and the documentation is on our side or on neither: a semicolon in a %token%, which Wine
takes for a comment, and a backslash before the one that continues a line.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gplpv.ddk import ImageOptions
from gplpv.inf.parse import Entry, Word, parse
from gplpv.inf.view import Inf
from gplpv.stampinf import Stamp, stamp
from small_images import make

from .prefix import PROJECT
from .windows import Windows

HEAD = '[Version]\r\nSignature="$Windows NT$"\r\n[Strings]\r\nt=text\r\n[S]\r\n'
# What the syntax is made of, to meet in every order.
PARTS = ["=", ",", ";", '""', '"', '"x;y,z=1"', "%t%", "%%", " ", "\t", "\r\n", "\n", "a", "b\\c", "[T]\r\n", "\\\r\n"]
PARTS += ["\\ ; x\r\n", " \\  \n", "x y", "[s]", "k=v\r\n", "HKR,,p=q\r\n", '"a ""b"""', "\u00e9"]
SEED, COUNT = 20261128, 400
# The directories that Windows puts in, as Wine has them.
FOLDERS = {"10": "C:\\windows", "11": "C:\\windows\\system32", "12": "C:\\windows\\system32\\drivers"}
Read = list[tuple[str, ...]]


@pytest.fixture(scope="module")
def infdump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("infdump") / "infdump.exe"
    options = ImageOptions("x64", (6, 0), False, "user", PROJECT)
    return make(program, [Path(__file__).with_name("infdump.c")], ["kernel32.dll", "setupapi.dll"], options)


def random_files() -> dict[str, bytes]:
    chance = random.Random(SEED)
    bodies = ["".join(chance.choices(PARTS, k=chance.randint(1, 12))) for _ in range(COUNT)]
    return {f"r{index:03}.inf": (HEAD + body + "\r\n").encode("cp1252") for index, body in enumerate(bodies)}


def real_files() -> dict[str, bytes]:
    what = Stamp("1.2.3.4", datetime.date(2012, 1, 2), "AMD64")
    ours = {f"{path.stem}.inf": stamp(path.read_bytes(), what) for path in PROJECT.glob("drivers_src/*/*.inx")}
    paths = [*PROJECT.glob("tests/unit/golden/**/*.inf"), *PROJECT.glob("tests/xenlab/foreign/*/*.inf")]
    files = {**ours, **{f"g{index}-{path.name}": path.read_bytes() for index, path in enumerate(sorted(paths))}}
    text = files["xenvbd.inf"].decode("ascii")
    return {**files, "wide.inf": text.encode("utf-16")}


def by_wine(machine: Windows, program: Path, files: dict[str, bytes]) -> dict[str, Read]:
    folder, output = "C:\\run\\inf", "C:\\run\\inf.txt"
    machine.path(folder).mkdir(parents=True)
    for name, data in files.items():
        (machine.path(folder) / name).write_bytes(data)
    assert machine.run(machine.put(program)).exit_code == 0
    read: dict[str, Read] = {}
    for line in machine.path(output).read_text("ascii").splitlines():
        kind, *fields = line.split("\t")
        if kind == "FILE":
            name, *error = fields
            read[name] = [("error", *error)] if error else []
        else:
            read[name].append((kind, *(field.lower() for field in fields)))
    return read


def by_us(data: bytes) -> Read | None:
    """The same of our parser, None for a file with a fault."""
    document = parse(data)
    inf = Inf(document)
    inf.strings |= {name: Word(folder, 0, 0) for name, folder in FOLDERS.items()}
    found: Read = []
    for section in document.sections.values():
        found.append(("SECTION", _shown(section.name)))
        found += [("ENTRY", *(_shown(text) for text in _fields(inf, entry))) for entry in section.entries]
    return None if document.faults else found


def _fields(inf: Inf, entry: Entry) -> list[str]:
    """Field 0 is the key; without one it is the value where there is but one, else empty."""
    values = inf.texts(entry)
    first = inf.expand(entry.key) if entry.key else values[0] if len(values) == 1 else ""
    return [first, *values]


def _shown(text: str) -> str:
    shown = (chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in text.encode())
    return "".join(shown).lower()


@pytest.mark.parametrize("files", [random_files, real_files])
def test_setupapi_reads_the_same(
    windows: Callable[[str], Windows], infdump: Path, files: Callable[[], dict[str, bytes]]
) -> None:
    content = files()
    theirs = by_wine(windows("x64"), infdump, content)
    ours = {name: by_us(data) for name, data in content.items()}
    sound = [name for name, read in ours.items() if read is not None]
    assert len(sound) > len(content) // 2
    different = {content[name]: (ours[name], theirs[name]) for name in sound if ours[name] != theirs[name]}
    assert different == {}
