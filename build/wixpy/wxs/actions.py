# SPDX-License-Identifier: MIT
"""Custom actions and the sequences they run in."""

from __future__ import annotations

from wixpy.actions import ActionType, standard
from wixpy.wxs.compilation import Compilation
from wixpy.wxs.grammar import nearest
from wixpy.wxs.sequence import Step
from wixpy.wxs.source import Node

SEQUENCES = {
    "InstallExecuteSequence": "InstallExecuteSequence",
    "InstallUISequence": "InstallUISequence",
    "AdminExecuteSequence": "AdminExecuteSequence",
    "AdminUISequence": "AdminUISequence",
    "AdvertiseExecuteSequence": "AdvtExecuteSequence",
}

KINDS = {
    ("BinaryKey", "DllEntry"): 1,
    ("BinaryKey", "ExeCommand"): 2,
    ("BinaryKey", "JScriptCall"): 5,
    ("BinaryKey", "VBScriptCall"): 6,
    ("FileKey", "DllEntry"): 17,
    ("FileKey", "ExeCommand"): 18,
    ("FileKey", "JScriptCall"): 21,
    ("FileKey", "VBScriptCall"): 22,
    ("Directory", "ExeCommand"): 34,
    ("Directory", "Value"): 35,
    ("Property", "ExeCommand"): 50,
    ("Property", "Value"): 51,
    ("Property", "JScriptCall"): 53,
    ("Property", "VBScriptCall"): 54,
}
ERROR_KIND = 19
SCRIPT_KINDS = {"jscript": 37, "vbscript": 38}
_SOURCES = ("BinaryKey", "FileKey", "Directory", "Property")
_TARGETS = ("DllEntry", "ExeCommand", "JScriptCall", "VBScriptCall", "Value")
_TABLES = {"BinaryKey": "Binary", "FileKey": "File", "Directory": "Directory"}
_SCRIPTS = ("JScriptCall", "VBScriptCall")

_EXECUTE = {
    "immediate": 0,
    "firstSequence": ActionType.FIRST_SEQUENCE,
    "oncePerProcess": ActionType.ONCE_PER_PROCESS,
    "secondSequence": ActionType.FIRST_SEQUENCE | ActionType.ONCE_PER_PROCESS,
    "deferred": ActionType.DEFERRED,
    "rollback": ActionType.ROLLBACK,
    "commit": ActionType.COMMIT,
}
_RETURN = {
    "check": 0,
    "ignore": ActionType.CONTINUE,
    "asyncWait": ActionType.ASYNC,
    "asyncNoWait": ActionType.ASYNC | ActionType.CONTINUE,
}
_EXITS = {"success": -1, "cancel": -2, "error": -3, "suspend": -4}


def custom_action(compilation: Compilation, node: Node) -> None:
    """CustomAction: what runs is told by one source (BinaryKey …) and one target (ExeCommand …)."""
    execute, returns = node.get("Execute") or "immediate", node.get("Return") or "check"
    options = _EXECUTE[execute] | _RETURN[returns]
    if not node.yes("Impersonate", True):
        if not options & ActionType.DEFERRED:
            raise node.error(
                "only deferred actions run without impersonation", "add Execute='deferred' or remove Impersonate"
            )
        options |= ActionType.NO_IMPERSONATE
    options |= ActionType.HIDE_TARGET if node.yes("HideTarget") else 0
    if node.yes("TerminalServerAware"):
        if not options & ActionType.DEFERRED or options & ActionType.NO_IMPERSONATE:
            raise node.error(
                "TerminalServerAware is about deferred actions that impersonate", "remove it, or add Execute='deferred'"
            )
        options |= ActionType.TERMINAL_SERVER_AWARE
    if execute == "rollback" and options & ActionType.ASYNC:
        raise node.error("an action cannot be rolled back asynchronously", "use Return='check' or 'ignore'")
    kind, source, target = _what(compilation, node)
    if returns == "asyncNoWait" and kind & 7 != 2:
        raise node.error("only programs run without being waited for", "use asyncWait or ExeCommand")
    if kind in (ERROR_KIND, 35, 51) and options & ActionType.DEFERRED:
        raise node.error("an action of this kind cannot be deferred", "remove Execute")
    compilation.insert(node, "CustomAction", node.need("Id"), int(kind | options), source, target)


def _what(compilation: Compilation, node: Node) -> tuple[int, str | None, str | None]:
    """The kind, the Source cell and the Target cell."""
    sources = [name for name in _SOURCES if node.get(name) is not None]
    targets = [name for name in _TARGETS if node.get(name) is not None]
    error, script = node.get("Error"), node.get("Script")
    if node.yes("SuppressModularization"):
        compilation.unsuffixed.add(node.need("Id"))
    if script is not None:
        text = _script(compilation, node)
        if sources or targets or error or not text:
            raise node.error("an action with Script is its text and nothing else", "remove the rest, or Script")
        bits = ActionType.SCRIPT_64BIT if node.yes("Win64", compilation.is_64bit) else 0
        return SCRIPT_KINDS[script] | bits, None, text
    if node.text:
        raise node.error("the action has a text, which is for scripts", "give Script, or remove the text")
    if error is not None:
        if sources or targets:
            raise node.error("an action with Error does nothing else", f"remove {', '.join(sources + targets)}")
        return ERROR_KIND, None, error
    if len(sources) != 1 or len(targets) != 1 or (sources[0], targets[0]) not in KINDS:
        given = " and ".join(sources + targets) or "nothing"
        pairs = ", ".join("+".join(pair) for pair in KINDS)
        raise node.error(f"the action says what to run with {given}", f"give one of {pairs}, or Error")
    source, target = sources[0], targets[0]
    if source in _TABLES:
        compilation.refer(node, _TABLES[source], node.need(source))
    kind = KINDS[source, target]
    win64 = node.get("Win64")
    if win64 is not None and target not in _SCRIPTS:
        raise node.error("Win64 is for script actions", "remove it: programs and libraries know what they are")
    if target in _SCRIPTS and node.yes("Win64", compilation.is_64bit):
        kind |= ActionType.SCRIPT_64BIT
    return kind, node.need(source), node.get(target)


def _script(compilation: Compilation, node: Node) -> str:
    """The script of an action: its text, or a file."""
    if node.get("ScriptSourceFile") is None:
        return node.text
    if node.text:
        raise node.error("the script is given twice", "keep the text, or ScriptSourceFile")
    try:
        return compilation.source_bytes(node, "ScriptSourceFile").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise node.error(f"“{node.get('ScriptSourceFile')}” is no text in UTF-8", "save it as UTF-8") from None


def set_property(compilation: Compilation, node: Node) -> None:
    """SetProperty: a type 51 action and its place in the sequences."""
    before, after = node.get("Before"), node.get("After")
    if not before and not after:
        raise node.error("the SetProperty has no place", "give Before or After")
    for table, action in _setting(compilation, node):
        schedule(compilation, node, table, action, before=before, after=after, condition=node.text or None)


def set_directory(compilation: Compilation, node: Node) -> None:
    """SetDirectory: a type 51 action before CostFinalize makes paths of the directories."""
    compilation.refer(node, "Directory", node.need("Id"))
    for table, action in _setting(compilation, node):
        schedule(compilation, node, table, action, after="CostInitialize", condition=node.text or None)


def _setting(compilation: Compilation, node: Node) -> list[tuple[str, str]]:
    """Add an action that sets something; the tables that it goes into."""
    name, which = node.need("Id"), node.get("Sequence") or "both"
    action = node.get("Action") or f"Set{name}"
    kind = KINDS["Property", "Value"] | (ActionType.FIRST_SEQUENCE if which == "first" else 0)
    compilation.insert(node, "CustomAction", action, kind, name, node.need("Value"))
    tables = {"execute": ["InstallExecuteSequence"], "ui": ["InstallUISequence"]}.get(
        which, ["InstallExecuteSequence", "InstallUISequence"]
    )
    return [(table, action) for table in tables]


def row_reference(compilation: Compilation, node: Node) -> None:
    """CustomActionRef, PropertyRef: a row that must be there."""
    compilation.refer(node, node.name.removesuffix("Ref"), node.need("Id"))


def schedule(
    compilation: Compilation,
    node: Node,
    table: str,
    action: str,
    *,
    number: int | None = None,
    before: str | None = None,
    after: str | None = None,
    condition: str | None = None,
) -> None:
    """Put an action into a sequence table."""
    steps = compilation.steps.setdefault(table, {})
    if action in steps:
        earlier = steps[action].node
        hint = f"the other is in {earlier.place}; remove one" if earlier else "remove one"
        raise node.error(f"{action} is scheduled twice in {table}", hint)
    steps[action] = Step(action, node, number, before, after, condition)


def sequence(compilation: Compilation, node: Node) -> None:
    """A sequence element: Custom for custom actions, and standard actions by their names."""
    table = SEQUENCES[node.name]
    for child in node.children:
        if child.name == "Custom":
            _custom(compilation, child, table)
        else:
            _standard(compilation, child, table)


def _custom(compilation: Compilation, node: Node, table: str) -> None:
    action, number, leaving = node.need("Action"), node.number("Sequence"), node.get("OnExit")
    before, after = node.get("Before"), node.get("After")
    if action not in standard()[table]:
        compilation.refer(node, "CustomAction", action)
    if sum((number is not None, leaving is not None, bool(before or after))) != 1:
        raise node.error(f"the action {action} needs one place", "give Before, After or both, or Sequence, or OnExit")
    if leaving:
        number = _EXITS[leaving]
    elif number is not None and number < 1:
        raise node.error(f"the sequence number {number} is not positive", "use OnExit for the ends of an installation")
    schedule(compilation, node, table, action, number=number, before=before, after=after, condition=node.text or None)


def _standard(compilation: Compilation, node: Node, table: str) -> None:
    action = node.name
    known = standard()[table]
    if action not in known:
        raise node.error(f"{action} does not belong into {table}", nearest(action, known))
    before, after, number = node.get("Before"), node.get("After"), node.number("Sequence")
    if number is not None and (before or after):
        raise node.error(f"{action} has two places", "give Sequence, or Before and After")
    if node.yes("Suppress"):
        if before or after or number is not None or node.text:
            raise node.error(f"{action} is suppressed and has a place or condition", "keep only Suppress")
        compilation.suppressed.setdefault(table, set()).add(action)
        return
    if number is None and not before and not after:
        number = known[action].number
    schedule(compilation, node, table, action, number=number, before=before, after=after, condition=node.text or None)
