# SPDX-License-Identifier: GPL-2.0-or-later
"""Where 32-bit Wine comes from, and that a root folder is complete or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

import bootstrap
import host
import wine32
from progress import NOT_ALLOWED, Failure, Steps

FITS = 'case "$*" in *" -s "*) exit 0 ;; esac'
CONFLICTS = 'case "$*" in *" -s "*) echo "E: Unable to correct problems"; exit 100 ;; esac'
SOURCES = """case "$1" in indextargets) cat <<'EOF'
http://third.example/node/ nodistro . main
http://mirror.example/debian/ trixie trixie contrib
http://mirror.example/debian/ trixie trixie main
http://mirror.example/debian-security/ trixie-security trixie-security main
EOF
esac"""


@pytest.fixture(autouse=True)
def trixie(machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian 13 without 32-bit Wine, whatever the tests run on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(host, "os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "trixie"})
    monkeypatch.setattr(wine32, "LOADER", "usr/lib/wine/test32")
    monkeypatch.setattr(wine32, "LOADER64", "usr/lib/wine/test64")
    machine.tables["tools"]["debootstrap"] = host.load()["tools"]["debootstrap"]
    machine.answer("unshare")
    for name in ("rm", "mv", "mkdir", "touch"):
        (machine.folder / name).symlink_to(Path("/bin") / name)


def debootstrap(machine, *more: str) -> None:
    """A debootstrap that fills the folder it is given with what `wine32.complete` looks for."""
    finish = 'touch "$4/usr/lib/wine/test32" "$4/usr/lib/wine/test64"'
    machine.answer("debootstrap", 'mkdir -p "$4/usr/lib/wine"', *more, finish)


def make(machine, steps: Steps) -> None:
    wine32.make_root(steps, machine.host(steps).elevated, wine32.root_folder())


def test_the_root_is_kept_in_the_users_cache_by_release(tmp_path: Path):
    assert wine32.root_folder() == tmp_path / "cache" / "gplpv" / "i386-root-trixie"


def test_packages_are_taken_where_they_fit(machine, steps: Steps):
    machine.apt_get(FITS)
    plan = wine32.plan(steps, machine.host(steps), ["wine"])
    assert plan == ([["dpkg", "--add-architecture", "i386"]], ["wine32:i386"], [])


def test_asking_apt_touches_neither_its_lists_nor_its_architectures(machine, steps: Steps):
    machine.apt_get(FITS)
    assert wine32.apt_would_install(steps, ["wine", "wine64"])
    update, simulate = machine.called()
    assert "Dir::State::Lists=" in update
    assert " -s --no-remove " in simulate
    assert simulate.endswith("install wine32:i386 wine wine64")


def test_a_root_is_made_where_they_do_not(machine, steps: Steps):
    machine.apt_get(CONFLICTS)
    plan = wine32.plan(steps, machine.host(steps), [])
    assert (plan.first, plan.packages) == ([], ["debootstrap"])
    assert plan.last[0][1:] == [wine32.__file__, str(wine32.root_folder())]


def test_lists_that_cannot_be_fetched_count_as_not_fitting(machine, steps: Steps):
    machine.apt_get('case "$*" in *update*) exit 100 ;; esac')
    assert not wine32.apt_would_install(steps, [])


def test_ubuntu_has_only_the_packages(machine, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "os_release", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"})
    machine.apt_get(CONFLICTS)
    assert wine32.plan(steps, machine.host(steps), []).packages == ["wine32:i386"]


def test_a_machine_without_apt_is_told_where_the_tests_run(machine, steps: Steps):
    machine.tables["managers"] = {}
    with pytest.raises(Failure, match="no apt") as failure:
        wine32.plan(steps, machine.host(steps), [])
    assert failure.value.code == NOT_ALLOWED


def test_the_printed_command_makes_the_root_too(machine, steps: Steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPLPV_NO_INSTALL", "1")
    machine.apt_get(CONFLICTS)
    with pytest.raises(Failure, match="gadget, 32-bit Wine") as failure:
        bootstrap.bring_tools(steps, machine.host(steps), ["gadget"], with_wine32=True)
    assert f" gadget debootstrap && {wine32.plan(steps, machine.host(steps), []).last[0][0]}" in failure.value.hint
    assert f"wine32.py {wine32.root_folder()}" in failure.value.hint


def test_the_mirror_is_the_one_that_apt_uses_for_this_release(machine):
    machine.apt_get(SOURCES)
    assert wine32.mirror() == "http://mirror.example/debian/"


def test_no_mirror_for_this_release_is_told(machine):
    machine.apt_get("exit 0")
    with pytest.raises(Failure, match="no source for the main component of trixie"):
        wine32.mirror()


def test_a_finished_root_is_located(machine, steps: Steps):
    machine.apt_get(SOURCES)
    debootstrap(machine)
    assert wine32.locate() is None
    make(machine, steps)
    assert wine32.locate() == wine32.root_folder()
    assert not wine32.root_folder().with_name("i386-root-trixie.new").exists()
    (install,) = [call for call in machine.called() if " install " in call]
    assert install.endswith(" wine wine32 wine64:amd64")


def test_a_finished_root_is_not_made_again(machine, steps: Steps):
    machine.apt_get(SOURCES)
    debootstrap(machine)
    make(machine, steps)
    before = machine.called()
    make(machine, steps)
    assert machine.called() == before


def test_an_unfinished_root_has_no_name_and_is_started_again(machine, steps: Steps):
    machine.apt_get(SOURCES)
    debootstrap(machine, 'touch "$4/unfinished"', "exit 1")
    with pytest.raises(Failure, match="debootstrap"):
        make(machine, steps)
    assert wine32.locate() is None
    debootstrap(machine)
    make(machine, steps)
    assert wine32.locate() == wine32.root_folder()
    assert not (wine32.root_folder() / "unfinished").exists()


def test_a_root_in_which_wine_does_not_run_stays_unfinished(machine, steps: Steps):
    machine.apt_get(SOURCES)
    debootstrap(machine)
    machine.answer("unshare", 'case "$*" in *--version) echo "Exec format error"; exit 126 ;; esac')
    with pytest.raises(Failure, match="Exec format error"):
        make(machine, steps)
    assert wine32.locate() is None


def test_an_older_root_that_lacks_something_is_replaced(machine, steps: Steps):
    machine.apt_get(SOURCES)
    debootstrap(machine)
    wine32.root_folder().mkdir(parents=True)
    (wine32.root_folder() / "older").touch()
    make(machine, steps)
    assert wine32.locate() == wine32.root_folder()
    assert not (wine32.root_folder() / "older").exists()


def test_the_command_prints_the_folder_for_the_tests(machine, steps: Steps, capsys: pytest.CaptureFixture[str]):
    assert wine32.main([]) == NOT_ALLOWED
    machine.apt_get(SOURCES)
    debootstrap(machine)
    make(machine, steps)
    capsys.readouterr()
    assert wine32.main([]) == 0
    assert capsys.readouterr().out == f"{wine32.root_folder()}\n"
