# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the project lies and what the environment says: the only reader of environment variables."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

from gplpv import matrix
from gplpv.errors import UsageError, nearest


def project_root(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` (default: the working folder) with a platforms.yaml."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "platforms.yaml").is_file():
            return candidate
    raise UsageError(f"There is no platforms.yaml in {folder} or above it.", "Run this inside the project's folder.")


@dataclass(frozen=True)
class Config:
    """One build's inputs besides the sources: the matrix, the version, and the one moment all time stamps show."""

    root: Path
    matrix: matrix.Matrix
    epoch: int
    """Seconds since 1970, UTC."""

    @property
    def moment(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc)


@dataclass(frozen=True)
class SigningEnvironment:
    """Who signs a release: the variables GPLPV_SIGN_*, by their names in small letters. The password is in no repr."""

    pfx: str | None = None
    pem: str | None = None
    key: str | None = None
    pkcs11: str | None = None
    engine: str | None = None
    command: str | None = None
    timestamp: str | None = None
    password: str | None = field(default=None, repr=False)


def signing_environment() -> SigningEnvironment:
    """Read GPLPV_SIGN_*; the password from the file descriptor that GPLPV_SIGN_PASSWORD_FD names, to its end.

    Raises:
        UsageError: a variable is not known (the hint is the nearest one), or the descriptor cannot be read.
    """
    prefix = "GPLPV_SIGN_"
    known = [f"{prefix}{one.name.upper()}" for one in fields(SigningEnvironment)] + [f"{prefix}PASSWORD_FD"]
    values = {name: value for name, value in os.environ.items() if name.startswith(prefix) and value}
    for name in values:
        if name not in known:
            raise UsageError(f"There is no variable {name}.", nearest(name, known))
    descriptor = values.pop(f"{prefix}PASSWORD_FD", None)
    if descriptor is not None:
        values[f"{prefix}PASSWORD"] = _read_descriptor(descriptor)
    return SigningEnvironment(**{name[len(prefix) :].lower(): value for name, value in values.items()})


def _read_descriptor(text: str) -> str:
    try:
        with os.fdopen(int(text), encoding="utf-8") as stream:
            return stream.read().rstrip("\r\n")
    except (OSError, ValueError) as error:
        hint = "Give a number that is open for reading: GPLPV_SIGN_PASSWORD_FD=3 ./scons … 3<FILE."
        raise UsageError(f"GPLPV_SIGN_PASSWORD_FD={text} cannot be read.", hint) from error


def load(root: Path | None = None) -> Config:
    """Load platforms.yaml and SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/)."""
    root = root or project_root()
    loaded = matrix.load(root / "platforms.yaml")
    return Config(root, loaded, _epoch(os.environ.get("SOURCE_DATE_EPOCH"), loaded.product.date))


def environment(*names: str) -> dict[str, str]:
    """Return those environment variables that are set to something."""
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def moment() -> datetime.datetime:
    """The moment of a task that needs no project: SOURCE_DATE_EPOCH, else that of the project around.

    Raises:
        UsageError: there is neither.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return load().moment
    return datetime.datetime.fromtimestamp(_epoch(text, datetime.date.min), datetime.timezone.utc)


def _epoch(text: str | None, default: datetime.date) -> int:
    """The moment of the build: SOURCE_DATE_EPOCH, else midnight UTC of the product's date.

    Cabinets and zip archives count years from 1980 and to 2107, so nothing outside is taken.
    """
    if not text:
        midnight = datetime.datetime(default.year, default.month, default.day, tzinfo=datetime.timezone.utc)
        return int(midnight.timestamp())
    if not (text.isascii() and text.isdigit()) or not 315532800 <= int(text) < 4354819200:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}, which is no date between 1980 and 2107.",
            "Set it to seconds since 1970, as `git log -1 --pretty=%ct` prints them, or unset it.",
        )
    return int(text)
