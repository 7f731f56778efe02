# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by ./scons and ./runtests with $kind set (build or test), in the root folder: returns when `.venv` and the
# tools are there. Compares with the shell alone, because starting Python would be most of the wait.

ready() {
    [ -x .venv/bin/python ] && [ -f ".venv/$kind.tools" ] || return 1
    { pwd -P && cat "$lock" ci/tools.json pyproject.toml; } | cmp -s - ".venv/$kind.stamp" || return 1
    while read -r tool; do
        command -v "$tool" >/dev/null || [ -e "$tool" ] || return 1
    done <".venv/$kind.tools"
}

if ! ready; then
    python=$(command -v python3 || command -v python) || {
        echo "Python 3.10 or newer is needed and there is no python3 on PATH." >&2
        echo "Run this, then try again: sudo apt-get install python3" >&2
        exit 12
    }
    "$python" ci/bootstrap.py "$kind" || exit
fi
