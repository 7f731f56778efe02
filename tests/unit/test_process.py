# SPDX-License-Identifier: GPL-2.0-or-later
"""The seam that runs programs: output kept, failures explained, secrets redacted."""

import sys

import pytest

from gplpv import process, tools
from gplpv.errors import GplpvError

PYTHON = sys.executable


def test_keeps_what_a_program_prints():
    assert process.run([PYTHON, "-c", "print('hi')"]).output.split() == ["hi"]


def test_a_failure_names_program_exit_code_and_the_end_of_its_output():
    script = "import sys; [print('line', n) for n in range(100)]; sys.exit(3)"
    with pytest.raises(process.ProcessError) as caught:
        process.run([PYTHON, "-c", script], hint="Do that.")
    assert "exit code 3" in caught.value.message
    assert "line 99" in caught.value.message
    assert "line 5\n" not in caught.value.message
    assert "line 5\n" in caught.value.output.replace("\r\n", "\n")
    assert caught.value.hint == "Do that."


def test_secrets_are_redacted_wherever_they_would_show():
    with pytest.raises(process.ProcessError) as caught:
        process.run([PYTHON, "-c", "import sys; print('hunter2'); sys.exit(1)"], secrets=["hunter2", ""])
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in caught.value.output
    assert "***" in caught.value.output


def test_a_program_that_hangs_is_ended():
    with pytest.raises(process.ProcessError, match="did not finish within"):
        process.run([PYTHON, "-c", "import time; time.sleep(60)"], timeout=0.5)


def test_a_program_that_is_not_there():
    with pytest.raises(process.ProcessError, match="cannot be started"):
        process.run(["/nonexistent/compiler"], hint="Install it.")


def test_output_that_is_not_utf8_is_kept_readable():
    assert "a\ufffdb" in process.run([PYTHON, "-c", "import sys; sys.stdout.buffer.write(b'a\\xffb')"]).output


def test_a_missing_tool_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GplpvError, match="osslsigncode is not installed") as caught:
        _ = tools.Osslsigncode().program
    assert "osslsigncode" in caught.value.hint.partition("Install it: ")[2]


def test_a_tool_that_is_too_old_is_refused(tmp_path, monkeypatch):
    old = tmp_path / "osslsigncode"
    old.write_text("#!/bin/sh\necho 'osslsigncode 1.7.1, using:'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GplpvError, match=r"osslsigncode 1\.7\.1 is too old; 2\.1"):
        _ = tools.Osslsigncode().program
