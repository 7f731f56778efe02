# SPDX-License-Identifier: GPL-2.0-or-later
"""The Windows kernel as drivers see it."""
