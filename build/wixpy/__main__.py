# SPDX-License-Identifier: MIT
"""``python -m wixpy``: the command line."""

import sys

from wixpy.cli import main

sys.exit(main())
