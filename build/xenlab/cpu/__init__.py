# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated processor and its memory."""
