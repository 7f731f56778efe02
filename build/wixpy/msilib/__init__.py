# SPDX-License-Identifier: MIT
"""The standard library's msilib, as documented for Python 3.12, on every operating system.

    import wixpy.msilib as msilib

Everything is there under its old name, and what goes beyond it says so.  ``docs/wixpy/from-msilib.md`` tells what
differs.
"""

from __future__ import annotations

from wixpy.msilib import schema, sequence, text
from wixpy.msilib._dialogs import Control, Dialog, RadioButtonGroup
from wixpy.msilib._layout import CAB, Directory, Feature, _directories
from wixpy.msilib._layout import current_feature as _current_feature
from wixpy.msilib._msi import (
    MSIDBOPEN_CREATE,
    MSIDBOPEN_CREATEDIRECT,
    MSIDBOPEN_DIRECT,
    MSIDBOPEN_PATCHFILE,
    MSIDBOPEN_READONLY,
    MSIDBOPEN_TRANSACT,
    CreateRecord,
    FCICreate,
    MSIError,
    OpenDatabase,
    UuidCreate,
)
from wixpy.msilib._tables import (
    Binary,
    Table,
    add_data,
    add_stream,
    add_tables,
    change_sequence,
    datasizemask,
    gen_uuid,
    init_database,
    knownbits,
    make_id,
    type_binary,
    type_key,
    type_localizable,
    type_long,
    type_nullable,
    type_short,
    type_string,
    type_valid,
    typemask,
)
from wixpy.msilib._tables import Unspecified as _Unspecified
from wixpy.msilib._target import AMD64, Itanium, Win64


def __getattr__(name: str) -> Feature:
    """``current_feature``, which is there once :meth:`Feature.set_current` was called."""
    if name == "current_feature" and (feature := _current_feature()):
        return feature
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


MSICOLINFO_NAMES = 0
MSICOLINFO_TYPES = 1

MSIMODIFY_SEEK = -1
MSIMODIFY_REFRESH = 0
MSIMODIFY_INSERT = 1
MSIMODIFY_UPDATE = 2
MSIMODIFY_ASSIGN = 3
MSIMODIFY_REPLACE = 4
MSIMODIFY_MERGE = 5
MSIMODIFY_DELETE = 6
MSIMODIFY_INSERT_TEMPORARY = 7
MSIMODIFY_VALIDATE = 8
MSIMODIFY_VALIDATE_NEW = 9
MSIMODIFY_VALIDATE_FIELD = 10
MSIMODIFY_VALIDATE_DELETE = 11

PID_CODEPAGE = 1
PID_TITLE = 2
PID_SUBJECT = 3
PID_AUTHOR = 4
PID_KEYWORDS = 5
PID_COMMENTS = 6
PID_TEMPLATE = 7
PID_LASTAUTHOR = 8
PID_REVNUMBER = 9
PID_LASTPRINTED = 11
PID_CREATE_DTM = 12
PID_LASTSAVE_DTM = 13
PID_PAGECOUNT = 14
PID_WORDCOUNT = 15
PID_CHARCOUNT = 16
PID_APPNAME = 18
PID_SECURITY = 19

__all__ = [
    "AMD64",
    "CAB",
    "MSICOLINFO_NAMES",
    "MSICOLINFO_TYPES",
    "MSIDBOPEN_CREATE",
    "MSIDBOPEN_CREATEDIRECT",
    "MSIDBOPEN_DIRECT",
    "MSIDBOPEN_PATCHFILE",
    "MSIDBOPEN_READONLY",
    "MSIDBOPEN_TRANSACT",
    "MSIMODIFY_ASSIGN",
    "MSIMODIFY_DELETE",
    "MSIMODIFY_INSERT",
    "MSIMODIFY_INSERT_TEMPORARY",
    "MSIMODIFY_MERGE",
    "MSIMODIFY_REFRESH",
    "MSIMODIFY_REPLACE",
    "MSIMODIFY_SEEK",
    "MSIMODIFY_UPDATE",
    "MSIMODIFY_VALIDATE",
    "MSIMODIFY_VALIDATE_DELETE",
    "MSIMODIFY_VALIDATE_FIELD",
    "MSIMODIFY_VALIDATE_NEW",
    "PID_APPNAME",
    "PID_AUTHOR",
    "PID_CHARCOUNT",
    "PID_CODEPAGE",
    "PID_COMMENTS",
    "PID_CREATE_DTM",
    "PID_KEYWORDS",
    "PID_LASTAUTHOR",
    "PID_LASTPRINTED",
    "PID_LASTSAVE_DTM",
    "PID_PAGECOUNT",
    "PID_REVNUMBER",
    "PID_SECURITY",
    "PID_SUBJECT",
    "PID_TEMPLATE",
    "PID_TITLE",
    "PID_WORDCOUNT",
    "Binary",
    "Control",
    "CreateRecord",
    "Dialog",
    "Directory",
    "FCICreate",
    "Feature",
    "Itanium",
    "MSIError",
    "OpenDatabase",
    "RadioButtonGroup",
    "Table",
    "UuidCreate",
    "Win64",
    "_Unspecified",
    "_directories",
    "add_data",
    "add_stream",
    "add_tables",
    "change_sequence",
    "datasizemask",
    "gen_uuid",
    "init_database",
    "knownbits",
    "make_id",
    "schema",
    "sequence",
    "text",
    "type_binary",
    "type_key",
    "type_localizable",
    "type_long",
    "type_nullable",
    "type_short",
    "type_string",
    "type_valid",
    "typemask",
]
