# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages installed, looked at and removed on Windows machines, for which Wine stands in."""
