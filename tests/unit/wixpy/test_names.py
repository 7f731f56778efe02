# SPDX-License-Identifier: MIT
"""Names of streams."""

import pytest

from wixpy import names
from wixpy.errors import WixpyError

# The names of the system tables as they are in every .msi file.
SYSTEM_TABLES = {
    "_Tables": "\u4840\u3f7f\u4164\u422f\u4836",
    "_Columns": "\u4840\u3b3f\u43f2\u4438\u45b1",
    "_StringPool": "\u4840\u3f3f\u4577\u446c\u3e6a\u44b2\u482f",
    "_StringData": "\u4840\u3f3f\u4577\u446c\u3b6a\u45e4\u4824",
}


@pytest.mark.parametrize(("name", "stored"), SYSTEM_TABLES.items())
def test_system_tables_have_the_names_every_package_has(name: str, stored: str) -> None:
    assert names.encode(name, table=True) == stored
    assert names.decode(stored) == (name, True)


@pytest.mark.parametrize("name", ["a", "ab", "Binary.helper.exe", "with space", "ünï", "a-b", "x" * 62])
def test_any_name_comes_back(name: str) -> None:
    assert names.decode(names.encode(name)) == (name, False)


def test_property_sets_keep_their_name() -> None:
    assert names.encode("\x05SummaryInformation") == "\x05SummaryInformation"


@pytest.mark.parametrize("name", ["", "x" * 63, "-" * 32])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(WixpyError, match="does not fit"):
        names.encode(name)
