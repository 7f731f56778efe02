# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows INF files: read with every position kept, understood for a given Windows, and checked.

:mod:`gplpv.inf.parse` turns bytes into a document, :mod:`gplpv.inf.view` tells what a document installs where,
:mod:`gplpv.inf.check` finds what stops or weakens that. Specification: Microsoft's Windows driver documentation,
"General Syntax Rules for INF Files" and the pages of the single sections and directives.
"""
