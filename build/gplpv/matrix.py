# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of what exists: ``platforms.yaml`` as frozen, strictly validated objects, and the variants it spans."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gplpv.errors import GplpvError, UsageError, nearest

Nt = tuple[int, int]
"""A Windows NT version, such as (5, 1) for XP."""

ArchName = Literal["x32", "x64"]


def parse_nt(text: str) -> Nt:
    """Read "5.1" as (5, 1); ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", text)
    if not match:
        raise ValueError(f'expected an NT version such as "5.1" (quoted), not {text!r}')
    return int(match[1]), int(match[2])


def parse_version(text: str) -> tuple[int, int, int, int]:
    """Read a driver version w.x.y.z, each 0..65534 (INF DriverVer directive); ValueError for anything else."""
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) <= 65534 for part in parts):
        raise ValueError(f"expected a version w.x.y.z with each number in 0..65534, not {text!r}")
    major, minor, patch, build = (int(part) for part in parts)
    if major > 255 or minor > 255:
        raise ValueError(f"Windows Installer takes at most 255 for the first two numbers of a version, not {text!r}")
    return major, minor, patch, build


def _check_version(text: str) -> str:
    parse_version(text)
    return text


def _check_nt(text: str) -> str:
    parse_nt(text)
    return text


def _check_plain_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text):
        raise ValueError(f"expected a name of letters, digits and _, not {text!r}")
    return text


def _check_relative(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"expected a folder inside the project, not {text!r}")
    return text


def _check_folder_name(text: str) -> str:
    if re.search(r'[\\/:*?"<>|\x00-\x1f]|^\s|[\s.]$|^$', text):
        raise ValueError(f"expected the name of one Windows folder, not {text!r}")
    return text


def _check_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", text):
        raise ValueError(f"expected an http:// or https:// address, not {text!r}")
    return text


Version = Annotated[str, AfterValidator(_check_version)]
NtText = Annotated[str, AfterValidator(_check_nt)]
Name = Annotated[str, AfterValidator(_check_plain_name)]
RelativePath = Annotated[str, AfterValidator(_check_relative)]
FolderName = Annotated[str, AfterValidator(_check_folder_name)]
Url = Annotated[str, AfterValidator(_check_url)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Product(_Model):
    """What the packages are called and the version and date that they carry."""

    name: FolderName
    title: str
    manufacturer: str
    version: Version
    date: datetime.date
    folder: FolderName


class DdkEntry(_Model):
    """A named way of compiling drivers; `kind` picks the class in :mod:`gplpv.ddk`."""

    kind: Literal["ziglang"]


class Arch(_Model):
    """A processor: its names in linkers (`machine`), output folders and INF decorations."""

    machine: Literal["x86", "amd64"]
    folder: Name
    inf: Name
    bits: Literal[32, 64]


class Target(_Model):
    """What one platform is on one arch: the kernel built for, and the catalog operating systems."""

    nt: NtText
    catalog_os: list[str] = Field(min_length=1)


Digests = Literal["sha1", "sha256", "dual"]
"""The digest of a signature; `dual` is SHA-1 with a SHA-256 signature nested in it."""


SignedKind = Literal["sys", "exe", "cat", "msi"]
"""What Windows looks for signatures in, by extension."""


class SigningPolicy(_Model):
    """The signatures of one platform's files, by kind of file; `embed` is whether .sys files carry one themselves."""

    sys: Digests
    exe: Digests
    cat: Digests
    msi: Digests
    embed: bool = True

    def digests(self, kind: SignedKind) -> tuple[str, ...]:
        """The digests of a file's signatures, in the order they are nested; none for what a catalog alone covers."""
        if kind == "sys" and not self.embed:
            return ()
        wanted = getattr(self, kind)
        return ("sha1", "sha256") if wanted == "dual" else (wanted,)


class Timestamp(_Model):
    """RFC 3161 time stamp servers, asked in this order; `timeout` in seconds, `tries` for each."""

    servers: list[Url] = Field(min_length=1)
    digest: Literal["sha1", "sha256"]
    timeout: int = Field(gt=0)
    tries: int = Field(gt=0)


class SigningFacts(_Model):
    """What signing takes whatever the platform. `command` is a signing service's, as GPLPV_SIGN_COMMAND."""

    timestamp: Timestamp
    cross_certificate: RelativePath | None = None
    command: str | None = None


class Platform(_Model):
    """A family of Windows releases that shares one package an arch."""

    title: str
    winver: Name
    ddk: str
    signing: SigningPolicy
    edition: Literal["any", "workstation", "server"] = "any"
    until: NtText | None = None
    arches: dict[ArchName, Target] = Field(min_length=1)
    drivers: dict[str, str] = Field(min_length=1)


class Flavour(_Model):
    """One way a driver is built: against which port driver or NDIS, with which sources of its own."""

    imports: list[str] = Field(min_length=1)
    sources: list[str] = []
    defines: list[str] = []


class Driver(_Model):
    """A kernel driver below drivers_src/."""

    flavours: dict[Name, Flavour] = Field(min_length=1)


class Program(_Model):
    """A user-mode program that the packages carry."""

    folder: RelativePath
    imports: list[str] = Field(min_length=1)


@dataclass(frozen=True)
class Variant:
    """One package's worth of choices: platform, arch, debug or release."""

    matrix: Matrix
    platform_name: str
    arch_name: ArchName
    debug: bool

    @property
    def platform(self) -> Platform:
        return self.matrix.platforms[self.platform_name]

    @property
    def arch(self) -> Arch:
        return self.matrix.arches[self.arch_name]

    @property
    def target(self) -> Target:
        return self.platform.arches[self.arch_name]

    @property
    def nt(self) -> Nt:
        return parse_nt(self.target.nt)

    @property
    def until(self) -> Nt:
        """The newest Windows that takes this package."""
        return parse_nt(self.platform.until) if self.platform.until else self.nt

    @property
    def flavour(self) -> str:
        return "debug" if self.debug else "release"

    @property
    def name(self) -> str:
        """Short unique name, as in "XPx64 debug"."""
        return f"{self.platform_name}{self.arch_name}" + (" debug" if self.debug else "")

    @property
    def tree(self) -> PurePosixPath:
        """Folder below target/ with the images and symbols, as a debugger's symbol path names it."""
        return PurePosixPath(self.platform.winver, self.arch.folder, self.flavour)

    def package(self, extension: str, version: str | None = None) -> str:
        """File name of a package: ``gplpv <platform><arch> <version> <debug>.<extension>``."""
        suffix = " debug" if self.debug else ""
        product = self.matrix.product
        return f"{product.name} {self.platform_name}{self.arch_name} {version or product.version}{suffix}.{extension}"

    def drivers(self) -> Iterator[tuple[str, Flavour]]:
        """Each driver this platform takes, in the order given there, with the flavour it takes."""
        for name, flavour in self.platform.drivers.items():
            yield name, self.matrix.drivers[name].flavours[flavour]


class Matrix(_Model):
    """All of platforms.yaml."""

    product: Product
    signing: SigningFacts
    ddks: dict[Name, DdkEntry] = Field(min_length=1)
    arches: dict[ArchName, Arch]
    platforms: dict[str, Platform] = Field(min_length=1)
    drivers: dict[Name, Driver] = Field(min_length=1)
    programs: dict[Name, Program]

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Matrix:
        winvers: dict[str, str] = {}
        for name, platform in self.platforms.items():
            where = ("platforms", name)
            _refer(platform.ddk, self.ddks, (*where, "ddk"), "DDK")
            other = winvers.setdefault(platform.winver, name)
            if other != name:
                raise _Misplaced((*where, "winver"), f"{platform.winver} is already the output folder of {other}")
            for arch, target in platform.arches.items():
                _refer(arch, self.arches, (*where, "arches", arch), "arch")
                if platform.until and parse_nt(platform.until) < parse_nt(target.nt):
                    raise _Misplaced((*where, "until"), f"until {platform.until} is before nt {target.nt} of {arch}")
            _require_possible(platform, (*where, "signing"))
            for driver, flavour in platform.drivers.items():
                _refer(driver, self.drivers, (*where, "drivers", driver), "driver")
                _refer(flavour, self.drivers[driver].flavours, (*where, "drivers", driver), f"flavour of {driver}")
        return self

    def variants(self) -> list[Variant]:
        """Every variant, in the order of the file, release before debug."""
        return [
            Variant(self, platform, arch, debug)
            for platform, entry in self.platforms.items()
            for arch in entry.arches
            for debug in (False, True)
        ]

    def select(self, platforms: Iterable[str], arches: Iterable[str], debugs: Iterable[bool]) -> list[Variant]:
        """Return the variants named; UsageError when a name is unknown or nothing exists for the combination."""
        wanted_platforms, wanted_arches, wanted_debugs = list(platforms), list(arches), set(debugs)
        for what, names, known in (
            ("platform", wanted_platforms, list(self.platforms)),
            ("arch", wanted_arches, list(self.arches)),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(f"There is no {what} {name!r}.", nearest(name, known))
        chosen = [
            variant
            for variant in self.variants()
            if variant.platform_name in wanted_platforms
            and variant.arch_name in wanted_arches
            and variant.debug in wanted_debugs
        ]
        if not chosen:
            raise UsageError(
                f"Nothing is built for platform={','.join(wanted_platforms)} arch={','.join(wanted_arches)}.",
                "; ".join(f"{name} has {' and '.join(self.platforms[name].arches)}" for name in wanted_platforms) + ".",
            )
        return chosen


class _Misplaced(ValueError):
    """A fault that belongs to a place deeper than the model that found it."""

    def __init__(self, where: tuple[str, ...], message: str, hint: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.hint = hint


def _refer(name: str, known: Mapping[Any, object], where: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise _Misplaced(where, f"there is no {what} {name!r}", nearest(name, known))


_FIRST_SHA2 = (6, 1)
_LAST_SHA1 = (6, 3)


def _require_possible(platform: Platform, where: tuple[str, ...]) -> None:
    """Refuse signatures that a Windows of the platform would not take.

    Facts: Microsoft, "Kernel-Mode Code Signing Requirements (Windows Vista and Later)"; "Appendix 4: Driver Signing
    Issues" (only PE files take a second signature); Security Advisory 3033929 (SHA-2 on Windows 7).
    """
    policy = platform.signing
    oldest = min(parse_nt(target.nt) for target in platform.arches.values())
    newest = max([parse_nt(platform.until or "0.0"), *(parse_nt(target.nt) for target in platform.arches.values())])
    for kind in ("sys", "exe", "cat", "msi"):
        digests = getattr(policy, kind)
        if digests == "dual" and kind in ("cat", "msi"):
            raise _Misplaced((*where, kind), f"a .{kind} file takes one signature only", "Name sha1 or sha256.")
        if digests == "sha256" and oldest < _FIRST_SHA2:
            reason = f"Windows {oldest[0]}.{oldest[1]} does not verify SHA-256 signatures"
            raise _Misplaced((*where, kind), reason, "Name sha1, or dual for .sys and .exe.")
        if digests == "sha1" and newest > _LAST_SHA1:
            reason = f"Windows {newest[0]}.{newest[1]} does not take SHA-1 alone"
            raise _Misplaced((*where, kind), reason, "Name sha256, or dual for .sys and .exe.")
    if not policy.embed and "x64" in platform.arches and newest >= (6, 0):
        reason = "64-bit Windows 6.0 and later starts no boot driver without a signature in the file itself"
        raise _Misplaced((*where, "embed"), reason, "Let it be true.")


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path) -> Matrix:
    """Read and validate platforms.yaml.

    Raises:
        GplpvError: naming file, line, what was expected and, for a misspelt name, the nearest valid one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GplpvError(f"{path}: cannot be read: {error}.") from error
    try:
        tree = yaml.compose(text, Loader=_UniqueKeyLoader)
        data = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise GplpvError(f"{path.name}:{line}: {error.problem or error}.", "Mend the YAML there.") from error
    except yaml.YAMLError as error:
        raise GplpvError(f"{path.name}: {error}.", "Mend the YAML there.") from error
    try:
        return Matrix.model_validate(data)
    except ValidationError as error:
        raise _explain(path, tree, error) from error


def _explain(path: Path, tree: yaml.Node | None, error: ValidationError) -> GplpvError:
    """Turn one of pydantic's findings (a misspelt key before what is missing for it) into a sentence with its line."""
    findings = error.errors()
    first = next((finding for finding in findings if finding["type"] == "extra_forbidden"), findings[0])
    where = tuple(str(part) for part in first["loc"] if part != "[key]")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _Misplaced):
        where = cause.where
    message = str(cause) if cause is not None else first["msg"]
    hint = "See the comments in the file for what each key means."
    if isinstance(cause, _Misplaced) and cause.hint:
        hint = cause.hint
    if first["type"] == "extra_forbidden":
        message = f"there is no key {where[-1]!r} here"
        hint = nearest(where[-1], _keys_of(where[:-1]))
    elif first["type"] == "literal_error" and "[key]" in first["loc"]:
        message = f"{where[-1]!r} is not known here; expected {first['ctx']['expected']}"
    return GplpvError(f"{path.name}:{_line(tree, where)}: {'.'.join(where)}: {message}.", hint)


def _keys_of(where: tuple[str, ...]) -> list[str]:
    """The keys that the schema allows at a place."""
    model: Any = Matrix
    for part in where:
        if isinstance(model, type) and issubclass(model, BaseModel):
            annotation: Any = model.model_fields[part].annotation
            model = annotation
        else:
            model = model.__args__[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _line(node: yaml.Node | None, where: tuple[str, ...]) -> int:
    """The 1-based line of the deepest part of `where` that exists."""
    line = node.start_mark.line + 1 if node else 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit():
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            return line
    return line
