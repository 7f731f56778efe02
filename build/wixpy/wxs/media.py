# SPDX-License-Identifier: MIT
"""Media and MediaTemplate: which file is on which disk, and the cabinets."""

from __future__ import annotations

from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from wixpy import cab
from wixpy.blob import Blob
from wixpy.cabdata import Compression
from wixpy.errors import WixpyError
from wixpy.filenames import is_short
from wixpy.media import COMPRESSED, COMPRESSED_SOURCE, EMBEDDED, NONCOMPRESSED, Packed, source_path, word_count
from wixpy.payload import Hash, Hasher, file_hash
from wixpy.wxs import rows
from wixpy.wxs.compilation import Compilation, Media, Payload
from wixpy.wxs.source import Node

MAX_FILES = 32767
CABINET_EPOCH = 315532800
FOLDER_SIZE = 16 << 20
DEFAULT_TEMPLATE = "cab{0}.cab"
DEFAULT_MEDIA_SIZE = 200
MEBIBYTE = 1 << 20
_IN_MEMORY = 4 << 20
# zlib's levels.  At 4, with the history that others do without, cabinets are no larger than theirs at 6.
_LEVELS = {
    "none": (Compression.NONE, 1),
    "low": (Compression.MSZIP, 1),
    "mszip": (Compression.MSZIP, 4),
    "medium": (Compression.MSZIP, 6),
    "high": (Compression.MSZIP, 9),
}
_DEFAULT_LEVEL = "mszip"


class Outputs:
    """What a compilation makes beside the database, by relative path with ``/``.

    Cabinets that are too large for memory are kept in nameless files in ``folder``, until the end of the context.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.beside: dict[str, Blob] = {}
        self._open = ExitStack()

    def scratch(self, size: int) -> BinaryIO:
        """A new file to write and read, for about ``size`` bytes."""
        if self.folder is None or size <= _IN_MEMORY:
            return BytesIO()
        # A small package is built before this is loaded.
        from tempfile import TemporaryFile  # noqa: PLC0415

        try:
            return self._open.enter_context(TemporaryFile(dir=self.folder))
        except OSError as error:
            raise _cannot_write(self.folder, error) from error

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _cannot_write(folder: Path | None, error: OSError) -> WixpyError:
    return WixpyError(f"cannot write into {folder}: {error.strerror}", "check the folder, its rights and free space")


def media(compilation: Compilation, node: Node) -> None:
    """Media: a disk, whose files are in a cabinet when it names one."""
    number, cabinet = node.number("Id") or 0, node.get("Cabinet")
    if number < 1:
        raise node.error(f"Media/@Id is {number}", "number media from 1")
    compilation.define(node, f"media {number}")
    if compilation.template:
        raise node.error("the product has Media and MediaTemplate", "keep one kind")
    if cabinet is None and (node.yes("EmbedCab") or node.get("CompressionLevel")):
        raise node.error("the media has no cabinet to embed or compress", "give Cabinet")
    for child in node.children:
        _signature(compilation, child, number, beside=cabinet is not None and not node.yes("EmbedCab"))
    _add(compilation, node, number, cabinet)


def _signature(compilation: Compilation, node: Node, disk: int, *, beside: bool) -> None:
    """DigitalSignature: with what a cabinet beside the package must be signed."""
    if not beside:
        raise node.error("only a cabinet beside the package is signed", "give Cabinet, and EmbedCab='no'")
    if len(node.children) != 1:
        raise node.error(f"the signature has {len(node.children)} certificates", "write one <DigitalCertificate …/>")
    rows.element(compilation, node, None, {"Media": str(disk)})


def media_template(compilation: Compilation, node: Node) -> None:
    """MediaTemplate: as many disks with a cabinet as the files take."""
    if compilation.template or compilation.media:
        raise node.error("the product has other media too", "keep one MediaTemplate, or Media elements")
    template = node.get("CabinetTemplate") or DEFAULT_TEMPLATE
    if "{0}" not in template:
        raise node.error(f"CabinetTemplate is “{template}”", "put {0} where the number goes")
    size = node.number("MaximumUncompressedMediaSize")
    size = DEFAULT_MEDIA_SIZE if size is None else size
    if size < 1:
        raise node.error(f"MaximumUncompressedMediaSize is {size}", "give the MiB of files that a cabinet may hold")
    compilation.template = node
    _add(compilation, node, 1, template.replace("{0}", "1"))


def _add(compilation: Compilation, node: Node, number: int, cabinet: str | None) -> None:
    embedded = node.yes("EmbedCab")
    compression, level = _LEVELS[node.get("CompressionLevel") or _DEFAULT_LEVEL]
    if cabinet:
        compilation.define(node, f"the cabinet {cabinet.lower()}")
    if cabinet and not embedded and not is_short(cabinet):
        raise node.error(f"the cabinet beside the package has the name “{cabinet}”", "use an 8.3 name")
    name = f"{EMBEDDED}{cabinet}" if embedded else cabinet
    compilation.insert(node, "Media", number, 0, node.get("DiskPrompt"), name, node.get("VolumeLabel"), None)
    compilation.media[number] = Media(node, cabinet, embedded, compression, level)


def lay_out(compilation: Compilation, outputs: Outputs) -> None:
    """Number the files, put them into cabinets or beside the package, and complete Media and File."""
    if len(compilation.payloads) > MAX_FILES:
        raise WixpyError(f"{len(compilation.payloads)} files are more than a package holds", f"use at most {MAX_FILES}")
    compressed = bool(word_count(compilation.database) & COMPRESSED_SOURCE)
    for payload in compilation.payloads:
        if payload.disk not in compilation.media:
            known = ", ".join(map(str, compilation.media)) or "none"
            raise payload.node.error(
                f"the file is on media {payload.disk}, and there is {known}", "add <Media …/> or correct DiskId"
            )
        _decide(payload, compressed, compilation.media[payload.disk])
    if compilation.template:
        _spread(compilation, compilation.template)
    by_disk: dict[int, list[Payload]] = {}
    for payload in compilation.payloads:
        by_disk.setdefault(payload.disk, []).append(payload)
    number = 0
    for disk, on_disk in sorted(compilation.media.items()):
        payloads = by_disk.get(disk, [])
        for payload in payloads:
            number += 1
            compilation.insert(payload.node, "File", *payload.values.values(), number)
        packed = [payload for payload in payloads if payload.compressed]
        row = compilation.database.get("Media", disk)
        assert row is not None
        compilation.database.replace(row, LastSequence=number, Cabinet=row["Cabinet"] if packed else None)
        if packed:
            pack(compilation, on_disk, packed, outputs)
    taken = {name.lower() for name in outputs.beside}
    for payload in compilation.payloads:
        if not payload.compressed:
            _put_beside(compilation, payload, outputs, taken)


def _decide(payload: Payload, package_compressed: bool, media: Media) -> None:
    """Whether a file goes into the cabinet, and the attribute that says so where it is not what the package says."""
    wanted = payload.compressed
    if wanted and media.cabinet is None:
        raise payload.node.error("the media of the compressed file has no cabinet", "give Media/@Cabinet")
    payload.compressed = media.cabinet is not None and (package_compressed if wanted is None else wanted)
    if payload.compressed != package_compressed:
        attributes = payload.values["Attributes"]
        assert isinstance(attributes, int)
        payload.values["Attributes"] = attributes | (COMPRESSED if payload.compressed else NONCOMPRESSED)


def _spread(compilation: Compilation, node: Node) -> None:
    """Give the files of a template their disks: a new one when the files of a cabinet would pass the largest size."""
    limit = (node.number("MaximumUncompressedMediaSize") or DEFAULT_MEDIA_SIZE) * MEBIBYTE
    template = node.get("CabinetTemplate") or DEFAULT_TEMPLATE
    disk = 1
    size = 0
    for payload in compilation.payloads:
        if payload.compressed and size and size + len(payload.content) > limit:
            disk += 1
            size = 0
            _add(compilation, node, disk, template.replace("{0}", str(disk)))
        size += len(payload.content) if payload.compressed else 0
        payload.disk = disk


def pack(compilation: Compilation, media: Media, payloads: list[Payload], outputs: Outputs) -> None:
    """Make a cabinet, as a stream of the package or as a file beside it."""
    out = outputs.scratch(sum(len(payload.content) for payload in payloads))
    hashers = {payload.key: Hasher() for payload in payloads}
    try:
        cab.write_to(out, _folders(compilation, payloads, hashers), media.compression, media.level)
    except OSError as error:
        raise _cannot_write(outputs.folder, error) from error
    hashes = {key: hasher.value for key, hasher in hashers.items()}
    for payload in payloads:
        _add_hash(compilation, payload, hashes[payload.key])
    name = media.cabinet or ""
    if media.embedded:
        compilation.database.streams[name] = Packed(out, hashes)
    else:
        outputs.beside[name] = Packed(out, hashes)


def _put_beside(compilation: Compilation, payload: Payload, outputs: Outputs, taken: set[str]) -> None:
    """Let a file lie beside the package; ``taken`` are the paths, in lower case, that others have."""
    row = compilation.database.get("File", payload.key)
    assert row is not None
    path = source_path(compilation.database, row)
    if path.lower() in taken:
        raise payload.node.error(
            f"the source of the package has two files “{path}”", "compress one, or give one another Name"
        )
    taken.add(path.lower())
    outputs.beside[path] = payload.content
    _add_hash(compilation, payload, file_hash(payload.content))


def _add_hash(compilation: Compilation, payload: Payload, value: Hash) -> None:
    """The row of MsiFileHash, for a file without a version."""
    if value and payload.values["Version"] is None:
        compilation.insert(payload.node, "MsiFileHash", payload.key, 0, *value)


def _folders(
    compilation: Compilation, payloads: list[Payload], hashers: dict[str, Hasher]
) -> list[list[cab.CabinetFile]]:
    """The files of a cabinet in folders of at most 16 MiB or one file, so that several can be unpacked at a time.

    Times before 1980 become the first that a cabinet knows.
    """
    time = compilation.time if compilation.epoch >= CABINET_EPOCH else cab.from_dos_time(0, 0)
    folders: list[list[cab.CabinetFile]] = []
    size = 0
    for payload in payloads:
        if not folders or (size and size + len(payload.content) > FOLDER_SIZE):
            folders.append([])
            size = 0
        seen = hashers[payload.key].update
        folders[-1].append(cab.CabinetFile(payload.key, payload.content, time, seen=seen))
        size += len(payload.content)
    return folders
