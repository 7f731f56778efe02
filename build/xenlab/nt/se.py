# SPDX-License-Identifier: GPL-2.0-or-later
"""Who asks: access tokens. Source: Windows Driver Kit, SeTokenIsAdmin, SECURITY_SUBJECT_CONTEXT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenlab.nt.routine import BOOLEAN, PASSIVE_LEVEL, PVOID, routine

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_SIZE = 0x100


class Tokens:
    """The two tokens that there are: an administrator's and an ordinary user's, each by its guest address."""

    def __init__(self, kernel: Kernel) -> None:
        self.administrator = kernel.alloc(_SIZE, "Toke")
        self.user = kernel.alloc(_SIZE, "Toke")


@routine("ntoskrnl.exe", irql_max=PASSIVE_LEVEL)
def SeTokenIsAdmin(kernel: Kernel, token: PVOID) -> BOOLEAN:
    tokens = kernel.part(Tokens)
    if token not in (tokens.administrator, tokens.user):
        kernel.violation(f"SeTokenIsAdmin is given {token:#x}, which is no access token.")
    return int(token == tokens.administrator)
