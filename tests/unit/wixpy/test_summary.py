# SPDX-License-Identifier: MIT
"""Summary information, against olefile's reader of property sets."""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from io import BytesIO

import olefile
import pytest

from wixpy import cfb, summary
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.summary import Pid

SAMPLE: summary.Summary = {
    Pid.CODEPAGE: 1252,
    Pid.TITLE: "Installation Database",
    Pid.SUBJECT: "Täst",
    Pid.TEMPLATE: "x64;1033",
    Pid.REVISION: "{12345678-1234-1234-1234-123456789012}",
    Pid.CREATED: datetime(2008, 1, 10, 21, 20, tzinfo=timezone.utc),
    Pid.PAGE_COUNT: 200,
    Pid.WORD_COUNT: 2,
}


def test_what_is_written_is_read() -> None:
    assert summary.decode(summary.encode(SAMPLE)) == SAMPLE


def test_utf8_is_a_code_page_beyond_16_bits_with_sign() -> None:
    sample = {**SAMPLE, Pid.CODEPAGE: 65001, Pid.SUBJECT: "Ωmega"}
    assert summary.decode(summary.encode(sample)) == sample


def test_header_of_the_property_set() -> None:
    data = summary.encode(SAMPLE)
    assert data[:4].hex() == "feff0000"
    assert data[28:44].hex() == "e0859ff2f94f6810ab9108002b27b3d9"
    assert int.from_bytes(data[48:52], "little") == len(data) - 48


def test_olefile_reads_the_properties() -> None:
    database = Database()
    database.insert("Property", "ProductName", "x")
    database.summary = SAMPLE
    with olefile.OleFileIO(database.to_bytes()) as ole:
        metadata = ole.get_metadata()
        assert (metadata.title, metadata.template) == (b"Installation Database", b"x64;1033")
        assert metadata.subject == "Täst".encode("cp1252")
        assert (metadata.num_pages, metadata.num_words, metadata.codepage) == (200, 2, 1252)
        assert metadata.create_time == datetime(2008, 1, 10, 21, 20)


def test_text_that_the_code_page_lacks_is_refused() -> None:
    with pytest.raises(WixpyError, match="Ω"):
        summary.encode({**SAMPLE, Pid.TITLE: "Ω"})


@pytest.mark.parametrize("cut", [0, 20, 47, 60, 120])
def test_a_damaged_stream_is_refused(cut: int) -> None:
    with pytest.raises(WixpyError):
        summary.decode(summary.encode(SAMPLE)[:cut])


def property_set(*properties: tuple[int, bytes]) -> bytes:
    """A property set of properties given as identifier and typed value, as any program may write it."""
    index, body = b"", b""
    for pid, value in properties:
        index += struct.pack("<II", pid, 8 + 8 * len(properties) + len(body))
        body += value + bytes(-len(value) % 4)
    size = 8 + len(index) + len(body)
    return summary.encode({})[:48] + struct.pack("<II", size, len(properties)) + index + body


def test_types_that_windows_installer_does_not_write_are_read() -> None:
    wide = "Ωmega\0".encode("utf-16-le")
    data = property_set(
        (Pid.TITLE, struct.pack("<I", 0)), (Pid.SUBJECT, struct.pack("<II", 31, 6) + wide),
        (Pid.PAGE_COUNT, struct.pack("<II", 19, 500)), (Pid.AUTHOR, struct.pack("<I", 1)),
    )  # fmt: skip
    assert summary.decode(data) == {Pid.SUBJECT: "Ωmega", Pid.PAGE_COUNT: 500}
    out = BytesIO()
    cfb.write(cfb.Storage({"\x05SummaryInformation": data}), out)
    with olefile.OleFileIO(out.getvalue()) as ole:
        read = ole.getproperties("\x05SummaryInformation")
    # olefile goes on behind the end of such a text.
    assert (read[Pid.SUBJECT].partition("\0")[0], read[Pid.PAGE_COUNT]) == ("Ωmega", 500)


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(WixpyError, match="has type 71"):
        summary.decode(property_set((Pid.TITLE, struct.pack("<II", 71, 0))))
