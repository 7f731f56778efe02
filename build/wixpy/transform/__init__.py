# SPDX-License-Identifier: MIT
"""Transforms (.mst): what turns one package into another (Windows Installer SDK, “Database Transforms”).

``format`` is the file, ``generate`` finds what two databases differ in, ``apply`` carries it out on a database, and
``validity`` says for which packages a transform is and what may go wrong meanwhile; ``view`` shows one.

>>> from wixpy import Database
>>> old, new = Database(1252), Database(1252)
>>> _ = old.insert("Property", "Greeting", "Hello"), new.insert("Property", "Greeting", "Hallo")
>>> transform = new.generate_transform(old)
>>> old.apply_transform(transform)
>>> old.property("Greeting")
'Hallo'
"""

from wixpy.transform.apply import apply
from wixpy.transform.format import Transform
from wixpy.transform.generate import generate
from wixpy.transform.validity import Condition, Validation, check, conditions, describe
from wixpy.transform.view import show, view

__all__ = [
    "Condition",
    "Transform",
    "Validation",
    "apply",
    "check",
    "conditions",
    "describe",
    "generate",
    "show",
    "view",
]
