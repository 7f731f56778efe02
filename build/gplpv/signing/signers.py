# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signs: from an unsigned file to a signed one under another name, which appears whole or not at all.

A hand gives the signature of one file with one digest; :class:`ByPolicy` asks it once for each that the platform's
policy wants, has them stamped, nests them and attaches them. Whoever the hand is, its signature is checked to be over
the unsigned file first: nothing else of what it wrote is used.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gplpv import pkcs7, process, tools
from gplpv.errors import GplpvError, UsageError, nearest
from gplpv.files import replacing
from gplpv.matrix import SigningPolicy
from gplpv.signing import containers, detached
from gplpv.signing.timestamp import Stamper


class Signer(Protocol):
    """Makes the file that goes into packages out of the unsigned one."""

    @property
    def identity(self) -> str:
        """Text that changes when signed files must be made again; it has no secrets."""

    @property
    def done(self) -> str:
        """What is said of a file that it has made."""

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:
        """Write `signed`; `unsigned` stays as it is. The suffix of `unsigned` says what kind of file it is."""


class Hand(Protocol):
    """Makes single signatures."""

    @property
    def identity(self) -> str:
        """As :attr:`Signer.identity`."""

    def signature(self, unsigned: Path, digest: str, description: str, scratch: Path) -> bytes:
        """The PKCS #7 message of a signature of `unsigned`. `scratch` is an empty folder to work in."""


class Unsigned:
    """sign=off."""

    identity = "off"
    done = "finished, unsigned"

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:  # noqa: ARG002  the protocol's shape
        with replacing(signed) as (partial,):
            shutil.copyfile(unsigned, partial)


@dataclass(frozen=True)
class ByPolicy:
    """sign=test and sign=release: the signatures that a platform's policy wants, by a hand."""

    hand: Hand
    policy: SigningPolicy
    stamper: Stamper | None = None
    done = "signed"

    @property
    def identity(self) -> str:
        return f"{self.hand.identity} {self.policy!r} {self.stamper!r}"

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:
        wanted = self.policy.digests(containers.kind_of(unsigned))
        with replacing(signed) as (partial,):
            if not wanted:
                shutil.copyfile(unsigned, partial)
                return
            scratch = partial.parent / "signing"
            scratch.mkdir()
            messages = [self._message(unsigned, digest, description, scratch) for digest in wanted]
            partial.write_bytes(containers.attach(unsigned, pkcs7.nest(messages).data))

    def _message(self, unsigned: Path, digest: str, description: str, scratch: Path) -> pkcs7.Message:
        made = self.hand.signature(unsigned, digest, description, scratch)
        containers.require_covers(unsigned, made)
        message = pkcs7.parse(made, unsigned.name)
        if message.digest_algorithm != digest:
            found = message.digest_algorithm
            raise GplpvError(f"{unsigned.name} was signed with {found} where {digest} is wanted.", "Mend the command.")
        return self.stamper.stamped(message) if self.stamper else message


@dataclass(frozen=True)
class Osslsigncode:
    """Signs with osslsigncode.

    Attributes:
        arguments: those that name certificate and key.
        fingerprint: of the signer's certificate, for the identity.
        epoch: signing time, seconds since 1970.
        password: opens key or token; it is handed over through a pipe.
    """

    arguments: tuple[str | Path, ...]
    fingerprint: str
    epoch: int
    password: str | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        return f"{self.fingerprint} {self.epoch}"

    def signature(self, unsigned: Path, digest: str, description: str, scratch: Path) -> bytes:
        output = scratch / f"{digest}{unsigned.suffix}"
        password = ["-readpass", "-"] if self.password else []
        try:
            tools.Osslsigncode().run(
                [
                    "sign", *self.arguments, *password,
                    "-h", digest, "-n", description, "-time", str(self.epoch), "-in", unsigned, "-out", output,
                ],
                password=self.password,
            )  # fmt: skip
        except process.ProcessError as error:
            hint = "See what it says above; certificate and key are named by GPLPV_SIGN_*."
            raise GplpvError(f"{unsigned.name} could not be signed: {error.message}", error.hint or hint) from error
        return _written(output, unsigned, "osslsigncode")


_PLACES = ("input", "output", "digest", "description")


@dataclass(frozen=True)
class Command:
    """Signs with a command of the user's, for signing services: words with {input} {output} {digest} {description}."""

    template: str

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.template)
            names = [name for word in words for _, name, _, _ in string.Formatter().parse(word) if name is not None]
        except ValueError as error:
            raise UsageError(f"The sign command cannot be read: {error}.", "Mend its quotes and braces.") from error
        for name in names:
            if name not in _PLACES:
                raise UsageError(f"The sign command has no {{{name}}} to put in.", nearest(name, _PLACES))
        for name in ("input", "output"):
            if name not in names:
                raise UsageError(f"The sign command lacks {{{name}}}.", "It reads one file and writes another.")

    @property
    def identity(self) -> str:
        return hashlib.sha256(self.template.encode()).hexdigest()

    def signature(self, unsigned: Path, digest: str, description: str, scratch: Path) -> bytes:
        output = scratch / f"{digest}{unsigned.suffix}"
        values = {"input": unsigned, "output": output, "digest": digest, "description": description}
        words = [word.format(**values) for word in shlex.split(self.template)]
        try:
            process.run(words)
        except process.ProcessError as error:
            hint = "The command is GPLPV_SIGN_COMMAND, or signing.command in platforms.yaml."
            raise GplpvError(f"The sign command could not sign {unsigned.name}: {error.message}", hint) from error
        return _written(output, unsigned, "The sign command")


def _written(output: Path, unsigned: Path, who: str) -> bytes:
    """The signature in what a program wrote, which is removed."""
    if not output.is_file():
        raise GplpvError(f"{who} ended well and wrote nothing for {unsigned.name}.", "It must write the output file.")
    found = containers.signature_of(output)
    if found is None:
        raise GplpvError(f"{who} left {unsigned.name} unsigned.", "See what the command does.")
    output.unlink()
    return found


@dataclass(frozen=True)
class Published:
    """sign=detached: signatures that were published, for whoever builds the same unsigned files."""

    store: detached.Store
    policy: SigningPolicy
    done = "signed"

    @property
    def identity(self) -> str:
        return f"{self.store.identity} {self.policy!r}"

    def sign(self, unsigned: Path, signed: Path, description: str) -> None:  # noqa: ARG002  the protocol's shape
        with replacing(signed) as (partial,):
            if self.policy.digests(containers.kind_of(unsigned)):
                partial.write_bytes(self.store.attached(unsigned))
            else:
                shutil.copyfile(unsigned, partial)
