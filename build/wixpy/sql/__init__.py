# SPDX-License-Identifier: MIT
"""The SQL of Windows Installer (Windows Installer SDK, “SQL Syntax”): ``syntax`` reads a statement, ``plan`` finds
the rows of a query, ``statements`` carries statements out on a :class:`wixpy.store.Store`."""
