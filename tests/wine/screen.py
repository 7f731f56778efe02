# SPDX-License-Identifier: GPL-2.0-or-later
"""A screen without a monitor (Xvfb): its pictures as PNG files, its windows, and keys and buttons pressed on it.

Xvfb keeps the screen in a file in the format of xwd (XWDFile.h); a picture is that file turned into PNG (RFC 2083).
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from .prefix import MachineError

WIDTH, HEIGHT = 640, 480


class Screen:
    """One screen of 640 by 480 points.  `close` it in any case."""

    def __init__(self) -> None:
        for program, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
            if shutil.which(program) is None:
                raise MachineError(f"{program} is missing.", f"apt-get install --no-install-recommends {package}")
        self._folder = tempfile.TemporaryDirectory()
        reading, writing = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", self._folder.name,
             "-nolisten", "tcp", "-noreset"],
            pass_fds=[writing], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            self.close()
            raise MachineError("Xvfb does not start.")
        self.environment: Mapping[str, str] = {"DISPLAY": f":{number}"}

    def close(self) -> None:
        """End the server."""
        self._server.kill()
        self._server.wait()
        self._folder.cleanup()

    def keys(self, *names: str) -> None:
        """Press keys one after the other, by the names that X has for them: Return, space, Tab, alt+n."""
        self._xdotool("key", "--delay", "50", *names)

    def click(self, x: int, y: int) -> None:
        """Press the left button of the mouse at a point."""
        self._xdotool("mousemove", str(x), str(y), "click", "1")

    def frame(self) -> bytes:
        """The screen as the server keeps it."""
        return Path(self._folder.name, "Xvfb_screen0").read_bytes()

    def window(self) -> str:
        """The title of the window in front, empty when there is none."""
        titles = self._xdotool("search", "--onlyvisible", "--name", ".", "getwindowname", "%@", check=False)
        return titles.rstrip("\n").rpartition("\n")[2]

    def shows(self, title: str, timeout: float = 20) -> bytes:
        """The screen once the window in front has that title and nothing moves."""
        end = time.monotonic() + timeout
        while self.window() != title:
            if time.monotonic() > end:
                raise MachineError(f"After {timeout} s the screen shows “{self.window()}”, not “{title}”.")
            time.sleep(0.05)
        return self.steady()

    def steady(self, timeout: float = 15) -> bytes:
        """The screen once it has stayed the same for 0.3 s (a caret blinks slower)."""
        end, last, since = time.monotonic() + timeout, b"", time.monotonic()
        while time.monotonic() < end:
            now = self.frame()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 0.3:
                return now
            time.sleep(0.05)
        raise MachineError(f"The screen still moves after {timeout} s.")

    def _xdotool(self, *words: str, check: bool = True) -> str:
        environment = {**os.environ, **self.environment}
        command = ["xdotool", *words]
        return subprocess.run(command, check=check, env=environment, timeout=20, capture_output=True, text=True).stdout


def pixels(frame: bytes) -> bytes:
    """The points of a frame, a row after the other, three bytes each: red, green, blue."""
    header = struct.unpack(">25I", frame[:100])
    start, width, height, stride = header[0] + 12 * header[19], header[4], header[5], header[12]
    assert (width, height, header[11]) == (WIDTH, HEIGHT, 32)
    rows = []
    for y in range(height):
        row = frame[start + y * stride : start + y * stride + 4 * width]
        points = bytearray(3 * width)
        # A point is a 32-bit number 0x00RRGGBB with the low byte first.
        points[0::3], points[1::3], points[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(points))
    return b"".join(rows)


def png(points: bytes, width: int, height: int) -> bytes:
    """A PNG file of 8-bit red, green and blue."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + points[y * 3 * width : (y + 1) * 3 * width] for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
