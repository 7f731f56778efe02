# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether bytes are one value in the distinguished encoding rules (ITU-T X.690, sections 8, 10 and 11).

What a signature does not cover may be encoded in many ways by the basic rules; by these there is one. A value that
passes has no spare bits: no long lengths, padded numbers, unused bits that are set, or bytes behind its end.
"""

from __future__ import annotations

_BOOLEAN, _INTEGER, _BIT_STRING, _NULL, _OID, _ENUMERATED, _UTC_TIME, _TIME = 1, 2, 3, 5, 6, 10, 23, 24
_SEQUENCE, _SET = 0x30, 0x31
_DEPTH = 64


def fault(data: bytes) -> str:
    """Return what is wrong with an encoding, or nothing."""
    try:
        end = _value(data, 0, len(data), 0)
    except ValueError as error:
        return str(error)
    return f"there are {len(data) - end} bytes behind its end" if end != len(data) else ""


def _header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends."""
    if at + 2 > end:
        raise ValueError(f"it ends early at {at:#x}")
    tag, size, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError(f"the tag at {at:#x} has a form that signatures do not use")
    if size >= 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[start : start + count], "big")
        start += count
        if count == 0 or size < 0x80 or size < 1 << 8 * (count - 1):
            raise ValueError(f"the length at {at:#x} is not in its one shortest form")
    if start + size > end:
        raise ValueError(f"the value at {at:#x} passes the end")
    return tag, start, start + size


def _value(data: bytes, at: int, end: int, depth: int) -> int:
    """Check the value at `at`, which must end before `end`; return where it ends."""
    tag, start, stop = _header(data, at, end)
    if depth > _DEPTH:
        raise ValueError(f"values are nested too deep at {at:#x}")
    if tag & 0x40:
        raise ValueError(f"the tag at {at:#x} is of a class that signatures do not use")
    if not tag & 0x20:
        _primitive(tag, data[start:stop], at)
        return stop
    if tag < 0x40 and tag not in (_SEQUENCE, _SET):
        raise ValueError(f"the tag at {at:#x} is neither sequence nor set")
    parts = []
    while start < stop:
        following = _value(data, start, stop, depth + 1)
        parts.append(data[start:following])
        start = following
    if tag == _SET and parts != sorted(parts):
        raise ValueError(f"the set at {at:#x} is not sorted")
    return stop


def _primitive(tag: int, content: bytes, at: int) -> None:
    if tag in (_SEQUENCE & 0x1F, _SET & 0x1F, 0):
        raise ValueError(f"the tag at {at:#x} has no content of that form")
    if tag in (_INTEGER, _ENUMERATED):
        wrong = not content or (len(content) > 1 and content[0] in (0, 0xFF) and content[0] >> 7 == content[1] >> 7)
    elif tag == _BOOLEAN:
        wrong = content not in (b"\0", b"\xff")
    elif tag == _BIT_STRING:
        unused = content[0] if content else 8
        wrong = unused > 7 or (unused > 0 and (len(content) == 1 or content[-1] & ((1 << unused) - 1) != 0))
    elif tag == _NULL:
        wrong = bool(content)
    elif tag == _OID:
        starts = [0x80, *content[:-1]]
        wrong = not content or content[-1] >= 0x80 or any(
            byte == 0x80 and (before < 0x80 or index == 0)
            for index, (before, byte) in enumerate(zip(starts, content, strict=True))
        )  # fmt: skip
    elif tag in (_UTC_TIME, _TIME):
        wrong = content[-1:] != b"Z" or not content[:-1].replace(b".", b"").isdigit()
    else:
        wrong = False
    if wrong:
        raise ValueError(f"the value at {at:#x} is not in its one form")


def count(content: bytes) -> int:
    """How many values the content of a constructed value has."""
    start, found = 0, 0
    while start < len(content):
        _, _, start = _header(content, start, len(content))
        found += 1
    return found
