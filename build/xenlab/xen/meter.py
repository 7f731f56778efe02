# SPDX-License-Identifier: GPL-2.0-or-later
"""What a block request costs, counted: hypercalls, notifications, grant operations. Nothing here is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xenlab.xen.blkback import BlockBackend
from xenlab.xen.hypervisor import Hypervisor


class Meter:
    """Counts from its creation on.

    :meth:`per_request` divides by the requests that the back ends have begun since; all values are averages.
    """

    def __init__(self, hypervisor: Hypervisor, backends: Sequence[BlockBackend]) -> None:
        self._hypervisor = hypervisor
        self._backends = list(backends)
        self._start = self._totals()

    def per_request(self) -> Mapping[str, float]:
        """Return each cost by name; ValueError when there was no request."""
        counted = {name: value - self._start[name] for name, value in self._totals().items()}
        requests = counted.pop("requests")
        if not requests:
            raise ValueError("no request was made since the meter was started")
        return {name: value / requests for name, value in counted.items()}

    def _totals(self) -> dict[str, int]:
        grants, statistics = self._hypervisor.grants.statistics, [backend.statistics for backend in self._backends]
        return {
            "requests": sum(sum(each.requests.values()) for each in statistics),
            "hypercalls": sum(self._hypervisor.counts.values()),
            "notifications to the back end": self._hypervisor.evtchn.sent,
            "notifications to the front end": sum(each.events_out for each in statistics),
            "upcalls": self._hypervisor.evtchn.upcalls,
            "grants mapped": grants.maps,
            "grants copied": grants.copies,
        }
