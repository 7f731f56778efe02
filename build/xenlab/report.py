# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads when a scenario fails: the rule, when, where in the driver's source, and what led up to it."""

from __future__ import annotations

import shlex

from xenlab.scenario import Outcome

_SHOWN = 30


def text(outcome: Outcome) -> str:
    """Return the report of a failed scenario, or one line for one that passed."""
    name = outcome.scenario.name
    if outcome.violation is None:
        return f"{name}: passed{_facts(outcome)}"
    violation = outcome.violation
    parts = [f"{name}: FAILED{_facts(outcome)}", "", violation.what]
    if violation.stack:
        parts += ["", "Guest stack, innermost first:", *(f"  {frame}" for frame in violation.stack)]
    last = outcome.trace.last(_SHOWN)
    if last:
        parts += ["", "What happened last:", *last]
    parts += ["", f"To repeat it: {command(outcome)}"]
    return "\n".join(parts)


def command(outcome: Outcome) -> str:
    """Return the command line that repeats a run."""
    options = outcome.options
    words = ["xenlab", "run", outcome.scenario.name, "--drivers", str(outcome.folder.path)]
    words += ["--seed", str(options.seed), "--xen", options.xen, "--device-model", options.device_model]
    return shlex.join(words)


def facts(outcome: Outcome) -> dict[str, object]:
    """Return a run as data for ``--json``."""
    lab = outcome.lab
    return {
        "scenario": outcome.scenario.name,
        "passed": outcome.violation is None,
        "violation": outcome.violation.what if outcome.violation else None,
        "stack": outcome.violation.stack if outcome.violation else [],
        "arch": lab.folder.arch if lab else None,
        "xen": lab.options.xen if lab else None,
        "seed": lab.options.seed if lab else None,
        "virtual_ns": outcome.virtual_ns,
        "figures": outcome.figures,
    }


def _facts(outcome: Outcome) -> str:
    lab = outcome.lab
    if not lab:
        return ""
    nt = ".".join(map(str, lab.nt))
    options = lab.options
    return (
        f" ({lab.folder.arch}, Windows {nt}, Xen {options.xen or 'absent'}, {options.device_model} device model,"
        f" seed {options.seed}, {outcome.virtual_ns / 1e6:.3f} ms of virtual time)"
    )
