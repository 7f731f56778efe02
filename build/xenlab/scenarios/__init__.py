# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios that ``xenlab list`` shows, by subject."""
