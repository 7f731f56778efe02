# SPDX-License-Identifier: GPL-2.0-or-later
"""printf formats as the kernel's C runtime and DbgPrint read them.

Source: Microsoft C Run-Time Library, "Format Specification Syntax: printf and wprintf Functions", and the Windows
Driver Kit's DbgPrint: the Unicode formats are for PASSIVE_LEVEL alone, and there is no floating point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenlab.nt.objects import view
from xenlab.nt.routine import PASSIVE_LEVEL, VarArgs

if TYPE_CHECKING:
    from xenlab.nt.kernel import Kernel

_SPECIFICATION = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?(?P<size>I64|I32|ll|[hlLIwFN])?(?P<kind>.)",
    re.DOTALL,
)
_BITS_64 = ("I64", "ll")


@dataclass(frozen=True)
class _Field:
    """One specification with what its stars stood for."""

    flags: str
    width: int
    precision: int | None
    size: str
    kind: str

    def justify(self, text: str) -> str:
        return text.ljust(self.width) if "-" in self.flags else text.rjust(self.width)


def render(kernel: Kernel, form: str, arguments: VarArgs, wide: bool = False) -> str:
    """Return `form` with `arguments` put in.

    Args:
        wide: the format of a wide function such as swprintf, where %s and %c are wide too and %S and %C are not.
    """
    parts, end = [], 0
    for match in _SPECIFICATION.finditer(form):
        parts.append(form[end : match.start()])
        parts.append(_render_one(kernel, _field(match, arguments), arguments, wide))
        end = match.end()
    return "".join([*parts, form[end:]])


def _field(match: re.Match[str], arguments: VarArgs) -> _Field:
    flags, width = match["flags"], _signed(arguments.u32(), 32) if match["width"] == "*" else int(match["width"] or 0)
    if width < 0:
        flags, width = flags + "-", -width
    precision = None
    if match["precision"] is not None:
        precision = _signed(arguments.u32(), 32) if match["precision"] == "*" else int(match["precision"] or 0)
        if precision < 0:
            precision = None
    return _Field(flags, width, precision, match["size"] or "", match["kind"])


def _render_one(kernel: Kernel, spec: _Field, arguments: VarArgs, wide: bool) -> str:
    kind = spec.kind
    if kind == "%":
        return "%"
    if kind in "diuoxX":
        return _integer(kernel, spec, arguments)
    if kind == "p":
        digits = 2 * kernel.pointer_size
        return spec.justify(f"{arguments.ptr():0{digits}X}")
    if kind in "cCsSZ":
        is_wide = _is_wide(spec, wide)
        if is_wide:
            kernel.require_irql(PASSIVE_LEVEL, f"formatting %{spec.size}{kind}")
        text = (
            chr(arguments.u32() & (0xFFFF if is_wide else 0xFF))
            if kind in "cC"
            else _string(kernel, spec, arguments, is_wide)
        )
        return spec.justify(text)
    if kind in "eEfgG":
        kernel.violation(f"%{kind} formats floating point, which the kernel's printf does not do.")
    return kind


def _is_wide(spec: _Field, wide: bool) -> bool:
    if spec.size in ("l", "w"):
        return True
    if spec.size == "h" or spec.kind == "Z":
        return False
    return wide != spec.kind.isupper()


def _string(kernel: Kernel, spec: _Field, arguments: VarArgs, wide: bool) -> str:
    address = arguments.ptr()
    if not address:
        text = "(null)"
    elif spec.kind == "Z":
        text = _counted(kernel, address, wide)
    else:
        text = _terminated(kernel, address, spec.precision, 2 if wide else 1)
    return text if spec.precision is None else text[: spec.precision]


def _counted(kernel: Kernel, address: int, wide: bool) -> str:
    given = view(kernel, "UNICODE_STRING", address)
    data = kernel.read(given["Buffer"], given["Length"]) if given["Length"] else b""
    return data.decode("utf-16-le" if wide else "latin-1", errors="replace")


def _terminated(kernel: Kernel, address: int, most: int | None, unit: int) -> str:
    """A string that a precision may end before its terminator does."""
    found = bytearray()
    while most is None or len(found) < most * unit:
        character = kernel.read(address + len(found), unit)
        if not any(character):
            break
        found += character
    return found.decode("utf-16-le" if unit == 2 else "latin-1", errors="replace")


def _integer(kernel: Kernel, spec: _Field, arguments: VarArgs) -> str:
    if spec.size in _BITS_64:
        value, bits = arguments.u64(), 64
    elif spec.size == "I":
        value, bits = arguments.ptr(), 8 * kernel.pointer_size
    else:
        value, bits = arguments.u32(), 16 if spec.size == "h" else 32
        value &= (1 << bits) - 1
    sign = ""
    if spec.kind in "di":
        value = _signed(value, bits)
        sign = "-" if value < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    digits = {"o": f"{abs(value):o}", "x": f"{abs(value):x}", "X": f"{abs(value):X}"}.get(spec.kind, str(abs(value)))
    if "#" in spec.flags and value:
        sign += {"o": "0", "x": "0x", "X": "0X"}.get(spec.kind, "")
    if spec.precision is not None:
        digits = digits.rjust(spec.precision, "0") if value or spec.precision else ""
    elif "0" in spec.flags and "-" not in spec.flags:
        digits = digits.rjust(spec.width - len(sign), "0")
    return spec.justify(sign + digits)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
