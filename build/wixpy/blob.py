# SPDX-License-Identifier: MIT
"""Content that need not be in memory: what has a length and gives slices as bytes, as ``bytes`` itself does.

Cabinets and the files in them may be larger than what a build should hold.  They go from place to place as blobs, and
only :func:`chunks` of them are ever in memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

from wixpy.errors import WixpyError

CHUNK = 1 << 20
_HEAD = 64


class Blob(Protocol):
    """Read-only content; ``blob[a:b]`` is bytes."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


Buffer = bytes | bytearray | memoryview
Content = Blob | bytearray | memoryview


def chunks(content: Content, size: int = CHUNK) -> Iterator[Buffer]:
    """``content`` in pieces of at most ``size`` bytes."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


class PathBlob:
    """A file by its path, opened for each slice; WixpyError when it is gone or shorter than it was at first."""

    def __init__(self, path: Path) -> None:
        """OSError when there is no such file."""
        self.path = path
        self._name = str(path)
        with open(self._name, "rb", buffering=0) as file:  # noqa: PTH123 - opened thousands of times
            self._head = file.read(_HEAD)
            self._size = file.seek(0, 2)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        first, last, _ = part.indices(self._size)
        if last <= len(self._head):
            return self._head[first:last]
        try:
            with open(self._name, "rb", buffering=0) as file:  # noqa: PTH123
                file.seek(first)
                content = _read(file, last - first)
        except OSError as error:
            raise WixpyError(f"cannot read {self.path}: {error.strerror}", "check the file and its rights") from error
        if len(content) < last - first:
            raise WixpyError(f"{self.path} became shorter while it was read", "build again when nothing changes it")
        return content


class FileBlob:
    """An open file, which stays open as long as slices are taken; threads may take them at the same time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0, 2)
        self._size = file.tell()
        self._lock = Lock()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        first, last, _ = part.indices(self._size)
        with self._lock:
            self._file.seek(first)
            return _read(self._file, last - first)


def _read(file: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end: a plain read may give fewer at any time."""
    content = file.read(max(0, size))
    while len(content) < size and (more := file.read(size - len(content))):
        content += more
    return content


class Pieces:
    """Regions of another blob, given as (start, end), one after the other."""

    def __init__(self, blob: Blob, regions: Sequence[tuple[int, int]]) -> None:
        self._blob = blob
        self._regions = regions
        self._ends = list(accumulate(end - start for start, end in regions))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, part: slice, /) -> bytes:
        first, last, _ = part.indices(len(self))
        return b"".join(self._slices(first, last))

    def _slices(self, first: int, last: int) -> Iterator[bytes]:
        index = bisect_right(self._ends, first)
        while first < last:
            at = self._regions[index][1] - (self._ends[index] - first)
            size = min(last, self._ends[index]) - first
            yield self._blob[at : at + size]
            first += size
            index += 1


class Streams(MutableMapping[str, bytes]):
    """Streams by name.  A value is bytes when it is asked for; :meth:`blob` gives it as it was put in."""

    def __init__(self, content: Iterable[tuple[str, Blob]] = ()) -> None:
        self._content: dict[str, Blob] = dict(content)

    def __getitem__(self, name: str) -> bytes:
        blob = self._content[name]
        return blob if isinstance(blob, bytes) else blob[:]

    def __setitem__(self, name: str, content: Blob) -> None:
        self._content[name] = content

    def __delitem__(self, name: str) -> None:
        del self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __contains__(self, name: object) -> bool:
        return name in self._content

    def blob(self, name: str) -> Blob:
        """The content of a stream; KeyError when there is none."""
        return self._content[name]

    def blobs(self) -> Iterable[tuple[str, Blob]]:
        """Names and contents."""
        return self._content.items()
