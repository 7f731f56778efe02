# SPDX-License-Identifier: GPL-2.0-or-later
"""The ``xenlab`` command: run drivers through scenarios on the emulated machine.

Exit codes: 0 every scenario passed; 1 a driver broke a rule or fell short, and the report says which and where;
2 the words do not fit together; 3 a scenario could not be run, and the message says what to do; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gplpv import config
from gplpv.errors import EXIT_FAILURE, EXIT_INTERRUPTED, GplpvError, UsageError, nearest
from xenlab import folder, mutate, report, scenario, timeline
from xenlab.lab import DEVICE_MODELS, Options
from xenlab.scenario import Outcome
from xenlab.trace import Folded, Trace
from xenlab.xen.pcap import Capture
from xenlab.xen.releases import CURRENT, RELEASES

EXIT_CANNOT_RUN = 3
ALL = "all"
_KEPT = 1000
_DRAWN = 20000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.task(options)
        return code
    except UsageError as error:
        print(f"xenlab: {error}", file=sys.stderr)
        return error.exit_code
    except GplpvError as error:
        print(f"xenlab: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except KeyboardInterrupt:
        print("xenlab: interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the reader has seen enough; nothing more to flush
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xenlab", description="Run Windows drivers on an emulated CPU under a simulated Xen.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    tasks = parser.add_subparsers(required=True, metavar="TASK")

    task = tasks.add_parser("list", help="list the scenarios")
    task.add_argument("--json", action="store_true", help="print them as JSON")
    task.set_defaults(task=_list)

    task = tasks.add_parser("run", help="run a scenario")
    task.add_argument("scenario", help=f"its name, or {ALL!r} for those that are quick")
    task.add_argument("--drivers", type=Path, help="folder of .sys and .inf files (default: XP debug in target/)")
    task.add_argument("--arch", choices=("x32", "x64"), help="without --drivers, which of XP's (default: x64)")
    task.add_argument("--xen", default=CURRENT.name, help=f"release of Xen: {', '.join(RELEASES)}")
    task.add_argument("--device-model", default=DEVICE_MODELS[0], help=" or ".join(DEVICE_MODELS))
    task.add_argument("--seed", type=int, default=1, help="repeats a run exactly; another differs in order and latency")
    task.add_argument("-v", "--verbose", action="store_true", help="print what happens as it happens")
    task.add_argument("--timeline", type=Path, metavar="FILE", help="draw the run as an HTML page")
    task.add_argument("--pcap", type=Path, metavar="FILE", help="keep what crosses the network, for Wireshark")
    task.add_argument("--json", action="store_true", help="print the outcome as JSON")
    task.set_defaults(task=_run)

    task = tasks.add_parser("mutants", help="build each mutant of the drivers and see that a scenario catches it")
    task.add_argument("id", nargs="*", help="only these")
    task.add_argument(
        "--list", type=Path, metavar="FILE", help="a list, or a folder of them (default: tests/xenlab/mutants)"
    )
    task.add_argument("--jobs", type=int, help="how many at once (default: one a core)")
    task.add_argument("--json", action="store_true", help="print the results as JSON")
    task.set_defaults(task=_mutants)
    return parser


def _list(options: argparse.Namespace) -> int:
    known = scenario.scenarios()
    if options.json:
        print(json.dumps([{"name": each.name, "summary": each.summary, "long": each.long} for each in known], indent=2))
    else:
        width = max(len(each.name) for each in known)
        for each in known:
            print(f"{each.name:<{width}}  {each.summary}{' (long)' if each.long else ''}")
    return 0


def _run(options: argparse.Namespace) -> int:
    for value, known, what in (
        (options.xen, tuple(RELEASES), "release of Xen"),
        (options.device_model, DEVICE_MODELS, "device model"),
    ):
        if value not in known:
            raise UsageError(f"There is no {what} {value!r}.", nearest(value, known))
    everything = options.scenario == ALL
    quick = [each for each in scenario.scenarios() if not each.long]
    chosen = quick if everything else [scenario.find(options.scenario)]
    if options.timeline and everything:
        raise UsageError("A timeline shows one scenario.", "Name the scenario.")
    if options.pcap and everything:
        raise UsageError("A capture is of one scenario.", "Name the scenario.")
    drivers = folder.read(options.drivers or _default_drivers(options.arch or "x64"))
    if options.arch and options.arch != drivers.arch:
        raise UsageError(f"{drivers.path} holds {drivers.arch} drivers.", "Leave --arch out: the drivers say it.")
    for remark in drivers.remarks:
        print(f"xenlab: {remark}", file=sys.stderr)
    wanted = Options(xen=options.xen, device_model=options.device_model, seed=options.seed)
    outcomes = []
    for each in chosen:
        told = Folded(lambda line: print(line, flush=True))
        kept = _DRAWN if options.timeline else _KEPT
        capture = Capture() if options.pcap else None
        outcome = scenario.run(each, drivers, wanted, Trace(kept, told if options.verbose else None), capture)
        told.flush()
        outcomes.append(outcome)
        if not options.json:
            print(report.text(outcome), flush=True)
        if options.timeline:
            _draw(options.timeline, outcome)
        if capture:
            capture.write(options.pcap)
    if options.json:
        print(json.dumps([report.facts(outcome) for outcome in outcomes], indent=2))
    return EXIT_FAILURE if any(outcome.violation for outcome in outcomes) else 0


def _draw(path: Path, outcome: Outcome) -> None:
    entries = list(outcome.trace.entries)
    subtitle = report.text(outcome).splitlines()[0]
    if len(entries) == _DRAWN:
        subtitle += f"; the last {_DRAWN} events"
    timeline.write(path, entries, f"xenlab {outcome.scenario.name}", subtitle, outcome.violation is not None)


def _default_drivers(arch: str) -> Path:
    settings = config.load()
    variant = settings.matrix.select(["XP"], [arch], [True])[0]
    path = settings.root / "target" / variant.tree
    if not path.is_dir():
        build = f"./scons platform=XP arch={arch} debug=1 drivers"
        raise GplpvError(f"There are no drivers in {path}.", f"Build them: {build}")
    return path


def _mutants(options: argparse.Namespace) -> int:
    project = config.project_root()
    known = mutate.load(options.list or project / mutate.LIST)
    for name in options.id:
        if name not in {each.id for each in known}:
            raise UsageError(f"There is no mutant {name!r}.", nearest(name, [each.id for each in known]))
    wanted = [each for each in known if not options.id or each.id in options.id]
    results = mutate.run_all(project, wanted, options.jobs)
    if options.json:
        print(json.dumps([each.facts() for each in results], indent=2))
    else:
        for each in results:
            print(each.line())
        print(mutate.summary(results))
    return 0 if all(each.caught for each in results) else EXIT_FAILURE
