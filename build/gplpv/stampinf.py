# SPDX-License-Identifier: GPL-2.0-or-later
"""Stamping an INF template (.inx) with architecture, version, date and catalog, as the WDK's stampinf does.

Source: Microsoft's "Stampinf Command Options" and "Using INX Files to Create INF Files"; what these leave open follows
INFs stamped by the vendor's tool. Whatever is not stamped keeps its bytes, in ANSI of any code page, UTF-8 and UTF-16.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gplpv.errors import GplpvError
from gplpv.files import write_bytes
from gplpv.inf.parse import Document
from gplpv.inf.text import Text, decode


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
        GplpvError: the template has no such section, is not text in the encoding of its mark, or that encoding lacks
            a character to be put in.
    """
    source = decode(template)
    if source.misread() is not None:
        message = (
            f"It is not {source.encoding.upper()} as it claims: see byte {source.position(source.misread() or 0).byte}."
        )
        raise GplpvError(message, "Save it again.")
    text = source.text
    for name, value in _names(what).items():
        text = text.replace(f"${name}$", value)
    text = _set_directive(source, text, what.section, "DriverVer", f"{what.date:%m/%d/%Y},{what.version}")
    if what.catalog is not None:
        text = _set_directive(source, text, "Version", "CatalogFile", what.catalog)
    try:
        return source.encode(text)
    except UnicodeEncodeError as error:
        hint = "Save it as UTF-16 with a byte order mark."
        raise GplpvError(f"Its {source.encoding.upper()} text has no {error.object[error.start]!r}.", hint) from error


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


def _set_directive(source: Text, text: str, section: str, key: str, value: str) -> str:
    """Replace the lines of `key` in `section` where they stand, or add one as the last of the section's first part."""
    document = Document(replace(source, text=text))
    if not document.has_section(section):
        raise GplpvError(f"The template has no [{section}] section.", f"Add one, or name another for {key}.")
    line = f"{key}={value}"
    present = document.first(section, key)
    if present:
        piece = next(each for each in document.pieces if each.start <= present.start < each.end)
        return text[: piece.start] + line + text[piece.start + len(text[piece.start : piece.end].rstrip("\r\n")) :]
    header = document.sections[section.lower()].headers[0].start
    ends = (each.start for each in document.pieces if each.kind in ("header", "after-end") and each.start >= header)
    end = next(ends, sum(each.end - each.start for each in document.pieces))
    kept = text[:end].rstrip("\r\n \t")
    newline = "\r\n" if "\r\n" in text else "\n"
    return kept + newline + line + (text[len(kept) : end] or newline) + text[end:]


def product_version(ntverp: Path) -> str:
    """Return VER_PRODUCTVERSION of an ntverp.h as w.x.y.z: a macro, of macros or numbers between commas.

    Raises:
        GplpvError: the file cannot be read, or defines no such version.
    """
    try:
        text = ntverp.read_text(encoding="latin-1")
    except OSError as error:
        raise GplpvError(f"{ntverp} cannot be read: {error.strerror}.", "-i names the folder of ntverp.h.") from error
    text = re.sub(r"/\*.*?\*/|//[^\r\n]*", " ", text, flags=re.DOTALL)
    macros = dict(re.findall(r"(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\S[^\r\n]*)", text))
    parts = [_macro(part, macros) for part in macros.get("VER_PRODUCTVERSION", "").split(",")]
    if len(parts) != 4 or None in parts:
        raise GplpvError(f"{ntverp} defines no VER_PRODUCTVERSION of four numbers.", "Give -v w.x.y.z.")
    return ".".join(str(part) for part in parts)


def _macro(text: str, macros: dict[str, str]) -> int | None:
    """The number that a macro stands for, by as many steps as there are macros; None for anything else."""
    for _ in range(len(macros) + 1):
        text = text.strip().strip("()").strip()
        if re.fullmatch(r"[0-9]{1,5}", text):
            return int(text)
        text = macros.get(text, "")
    return None


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
