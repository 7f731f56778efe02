# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no package, or only a part of one: a sentence and exit code 1 or 2, never a traceback or a full memory."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gplpv import cli, config, verify
from gplpv.chains import Trust
from gplpv.nsis import Makensis
from gplpv.verify import compare, finding
from gplpv.verify.compound import EXTENDED_STREAM, Container
from gplpv.verify.drivers import Driver
from gplpv.verify.finding import Level
from gplpv.verify.subject import LIMIT, File, kind_of
from wixpy import cab, names
from wixpy.database import Database

from .authority import NOW, Authority, sign
from .shared import samples

PROJECT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parents[1] / "golden/catalogs/wxp-x86-viostor"


@pytest.fixture(scope="module")
def context() -> verify.Context:
    return verify.Context(config.load(PROJECT), Trust((), NOW))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each kind; packages hold a driver and an INF."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "a.sys").write_bytes(samples.image(2048, plus=True))
    (folder / "a.nsi").write_text(
        f'Unicode true\nName a\nOutFile "{folder}/a.exe"\nSetCompressor /SOLID lzma\nSection\n'
        f'SetOutPath $INSTDIR\nFile "{folder}/a.sys"\nFile "{GOLDEN}/viostor.inf"\nSectionEnd\n'
    )
    Makensis().run(["-V1", folder / "a.nsi"])
    return {
        "a.sys": (folder / "a.sys").read_bytes(),
        "a.exe": (folder / "a.exe").read_bytes(),
        "a.cat": (GOLDEN / "viostor.cat").read_bytes(),
        "a.inf": (GOLDEN / "viostor.inf").read_bytes(),
        "a.msi": _msi((folder / "a.sys").read_bytes()),
        "a.pdb": b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0" + bytes(range(256)) * 8,
    }


def _msi(content: bytes) -> bytes:
    database = Database(1252)
    database.insert("Directory", "TARGETDIR", None, "SourceDir")
    database.insert("Component", "c", "{6B1F7C1E-3A0C-4D0E-9D5B-5F2B0C1F9A47}", "TARGETDIR", 0, None, "a.sys")
    database.insert("File", "a.sys", "c", "a.sys", len(content), None, None, 0, 1)
    database.insert("Media", 1, 1, None, "#a.cab", None, None)
    database.streams["a.cab"] = cab.write([[cab.CabinetFile("a.sys", content, NOW)]])
    return database.to_bytes()


def findings(name: str, data: bytes, context: verify.Context) -> list[verify.Finding]:
    file = File(name, kind_of(name, data), context, None, data)
    if file.kind == "inf":
        return list(finding.run(Driver(name, "driver", context, None, {name: file}, file)))
    return list(verify.check_file(file))


def run(*arguments: str | Path) -> int:
    return cli.main(["verify", *map(str, arguments)])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.msi", "does not exist"),
        ("notes.txt", "is nothing that can be verified"),
        ("empty", "has no package and no driver in it"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / name) == 2
    assert says in capsys.readouterr().err


def test_options_that_do_not_fit_are_usage_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.sys").write_bytes(samples.image())
    (tmp_path / "no.pem").write_text("-----BEGIN CERTIFICATE-----\nxxxx\n")
    for words, says in (
        ([], "nothing to verify"),
        (["--compare", tmp_path / "a.sys"], "takes two paths"),
        (["--compare", tmp_path / "a.sys", tmp_path], "a file and a folder"),
        (["--root", tmp_path / "no.pem", tmp_path / "a.sys"], "is not a certificate"),
        (["--root", tmp_path / "none.pem", tmp_path / "a.sys"], "cannot be read"),
    ):
        assert run(*words) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.msi", "a.exe", "a.sys", "a.cat", "a.pdb", "a.zip", "a.inf"])
@pytest.mark.parametrize(
    "content", [b"", b"not what it is called", b"MZ", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"0\x80"]
)
def test_what_is_not_what_it_is_called_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    assert run("--json", tmp_path / name) == 1
    assert any(finding["level"] == "FAIL" for finding in json.loads(capsys.readouterr().out))


def test_a_huge_file_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "huge.msi").open("wb") as file:
        file.truncate(4 * LIMIT)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    assert run(tmp_path / "huge.msi") == 1
    assert "more than any package of ours" in capsys.readouterr().out


def test_an_unreadable_file_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.sys").mkdir()
    (tmp_path / "loop.sys").symlink_to(tmp_path / "loop.sys")
    assert run(tmp_path / "loop.sys") == 1
    assert "it cannot be read" in capsys.readouterr().out.lower()


@pytest.mark.parametrize("name", ["a.msi", "a.exe", "a.sys", "a.cat"])
def test_a_truncated_file_fails_wherever_it_ends(good: dict[str, bytes], context: verify.Context, name: str) -> None:
    whole = good[name]
    chance = random.Random(name)
    for length in {1, 2, 63, 64, 511, 512, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(6))}:
        found = findings(name, whole[:length], context)
        assert any(finding.level is Level.FAIL for finding in found), length


@pytest.mark.parametrize("name", ["a.msi", "a.exe", "a.sys", "a.cat", "a.inf", "a.pdb"])
def test_a_mutated_file_never_gives_a_traceback(good: dict[str, bytes], context: verify.Context, name: str) -> None:
    """Up to six changes of up to eight bytes each, half of them in headers; some cut short besides."""
    chance = random.Random(name)
    for _ in range(12):
        data = bytearray(good[name])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(chance.choice((1024, len(data))))
            data[at : at + chance.randint(1, 8)] = chance.randbytes(chance.randint(1, 8))
        mutated = bytes(data[: chance.choice((len(data), chance.randrange(1, len(data))))])
        assert findings(name, mutated, context)
        list(compare.contents(name, good[name], mutated))
        list(compare.contents(name, mutated, good[name]))


def test_a_stream_that_nothing_refers_to_is_found(good: dict[str, bytes], context: verify.Context) -> None:
    database = Database.parse(good["a.msi"])
    database.streams["stowaway"] = b"hidden"
    said = [finding.text for finding in findings("a.msi", database.to_bytes(), context)]
    assert "nothing refers to the stream “stowaway”" in said
    assert names.encode("stowaway")


@pytest.mark.parametrize("extended", [False, True])
def test_no_byte_of_a_signed_msi_is_beyond_its_signature(
    good: dict[str, bytes], context: verify.Context, tmp_path: Path, extended: bool
) -> None:
    """A fifth of all bytes of a small package, one bit at random; what fails unsigned is not what is asked here."""
    (tmp_path / "a.msi").write_bytes(good["a.msi"])
    who = Authority(tmp_path).issue("signer")
    data = sign(tmp_path / "a.msi", tmp_path / "b.msi", who, *(["-add-msi-dse"] if extended else []))
    assert (EXTENDED_STREAM,) in Container(data).streams or not extended
    assert _beyond_signature(data, context) == []
    chance = random.Random(3)
    missed = []
    for position in chance.sample(range(len(data)), len(data) // 5):
        changed = bytearray(data)
        changed[position] ^= 1 << chance.randrange(8)
        if not _beyond_signature(bytes(changed), context):
            missed.append(hex(position))
    assert missed == []


def _beyond_signature(data: bytes, context: verify.Context) -> list[str]:
    file = File("a.msi", "msi", context, None, data)
    chosen = [one for one in verify.CHECKS if "msi" in one.kinds and one.name in ("layout", "signature", "streams")]
    found = (finding for one in chosen for finding in one.run(file))
    return [finding.text for finding in found if not finding.ok or "not signed" in finding.text]


def test_the_list_of_checks_tells_what_each_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(verify.CHECKS) > 20
    assert all(one.purpose for one in verify.CHECKS)
