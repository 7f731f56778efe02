# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules by which INFs are checked, a module a topic: a new rule is one function there."""
