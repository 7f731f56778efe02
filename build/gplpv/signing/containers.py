# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a signature sits in each kind of file: take it out, put it in, and digest everything else.

* .sys, .exe: the certificate table behind the image, named by the security directory ("Windows Authenticode Portable
  Executable Signature Format" 1.0; Microsoft PE/COFF specification, "The Attribute Certificate Table").
* .msi: the stream ``\\5DigitalSignature`` of the compound file ([MS-CFB]).
* .cat: the file is itself the signed message; a signature is the whole of it.

A signed file is always ``attach(unsigned, signature)``, also when a program or a service made the signature: so whoever
has the unsigned bytes and the signature has the signed bytes, too.
"""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from asn1crypto.parser import parse
from cryptography.exceptions import UnsupportedAlgorithm

from gplpv import authenticode, pe, pkcs7
from gplpv.errors import GplpvError, UsageError
from gplpv.matrix import SignedKind
from wixpy.blob import Content, chunks
from wixpy.cfb import CompoundFile, Entry, Storage, write
from wixpy.errors import WixpyError

KINDS: tuple[SignedKind, ...] = get_args(SignedKind)

_STREAM = "\5DigitalSignature"
_STREAMS = (_STREAM, "\5MsiDigitalSignatureEx")
_CERTIFICATE = struct.Struct("<IHH")
_REVISION_2, _PKCS_SIGNED_DATA = 0x0200, 0x0002


def kind_of(path: Path) -> SignedKind:
    """The kind of a file, by its suffix.

    Raises:
        UsageError: Windows knows no signature for it, or none that this project uses.
    """
    suffix = path.suffix.lower().lstrip(".")
    for kind in KINDS:
        if suffix == kind:
            return kind
    raise UsageError(f"{path.name} is of no kind that is signed.", f"Signed are: {', '.join(KINDS)}.")


def digest(path: Path, algorithm: str) -> bytes:
    """Digest of all that a signature covers, the same for the signed file and the unsigned one."""
    kind, data = kind_of(path), _read(path)
    if kind == "msi":
        return _msi_digest(_compound(path, data)[0], algorithm)
    if kind == "cat":
        return hashlib.new(algorithm, pkcs7.parse(data, path.name).content_octets).digest()
    return _Image(path.name, data).digest(algorithm)


def signature_of(path: Path) -> bytes | None:
    """The PKCS#7 message in a file, or None when it is not signed."""
    kind, data = kind_of(path), _read(path)
    if kind == "msi":
        stream = _compound(path, data)[0].children.get(_STREAM)
        return None if stream is None or isinstance(stream, Storage) else b"".join(chunks(stream))
    if kind == "cat":
        return data if pkcs7.parse(data, path.name).is_signed else None
    return _Image(path.name, data).signature()


def attach(unsigned: Path, signature: bytes) -> bytes:
    """The bytes of the signed file.

    Raises:
        GplpvError: the file is signed already, or the signature was made for other bytes.
    """
    if signature_of(unsigned) is not None:
        raise GplpvError(f"{unsigned} is signed already.", "Name the unsigned file.")
    require_covers(unsigned, signature)
    kind, data = kind_of(unsigned), _read(unsigned)
    if kind == "cat":
        return signature
    if kind == "msi":
        root, sector = _compound(unsigned, data)
        return _packed(Storage({**root.children, _STREAM: signature}, root.clsid), sector)
    return _Image(unsigned.name, data).with_signature(signature)


def is_canonical(signed: Path) -> bool:
    """Whether :func:`attach` would give these very bytes."""
    kind, data, signature = kind_of(signed), _read(signed), signature_of(signed)
    if signature is None or kind == "cat":
        return signature is not None
    if kind == "msi":
        root, sector = _compound(signed, data)
        return set(root.children).isdisjoint(_STREAMS[1:]) and _packed(root, sector) == data
    image = _Image(signed.name, data)
    return _Image(signed.name, image.without_signature()).with_signature(signature) == data


def require_covers(unsigned: Path, signature: bytes) -> None:
    """Check that every signature in a message, nested ones too, is whole and was made for this very file.

    Raises:
        GplpvError: saying which is not.
    """
    try:
        messages = list(pkcs7.parse(signature, unsigned.name).all())
        fits = all(_covers(message, unsigned) for message in messages)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, UnsupportedAlgorithm) as error:
        raise GplpvError(f"The signature for {unsigned.name} cannot be read.", "Sign the file again.") from error
    if not fits:
        message = f"The signature for {unsigned.name} was made for another file."
        raise GplpvError(message, "Sign this one, or rebuild the one that was signed.")


def _covers(message: pkcs7.Message, unsigned: Path) -> bool:
    message.require_consistent()
    if kind_of(unsigned) == "cat":
        return message.content_octets == pkcs7.parse(_read(unsigned), unsigned.name).content_octets
    algorithm, value = message.file_digest()
    return value == digest(unsigned, algorithm)


@dataclass(frozen=True)
class _Image:
    """A PE image as a signer sees it."""

    name: str
    data: bytes

    @property
    def _places(self) -> authenticode.Layout:
        if authenticode.kind(self.data) is not authenticode.Kind.PE:
            raise GplpvError(f"{self.name} is no program or driver image.", "Build it again.")
        try:
            return authenticode.layout(self.data)
        except GplpvError as error:
            raise GplpvError(f"{self.name}: {error.message}", error.hint) from error

    def _security(self) -> int:
        """Offset of the security directory, whose address is an offset into the file."""
        security = self._places.security
        if security is None:
            raise GplpvError(f"{self.name} has no directory entry for a signature.", "Link it with all 16 directories.")
        return security

    def digest(self, algorithm: str) -> bytes:
        _ = self._places  # an error with the file's name
        return authenticode.digest(self.data, algorithm)

    def signature(self) -> bytes | None:
        places = self._places
        if not places.size:
            return None
        try:
            _, _, _, header, content, trailer = parse(self.data[places.table + _CERTIFICATE.size :])
        except ValueError as error:
            raise GplpvError(f"{self.name}: its certificate table holds no signature.", "Build it again.") from error
        return bytes(header + content + trailer)

    def with_signature(self, signature: bytes) -> bytes:
        checksum = self._places.checksum
        data = bytearray(self.data) + bytes(-len(self.data) % 8)
        entry = signature + bytes(-len(signature) % 8)
        size = _CERTIFICATE.size + len(entry)
        struct.pack_into("<II", data, self._security(), len(data), size)
        data += _CERTIFICATE.pack(size, _REVISION_2, _PKCS_SIGNED_DATA) + entry
        struct.pack_into("<I", data, checksum, pe.checksum(bytes(data), checksum))
        return bytes(data)

    def without_signature(self) -> bytes:
        data = bytearray(self.data[: self._places.table])
        struct.pack_into("<II", data, self._security(), 0, 0)
        return bytes(data)


def _compound(path: Path, data: bytes) -> tuple[Storage, int]:
    """The tree of a compound file, and the size of its sectors."""
    try:
        file = CompoundFile(data)
        return _storage(file, file.root), file.sector
    except WixpyError as error:
        raise GplpvError(f"{path.name} is no Windows Installer package: {error}.", "Build it again.") from error


def _packed(root: Storage, sector: int) -> bytes:
    out = io.BytesIO()
    write(root, out, sector)
    return out.getvalue()


def _storage(file: CompoundFile, entry: Entry) -> Storage:
    children: dict[str, Content | Storage] = {
        name: file.read(child) if child.is_stream else _storage(file, child) for name, child in entry.children.items()
    }
    return Storage(children, entry.clsid)


def _msi_digest(storage: Storage, algorithm: str) -> bytes:
    total = hashlib.new(algorithm)
    _add_storage(total, storage, top=True)
    return total.digest()


def _add_storage(total: hashlib._Hash, storage: Storage, *, top: bool) -> None:
    """Streams in the order of their names' UTF-16 bytes, a shorter name before a longer one, then the class."""
    for name in sorted(storage.children, key=lambda text: text.encode("utf-16-le")):
        child = storage.children[name]
        if isinstance(child, Storage):
            _add_storage(total, child, top=False)
        elif not (top and name in _STREAMS):
            for chunk in chunks(child):
                total.update(chunk)
    total.update(storage.clsid.bytes_le)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GplpvError(f"{path} cannot be read: {error.strerror}.", "Name a file that is there.") from error
