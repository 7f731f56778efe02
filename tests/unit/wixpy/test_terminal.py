# SPDX-License-Identifier: MIT
"""What is printed on a terminal, and in a pipe."""

from __future__ import annotations

import io
import time

import pytest

from wixpy.terminal import print_table, progress, width

ROWS = [("File", 3, "short"), ("日本", None, "x" * 100), ("a\x1b[2J", 1, "two\nlines")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [20, 40, 79, 200])
def test_a_table_fits_the_terminal_and_is_aligned(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = Terminal()
    print_table(("table", "rows", "text"), ROWS, out)
    lines = out.getvalue().splitlines()
    assert len(lines) == 5
    assert all(width(line) <= columns for line in lines)
    assert all(character.isprintable() for line in lines for character in line), "nothing moves the cursor"
    starts = {line.index(mark) for line, mark in zip(lines[2:3], ["3"], strict=True)} | {lines[0].index("rows")}
    assert len(starts) == 1
    assert ("…" in lines[3]) == (columns < 200)


def test_a_pipe_gets_tabs_and_everything() -> None:
    out = io.StringIO()
    print_table(("table", "rows", "text"), ROWS[:2], out)
    assert out.getvalue() == f"table\trows\ttext\nFile\t3\tshort\n日本\t\t{'x' * 100}\n"


def test_progress_is_shown_on_a_terminal_after_a_while_and_wiped() -> None:
    out, pipe, fast = Terminal(), io.StringIO(), Terminal()
    with progress("working", out, after=0.01) as at, progress("working", pipe, after=0.01):
        at("file 1")
        until = time.monotonic() + 10
        while "working: file 1 … 0 s" not in out.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    with progress("working", fast):
        pass
    assert "working: file 1 … 0 s" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")
    assert (pipe.getvalue(), fast.getvalue()) == ("", "")
