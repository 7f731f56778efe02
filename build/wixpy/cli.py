# SPDX-License-Identifier: MIT
"""The command ``wixpy``: build, elements, check, dump, tables, query, extract, export, import, diff.

Exit codes: 0 done (warnings allowed), 1 an error in the source, the package, a statement or a file, 2 a wrong command
line.  For diff: 0 equal, 1 different, 2 a wrong command line or a file that cannot be read.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wixpy.checks import RULES, Finding, Level, by_number, require
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.files import replacing
from wixpy.media import beside
from wixpy.package import build, check, installed_contents
from wixpy.summary import Pid
from wixpy.terminal import print_table, printable, progress

EXIT_CODES = (__doc__ or "").partition("\n\n")[2]
DEFAULT_EPOCH = 315532800


def _define(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"“{text}” is not NAME=VALUE")
    return name, value


def _epoch(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of seconds since 1970")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wixpy", description="Windows Installer packages without Windows.", epilog=EXIT_CODES
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("build", help="compile .wxs sources into an .msi package and check it")
    command.add_argument("source", type=Path, nargs="+", metavar="x.wxs")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="x.msi")
    command.add_argument("-d", "--define", type=_define, action="append", default=[], metavar="NAME=VALUE",
                         help="the value of $(var.NAME) and !(wix.NAME)")  # fmt: skip
    command.add_argument("-I", "--include", type=Path, action="append", default=[], metavar="FOLDER",
                         help="where <?include?> looks besides the folder of the source")  # fmt: skip
    command.add_argument("-a", "--arch", choices=("x86", "x64"), default="x86",
                         help="the platform of a package that does not name its own; default x86")  # fmt: skip
    command.add_argument("-loc", "--loc", type=Path, action="append", default=[], metavar="x.wxl",
                         help="a file with the strings of !(loc.NAME); may be given several times")  # fmt: skip
    command.add_argument("--epoch", type=_epoch, metavar="SECONDS",
                         help="time of files and summary; default SOURCE_DATE_EPOCH, else 1980-01-01")  # fmt: skip
    command.add_argument("--ignore", action="append", default=[], metavar="ICE", help="a check that may fail")
    command.set_defaults(run=_build)

    command = commands.add_parser("elements", help="list the elements of .wxs sources that are understood")
    command.add_argument("--markdown", action="store_true", help="print the page docs/wixpy/elements.md")
    command.set_defaults(run=_elements)

    command = commands.add_parser("check", help="check a package's integrity (docs/wixpy/checks.md)")
    command.add_argument("package", type=Path, nargs="?", metavar="x.msi")
    command.add_argument("--ice", nargs="+", action="extend", default=[], metavar="ICE", help="only these checks")
    command.add_argument("--list", action="store_true", help="list the checks")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_check)

    command = commands.add_parser("tables", help="list the tables with their columns and numbers of rows")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_tables)

    command = commands.add_parser("dump", help="print summary information and rows")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("tables", nargs="*", metavar="TABLE", help="only these tables")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_dump)

    command = commands.add_parser("extract", help="unpack the files of a package into a folder")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_extract)

    _database_commands(commands)
    for command in commands.choices.values():
        command.epilog = EXIT_CODES
    return parser


def _database_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("query", help="carry out a statement of Windows Installer's SQL, and save a change")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("sql", metavar="SQL")
    command.add_argument("parameters", nargs="*", metavar="VALUE", help="for the question marks of the statement")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_query)

    command = commands.add_parser("export", help="write tables as text archives (.idt)")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("tables", nargs="*", metavar="TABLE", help="only these tables; default all, and the summary")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_export)

    command = commands.add_parser("import", help="read text archives into a package, all or none; make it if need be")
    command.add_argument("package", type=Path, metavar="x.msi")
    command.add_argument("archives", nargs="+", type=Path, metavar="TABLE.idt")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_import)

    command = commands.add_parser("diff", help="compare two packages: summary, rows, streams, files in cabinets")
    command.add_argument("one", type=Path, metavar="A.msi")
    command.add_argument("two", type=Path, metavar="B.msi")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_diff)


def _build(options: argparse.Namespace) -> int:
    epoch = options.epoch
    if epoch is None:
        given = os.environ.get("SOURCE_DATE_EPOCH")
        if given and not given.isdecimal():
            raise WixpyError(f"SOURCE_DATE_EPOCH is “{given}”", "set it to a number of seconds since 1970")
        epoch = int(given) if given else DEFAULT_EPOCH
    with progress(f"building {options.output.name}"):
        warnings = build(
            options.source, options.output, defines=dict(options.define), epoch=epoch, includes=options.include,
            localizations=options.loc, platform=options.arch, ignore=options.ignore,
            warn=lambda warning: print(f"warning: {warning}", file=sys.stderr),
        )  # fmt: skip
    for warning in warnings:
        print(warning, file=sys.stderr)
    return 0


def _elements(options: argparse.Namespace) -> int:
    from wixpy.wxs import grammar, reference  # noqa: PLC0415

    if options.markdown:
        print(reference.markdown(), end="")
        return 0
    for name, element in sorted(grammar.elements().items()):
        required = [f"{attribute}*" for attribute in element.required]
        others = [attribute for attribute in element.attributes if attribute not in element.required]
        print(f"{name}\t{' '.join([*required, *others])}")
    return 0


def _check(options: argparse.Namespace) -> int:
    if options.list:
        return _list_checks(options)
    if options.package is None:
        _print_error(WixpyError("no package is named", "wixpy check x.msi, or wixpy check --list"))
        return 2
    with progress(f"checking {options.package.name}"):
        findings = check(options.package, options.ice)
    if options.json:
        print(json.dumps([_finding(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            print(printable(str(finding)))
    return int(any(finding.level is Level.ERROR for finding in findings))


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule, "level": finding.level.name.lower(), "message": finding.message,
        "table": finding.table or None, "key": list(finding.key),
    }  # fmt: skip


def _list_checks(options: argparse.Namespace) -> int:
    require(options.ice)
    chosen = [RULES[name] for name in sorted(options.ice or RULES, key=by_number)]
    rows = [(rule.name, " ".join(level.name.lower() for level in rule.levels), rule.description) for rule in chosen]
    if options.json:
        print(
            json.dumps([{"rule": name, "levels": levels.split(), "description": text} for name, levels, text in rows])
        )
    else:
        print_table(("rule", "levels", "what must hold"), rows)
    return 0


def _tables(options: argparse.Namespace) -> int:
    database = Database.open(options.package)
    listed = {
        name: {
            "rows": len(database.rows(name)),
            "columns": [{"name": c.name, "type": c.type, "key": c.key} for c in table.columns],
        }
        for name, table in sorted(database.tables.items())
    }
    if options.json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return 0
    rows = [
        (name, len(database.rows(name)), ", ".join(f"{c.name}{'*' if c.key else ''} {c.type}" for c in table.columns))
        for name, table in sorted(database.tables.items())
    ]
    print_table(("table", "rows", "columns"), rows)
    return 0


def _dump(options: argparse.Namespace) -> int:
    database = Database.open(options.package)
    for name in options.tables:
        if name not in database.tables:
            raise WixpyError(f"the package has no table {name}", f"it has {', '.join(sorted(database.tables))}")
    chosen = options.tables or sorted(database.tables)
    summary = {Pid(pid).name.lower(): str(value) for pid, value in sorted(database.summary.items())}
    if options.json:
        content: dict[str, object] = {name: [dict(row) for row in database.rows(name)] for name in chosen}
        print(json.dumps({"summary": summary, "tables": content}, indent=2, ensure_ascii=False))
        return 0
    if not options.tables:
        for label, text in summary.items():
            print(f"{label}\t{text}")
    for name in chosen:
        print(f"\n{name}")
        print_table(list(database.tables[name].index), (row.cells for row in database.rows(name)))
    return 0


def _extract(options: argparse.Namespace) -> int:
    paths = []
    with progress(f"unpacking {options.package.name}") as at, Database.browse(options.package) as database:
        for name, content in installed_contents(database, beside(options.package.parent)):
            path = options.output / name
            at(name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise WixpyError(f"cannot make {path.parent}: {error.strerror}", "choose another folder") from error
            with replacing(path) as (_, file):
                file.writelines(content)
            paths.append(str(path))
    print(json.dumps(paths) if options.json else "\n".join(paths))
    return 0


# The commands for databases load what they need themselves, so that a build need not wait for it.


def _diff(options: argparse.Namespace) -> int:
    from wixpy import diff  # noqa: PLC0415

    try:
        with progress("comparing"):
            changes = list(diff.compare(Database.open(options.one), Database.open(options.two)))
    except WixpyError as error:
        _print_error(error)
        return 2
    if options.json:
        content = [
            {"part": each.part, "kind": each.kind, "name": each.name, "key": list(each.key), "before": each.before,
             "after": each.after}
            for each in changes
        ]  # fmt: skip
        print(json.dumps(content, indent=2, ensure_ascii=False))
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
            print(json.dumps({"columns": [], "rows": []}))
        return 0
    names, types = view.GetColumnInfo(msilib.MSICOLINFO_NAMES), view.GetColumnInfo(msilib.MSICOLINFO_TYPES)
    rows = [[_plain(value) for value in row.values] for row in view]
    if options.json:
        columns = [{"name": name, "type": kind} for name, kind in zip(names.values, types.values, strict=True)]
        print(json.dumps({"columns": columns, "rows": rows}, indent=2, ensure_ascii=False))
        return 0
    print_table([str(name) for name in names.values], rows)
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
            database.Export(name, options.output, f"{name}.idt")
    paths = [str(options.output / f"{name}.idt") for name in tables]
    print(json.dumps(paths) if options.json else "\n".join(paths))
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
    print(json.dumps(names) if options.json else "\n".join(names))
    return 0


def _print_error(error: WixpyError) -> None:
    print(f"wixpy: error: {error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A damaged package has names that no encoding can print.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except WixpyError as error:
        _print_error(error)
        return 1
    except BrokenPipeError:
        # The reader has seen enough; what is still buffered has to go somewhere when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("wixpy: interrupted", file=sys.stderr)
        return 1
    return code
