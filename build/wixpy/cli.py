# SPDX-License-Identifier: MIT
"""The command ``wixpy``: what can be said on its command line.  What the commands do is in ``commands``.

Only what a command needs is loaded, since a small package takes less time to build than Python to load all of wixpy.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wixpy.errors import WixpyError

DONE, FAILED, WRONG_COMMAND, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = """\
Exit codes: 0 done (warnings allowed), 1 an error in the source, the package, a
statement or a file, 2 a wrong command line, 130 interrupted. For diff: 0 equal,
1 different, 2 a wrong command line or a file that cannot be read."""
_PAGE = """\
wixpy: Windows Installer packages without Windows

{groups}
Examples
  wixpy build hello.wxs -d VERSION=1.2.3 -o hello.msi
  wixpy query hello.msi 'SELECT `File`, `FileSize` FROM `File`'
  wixpy dump hello.msi Property Directory
  wixpy diff old.msi new.msi

wixpy COMMAND --help tells the options of a command; every one takes --json, for
programs; wixpy --version says which wixpy it is. On a terminal tables fit its
width and long work shows its progress; in a pipe tables have tabs and there is
no progress.

{codes}
"""
_PACKAGE = "x.msi"
_OF_LIGHT = re.compile(r"(-cultures?|-sice):(.+)")


class _Help(argparse.HelpFormatter):
    """As wide as the page of all commands: to ask for the terminal's width takes long, and is done for each option."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class Command(NamedTuple):
    """What a command does, in a few words and in a sentence, its operands, the function that adds its arguments."""

    summary: str
    description: str
    operands: str
    arguments: Callable[[argparse.ArgumentParser], None]
    can_be_quiet: bool = False


class _Define(argparse.Action):
    """Collects the values of variables; one without a value is empty, as for candle."""

    def __call__(
        self, _: argparse.ArgumentParser, options: argparse.Namespace, text: object, __: str | None = None
    ) -> None:
        name, _equals, value = str(text).partition("=")
        defined: dict[str, str] = getattr(options, self.dest)
        if re.fullmatch(r"[^\W\d][\w.-]*", name) is None:
            raise argparse.ArgumentError(self, f"“{text}” is not NAME=VALUE, the name of letters, digits, dots and _")
        if defined.get(name, value) != value:
            raise argparse.ArgumentError(self, f"{name} has two values, “{defined[name]}” and “{value}”: keep one")
        setattr(options, self.dest, {**defined, name: value})


def _extension(name: str) -> str:
    raise argparse.ArgumentTypeError(
        f"wixpy loads no extensions, {name} neither: built in are the dialog sets of WixUIExtension, the properties of "
        "WixNetFxExtension and util:EventSource; leave -ext out"
    )


def _epoch(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of seconds since 1970")
    return int(text)


def _bind_path(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    return (name, Path(folder)) if equals else ("", Path(text))


def _build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, nargs="+", metavar="x.wxs", help="the source, or several of one package")
    parser.add_argument("-o", "-out", "--output", type=Path, metavar=_PACKAGE,
                        help="the package; default the first source's name with .msi, for a module .msm")  # fmt: skip
    parser.add_argument("-d", "--define", action=_Define, default={}, metavar="NAME=VALUE",
                        help="the value of $(var.NAME) and !(wix.NAME)")  # fmt: skip
    parser.add_argument("-I", "--include", type=Path, action="append", default=[], metavar="FOLDER",
                        help="where <?include?> looks besides the folder of the source")  # fmt: skip
    parser.add_argument("-b", "-bindpath", "--bind-path", type=_bind_path, action="append", default=[],
                        metavar="NAME=FOLDER", help="the folder of !(bindpath.NAME), or of files")  # fmt: skip
    parser.add_argument("-a", "-arch", "--arch", choices=("x86", "x64", "ia64", "arm64"), default="x86",
                        help="the platform of a package that does not name its own; default x86")  # fmt: skip
    parser.add_argument("-loc", "--loc", type=Path, action="append", default=[], metavar="x.wxl",
                        help="a file with the strings of !(loc.NAME); may be given several times")  # fmt: skip
    parser.add_argument("-culture", "-cultures", "--culture", action="append", default=[], metavar="de-de",
                        help="the language of strings that -loc gives in several, and of stock dialogs")  # fmt: skip
    parser.add_argument("--epoch", type=_epoch, metavar="SECONDS",
                        help="time of files and summary; default SOURCE_DATE_EPOCH, else 1980-01-01")  # fmt: skip
    parser.add_argument("--ignore", "-sice", action="append", default=[], metavar="ICE", help="a check that may fail")
    parser.add_argument("-ext", "--extension", type=_extension, metavar="NAME", help="is refused: there are none")


def _elements(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print the page docs/wixpy/elements.md")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", type=Path, nargs="?", metavar=_PACKAGE)
    parser.add_argument("--ice", nargs="+", action="extend", default=[], metavar="ICE", help="only these checks")
    parser.add_argument("--list", action="store_true", help="list the checks")


def _package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", type=Path, metavar=_PACKAGE)


def _package_and_tables(parser: argparse.ArgumentParser) -> None:
    _package(parser)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="only these tables")


def _query(parser: argparse.ArgumentParser) -> None:
    _package(parser)
    parser.add_argument("sql", metavar="SQL")
    parser.add_argument("parameters", nargs="*", metavar="VALUE", help="for the question marks of the statement")


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("one", type=Path, metavar="A.msi")
    parser.add_argument("two", type=Path, metavar="B.msi")


def _extract(parser: argparse.ArgumentParser) -> None:
    _package(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")


def _export(parser: argparse.ArgumentParser) -> None:
    _package_and_tables(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--msitools", action="store_true",
                        help="for msibuild: text as UTF-8, and no code page in the archive of a table")  # fmt: skip


def _import(parser: argparse.ArgumentParser) -> None:
    _package(parser)
    parser.add_argument("archives", nargs="+", type=Path, metavar="TABLE.idt")


def _transform(parser: argparse.ArgumentParser) -> None:
    from wixpy.transform import Condition, Validation  # noqa: PLC0415

    def words(flags: type[Condition] | type[Validation]) -> list[str]:
        return [name.lower().replace("_", "-") for name in flags.__members__ if name != "VIEW"]

    parser.add_argument("action", choices=("create", "apply", "show"),
                        help="create OLD.msi NEW.msi, apply X.mst X.msi, show X.mst X.msi")  # fmt: skip
    parser.add_argument("one", metavar="OLD.msi|X.mst",
                        help="for apply and show also :NAME, a transform inside the package")  # fmt: skip
    parser.add_argument("two", type=Path, metavar="NEW.msi|X.msi")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="what is made; create takes :NAME to put the transform into OLD.msi")  # fmt: skip
    parser.add_argument("--validate", action="append", choices=words(Validation), metavar="WORD",
                        help="what must hold of a package; default product, of "
                        + ", ".join(words(Validation)))  # fmt: skip
    parser.add_argument("--suppress", action="append", choices=words(Condition), default=[], metavar="WORD",
                        help="what is no error: " + ", ".join(words(Condition)))  # fmt: skip
    parser.add_argument("--force", action="store_true", help="apply it to any package, as far as it can be")


COMMANDS = {
    "Make a package": {
        "build": Command(
            "compile .wxs sources into a package and check it",
            "Compile .wxs sources into a package and check it. Equal sources give equal bytes. The package appears when"
            " it is whole and passes its checks; warnings go to the standard error.",
            "x.wxs ...", _build, can_be_quiet=True,
        ),
        "elements": Command(
            "list the elements of .wxs sources that are understood",
            "List the elements of .wxs sources that are understood, with their attributes; * marks required ones.",
            "", _elements,
        ),
        "transform": Command(
            "make, apply or show a transform (.mst)",
            "Make a transform of what two packages differ in, apply one to a package, or show what one does to it.",
            "create|apply|show FILE FILE", _transform, can_be_quiet=True,
        ),
    },
    "Look into one": {
        "check": Command(
            "say what is wrong or questionable about it",
            "Say what is wrong or questionable about a package (docs/wixpy/checks.md). It is silent about a sound one.",
            "x.msi", _check, can_be_quiet=True,
        ),
        "tables": Command(
            "list its tables, their columns and numbers of rows",
            "List the tables of a package with their columns (* marks keys) and numbers of rows.",
            "x.msi", _package,
        ),
        "dump": Command(
            "print its summary and rows", "Print the summary information of a package and its rows.",
            "x.msi [TABLE ...]", _package_and_tables,
        ),
        "query": Command(
            "carry out a statement of Windows Installer's SQL",
            "Carry out a statement of Windows Installer's SQL, print what it finds, save what it changes.",
            "x.msi SQL [VALUE ...]", _query,
        ),
        "diff": Command(
            "compare two", "Compare two packages: summary information, rows, streams, files in cabinets.",
            "A.msi B.msi", _diff,
        ),
    },
    "Take out, put in": {
        "extract": Command(
            "unpack its files into a folder", "Unpack the files of a package into a folder and list them.",
            "x.msi -o FOLDER", _extract, can_be_quiet=True,
        ),
        "export": Command(
            "write tables as text archives (.idt)",
            "Write tables as text archives (.idt), by default all and the summary, and list them.",
            "x.msi [TABLE ...] -o FOLDER", _export, can_be_quiet=True,
        ),
        "import": Command(
            "read text archives into it, or into a new one",
            "Read text archives into a package, all or none, and list their tables; the package is made if need be.",
            "x.msi TABLE.idt ...", _import, can_be_quiet=True,
        ),
    },
}  # fmt: skip
_BY_NAME = {name: command for group in COMMANDS.values() for name, command in group.items()}


def page() -> str:
    """What ``wixpy --help`` prints."""
    groups = ""
    for title, members in COMMANDS.items():
        groups += title + "".join(f"\n  {name:10} {command.summary}" for name, command in members.items()) + "\n\n"
    return _PAGE.format(groups=groups.rstrip("\n") + "\n", codes=EXIT_CODES)


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command's arguments."""
    command = _BY_NAME[name]
    made = argparse.ArgumentParser(
        prog=f"wixpy {name}", usage=f"wixpy {name} [OPTION ...] {command.operands}".rstrip(),
        description=command.description,
        epilog=EXIT_CODES, formatter_class=_Help,
    )  # fmt: skip
    command.arguments(made)
    made.add_argument("--json", action="store_true", help="print JSON")
    if command.can_be_quiet:
        made.add_argument("-q", "-s", "--quiet", action="store_true", help="say nothing but errors")
    return made


def _choose(words: Sequence[str]) -> str:
    """The command of a command line; ends the program where there is none."""
    if words and words[0] in _BY_NAME:
        return words[0]
    if words and words[0] in ("-h", "--help", "help"):
        print(page(), end="")
        sys.exit(DONE)
    if words and words[0] in ("-V", "--version"):
        print(f"wixpy {_version()}")
        sys.exit(DONE)
    from wixpy.wxs.grammar import nearest  # noqa: PLC0415

    message = f"there is no command {words[0]}" if words else "no command is named"
    print_error(WixpyError(message, nearest(words[0], _BY_NAME) if words else "wixpy --help lists them"))
    sys.exit(WRONG_COMMAND)


def _version() -> str:
    """The version of the distribution that wixpy came in."""
    from importlib import metadata  # noqa: PLC0415

    for name in ("wixpy", "gplpv"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "(not installed)"


def _separated(words: Sequence[str]) -> list[str]:
    """Options that light writes with a colon before their value, as the others are written."""
    matches = ((word, _OF_LIGHT.fullmatch(word)) for word in words)
    return [part for word, match in matches for part in (match.groups() if match else (word,))]


def print_error(error: WixpyError) -> None:
    """Print an error as people read it."""
    message, hint, number = str(error), error.hint, getattr(error, "number", None)
    if number is not None and hint:
        # Windows Installer's number or word comes second, what it means first.
        message, hint = f"{hint.rstrip('.')} ({f'error {number}' if number else message})", None
    print(f"wixpy: error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default the process's own, and return its exit code."""
    if arguments is not None:
        return _run(arguments)
    # The process ends with its command: looking for garbage on the way takes longer than it is worth.
    gc.disable()
    code = _run(sys.argv[1:])
    gc.freeze()
    return code


def _run(words: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        # A damaged package has names that no encoding can print.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        name = _choose(words)
        options = parser(name).parse_intermixed_args(_separated(words[1:]))
        from wixpy import commands  # noqa: PLC0415

        code = commands.RUN[name](options)
        sys.stdout.flush()
    except WixpyError as error:
        print_error(error)
        return FAILED
    except OSError as error:
        # What is still buffered has to go somewhere when Python ends; a reader that has seen enough is told nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            place = error.filename or "cannot write the output"
            print_error(WixpyError(f"{place}: {error.strerror}", "check its rights and free space"))
        return FAILED
    except KeyboardInterrupt:
        print("wixpy: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code
