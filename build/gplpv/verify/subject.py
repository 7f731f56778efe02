# SPDX-License-Identifier: GPL-2.0-or-later
"""The things that are checked: files, those inside packages, and folders; each is read and parsed once."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pefile

import wixpy
from gplpv import authenticode, nsisread, pkcs7
from gplpv.catalog.read import trust_list
from gplpv.chains import Trust
from gplpv.config import Config
from gplpv.ddk import Mode
from gplpv.errors import GplpvError
from gplpv.matrix import ArchName, Nt, Variant
from gplpv.verify import compound, portable
from wixpy.package import installed_files

LIMIT = 256 << 20
"""Bytes; nothing that we make comes near, and nothing larger is read."""
_KINDS = {
    ".msi": "msi",
    ".sys": "image",
    ".dll": "image",
    ".exe": "image",
    ".cat": "catalog",
    ".inf": "inf",
    ".pdb": "pdb",
    ".zip": "archive",
}
_AMD64 = 0x8664
_MACHINES: Mapping[int, ArchName] = {0x14C: "x32", _AMD64: "x64"}


@dataclass(frozen=True)
class Context:
    """What holds for a whole run.

    Attributes:
        demand: whether what is not signed fails.
    """

    config: Config
    trust: Trust
    demand: bool = False


@dataclass
class Subject:
    """Anything that is checked.

    Attributes:
        name: as it is shown: the file, and the path inside it.
        kind: ``msi``, ``installer`` (an .exe with files in it), ``image``, ``catalog``, ``inf``, ``pdb``, ``archive``,
            ``driver`` (an INF with all it needs), ``release`` (a folder of packages); ``other`` is not checked.
        variant: the package of the matrix that it belongs to, where that is known.
    """

    name: str
    kind: str
    context: Context
    variant: Variant | None = None


@dataclass
class File(Subject):
    """A file, on disk or in a package.

    Attributes:
        data: all of it.
        home: the package it is in.
        neighbours: the files beside it, by lower-case name; a package's by path.
    """

    data: bytes = b""
    home: File | None = None
    neighbours: Mapping[str, File] = field(default_factory=dict)
    version: str = ""
    """As a package's name tells it."""

    @property
    def file_name(self) -> str:
        return re.split(r"[\\/]", self.name)[-1]

    @cached_property
    def pe(self) -> Any:
        """The image as pefile reads it, its directories on demand."""
        return pefile.PE(data=self.data, fast_load=True)

    @cached_property
    def container(self) -> compound.Container:
        return compound.Container(self.data)

    @cached_property
    def database(self) -> wixpy.Database:
        return wixpy.Database.parse(self.data)

    @cached_property
    def installer(self) -> nsisread.Installer:
        return nsisread.Installer(self.data, self.pe.FILE_HEADER.Machine == _AMD64)

    @cached_property
    def signature(self) -> pkcs7.Signature | None:
        """The verified signature; None where there is none."""
        trust = self.context.trust
        if self.kind == "catalog":
            _, is_signed = trust_list(self.data)
            if not is_signed:
                return None
            return pkcs7.verify(self.data, pkcs7.Expected(pkcs7.TRUST_LIST), trust)
        if self.kind == "msi":
            encoded, kind, digest_of = self.container.signature, compound.KIND, self.container.digest
        else:
            encoded, kind = portable.signature(self.data), portable.KIND
            digest_of = partial(authenticode.digest, self.data)
        if encoded is None:
            return None
        return pkcs7.verify(encoded, pkcs7.Expected(pkcs7.INDIRECT_DATA, kind, digest_of), trust)

    @cached_property
    def payload(self) -> dict[str, File]:
        """The files that a package installs, by path below the product's folder, with forward slashes.

        Raises:
            GplpvError, WixpyError: they cannot be unpacked.
        """
        found: dict[str, File] = {}
        for path, content in self._contents():
            inner = self.inner(path, content, found)
            if path in found and found[path].data != content:
                raise GplpvError(f"It has two files {path}.", "Get the package again.")
            found[path] = inner
        return found

    def _contents(self) -> list[tuple[str, bytes]]:
        if self.kind == "msi":
            return [(_below_product(path), content) for path, content in installed_files(self.database)]
        if self.kind == "archive":
            return archive_members(self.data)
        wanted = [file for file in self.installer.files if file.path.startswith("$INSTDIR\\")]
        paths = [file.path.removeprefix("$INSTDIR\\").replace("\\", "/") for file in wanted]
        return [(path, self.installer.read(file)) for path, file in zip(paths, wanted, strict=True)]

    def inner(self, path: str, content: bytes, neighbours: Mapping[str, File]) -> File:
        """A file inside this one."""
        kind = kind_of(path, content)
        return File(f"{self.name}/{path}", kind, self.context, self.variant, content, self, neighbours)

    @property
    def mode(self) -> Mode:
        return "kernel" if self.name.lower().endswith(".sys") else "user"

    @property
    def symbols(self) -> File | None:
        """The PDB of an image: beside it, or in its package's folder of symbols."""
        name = f"{self.file_name.rpartition('.')[0]}.pdb".lower()
        for path, file in self.neighbours.items():
            if path.lower().rpartition("/")[2] == name:
                return file
        return None

    @property
    def target(self) -> tuple[ArchName, Nt] | None:
        """What it is built for: the variant's, or else what an image's own headers tell."""
        if self.variant:
            return self.variant.arch_name, self.variant.nt
        header = self.pe.OPTIONAL_HEADER
        arch = _MACHINES.get(self.pe.FILE_HEADER.Machine)
        nt = (header.MajorOperatingSystemVersion, header.MinorOperatingSystemVersion)
        return (arch, nt) if arch else None


@dataclass
class Group(Subject):
    """Several files that belong together: a driver package, or the packages of a release."""

    files: dict[str, File] = field(default_factory=dict)
    """By lower-case name."""


def kind_of(name: str, data: bytes) -> str:
    """The kind of a file by its extension; a program that carries files is an installer."""
    kind = _KINDS.get(Path(name).suffix.lower(), "other")
    if kind == "image" and name.lower().endswith(".exe") and _carries_files(data):
        return "installer"
    return kind


def _carries_files(data: bytes) -> bool:
    try:
        return nsisread.find(data) is not None
    except GplpvError:
        return True


def _below_product(path: str) -> str:
    """A path of an .msi without the folder of programs and the product's."""
    parts = path.split("/")
    return "/".join(parts[2:]) if len(parts) > 2 else path


def archive_members(data: bytes) -> list[tuple[str, bytes]]:
    """Names and content of a zip archive; each checksum is verified.

    Raises:
        GplpvError: it is damaged, or larger than is credible.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LIMIT:
                raise GplpvError("The archive's content is larger than is credible.", "Get it again.")
            return [(entry.filename, archive.read(entry)) for entry in entries]
    except (
        zipfile.BadZipFile,
        struct.error,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as error:
        raise GplpvError(f"The archive is damaged: {error}.", "Get it again.") from error


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        GplpvError: it cannot be read, is empty or larger than :data:`LIMIT`.
    """
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise GplpvError(f"It has {size} bytes, more than any package of ours.", "Look at what it is.")
        data = path.read_bytes()
    except OSError as error:
        raise GplpvError(f"It cannot be read: {error.strerror}.", "Make it readable.") from error
    if not data:
        raise GplpvError("It is empty.", "Get it again.")
    return data
