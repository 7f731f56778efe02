# SPDX-License-Identifier: MIT
"""Quantum: what the encoder of the tests makes is right by the word of cabextract and 7-Zip, and wixpy unpacks it as
they do."""

from __future__ import annotations

import random
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lzxkit import cabinet
from quantumkit import LONGEST, encode
from wixpy import cabdata
from wixpy.cab import Cabinet
from wixpy.errors import WixpyError
from wixpy.quantum import BLOCK, Quantum

KIND = 0x72
DICE = random.Random(5)
NOISE = DICE.randbytes(9000)
TEXT = b"".join(b"line %d of %d\n" % (number, number * number) for number in range(3000))
FOLDERS = {
    "nothing": (10, b""),
    "one": (10, b"x"),
    "text": (15, TEXT),
    "longest": (12, b"a" * (LONGEST * 3 + 1) + b"ab" * 300),
    "far": (21, NOISE + TEXT[:40_000] + NOISE[:2000] + bytes(range(256)) * 9),
    "small window": (10, NOISE[:3000] + NOISE[:3000] + TEXT[:30_000]),
}


@cache
def folder(name: str) -> tuple[int, list[tuple[str, bytes]], list[bytes]]:
    """A folder of two files."""
    window, content = FOLDERS[name]
    half = len(content) // 3
    return window, [(f"{name} 1", content[:half]), (f"{name} 2", content[half:])], encode(content, window)


@cache
def whole() -> bytes:
    return cabinet([folder(name) for name in FOLDERS], kind=KIND)


def contents() -> dict[str, bytes]:
    return {name: content for each in FOLDERS for name, content in folder(each)[1]}


@pytest.mark.parametrize("program", ["cabextract", "7zz"])
def test_independent_programs_unpack_what_the_encoder_makes(program: str, tmp_path: Path) -> None:
    found = shutil.which(program) or (shutil.which("7z") if program == "7zz" else None)
    if found is None:
        pytest.fail(f"{program} is missing; install it: apt-get install --no-install-recommends cabextract 7zip")
    (tmp_path / "x.cab").write_bytes(whole())
    arguments = ["-q", "-d", "out", "x.cab"] if program == "cabextract" else ["x", "-y", "-oout", "x.cab"]
    subprocess.run([found, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents()


def test_wixpy_unpacks_it_too() -> None:
    read = Cabinet(whole())
    assert {entry.name: read.read(entry) for entry in read.files} == contents()


def test_files_are_read_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cabdata, "MARK", 1)
    read = Cabinet(whole())
    for entry in [*reversed(read.files), *DICE.sample(read.files, len(read.files))]:
        assert read.read(entry) == contents()[entry.name]


pieces = st.binary(max_size=40) | st.builds(lambda data, n: data * n, st.binary(max_size=9), st.integers(0, 2000))


@settings(max_examples=20, deadline=None)
@given(st.lists(pieces, max_size=9), st.integers(10, 21))
def test_any_content_comes_back(parts: list[bytes], window: int) -> None:
    content, decoder = b"".join(parts), Quantum(window)
    blocks = encode(content, window)
    sizes = [min(BLOCK, len(content) - start) for start in range(0, len(content), BLOCK)]
    assert b"".join(map(decoder.unpack, blocks, sizes)) == content


@pytest.mark.parametrize("window", [0, 9, 22])
def test_a_window_that_quantum_does_not_have_is_refused(window: int) -> None:
    read = Cabinet(cabinet([(window, [("a", b"x")], encode(b"x", 10))], kind=KIND))
    with pytest.raises(WixpyError, match="Quantum window"):
        read.read(read.files[0])


def test_damage_gives_a_reason_and_no_other_error() -> None:
    window, _, blocks = folder("text")
    messages = set()
    for _ in range(150):
        damaged = bytearray(blocks[0][:400])
        for _ in range(DICE.randrange(4)):
            damaged[DICE.randrange(len(damaged))] = DICE.randrange(256)
        try:
            Quantum(window).unpack(bytes(damaged), DICE.choice([900, BLOCK]))
        except WixpyError as error:
            messages.add(error.message)
    assert messages == {
        "a Quantum block of the cabinet ends within its data",
        "a match of a Quantum block leaves the window or the block",
    }
