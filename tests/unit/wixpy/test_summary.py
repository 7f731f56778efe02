# SPDX-License-Identifier: MIT
"""Summary information, against olefile's reader of property sets."""

from __future__ import annotations

from datetime import datetime, timezone

import olefile
import pytest

from wixpy import summary
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
