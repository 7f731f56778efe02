# SPDX-License-Identifier: GPL-2.0-or-later
"""What the back ends of disks and networks have in common: nodes in xenstore, and a state machine over two of them.

Source: xen/include/public/io/xenbus.h, and how Linux's back ends go from state to state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import ClassVar

from xenlab.xen.abi import XenbusState
from xenlab.xen.grants import GrantError
from xenlab.xen.hypervisor import Hypervisor
from xenlab.xen.physmap import XenError
from xenlab.xen.ports import World
from xenlab.xen.store import Store, StoreError


class Backend(ABC):
    """A device's back end in domain 0.

    Attributes:
        path, front: the nodes of the back end and of the front end.
        state: its own XenbusState.
    """

    name: ClassVar[str]
    connects_at: ClassVar[Collection[XenbusState]]
    """The states in which a front end has written what a connection needs."""

    def __init__(self, hypervisor: Hypervisor, store: Store, path: str) -> None:
        self.hypervisor = hypervisor
        self.world: World = hypervisor.world
        self._store = store.dom0
        self.path = path
        self.front = store.dom0.read(f"{path}/frontend").decode()
        self.state = XenbusState.Initialising
        self._tokens: list[str] = []

    @abstractmethod
    def _connect(self) -> None:
        """Take what the front end offers, and be Connected."""

    @abstractmethod
    def _disconnect(self) -> None:
        """End what is under way unanswered, unmap everything, close the ports."""

    def close_early(self) -> None:
        """Close without being asked to."""
        self._switch(XenbusState.Closing)

    def fail(self, message: str) -> None:
        """Give up with an error node, as a back end does that cannot set its device up."""
        self._store.write(self.path.replace("/backend/", "/error/backend/") + "/error", message)
        self._switch(XenbusState.Closing)

    def vanish(self) -> None:
        """Die: mappings and ports go, the xenstore nodes stay as they are."""
        self._stop_watching()
        self._disconnect()

    def _wait_for_front(self) -> None:
        """What the front end may choose from is published."""
        self._switch(XenbusState.InitWait)
        self._tokens = [
            self._store.subscribe(f"{self.front}/state", lambda _: self._front_changed()),
            self._store.subscribe(f"{self.path}/state", lambda _: self._own_changed()),
        ]

    def _stop_watching(self) -> None:
        for token in self._tokens:
            self._store.unsubscribe(token)
        self._tokens = []

    def _front_state(self) -> XenbusState:
        try:
            return XenbusState(int(self._store.read(f"{self.front}/state")))
        except (StoreError, ValueError):
            return XenbusState.Unknown

    def _front_changed(self) -> None:
        front = self._front_state()
        if front is XenbusState.Initialising and self.state is XenbusState.Closed:
            self._switch(XenbusState.InitWait)
        elif front in self.connects_at:
            if self.state is XenbusState.InitWait:
                self._connect()
        elif front is XenbusState.Closing and self.state not in {XenbusState.Closing, XenbusState.Closed}:
            self._switch(XenbusState.Closing)
        elif front is XenbusState.Closed and self.state is not XenbusState.InitWait:
            self._disconnect()
            self._switch(XenbusState.Closed)
        elif front is XenbusState.Unknown and not self._store.exists(self.front):
            self.vanish()

    def _own_changed(self) -> None:
        """The toolstack detaches by writing our state."""
        try:
            written = XenbusState(int(self._store.read(f"{self.path}/state")))
        except StoreError:
            self.vanish()
            return
        if written is not self.state:
            self.state = written
            self._front_changed()

    @contextmanager
    def _taking_offer(self) -> Iterator[None]:
        """What the front end has written wrong is a violation."""
        try:
            yield
        except (StoreError, ValueError) as error:
            self.world.violation(f"{self.front}: the front end has not written what a connection needs: {error}")
        except (GrantError, XenError) as error:
            self.world.violation(f"{self.front}: the back end cannot connect: {error}")

    def _put(self, name: str, value: object) -> None:
        self._store.write(f"{self.path}/{name}", str(value))

    def _switch(self, state: XenbusState) -> None:
        self.state = state
        self._put("state", int(state))
        self.world.trace(self.name, f"{self.path} {state.name}")
