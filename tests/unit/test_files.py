# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing beside and renaming: a reader never sees half a file."""

import errno

import pytest

from gplpv.errors import GplpvError
from gplpv.files import replacing, require_writable, write_bytes


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_leaves_nothing_beside(tmp_path):
    write_bytes(tmp_path / "new" / "a.bin", b"1")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"1"
    assert names(tmp_path / "new") == ["a.bin"]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_failure_keeps_the_old_file(tmp_path, failure):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(type(failure)), replacing(path) as (partial,):
        partial.write_bytes(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_is_one_sentence_and_a_hint(tmp_path):
    with pytest.raises(GplpvError) as caught, replacing(tmp_path / "a.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.message == f"{tmp_path / 'a.bin'} cannot be written: No space left on device."
    assert "nothing was changed" in caught.value.hint
    assert names(tmp_path) == []


def test_two_files_appear_together_or_not_at_all(tmp_path):
    one, two = tmp_path / "a.sys", tmp_path / "symbols" / "a.pdb"
    with pytest.raises(GplpvError, match=r"a\.sys"), replacing(one, two) as (partial, _):
        partial.write_bytes(b"1")
    assert not one.exists()
    with replacing(one, two) as partials:
        for partial in partials:
            partial.write_bytes(b"1")
    assert one.exists()
    assert two.exists()


def test_what_a_killed_build_left_is_cleared_away(tmp_path):
    left = tmp_path / ".partial-a.bin"
    left.mkdir()
    (left / "a.bin").write_bytes(b"half")
    write_bytes(tmp_path / "a.bin", b"1")
    assert names(tmp_path) == ["a.bin"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(GplpvError, match="cannot be written"):
        write_bytes(tmp_path / "file" / "a.bin", b"1")


def test_a_folder_that_is_not_ours_to_write_is_named(tmp_path, monkeypatch):
    require_writable(tmp_path, tmp_path / "not there yet")
    # A chmod would not keep root out.
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(GplpvError, match="Nothing can be written to"):
        require_writable(tmp_path.parent, tmp_path)
