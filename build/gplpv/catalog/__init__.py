# SPDX-License-Identifier: GPL-2.0-or-later
"""Catalogs (.cat) of driver packages: which files belong together, for a signature to cover.

    catalog = build(files, systems.parse(["XP_X86"]), hardware_ids, config.moment)
    data = write(catalog)                    # an unsigned file, for a signer
    assert read(data) == catalog

:mod:`~gplpv.catalog.package` finds the files and IDs from the INFs of a folder.
"""

from gplpv.catalog.model import OBSOLETE, Catalog, Indirect, Link, Member, NameValue, Unknown, UnknownExtension
from gplpv.catalog.read import read
from gplpv.catalog.write import File, build, encode, hash_file, write

__all__ = [
    "OBSOLETE",
    "Catalog",
    "File",
    "Indirect",
    "Link",
    "Member",
    "NameValue",
    "Unknown",
    "UnknownExtension",
    "build",
    "encode",
    "hash_file",
    "read",
    "write",
]
