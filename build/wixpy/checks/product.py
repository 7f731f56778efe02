# SPDX-License-Identifier: MIT
"""Checks of properties, summary information and upgrades."""

from __future__ import annotations

import re
from datetime import datetime

from wixpy.checks.categories import GUID, is_version
from wixpy.checks.finding import Finding, Findings, Level, error, rule, warning
from wixpy.checks.relations import below, installer_schema, is_64bit, least_schema, version_key
from wixpy.database import CLSID, Database, Row
from wixpy.summary import DATES, Pid
from wixpy.tables import Cell

_REQUIRED = ("ProductCode", "ProductVersion", "ProductLanguage", "ProductName", "Manufacturer")
_NULL_GUID = "{00000000-0000-0000-0000-000000000000}"
_SAMPLE = r"\{8FC7[0-9A-F]{4}-88A0-4B41-82B8-8905D4AA904C\}"
_SAMPLES = ("{80F7E030-A751-11D2-A7D4-006097C99860}", "{000C1101-0000-0000-C000-000000000047}")
_64BIT, _64BIT_SCRIPT = 256, 0x1000
_64BIT_FOLDERS = frozenset(("ProgramFiles64Folder", "CommonFiles64Folder", "System64Folder"))
_COMPRESSED_SOURCE, _COMPRESSED = 2, 0x4000
_COMMAND_LINE = (
    "ADDLOCAL", "REMOVE", "ADDSOURCE", "ADDDEFAULT", "REINSTALL", "ADVERTISE", "COMPADDLOCAL", "COMPADDSOURCE",
    "FILEADDLOCAL", "FILEADDSOURCE", "FILEADDDEFAULT",
)  # fmt: skip
_SINCE = {
    "IsolatedComponent": 110, "Upgrade": 110, "MsiAssembly": 200, "MsiAssemblyName": 200, "MsiFileHash": 200,
    "MsiPatchHeaders": 200, "MsiDigitalSignature": 200, "MsiPackageCertificate": 300, "MsiEmbeddedChainer": 450,
    "MsiEmbeddedUI": 450, "MsiServiceConfig": 500, "MsiServiceConfigFailureActions": 500, "MsiLockPermissionsEx": 500,
    "MsiShortcutProperty": 500,
}  # fmt: skip
_ONLY_DETECT, _MAX_INCLUSIVE = 2, 512
# A language identifier is a language below this and a dialect above.
_DIALECT = 1024


def _property(name: str, message: str, level: Level = Level.ERROR) -> Finding:
    return Finding("", message, "Property", (name,), level)


@rule()
def ice05(database: Database) -> Findings:
    """The properties that every product has are there."""
    for name in _REQUIRED:
        if database.property(name) is None:
            yield _property(name, f"the property {name} is missing")


@rule()
def ice16(database: Database) -> Findings:
    """ProductName has at most 63 characters."""
    name = database.property("ProductName") or ""
    if len(name) > 63:
        yield _property("ProductName", f"ProductName has {len(name)} characters, more than 63")


@rule()
def ice24(database: Database) -> Findings:
    """ProductCode and UpgradeCode are GUIDs, ProductVersion is up to 255.255.65535, ProductLanguage is a number."""
    for name in ("ProductCode", "UpgradeCode"):
        code = database.property(name)
        if code is not None and not GUID.fullmatch(code):
            yield _property(name, f"{name} “{code}” is not a GUID in upper case and braces")
    version = database.property("ProductVersion")
    if version is not None and not _is_product_version(version):
        yield _property("ProductVersion", f"ProductVersion “{version}” is not up to 255.255.65535")
    language = database.property("ProductLanguage")
    if language is not None and not language.isdecimal():
        yield _property("ProductLanguage", f"ProductLanguage “{language}” is not a number")


def _is_product_version(text: str) -> bool:
    return is_version(text) and all(int(part) <= 255 for part in text.split(".")[:2])


@rule(Level.ERROR, Level.WARNING)
def ice39(database: Database) -> Findings:
    """The summary information has package code, “platform;language”, page count, word count and times in their form;
    a file marked as compressed where the word count says that all are is a warning."""
    values = database.summary
    if database.clsid == CLSID and not GUID.fullmatch(str(values.get(Pid.REVISION, ""))[:38]):
        yield error(None, "the revision number (package code) of the summary is not a GUID")
    if ";" not in str(values.get(Pid.TEMPLATE, "")):
        yield error(None, "the template of the summary is not “platform;language”")
    for pid in (Pid.PAGE_COUNT, Pid.WORD_COUNT):
        if not isinstance(values.get(pid), int):
            yield error(None, f"the {pid.name.lower().replace('_', ' ')} of the summary is missing")
    for pid in sorted(DATES & values.keys()):
        if not isinstance(values[pid], datetime):
            yield error(None, f"{pid.name.lower().replace('_', ' ')} of the summary is no time")
    words = values.get(Pid.WORD_COUNT)
    if isinstance(words, int) and words & _COMPRESSED_SOURCE:
        for row in database.rows("File"):
            if row.number("Attributes") & _COMPRESSED:
                yield warning(row, f"{row['File']} is marked as compressed, as the word count says of all files")


@rule(Level.WARNING)
def ice40(database: Database) -> Findings:
    """REINSTALLMODE is not in the Property table, and a row of RemoveIniFile that deletes a tag says which."""
    if database.property("REINSTALLMODE") is not None:
        yield _property("REINSTALLMODE", "REINSTALLMODE is in the Property table", Level.WARNING)
    for row in database.rows("RemoveIniFile"):
        if row["Action"] == 4 and row["Value"] is None:
            yield warning(row, "the value to delete is missing")


@rule(Level.WARNING)
def ice52(database: Database) -> Findings:
    """Properties that a search sets are public, in capitals."""
    for row in database.rows("AppSearch"):
        if row.text("Property") != row.text("Property").upper():
            yield warning(row, f"{row['Property']} is not public")


@rule(Level.ERROR, Level.WARNING)
def ice61(database: Database) -> Findings:
    """A property of the Upgrade table is public, in SecureCustomProperties, not in Property and of one row; versions
    are versions, the least not above the greatest; the product removes only older versions of itself (a warning)."""
    secure = (database.property("SecureCustomProperties") or "").split(";")
    seen: set[str] = set()
    for row in database.rows("Upgrade"):
        name = row.text("ActionProperty")
        if name not in secure:
            yield error(row, f"{name} must be in SecureCustomProperties")
        if database.property(name) is not None:
            yield error(row, f"{name} must not be in the Property table")
        if name != name.upper():
            yield error(row, f"{name} must be in capitals")
        if name in seen:
            yield error(row, f"{name} is the property of more than one row")
        seen.add(name)
        low, high = row.text("VersionMin"), row.text("VersionMax")
        for text in (low, high):
            if text and not _is_product_version(text):
                yield error(row, f"“{text}” is no version of a product")
        if low and high and version_key(low) > version_key(high):
            yield error(row, f"VersionMin {low} is above VersionMax {high}")
        if row["UpgradeCode"] == database.property("UpgradeCode") and not row.number("Attributes") & _ONLY_DETECT:
            yield from _newer(row, database.property("ProductVersion") or "")


def _newer(row: Row, current: str) -> Findings:
    high, own = version_key(row.text("VersionMax")), version_key(current)
    inclusive = row.number("Attributes") & _MAX_INCLUSIVE
    if not row.text("VersionMax") or high > own or (high == own and inclusive):
        yield warning(row, f"the product {current} would remove newer or equal versions of itself")


@rule(Level.WARNING)
def ice66(database: Database) -> Findings:
    """The schema (page count of the summary) is that of the Windows Installer which knows all tables with rows."""
    schema = installer_schema(database)
    for table, since in _SINCE.items():
        if schema is not None and schema < since and database.rows(table):
            message = f"{table} needs Windows Installer {since // 100}.{since % 100 // 10}, and the schema is {schema}"
            yield Finding("", message, table, (), Level.WARNING)


@rule(Level.WARNING)
def ice73(database: Database) -> Findings:
    """Product, upgrade and package code are not those of the SDK's samples."""
    codes = {name: database.property(name) or "" for name in ("ProductCode", "UpgradeCode")}
    codes["package code"] = str(database.summary.get(Pid.REVISION, ""))[:38]
    for name, code in codes.items():
        if code.upper() in _SAMPLES or re.fullmatch(_SAMPLE, code.upper()):
            yield warning(None, f"the {name} {code} is that of a sample of the SDK")


@rule(Level.ERROR, Level.WARNING)
def ice74(database: Database) -> Findings:
    """FASTOEM is not in the Property table and UpgradeCode not a GUID of zeros; that it is missing is a warning."""
    if database.property("FASTOEM") is not None:
        yield _property("FASTOEM", "FASTOEM is in the Property table, which breaks maintenance and removal")
    code = database.property("UpgradeCode")
    if code == _NULL_GUID:
        yield _property("UpgradeCode", "UpgradeCode is a GUID of zeros")
    if code is None:
        yield _property("UpgradeCode", "UpgradeCode is missing: no later version can replace it", Level.WARNING)


@rule()
def ice80(database: Database) -> Findings:
    """64-bit components and scripts are in 64-bit packages of schema 200 or more (500 for Arm64), and 64-bit folders
    are for 64-bit components."""
    wide_package, schema, least = is_64bit(database), installer_schema(database), least_schema(database)
    if least is not None and schema is not None and schema < least:
        yield error(None, f"such a 64-bit package needs a page count (schema) of {least} or more, not {schema}")
    for row in database.rows("Component"):
        wide = row.number("Attributes") & _64BIT
        if wide and not wide_package:
            yield error(row, f"the 64-bit component {row['Component']} is in a 32-bit package")
        folder = below(database, row["Directory_"], _64BIT_FOLDERS)
        if not wide and folder:
            yield error(row, f"the 32-bit component {row['Component']} is below {folder}")
    for row in database.rows("CustomAction"):
        if row.number("Type") & _64BIT_SCRIPT and not wide_package:
            yield error(row, f"the 64-bit script {row['Action']} is in a 32-bit package")


@rule(Level.WARNING)
def ice87(database: Database) -> Findings:
    """Properties that say what to do with features are not in the Property table but on the command line."""
    for name in _COMMAND_LINE:
        if database.property(name) is not None:
            yield _property(name, f"{name} is in the Property table; removal may fail", Level.WARNING)


def _version(value: Cell) -> tuple[int, ...]:
    """A version of one to four parts for comparison; of all versions the least for what is none."""
    text = "" if value is None else str(value)
    parts = [int(part) for part in text.split(".")] if is_version(text) else []
    return (*parts, *([0] * (4 - len(parts))))


def _speaks(language: Cell, wanted: Cell) -> bool:
    """Whether a module's language satisfies another: 0 is any, and one without a dialect is all its dialects."""
    if not isinstance(wanted, int) or not isinstance(language, int):
        return wanted == language
    return wanted in (0, language) or (wanted < _DIALECT and language % _DIALECT == wanted)


def _is_excluded(row: Row, module: Row) -> bool:
    """Whether a row of ModuleExclusion excludes a module; the language 0 is none, and one below 0 means all but it."""
    language = row.get("ExcludedLanguage")
    if not isinstance(language, int) or language == 0:
        return False
    excluded = _speaks(module.get("Language"), abs(language)) == (language > 0)
    version, low, high = module.get("Version"), row.get("ExcludedMinVersion"), row.get("ExcludedMaxVersion")
    above = low is None or _version(version) >= _version(low)
    below_high = high is None or _version(version) <= _version(high)
    return module.cells[0] == row.get("ExcludedID") and excluded and above and below_high


@rule()
def ice25(database: Database) -> Findings:
    """Modules that merged modules need are there, in a language and a version that will do, and those that they
    exclude are not."""
    modules = database.rows("ModuleSignature")
    for row in database.rows("ModuleDependency"):
        wanted, language, version = row.get("RequiredID"), row.get("RequiredLanguage"), row.get("RequiredVersion")
        if not any(
            module.cells[0] == wanted
            and _speaks(module.get("Language"), language)
            and _version(module.get("Version")) >= _version(version)
            for module in modules
        ):
            yield error(row, f"the module {wanted} ({language}, {version or 'any version'}) that {row.key[0]} needs is "
                        "not there")  # fmt: skip
    for row in database.rows("ModuleExclusion"):
        for module in modules:
            if _is_excluded(row, module):
                version = module.get("Version")
                yield error(row, f"the module {module.key[0]} ({version}) that {row.key[0]} excludes is there")


@rule(Level.ERROR, Level.WARNING)
def ice100(database: Database) -> Findings:
    """MsiEmbeddedUI has one user interface (attribute 1) at most, which has a message filter as no other row has, and
    a name of a file once; that MsiEmbeddedChainer has several rows is a warning: one alone may have its condition
    met."""
    interfaces: list[Row] = []
    seen: set[object] = set()
    for row in database.rows("MsiEmbeddedUI"):
        shows, filters = bool(row.get("Attributes")) and row.number("Attributes") & 1, row.get("MessageFilter")
        if shows:
            interfaces.append(row)
        if shows and not filters:
            yield error(row, f"the user interface {row.key[0]} has no message filter")
        if not shows and filters:
            yield error(row, f"{row.key[0]} is no user interface and has a message filter")
        if row.get("FileName") in seen:
            yield error(row, f"the file {row.get('FileName')} is named twice")
        seen.add(row.get("FileName"))
    for row in interfaces[1:]:
        yield error(row, f"{row.key[0]} is a user interface, and so is {interfaces[0].key[0]}")
    for row in database.rows("MsiEmbeddedChainer")[1:]:
        yield warning(row, f"{row.key[0]} is one of several chainers, of which one alone can be started")
