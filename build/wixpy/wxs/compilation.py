# SPDX-License-Identifier: MIT
"""The state of one compilation: the database being filled, and what can only be settled when all of it is read."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from wixpy.blob import Blob, PathBlob
from wixpy.cabdata import Compression
from wixpy.database import Database, Row
from wixpy.errors import WixpyError
from wixpy.summary import Pid
from wixpy.tables import Cell
from wixpy.wxs import artwork
from wixpy.wxs.controls import Interface
from wixpy.wxs.grammar import nearest
from wixpy.wxs.sequence import Step
from wixpy.wxs.source import Node

_WIX_LIBRARY = r"WixCA|Wix\w*UtilCA\w*"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wixpy")


class Platform(NamedTuple):
    """What a package is for: its word in the summary's template, and the least version of Windows Installer there,
    times 100."""

    template: str
    is_64bit: bool
    installer: int


PLATFORMS = {
    "x86": Platform("Intel", False, 100),
    "x64": Platform("x64", True, 200),
    "ia64": Platform("Intel64", True, 200),
    "arm64": Platform("Arm64", True, 500),
}

STANDARD_DIRECTORIES = frozenset(
    [
        "AdminToolsFolder",
        "AppDataFolder",
        "CommonAppDataFolder",
        "CommonFiles64Folder",
        "CommonFilesFolder",
        "DesktopFolder",
        "FavoritesFolder",
        "FontsFolder",
        "LocalAppDataFolder",
        "MyPicturesFolder",
        "NetHoodFolder",
        "PersonalFolder",
        "PrintHoodFolder",
        "ProgramFiles64Folder",
        "ProgramFilesFolder",
        "ProgramMenuFolder",
        "RecentFolder",
        "SendToFolder",
        "StartMenuFolder",
        "StartupFolder",
        "System16Folder",
        "System64Folder",
        "SystemFolder",
        "TARGETDIR",
        "TempFolder",
        "TemplateFolder",
        "WindowsFolder",
        "WindowsVolume",
    ]
)
ROOT_DIRECTORY = "TARGETDIR"
SECURE, HIDDEN, ADMIN = "SecureCustomProperties", "MsiHiddenProperties", "AdminProperties"
INSTALL_MODES = {"install": 1, "uninstall": 2, "both": 3}


def guid(value: uuid.UUID) -> str:
    """A GUID as Windows Installer writes it: upper case, in braces."""
    return f"{{{value}}}".upper()


def derived_guid(kind: str, content: str) -> str:
    """The GUID that stands for ``content``: version 5 in a name space of ``kind`` (RFC 4122, section 4.3)."""
    return guid(uuid.uuid5(uuid.uuid5(NAMESPACE, kind), content))


def identifier(name: str) -> str:
    """An identifier made of a name."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)[-71:]
    return text if text[0].isalpha() or text[0] == "_" else f"_{text}"


class Payload:
    """A file to install: ``values`` is its row of the File table but for the name's short form and the sequence."""

    def __init__(
        self,
        key: str,
        node: Node,
        directory: str,
        content: Blob,
        values: dict[str, Cell],
        disk: int,
        compressed: bool | None,
    ) -> None:
        self.key = key
        self.node = node
        self.directory = directory
        self.content = content
        self.values = values
        self.disk = disk
        self.compressed = compressed


class NamePair(NamedTuple):
    """A name in a table that may need a short form in front: ``short|long``; unique within ``directory``."""

    node: Node
    directory: str
    long: str
    short: str | None
    store: Callable[[str], None]


class AutomaticGuid(NamedTuple):
    """A component whose GUID is derived from where its key path is installed."""

    component: str
    node: Node


class Media(NamedTuple):
    """A disk: its cabinet, if it has one, whether that is inside the package, and how it is compressed."""

    node: Node
    cabinet: str | None
    embedded: bool
    compression: Compression
    level: int


class Membership(NamedTuple):
    """A component, a feature, a merge module or a group of them that belongs to a feature or to a group."""

    kind: str
    name: str
    node: Node
    is_primary: bool = False
    """Whether what is advertised belongs to this feature, should there be several."""


class Assembly(NamedTuple):
    """A file that is a side-by-side assembly, ``.net`` or ``win32``, and its component."""

    kind: str
    node: Node
    component: str
    file: str
    content: Blob


class Merge(NamedTuple):
    """A merge module: the directory that stands for its root, where its files go, and its components when it is in."""

    node: Node
    directory: str
    disk: int
    compressed: bool | None
    components: list[str]


class Compilation:
    """Everything that the handlers of elements share.

    ``base`` is the folder of the source, ``search`` are others with files; ``declared`` are the properties that the
    source has, with or without a value; ``module`` is the suffix of a merge module, None for a package.
    """

    def __init__(self, base: Path, epoch: int, platform: str = "x86", search: tuple[Path, ...] = ()) -> None:
        self.base = base
        self.epoch = epoch
        self.platform = platform
        self.search = search
        self.database = Database()
        self.places: dict[tuple[str, tuple[Cell, ...]], Node] = {}
        self.defined: dict[str, Node] = {}
        self.references: list[tuple[Node, str, tuple[Cell, ...]]] = []
        self.properties: dict[str, set[str]] = {}
        self.payloads: list[Payload] = []
        self.names: list[NamePair] = []
        self.automatic_guids: list[AutomaticGuid] = []
        self.media: dict[int, Media] = {}
        self.template: Node | None = None
        self.instances: Node | None = None
        self.declared: set[str] = set()
        self.module: str | None = None
        self.unsuffixed: set[str] = set()
        self.features: dict[str, list[Membership]] = {}
        self.groups: dict[str, list[Membership]] = {}
        self.feature_groups: dict[str, list[Membership]] = {}
        self.merges: dict[str, Merge] = {}
        self.assemblies: list[Assembly] = []
        self.steps: dict[str, dict[str, Step]] = {}
        self.suppressed: dict[str, set[str]] = {}
        self.advertised: list[tuple[str, tuple[Cell, ...], str, str]] = []
        self.derive_product_code = False
        self.interface = Interface()
        self.last_display = 0

    @property
    def installer(self) -> int:
        """The version of Windows Installer that the package asks for, times 100."""
        number = self.database.summary.get(Pid.PAGE_COUNT)
        return number if isinstance(number, int) else 0

    @property
    def is_64bit(self) -> bool:
        return PLATFORMS[self.platform].is_64bit

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.epoch, timezone.utc)

    def insert(self, node: Node, table: str, *values: Cell | bytes) -> Row:
        """Add a row that comes from ``node``; what is wrong with it is reported there."""
        try:
            row = self.database.insert(table, *values)
        except WixpyError as error:
            earlier = self.places.get(
                (table, tuple(v for v in values if not isinstance(v, bytes))[: self._keys(table)])
            )
            hint = f"the other is in {earlier.place}; give one another Id" if earlier else error.hint
            raise node.error(error.message, hint) from error
        self.places[table, row.key] = node
        return row

    def define(self, node: Node, what: str) -> None:
        """Note that ``node`` defines something that has no row; an error when another element does too."""
        earlier = self.defined.setdefault(what, node)
        if earlier is not node:
            raise node.error(f"{what} is defined twice", f"the other is in {earlier.place}; remove one or rename it")

    def _keys(self, table: str) -> int:
        return self.database.tables[table].key_count if table in self.database.tables else 0

    def refer(self, node: Node, table: str, *key: Cell) -> None:
        """Note that ``node`` needs a row; whether it exists is settled at the end."""
        self.references.append((node, table, key))

    def _standard_directory(self, node: Node, name: str) -> None:
        """Define a standard directory that the source uses without a Directory element."""
        if self.database.get("Directory", name) is None:
            if name == ROOT_DIRECTORY:
                self.insert(node, "Directory", name, None, "SourceDir")
            else:
                self._standard_directory(node, ROOT_DIRECTORY)
                self.insert(node, "Directory", name, ROOT_DIRECTORY, ".")

    def settle_references(self) -> None:
        """WixpyError for the first reference to a row that no element made."""
        for node, table, key in self.references:
            if table == "Directory" and key[0] in STANDARD_DIRECTORIES:
                self._standard_directory(node, str(key[0]))
            declared = table == "Property" and key[0] in self.declared
            if not declared and self.database.get(table, *key) is None:
                known = ["/".join(map(str, row.key)) for row in self.database.rows(table)]
                wanted = "/".join(map(str, key))
                if table == "Binary" and re.fullmatch(_WIX_LIBRARY, wanted):
                    raise node.error(
                        f"{wanted} is WiX's library of custom actions, which is not part of wixpy",
                        "let the action run the program itself (ExeCommand), or add a Binary of your own",
                    )
                raise node.error(
                    f"{node.name} refers to {table} “{wanted}”, which is not there", nearest(wanted, known)
                )

    def name(self, node: Node, directory: str, long: str, short: str | None, store: Callable[[str], None]) -> None:
        """Note a name whose short form is chosen at the end; ``store`` receives ``short|long`` or ``long``."""
        self.names.append(NamePair(node, directory, long, short, store))

    def into(self, row: Row, column: str) -> Callable[[str], None]:
        """Stores a name into a cell."""
        return lambda value: self.database.replace(row, **{column: value})

    def make_id(self, prefix: str, *parts: object) -> str:
        """An identifier derived from what it stands for."""
        return prefix + uuid.uuid5(NAMESPACE, "\0".join(map(str, parts))).hex.upper()

    def guid(self, node: Node, name: str) -> str:
        """An attribute that is a GUID, as Windows Installer writes it."""
        return guid(uuid.UUID(node.need(name)))

    def collect(self, kind: str, name: str) -> None:
        """Add a property's name to SecureCustomProperties, MsiHiddenProperties or AdminProperties."""
        self.properties.setdefault(kind, set()).add(name)

    def source_bytes(self, node: Node, attribute: str, name: str | None = None) -> bytes:
        """The content of the file that an attribute names, or ``name``, relative to the source's folder."""
        name = node.need(attribute) if name is None else name
        if name.startswith(artwork.PREFIX):
            return artwork.picture(name)
        return self.source_file(node, attribute, name)[:]

    def source_file(self, node: Node, attribute: str, name: str | None = None) -> PathBlob:
        """The file that an attribute names, or ``name``, relative to the source's folder, to be read later."""
        name = node.need(attribute) if name is None else name
        folders = (node.base or self.base, *self.search)
        paths = [folder / name.replace("\\", "/") for folder in folders]
        path = next((path for path in paths if path.is_file()), paths[0]) if self.search else paths[0]
        try:
            return PathBlob(path)
        except OSError as error:
            hint = "the path is relative to the folder of the source; build the file first or correct the path"
            raise node.error(f"cannot read “{name}”: {error.strerror}", hint) from error

    def dispatch(self, node: Node, handlers: Mapping[str, Callable[..., None]], *arguments: object) -> None:
        """Hand each child element to the handler of its name, where there is one."""
        for child in node.children:
            if child.name in handlers:
                handlers[child.name](self, child, *arguments)
