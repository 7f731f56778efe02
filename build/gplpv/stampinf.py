# SPDX-License-Identifier: GPL-2.0-or-later
"""Stamping an INF template (.inx) with architecture, version, date and catalog, as the WDK's stampinf does.

Source: Microsoft's "Stampinf Command Options" and "Using INX Files to Create INF Files"; what these leave open follows
INFs stamped by the vendor's tool. Works on bytes: whatever is not stamped keeps its bytes, whether the file is ANSI or
UTF-8; a UTF-16 file is decoded and encoded again with its byte order mark.
"""

from __future__ import annotations

import codecs
import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from gplpv.errors import GplpvError
from gplpv.files import write_bytes

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Stamp:
    """What to put in.

    Attributes:
        arch: replaces ``$ARCH$`` literally, case kept; None leaves it.
        version: w.x.y.z of the DriverVer directive.
        date: of the DriverVer directive.
        catalog: value of CatalogFile in [Version]; None leaves that directive alone.
        kmdf, umdf: framework versions such as "1.9" and "1.11.0", for the four ``$KMDF...$`` and ``$UMDF...$`` names.
        section: the section that gets DriverVer.
    """

    version: str
    date: datetime.date
    arch: str | None = None
    catalog: str | None = None
    kmdf: str | None = None
    umdf: str | None = None
    section: str = "Version"


def stamp(template: bytes, what: Stamp) -> bytes:
    """Return the stamped INF.

    Raises:
        GplpvError: the template has no such section, or is not text.
    """
    bom = template[:2]
    if bom in _UTF16:
        encoding = _UTF16[bom]
        try:
            text = template[2:].decode(encoding)
        except UnicodeDecodeError as error:
            raise GplpvError(f"It is not {encoding.upper()} as it claims: {error}.", "Save it again.") from error
        return bom + _stamp_text(text, what).encode(encoding)
    return _stamp_text(template.decode("latin-1"), what).encode("latin-1")


def _stamp_text(text: str, what: Stamp) -> str:
    for name, value in _names(what).items():
        text = text.replace(f"${name}$", value)
    text = _set_directive(text, what.section, "DriverVer", f"{what.date:%m/%d/%Y},{what.version}")
    if what.catalog is not None:
        text = _set_directive(text, "Version", "CatalogFile", what.catalog)
    return text


def _names(what: Stamp) -> dict[str, str]:
    """The five names that are replaced; any other ``$NAME$``, such as the signature ``$CHICAGO$``, stays."""
    names = {}
    if what.arch is not None:
        names["ARCH"] = what.arch
    for framework, version in (("KMDF", what.kmdf), ("UMDF", what.umdf)):
        if version is not None:
            names[f"{framework}VERSION"] = version
            names[f"{framework}COINSTALLERVERSION"] = _coinstaller_version(version)
    return names


def _coinstaller_version(version: str) -> str:
    """1.9 -> 01009, as the co-installer's file name has it."""
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        raise GplpvError(f"{version!r} is no framework version.", "Give one such as 1.9.") from None
    return f"{major:02d}{minor:03d}"


def _set_directive(text: str, section: str, key: str, value: str) -> str:
    """Replace the line of `key` in `section` where it stands, or add one as the section's last line."""
    header = re.search(rf"(?mi)^[ \t]*\[[ \t]*{re.escape(section)}[ \t]*\][^\r\n]*", text)
    if not header:
        raise GplpvError(f"The template has no [{section}] section.", f"Add one, or name another for {key}.")
    start = header.end()
    following = re.search(r"(?m)^[ \t]*\[", text[start:])
    end = start + following.start() if following else len(text)
    body = text[start:end]
    line = f"{key}={value}"
    present = re.search(rf"(?mi)^[ \t]*{re.escape(key)}[ \t]*=[^\r\n]*", body)
    if present:
        body = body[: present.start()] + line + body[present.end() :]
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        kept = body.rstrip("\r\n \t")
        body = kept + newline + line + (body[len(kept) :] or newline)
    return text[:start] + body + text[end:]


def stamp_file(template: Path, target: Path, what: Stamp) -> None:
    """Stamp `template` into `target`.

    Raises:
        GplpvError: naming the template.
    """
    try:
        stamped = stamp(template.read_bytes(), what)
    except OSError as error:
        raise GplpvError(f"{template} cannot be read: {error.strerror}.") from error
    except GplpvError as error:
        raise GplpvError(f"{template}: {error.message}", error.hint) from error
    write_bytes(target, stamped)
