# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows stops on a bug check, and calls who has registered for it.

Source: Windows Driver Kit, KeBugCheckEx, KeRegisterBugCheckCallback, "Writing a Bug Check Callback Routine": the calls
are at HIGH_LEVEL, on top of whatever was under way with whatever locks it holds, and nothing else runs any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.ex import BugCheckCallbacks
from xenlab.nt.routine import Steps, data_export

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_FACTS = 5
_PATIENCE_NS = 10**9


class BugCheck:
    """The end of a Windows.

    Attributes:
        data: the address of KiBugCheckData: the code and its four parameters.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.data = kernel.alloc(_FACTS * kernel.pointer_size, "BugC")
        self._told = False

    def stop(self, code: int, *parameters: int) -> None:
        """Stop Windows at this instruction: have every bug check callback called. The machine is of no use after.

        Raises:
            Violation: a callback does what it may not, or does not return.
        """
        kernel = self.kernel
        for index, value in enumerate((code, *parameters)):
            kernel.put_ptr(self.data + index * kernel.pointer_size, value)
        kernel.world.trace("crash", f"bug check {code:#x}")
        kernel.preempt(self._tell(), "bug check")
        kernel.run(lambda: self._told, _PATIENCE_NS)

    def _tell(self) -> Steps:
        yield from self.kernel.part(BugCheckCallbacks).notify()
        self._told = True
        return 0


@data_export("ntoskrnl.exe")
def KiBugCheckData(kernel: Kernel) -> int:
    return kernel.part(BugCheck).data
