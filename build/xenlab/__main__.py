# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the ``xenlab`` command begins: what it needs beyond the pipeline is optional, so that is looked for first."""

from __future__ import annotations

import importlib
import importlib.util
import sys

_NEEDED = ("unicorn", "capstone")


def main() -> int:
    """Run the command line; 3 when the emulator is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"xenlab: {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed.", file=sys.stderr)
        print("  Install the lab's packages: pip install 'gplpv[lab]', or ./runtests once.", file=sys.stderr)
        return 3
    code: int = importlib.import_module("xenlab.cli").main()
    return code


if __name__ == "__main__":
    sys.exit(main())
