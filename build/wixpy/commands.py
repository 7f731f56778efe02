# SPDX-License-Identifier: MIT
"""What the commands of ``wixpy`` do: each takes its arguments and returns an exit code.  ``cli`` says the arguments.

A command loads what it needs itself, so that it need not wait for what others need.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wixpy.errors import WixpyError
from wixpy.terminal import print_table, printable, progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from wixpy.checks import Finding

DEFAULT_EPOCH = 315532800
WRONG_COMMAND = 2


def _print_json(content: object) -> None:
    import json  # noqa: PLC0415

    print(json.dumps(content, indent=2, ensure_ascii=False))


def _print_names(options: argparse.Namespace, names: Iterable[object]) -> None:
    """What was made, a line each."""
    listed = [str(name) for name in names]
    if options.json:
        _print_json(listed)
    elif listed and not options.quiet:
        print("\n".join(map(printable, listed)))


def _epoch(given: int | None) -> int:
    """The time of a build: what is given, else SOURCE_DATE_EPOCH, else a fixed one."""
    if given is not None:
        return given
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text and not text.isdecimal():
        raise WixpyError(f"SOURCE_DATE_EPOCH is “{text}”", "set it to a number of seconds since 1970")
    return int(text) if text else DEFAULT_EPOCH


def _build(options: argparse.Namespace) -> int:
    from wixpy.package import build  # noqa: PLC0415

    output: Path = options.output or _default_output(options)
    told: list[str] = []
    cultures = [culture for given in options.culture for culture in re.split("[;,]", given)]
    with progress(f"building {output.name}") as at:
        findings = build(
            options.source, output, defines=options.define, epoch=_epoch(options.epoch),
            localizations=options.loc, cultures=cultures, includes=options.include, bind_paths=options.bind_path,
            platform=options.arch, ignore=options.ignore, warn=lambda warning: told.append(str(warning)), at=at,
        )  # fmt: skip
    if options.json:
        content = {"package": str(output), "warnings": told, "findings": [_finding(finding) for finding in findings]}
        _print_json(content)
    elif not options.quiet:
        for line in [*(f"warning: {text}" for text in told), *map(str, findings)]:
            print(printable(line), file=sys.stderr)
    return 0


def _default_output(options: argparse.Namespace) -> Path:
    """The name of the first source, in the working folder."""
    from wixpy.wxs import makes_module  # noqa: PLC0415

    module = makes_module(
        options.source, options.define, includes=options.include, bind_paths=options.bind_path, platform=options.arch
    )
    return Path(options.source[0].with_suffix(".msm" if module else ".msi").name)


def _elements(options: argparse.Namespace) -> int:
    from wixpy.wxs import grammar  # noqa: PLC0415

    if options.markdown:
        from wixpy.wxs import reference  # noqa: PLC0415

        print(reference.markdown(), end="")
        return 0
    listed = sorted(grammar.elements().items())
    if options.json:
        _print_json({name: {"attributes": each.attributes, "required": each.required} for name, each in listed})
        return 0
    for name, element in listed:
        others = [attribute for attribute in element.attributes if attribute not in element.required]
        print(f"{name}\t{' '.join([*(f'{attribute}*' for attribute in element.required), *others])}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from wixpy.checks import Level  # noqa: PLC0415
    from wixpy.package import check  # noqa: PLC0415

    if options.list:
        return _list_checks(options)
    if options.package is None:
        from wixpy.cli import print_error  # noqa: PLC0415

        print_error(WixpyError("no package is named", "wixpy check x.msi, or wixpy check --list"))
        return WRONG_COMMAND
    with progress(f"checking {options.package.name}"):
        findings = check(options.package, options.ice)
    if options.json:
        _print_json([_finding(finding) for finding in findings])
    for finding in findings:
        if not options.json and not (options.quiet and finding.level is not Level.ERROR):
            print(printable(str(finding)))
    return int(any(finding.level is Level.ERROR for finding in findings))


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule, "level": finding.level.name.lower(), "message": finding.message,
        "table": finding.table or None, "key": list(finding.key),
    }  # fmt: skip


def _list_checks(options: argparse.Namespace) -> int:
    from wixpy.checks import RULES, by_number, require  # noqa: PLC0415

    require(options.ice)
    chosen = [RULES[name] for name in sorted(options.ice or RULES, key=by_number)]
    rows = [(rule.name, " ".join(level.name.lower() for level in rule.levels), rule.description) for rule in chosen]
    if options.json:
        _print_json([{"rule": name, "levels": levels.split(), "description": text} for name, levels, text in rows])
    else:
        print_table(("rule", "levels", "what must hold"), rows)
    return 0


def _tables(options: argparse.Namespace) -> int:
    from wixpy.database import Database  # noqa: PLC0415

    database = Database.open(options.package)
    listed = sorted(database.tables.items())
    if options.json:
        _print_json({
            name: {
                "rows": len(database.rows(name)),
                "columns": [{"name": c.name, "type": c.type, "key": c.key} for c in table.columns],
            }
            for name, table in listed
        })  # fmt: skip
        return 0
    rows = [
        (name, len(database.rows(name)), ", ".join(f"{c.name}{'*' if c.key else ''} {c.type}" for c in table.columns))
        for name, table in listed
    ]
    print_table(("table", "rows", "columns"), rows)
    return 0


def _dump(options: argparse.Namespace) -> int:
    from wixpy.database import Database  # noqa: PLC0415
    from wixpy.summary import Pid  # noqa: PLC0415

    database = Database.open(options.package)
    for name in options.tables:
        if name not in database.tables:
            raise WixpyError(f"the package has no table {name}", f"it has {', '.join(sorted(database.tables))}")
    chosen = options.tables or sorted(database.tables)
    summary = {Pid(pid).name.lower(): str(value) for pid, value in sorted(database.summary.items())}
    if options.json:
        content: dict[str, object] = {name: [dict(row) for row in database.rows(name)] for name in chosen}
        _print_json({"summary": summary, "tables": content})
        return 0
    if not options.tables:
        print_table(("summary", "value"), summary.items())
    for position, name in enumerate(chosen):
        print(name if position == 0 and options.tables else f"\n{name}")
        print_table(list(database.tables[name].index), (row.cells for row in database.rows(name)))
    return 0


def _extract(options: argparse.Namespace) -> int:
    from wixpy.database import Database  # noqa: PLC0415
    from wixpy.files import replacing  # noqa: PLC0415
    from wixpy.media import beside  # noqa: PLC0415
    from wixpy.package import installed_contents  # noqa: PLC0415

    paths: list[Path] = []
    tidied: set[Path] = set()
    with progress(f"unpacking {options.package.name}") as at, Database.browse(options.package) as database:
        for name, content in installed_contents(database, beside(options.package.parent)):
            path = options.output / name
            at(name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WixpyError(f"cannot make {path.parent}: {error.strerror}", "choose another folder") from error
            with replacing(path, tidy=path.parent not in tidied) as file:
                file.writelines(content)
            tidied.add(path.parent)
            paths.append(path)
    _print_names(options, paths)
    return 0


def _diff(options: argparse.Namespace) -> int:
    from wixpy import diff  # noqa: PLC0415
    from wixpy.database import Database  # noqa: PLC0415

    try:
        with progress("comparing"):
            changes = list(diff.compare(Database.open(options.one), Database.open(options.two)))
    except WixpyError as error:
        from wixpy.cli import print_error  # noqa: PLC0415

        print_error(error)
        return WRONG_COMMAND
    if options.json:
        _print_json([
            {"part": each.part, "kind": each.kind, "name": each.name, "key": list(each.key), "before": each.before,
             "after": each.after}
            for each in changes
        ])  # fmt: skip
    else:
        for change in changes:
            print(printable(str(change)))
    return int(bool(changes))


def _query(options: argparse.Namespace) -> int:
    from wixpy import msilib  # noqa: PLC0415

    database = msilib.OpenDatabase(options.package, msilib.MSIDBOPEN_TRANSACT)
    view = database.OpenView(options.sql)
    record = msilib.CreateRecord(len(options.parameters))
    for number, value in enumerate(options.parameters, 1):
        record.SetString(number, value)
    view.Execute(record)
    if not view.has_result:
        database.Commit()
        if options.json:
            _print_json({"columns": [], "rows": []})
        return 0
    information = [view.GetColumnInfo(kind) for kind in (msilib.MSICOLINFO_NAMES, msilib.MSICOLINFO_TYPES)]
    names, types = ([each.GetString(field + 1) for field in range(each.GetFieldCount())] for each in information)
    rows = [[_plain(value) for value in row.values] for row in view]
    if options.json:
        columns = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)]
        _print_json({"columns": columns, "rows": rows})
        return 0
    print_table(names, rows)
    return 0


def _plain(value: int | str | bytes | None) -> int | str | None:
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def _export(options: argparse.Namespace) -> int:
    from wixpy import idt  # noqa: PLC0415
    from wixpy.msilib import MSIDBOPEN_READONLY, OpenDatabase  # noqa: PLC0415

    database = OpenDatabase(options.package, MSIDBOPEN_READONLY)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WixpyError(f"cannot make {options.output}: {error.strerror}", "choose another folder") from error
    tables = options.tables or [idt.CODEPAGE, idt.SUMMARY, *sorted(database.store.database.tables)]
    with progress(f"exporting {options.package.name}") as at:
        for name in tables:
            at(name)
            database.Export(name, options.output, f"{name}.idt", for_msitools=options.msitools)
    _print_names(options, [options.output / f"{name}.idt" for name in tables])
    return 0


def _import(options: argparse.Namespace) -> int:
    from wixpy import idt  # noqa: PLC0415
    from wixpy.msilib import MSIDBOPEN_CREATE, MSIDBOPEN_TRANSACT, OpenDatabase  # noqa: PLC0415

    database = OpenDatabase(options.package, MSIDBOPEN_TRANSACT if options.package.exists() else MSIDBOPEN_CREATE)
    # The code page comes before what is written in it.
    archives = sorted(options.archives, key=lambda path: path.stem != idt.CODEPAGE)
    with progress(f"importing into {options.package.name}"):
        names = [idt.import_file(database.store, path) for path in archives]
        database.Commit()
    _print_names(options, names)
    return 0


def _transform(options: argparse.Namespace) -> int:
    from wixpy import transforming  # noqa: PLC0415

    if options.action == "show":
        columns, rows = transforming.show(options.one, options.two)
        if options.json:
            _print_json([dict(zip(columns, row, strict=True)) for row in rows])
        else:
            print_table(columns, rows)
        return 0
    if options.output is None:
        from wixpy.cli import print_error  # noqa: PLC0415

        print_error(WixpyError("no output is named", f"wixpy transform {options.action} … … -o FILE"))
        return WRONG_COMMAND
    if options.action == "apply":
        transforming.apply(options.one, options.two, Path(options.output), force=options.force)
    else:
        words = options.validate or ["product"], options.suppress
        left = transforming.create(Path(options.one), options.two, options.output, *words)
        for name in [] if options.quiet else left:
            print(
                printable(f"warning: the packages differ in {name}, which a transform does not hold"), file=sys.stderr
            )
    _print_names(options, [options.output])
    return 0


RUN = {
    "build": _build, "elements": _elements, "check": _check, "tables": _tables, "dump": _dump, "extract": _extract,
    "query": _query, "export": _export, "import": _import, "diff": _diff,
    "transform": _transform,
}  # fmt: skip
