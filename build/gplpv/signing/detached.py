# SPDX-License-Identifier: GPL-2.0-or-later
"""Detached signatures: a folder of signatures, each named after the file it is for and after what it covers.

``xenpci.sys.<first 16 digits>.p7`` is a PKCS #7 message; the digits are of the SHA-256 digest of all that a signature
covers (:func:`gplpv.signing.containers.digest`), the same for the signed file and the unsigned one. So a file finds its
signature wherever either lies, and only when it was rebuilt byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gplpv.errors import GplpvError, UsageError
from gplpv.files import write_bytes
from gplpv.signing import containers

_SUFFIX = ".p7"


@dataclass(frozen=True)
class Store:
    """The folder with the signatures."""

    folder: Path

    @cached_property
    def identity(self) -> str:
        """Changes with the signatures.

        Raises:
            UsageError: there are none.
        """
        files = sorted(self.folder.glob(f"*{_SUFFIX}"))
        if not files:
            raise UsageError(f"There are no signatures in {self.folder}.", "`gplpv signatures extract` makes them.")
        total = hashlib.sha256()
        for file in files:
            total.update(f"{file.name}\n{file.stat().st_size}\n".encode() + file.read_bytes())
        return f"detached {total.hexdigest()}"

    def path(self, file: Path) -> Path:
        """Where the signature of a file, signed or unsigned, belongs."""
        return self.folder / f"{file.name}.{containers.digest(file, 'sha256').hex()[:16]}{_SUFFIX}"

    def extract(self, signed: Path) -> Path:
        """Write the signature of a file that was signed here, and return where; attached again it gives the same file.

        Raises:
            GplpvError: the file is not signed.
        """
        signature = containers.signature_of(signed)
        if signature is None:
            raise GplpvError(f"{signed} is not signed.", "Name files that sign=release made.")
        if not containers.is_canonical(signed):
            hint = "Another program signed it; build it with sign=release."
            raise GplpvError(f"{signed} would not come out the same when its signature is attached again.", hint)
        target = self.path(signed)
        write_bytes(target, signature)
        return target

    def attached(self, unsigned: Path) -> bytes:
        """The bytes of the signed file.

        Raises:
            GplpvError: there is no signature for this very file.
        """
        try:
            signature = self.path(unsigned).read_bytes()
        except OSError as error:
            others = list(self.folder.glob(f"{unsigned.name}.*{_SUFFIX}"))
            why = "those there are for other bytes" if others else "none of its name is there"
            hint = "Build from the released sources, with the version and SOURCE_DATE_EPOCH of the release."
            raise GplpvError(f"{self.folder} has no signature for {unsigned}: {why}.", hint) from error
        return containers.attach(unsigned, signature)


def targets(paths: Iterable[Path], to: Path) -> Iterator[tuple[Path, Path]]:
    """The files as :func:`signable`, each with its place in a folder: files by name, a folder's as they lie in it."""
    for path in paths:
        for file in signable([path]):
            yield file, to / (file.relative_to(path) if path.is_dir() else file.name)


def signable(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and in folders (hidden ones left out) those of kinds that are signed.

    Raises:
        UsageError: a path does not exist, or is of another kind.
    """
    for path in paths:
        if path.is_dir():
            found = (one.relative_to(path) for one in path.rglob("*") if one.suffix.lower()[1:] in containers.KINDS)
            yield from sorted(path / one for one in found if not any(part.startswith(".") for part in one.parts))
        elif path.exists():
            containers.kind_of(path)
            yield path
        else:
            raise UsageError(f"There is no {path}.", "Name signed files, or folders with such.")
