# SPDX-License-Identifier: MIT
"""Errors of Windows Installer's database functions, by number (Windows Installer SDK, “Windows Installer Error
Messages”, 2201 to 2299).

A function returns a Win32 status and leaves an error record: the number, the database's name and up to two details.
The text of :class:`MsiError` is that record as MsiFormatRecord prints it, which is what Python's msilib showed; the
hint is the documentation's sentence.
"""

from __future__ import annotations

from enum import IntEnum

from wixpy.errors import WixpyError


class Status(IntEnum):
    """Win32 error codes that the functions return."""

    ACCESS_DENIED = 5
    INVALID_HANDLE = 6
    INVALID_DATA = 13
    INVALID_PARAMETER = 87
    OPEN_FAILED = 110
    UNKNOWN_PROPERTY = 1608
    INVALID_HANDLE_STATE = 1609
    BAD_QUERY_SYNTAX = 1615
    INVALID_FIELD = 1616
    PACKAGE_INVALID = 1620
    TRANSFORM_FAILURE = 1624
    FUNCTION_FAILED = 1627
    INVALID_TABLE = 1628
    DATATYPE_MISMATCH = 1629
    CREATE_FAILED = 1631
    INVALID_STATE = 5023


# What msilib prints where a function leaves no error record.
STATUS_TEXTS = {
    Status.ACCESS_DENIED: "access denied",
    Status.FUNCTION_FAILED: "function failed",
    Status.INVALID_DATA: "invalid data",
    Status.INVALID_HANDLE: "invalid handle",
    Status.INVALID_STATE: "invalid state",
    Status.INVALID_PARAMETER: "invalid parameter",
    Status.OPEN_FAILED: "open failed",
    Status.CREATE_FAILED: "create failed",
}

MESSAGES = {
    1101: "Could not open file stream: [2]. System error: [3]",
    2204: "Database: [2]. Table already exists: [3].",
    2205: "Database: [2]. Table does not exist: [3].",
    2206: "Database: [2]. Table could not be dropped: [3].",
    2207: "Database: [2]. Intent violation.",
    2208: "Database: [2]. Insufficient parameters for Execute.",
    2209: "Database: [2]. Cursor in invalid state.",
    2210: "Database: [2]. Invalid update data type in column [3].",
    2211: "Database: [2]. Could not create database table [3].",
    2212: "Database: [2]. Database not in writable state.",
    2213: "Database: [2]. Error saving database tables.",
    2214: "Database: [2]. Error writing export file: [3].",
    2215: "Database: [2]. Cannot open import file: [3].",
    2216: "Database: [2]. Import file format error: [3], Line [4].",
    2220: "Database: [2]. Invalid row/field data.",
    2221: "Database: [2]. Code page conflict in import file: [3].",
    2222: "Database: [2]. Transform or merge code page [3] differs from database code page [4].",
    2225: "Database: [2]. Transform: Cannot transform a temporary table. Table: [3].",
    2226: "Database: [2]. Transform failed.",
    2227: "Database: [2]. Invalid identifier '[3]' in SQL query: [4].",
    2228: "Database: [2]. Unknown table '[3]' in SQL query: [4].",
    2230: "Database: [2]. Repeated table '[3]' in SQL query: [4].",
    2231: "Database: [2]. Missing ')' in SQL query: [3].",
    2232: "Database: [2]. Unexpected token '[3]' in SQL query: [4].",
    2233: "Database: [2]. No columns in SELECT clause in SQL query: [3].",
    2234: "Database: [2]. No columns in ORDER BY clause in SQL query: [3].",
    2235: "Database: [2]. Column '[3]' not present or ambiguous in SQL query: [4].",
    2236: "Database: [2]. Invalid operator '[3]' in SQL query: [4].",
    2237: "Database: [2]. Invalid or missing query string: [3].",
    2238: "Database: [2]. Missing FROM clause in SQL query: [3].",
    2239: "Database: [2]. Insufficient values in INSERT SQL statement.",
    2240: "Database: [2]. Missing update columns in UPDATE SQL statement.",
    2241: "Database: [2]. Missing insert columns in INSERT SQL statement.",
    2242: "Database: [2]. Column '[3]' repeated.",
    2243: "Database: [2]. No primary columns defined for table creation.",
    2244: "Database: [2]. Invalid type specifier '[3]' in SQL query [4].",
    2246: "Database: [2]. Invalid Installer transform format.",
    2247: "Database: [2] Transform stream read/write failure.",
    2248: "Database: [2] GenerateTransform/Merge: Column type in base table does not match reference table. "
    "Table: [3] Col #: [4].",
    2249: "Database: [2] GenerateTransform: More columns in base table than in reference table. Table: [3].",
    2250: "Database: [2] Transform: Cannot add existing row. Table: [3].",
    2251: "Database: [2] Transform: Cannot delete row that does not exist. Table: [3].",
    2252: "Database: [2] Transform: Cannot add existing table. Table: [3].",
    2253: "Database: [2] Transform: Cannot delete table that does not exist. Table: [3].",
    2254: "Database: [2] Transform: Cannot update row that does not exist. Table: [3].",
    2255: "Database: [2] Transform: Column with this name already exists. Table: [3] Col: [4].",
    2256: "Database: [2] GenerateTransform/Merge: Number of primary keys in base table does not match reference table. "
    "Table: [3].",
    2257: "Database: [2]. Intent to modify read only table: [3].",
    2258: "Database: [2]. Type mismatch in parameter: [3].",
    2259: "Database: [2] Table(s) Update failed: [3] [4]",
    2262: "Stream does not exist: [2]. System error: [3].",
    2268: "Database: [2]. GenerateTransform/Merge: Column name in base table does not match reference table. "
    "Table: [3] Col #: [4].",
}


class MsiError(WixpyError):
    """A database function that failed: ``status`` as it returns, ``number`` of the error record (0 for none).

    ``text`` takes the place of the status's text where there is no record, ``hint`` that of the documentation's
    sentence.  A program may raise one of its own with a text alone, as it could with msilib's.

    >>> str(MsiError(Status.BAD_QUERY_SYNTAX, 2228, "", "Fiel", "SELECT * FROM Fiel"))
    '1: 2228 2:  3: Fiel 4: SELECT * FROM Fiel '
    >>> print(MsiError(Status.FUNCTION_FAILED, 2259).hint)
    Table(s) Update failed
    >>> print(MsiError(Status.INVALID_DATA))
    invalid data
    >>> print(MsiError("no room"))
    no room
    """

    def __init__(
        self, status: Status | str = Status.FUNCTION_FAILED, number: int = 0, *fields: object,
        text: str | None = None, hint: str | None = None,
    ) -> None:  # fmt: skip
        if isinstance(status, str):
            text = status
            status = Status.FUNCTION_FAILED
        self.status = status
        self.number = number
        template = MESSAGES.get(number, "")
        count = max([int(template[i + 1]) for i, c in enumerate(template) if c == "["], default=1) - 1
        self.fields = (*map(str, fields), *[""] * (count - len(fields)))
        if not number:
            super().__init__(text or STATUS_TEXTS.get(status, f"unknown error {status:x}"), hint)
            return
        parts = enumerate([str(number), *self.fields], 1)
        super().__init__(
            "".join(f"{position}: {field} " for position, field in parts), hint or self._sentence(template)
        )

    def __str__(self) -> str:
        return self.message

    def _sentence(self, template: str) -> str:
        text = template if self.fields and self.fields[0] else template.removeprefix("Database: [2]").lstrip(". ")
        for position, field in enumerate(self.fields, 2):
            text = text.replace(f"[{position}]", field)
        return text.strip(" :")
