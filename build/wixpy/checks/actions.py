# SPDX-License-Identifier: MIT
"""Checks of custom actions and sequence tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from wixpy.actions import KIND_MASK, SEQUENCE_TABLES, ActionType, standard_names
from wixpy.checks.finding import Finding, Findings, Level, error, rule, warning
from wixpy.checks.relations import numbers
from wixpy.database import Database, Row

_REQUIRED = {
    "InstallExecuteSequence": (
        "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "ProcessComponents",
        "UnpublishFeatures", "RegisterUser", "RegisterProduct", "PublishFeatures", "PublishProduct", "InstallFinalize",
    ),
    "InstallUISequence": ("CostInitialize", "FileCost", "CostFinalize", "ExecuteAction"),
    "AdminExecuteSequence": (
        "CostInitialize", "FileCost", "CostFinalize", "InstallValidate", "InstallInitialize", "InstallAdminPackage",
        "InstallFiles", "InstallFinalize",
    ),
    "AdminUISequence": ("CostInitialize", "FileCost", "CostFinalize", "ExecuteAction"),
    "AdvtExecuteSequence": (
        "CostInitialize", "CostFinalize", "InstallValidate", "InstallInitialize", "InstallFinalize",
    ),
}  # fmt: skip
# What has to come before what.
_ORDER = tuple(
    tuple(line.split(" < "))
    for line in """\
CostInitialize < FileCost < CostFinalize < InstallValidate < InstallInitialize < InstallFinalize
CostInitialize < IsolateComponents < CostFinalize < SetODBCFolders < InstallValidate
AppSearch < CCPSearch < RMCCPSearch < CostInitialize
FindRelatedProducts < MigrateFeatureStates
FindRelatedProducts < RemoveExistingProducts
InstallInitialize < ProcessComponents < InstallFinalize
InstallInitialize < RemoveFiles < InstallFiles < PatchFiles < DuplicateFiles < InstallFinalize
InstallFiles < DuplicateFiles
InstallFiles < BindImage < InstallFinalize
RemoveFiles < MoveFiles < InstallFiles
RemoveDuplicateFiles < RemoveFiles < RemoveFolders < CreateFolders < InstallFiles
StopServices < DeleteServices < RemoveFiles
DeleteServices < InstallServices < StartServices < InstallFinalize
InstallFiles < InstallServices
SelfUnregModules < RemoveFiles
InstallFiles < SelfRegModules < InstallFinalize
UnregisterFonts < RemoveFiles
InstallFiles < RegisterFonts < InstallFinalize
RemoveShortcuts < CreateShortcuts < InstallFinalize
RemoveRegistryValues < WriteRegistryValues < InstallFinalize
RemoveIniValues < WriteIniValues < InstallFinalize
RemoveEnvironmentStrings < WriteEnvironmentStrings < InstallFinalize
RemoveODBC < InstallODBC < InstallFinalize
UnregisterClassInfo < RegisterClassInfo < InstallFinalize
UnregisterExtensionInfo < RegisterExtensionInfo < InstallFinalize
UnregisterProgIdInfo < RegisterProgIdInfo < InstallFinalize
UnregisterMIMEInfo < RegisterMIMEInfo < InstallFinalize
UnregisterTypeLibraries < RegisterTypeLibraries < InstallFinalize
UnpublishFeatures < PublishFeatures < PublishProduct < InstallFinalize
""".splitlines()
)
_REGISTRATION = ("RegisterProduct", "RegisterUser", "PublishProduct", "PublishFeatures")
_NOT_SEPARATED = (
    "RegisterProduct", "RegisterUser", "PublishProduct", "PublishFeatures", "CreateShortcuts", "RegisterMIMEInfo",
    "RegisterExtensionInfo", "RegisterClassInfo", "RegisterProgIdInfo",
)  # fmt: skip
_NOT_CONDITIONAL = frozenset((
    "CostInitialize", "CostFinalize", "FileCost", "InstallValidate", "InstallInitialize", "InstallFinalize",
    "ProcessComponents", "PublishFeatures", "PublishProduct", "RegisterProduct", "UnpublishFeatures",
))  # fmt: skip
_EXECUTE = ("InstallExecuteSequence", "AdminExecuteSequence", "AdvtExecuteSequence")
_PROHIBITED = {
    "InstallUISequence": (
        "InstallInitialize",
        "InstallFinalize",
        "InstallFiles",
        "InstallExecute",
        "ProcessComponents",
    ),
    "AdminUISequence": ("InstallInitialize", "InstallFinalize", "InstallFiles", "InstallExecute", "ProcessComponents"),
    "InstallExecuteSequence": ("ExecuteAction", "InstallAdminPackage"),
    "AdminExecuteSequence": ("ExecuteAction", "RegisterProduct", "PublishProduct", "PublishFeatures"),
}
_SOURCES = {
    1: "Binary",
    2: "Binary",
    5: "Binary",
    6: "Binary",
    17: "File",
    18: "File",
    21: "File",
    22: "File",
    34: "Directory",
    35: "Directory",
}
_NO_SOURCE_TABLE = {19, 37, 38, 50, 51, 53, 54}
_NOT_DEFERRED = {19, 35, 51}


def _scheduled(database: Database) -> Iterator[tuple[Row, Row, dict[str, int]]]:
    """Rows of sequence tables with their custom action and all numbers of the table."""
    for table in SEQUENCE_TABLES:
        places = numbers(database, table)
        for row in database.rows(table):
            action = database.get("CustomAction", row["Action"])
            if action is not None:
                yield row, action, places


@rule()
def ice12(database: Database) -> Findings:
    """An action of type 35 comes after CostFinalize, one of type 51 that sets a directory before it."""
    for row, action, places in _scheduled(database):
        kind, number = action.number("Type") & KIND_MASK, row.number("Sequence")
        costed = places.get("CostFinalize")
        if kind == 35 and (costed is None or number < costed):
            yield error(row, f"{row['Action']} (type 35) must come after CostFinalize")
        if kind == 51 and database.get("Directory", action["Source"]) and costed is not None and number > costed:
            yield error(row, f"{row['Action']} (type 51) sets the directory {action['Source']} after CostFinalize")


@rule()
def ice13(database: Database) -> Findings:
    """Dialogs are in no execute sequence."""
    for table in _EXECUTE:
        for row in database.rows(table):
            if database.get("Dialog", row["Action"]):
                yield error(row, f"the dialog {row['Action']} cannot be shown in {table}")


@rule()
def ice26(database: Database) -> Findings:
    """Sequence tables have the standard actions that they need, and none that cannot run there."""
    for table in SEQUENCE_TABLES:
        if not database.rows(table):
            continue
        places = numbers(database, table)
        for action in _REQUIRED[table]:
            if action not in places:
                yield Finding("", f"{action} is missing", table, (action,))
        for action in _PROHIBITED.get(table, ()):
            if action in places:
                yield Finding("", f"{action} cannot run in {table}", table, (action,))


@rule()
def ice27(database: Database) -> Findings:
    """Actions of sequence tables exist, searches come before costing, and standard actions that depend on one another
    are in order."""
    for table in SEQUENCE_TABLES:
        places = numbers(database, table)
        wrong = set()
        for chain in _ORDER:
            present = [action for action in chain if action in places]
            wrong |= {(a, b) for a, b in pairwise(present) if places[a] >= places[b]}
        for first, second in sorted(wrong):
            yield Finding("", f"{first} must come before {second}", table, (second,))
        for row in database.rows(table):
            action = row.text("Action")
            known = action in standard_names() or database.get("CustomAction", action) or database.get("Dialog", action)
            if not known:
                yield error(row, f"{action} is neither a standard action, a custom action nor a dialog")


@rule()
def ice28(database: Database) -> Findings:
    """ForceReboot does not separate the actions that register and publish the product."""
    for table in SEQUENCE_TABLES:
        places = numbers(database, table)
        together = [places[action] for action in _NOT_SEPARATED if action in places]
        reboot = places.get("ForceReboot")
        if reboot is not None and together and min(together) < reboot < max(together):
            message = f"ForceReboot cannot come between {min(together)} and {max(together)}"
            yield Finding("", message, table, ("ForceReboot",))


@rule()
def ice63(database: Database) -> Findings:
    """RemoveExistingProducts is scheduled when there is something to remove: after InstallValidate, and after
    InstallInitialize only where nothing waits in the script."""
    removes = any(not row.number("Attributes") & 2 for row in database.rows("Upgrade"))
    places = numbers(database, "InstallExecuteSequence")
    place = places.get("RemoveExistingProducts")
    if removes and place is None:
        message = "products to remove are found and RemoveExistingProducts is not scheduled"
        yield Finding("", message, "InstallExecuteSequence")
    start, end = places.get("InstallInitialize", 0), places.get("InstallFinalize", 0)
    if place is not None and start < place < end:
        flushed = [n for a, n in places.items() if a in ("InstallExecute", "InstallExecuteAgain") and n < place]
        start = max([start, *flushed])
        waiting = [a for a, n in places.items() if start < n < place and _is_scripted(database, a)]
        if waiting:
            message = f"RemoveExistingProducts comes after {waiting[0]}, whose changes are not yet made"
            yield Finding("", message, "InstallExecuteSequence", ("RemoveExistingProducts",))
    elif place is not None and place < places.get("InstallValidate", 0):
        yield Finding("", "RemoveExistingProducts must come after InstallValidate", "InstallExecuteSequence")


def _is_scripted(database: Database, action: str) -> bool:
    """Whether an action may write into the script of the installation."""
    custom = database.get("CustomAction", action)
    if custom is not None:
        return bool(custom.number("Type") & ActionType.DEFERRED)
    return action not in ("AllocateRegistrySpace", "DisableRollback") and action in standard_names()


@rule()
def ice68(database: Database) -> Findings:
    """Types of custom actions exist, and their sources are there."""
    for row in database.rows("CustomAction"):
        kind = row.number("Type") & KIND_MASK
        table = _SOURCES.get(kind)
        if table is None and kind not in _NO_SOURCE_TABLE:
            yield error(row, f"{row.number('Type')} is no type of a custom action")
        elif table and database.get(table, row["Source"]) is None:
            yield error(row, f"the source “{row.text('Source')}” is not in {table}")
        elif kind in _NOT_DEFERRED and row.number("Type") & ActionType.DEFERRED:
            yield error(row, "an action that sets a property or ends the installation cannot be deferred")


@rule()
def ice72(database: Database) -> Findings:
    """The only custom actions of AdvtExecuteSequence are of the types 19, 35 and 51."""
    for row in database.rows("AdvtExecuteSequence"):
        action = database.get("CustomAction", row["Action"])
        if action is not None and action.number("Type") & KIND_MASK not in _NOT_DEFERRED:
            yield error(row, f"{row['Action']} (type {action['Type']}) cannot run when a product is advertised")


@rule()
def ice75(database: Database) -> Findings:
    """Actions that run an installed file come after CostFinalize."""
    for row, action, places in _scheduled(database):
        if _SOURCES.get(action.number("Type") & KIND_MASK) == "File":
            costed = places.get("CostFinalize")
            if costed is None or 0 < row.number("Sequence") < costed:
                yield error(row, f"{row['Action']} runs an installed file and must come after CostFinalize")


@rule()
def ice77(database: Database) -> Findings:
    """Deferred actions run between InstallInitialize and InstallFinalize."""
    for row, action, places in _scheduled(database):
        if not action.number("Type") & ActionType.DEFERRED:
            continue
        start, end = places.get("InstallInitialize"), places.get("InstallFinalize")
        if start is None or end is None or not start < row.number("Sequence") < end:
            message = f"the deferred action {row['Action']} is not between InstallInitialize and InstallFinalize"
            yield error(row, message)


@rule()
def ice78(database: Database) -> Findings:
    """AdvtUISequence is empty: advertising shows nothing."""
    for row in database.rows("AdvtUISequence"):
        yield error(row, f"{row['Action']} is in AdvtUISequence, which must be empty")


@rule(Level.ERROR, Level.WARNING)
def ice82(database: Database) -> Findings:
    """InstallExecuteSequence has all of RegisterProduct, RegisterUser, PublishProduct and PublishFeatures; without any
    of them, and where two actions have one number, that is a warning."""
    if database.rows("InstallExecuteSequence"):
        places = numbers(database, "InstallExecuteSequence")
        missing = [action for action in _REGISTRATION if action not in places]
        if missing:
            level = Level.WARNING if len(missing) == len(_REGISTRATION) else Level.ERROR
            yield Finding("", f"{' and '.join(missing)} are missing", "InstallExecuteSequence", (), level)
    for table in SEQUENCE_TABLES:
        seen: dict[int, str] = {}
        for row in database.rows(table):
            action, number = row.text("Action"), row.number("Sequence")
            if number > 0 and number in seen:
                yield warning(row, f"{action} and {seen[number]} have the same number {number}")
            seen[number] = action


@rule(Level.WARNING)
def ice84(database: Database) -> Findings:
    """Standard actions that every installation needs have no conditions."""
    for table in _EXECUTE:
        for row in database.rows(table):
            if row["Action"] in _NOT_CONDITIONAL and row["Condition"] is not None:
                yield warning(row, f"{row['Action']} has a condition")


@rule(Level.WARNING)
def ice93(database: Database) -> Findings:
    """No custom action has the name of a standard one."""
    for row in database.rows("CustomAction"):
        if row["Action"] in standard_names():
            yield warning(row, f"{row['Action']} is the name of a standard action")


@rule(Level.WARNING)
def ice96(database: Database) -> Findings:
    """AdvtExecuteSequence has PublishFeatures and PublishProduct."""
    places = numbers(database, "AdvtExecuteSequence")
    for action in ("PublishFeatures", "PublishProduct"):
        if database.rows("AdvtExecuteSequence") and action not in places:
            yield Finding("", f"{action} is missing", "AdvtExecuteSequence", (action,), Level.WARNING)
