# SPDX-License-Identifier: GPL-2.0-or-later
"""A checkout in a scratch folder, and a machine whose package manager is a few lines of shell."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

import bootstrap
import host
import progress

PROJECT = Path(__file__).resolve().parents[3]
DEMO = {
    "demo.py": "def main():\n    print('demo runs')\n",
    "demo-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: demo\nVersion: 1\n",
    "demo-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "demo-1.dist-info/entry_points.txt": "[console_scripts]\ndemo = demo:main\n",
}


def program(path: Path, *lines: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def make_wheel(folder: Path) -> str:
    """Write a wheel with one console script, `demo`; its SHA-256."""
    folder.mkdir(exist_ok=True)
    path = folder / "demo-1-py3-none-any.whl"
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for name, text in DEMO.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**DEMO, "demo-1.dist-info/RECORD": f"{record}demo-1.dist-info/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_checkout(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the real launchers and ci/, whose locks have one package, which pip finds without a network."""
    root = scratch / "a checkout"
    shutil.copytree(PROJECT / "ci", root / "ci", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("scons", "runtests", "pyproject.toml"):
        shutil.copy(PROJECT / name, root / name)
    digest = make_wheel(scratch / "wheels")
    for name in bootstrap.LOCKS.values():
        (root / name).write_text(f"demo==1 --hash=sha256:{digest}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", (scratch / "wheels").as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_checkout(tmp_path, monkeypatch)


@pytest.fixture
def checkout(folder: Path) -> bootstrap.Checkout:
    return bootstrap.Checkout(folder)


@pytest.fixture
def steps(tmp_path: Path):
    with progress.Steps(tmp_path / "steps.log") as running:
        yield running


class Machine:
    """PATH with a package manager of its own: `apt-get install` makes commands with the packages' names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.tables = {
            "managers": {"apt": {**host.load()["managers"]["apt"], "repair": []}},
            "tools": {
                name: {"purpose": "it is tested", "home": "https://example.org", "for": ["build"], "commands": [name],
                       "packages": {"apt": [name]}}
                for name in ("gadget", "widget")
            },
        }  # fmt: skip
        self.answer("apt-cache", "exit 0")
        self.apt_get('case " $* " in *" install "*) for last; do :; done; ln -s /bin/true "${0%/*}/$last" ;; esac')

    def answer(self, name: str, *lines: str) -> None:
        program(self.folder / name, f'echo "{name} $*" >>"{self.calls}"', *lines)

    def apt_get(self, *lines: str) -> None:
        self.answer("apt-get", *lines)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def host(self, steps: progress.Steps) -> host.Host:
        return host.Host(self.tables, steps)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with apt and an administrator before it, and nothing else on PATH than the base system's programs."""
    base = tmp_path / "base"
    base.mkdir()
    for name in ("sh", "env", "ln", "true", "cat", "sleep"):
        found = shutil.which(name)
        assert found
        (base / name).symlink_to(found)
    made = Machine(tmp_path / "path")
    monkeypatch.setenv("PATH", f"{made.folder}:{base}")
    monkeypatch.setattr(host, "ADMINISTRATORS_PATH", "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.delenv("GPLPV_NO_INSTALL", raising=False)
    return made
