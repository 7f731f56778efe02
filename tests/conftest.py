# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every test."""

import signal

# A shell starts its background jobs with Ctrl-C ignored, and what is ignored stays so in all programs that these start:
# the tests that press Ctrl-C must mean it however they were started.
signal.signal(signal.SIGINT, signal.default_int_handler)
