# SPDX-License-Identifier: GPL-2.0-or-later
"""Signing: the option ``sign=``, the platform's policy and the environment, turned into what the graph calls.

``off`` copies. ``test`` signs with a certificate that is made on first use and belongs to this work tree only; packages
carry it, and Windows trusts it where somebody consents. ``release`` signs with what the variables GPLPV_SIGN_* name.
``detached`` attaches signatures that were published. docs/signing.md tells users.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gplpv.config import Config, signing_environment
from gplpv.errors import GplpvError, UsageError
from gplpv.files import write_bytes
from gplpv.matrix import SigningPolicy, Variant
from gplpv.options import Sign
from gplpv.signing import containers, release
from gplpv.signing.certificates import make_test_certificates
from gplpv.signing.detached import Store
from gplpv.signing.signers import ByPolicy, Hand, Osslsigncode, Published, Signer, Unsigned
from gplpv.signing.timestamp import Stamper

__all__ = ["STORES", "TEST_FILES", "Choice", "Signer", "Signing", "choose", "make_test_certificates", "record"]

_FOLDER = Path("target/signing")
STORES = {"Root": _FOLDER / "Root.cer", "TrustedPublisher": _FOLDER / "TrustedPublisher.cer"}
"""Per certificate store of Windows, what sign=test puts there on consent; relative to the project's root."""

TEST_FILES = (_FOLDER / "test.pem", _FOLDER / "test.key", *STORES.values())
"""Certificates and key of sign=test, relative to the project's root."""


@dataclass(frozen=True)
class Signing:
    """The signing of one variant's files.

    Attributes:
        signer: makes signed files.
        files: what must exist before it can.
        trust: certificates that the packages carry for those who consent, relative to the project's root.
    """

    signer: Signer
    policy: SigningPolicy
    files: tuple[Path, ...] = ()
    trust: tuple[Path, ...] = ()

    def require_signed(self, files: Iterable[Path]) -> None:
        """Check what goes into a package.

        Raises:
            GplpvError: a file is not signed and should be.
        """
        if isinstance(self.signer, Unsigned):
            return
        for file in files:
            is_known = file.suffix.lower().lstrip(".") in containers.KINDS
            signs = is_known and self.policy.digests(containers.kind_of(file))
            if signs and containers.signature_of(file) is None:
                raise GplpvError(f"{file} is not signed; no package is made of it.", "Remove it and build again.")


def record(to: Path, identity: str, packages: Iterable[Path]) -> None:
    """Write down how a variant is about to be signed, having removed the packages that were signed otherwise.

    A build that fails leaves older packages where they are; nobody must take those for signed, or for a release.
    """
    for package in packages:
        try:
            package.unlink(missing_ok=True)
        except OSError as error:
            hint = "It is signed otherwise than this build will sign: make the folder writable, or remove it."
            raise GplpvError(f"{package} cannot be removed: {error.strerror}.", hint) from error
    # A digest: it may name servers, and nobody reads it.
    write_bytes(to, hashlib.sha256(identity.encode()).hexdigest().encode())


@dataclass(frozen=True)
class Choice:
    """What ``sign=`` asks for, the same for all variants."""

    hand: Hand | None = None
    stamper: Stamper | None = None
    store: Store | None = None
    files: tuple[Path, ...] = ()
    trust: tuple[Path, ...] = ()

    def of(self, variant: Variant) -> Signing:
        """The signing of a variant, by its platform's policy."""
        policy = variant.platform.signing
        signer: Signer = Unsigned()
        if self.store:
            signer = Published(self.store, policy)
        elif self.hand:
            signer = ByPolicy(self.hand, policy, self.stamper)
        return Signing(signer, policy, self.files, self.trust)


def choose(mode: Sign, config: Config, signatures: Path | None = None) -> Choice:
    """Examine what a mode needs: a release's certificate, or the folder with published `signatures`.

    Raises:
        GplpvError: it is missing or not fit, before anything is built.
    """
    if mode == "detached":
        store = Store(config.root / signatures) if signatures else None
        if not store or not store.identity:
            raise UsageError("sign=detached needs signatures=FOLDER.", "`gplpv signatures extract` makes one.")
        return Choice(store=store)
    if signatures:
        raise UsageError(f"signatures= does not go with sign={mode}.", "It is for sign=detached.")
    if mode == "off":
        return Choice()
    environment = signing_environment()
    stamper = release.stamper(environment, config, always=mode == "release")
    if mode == "release":
        return Choice(release.hand(environment, config), stamper)
    chain, key = (config.root / path for path in TEST_FILES[:2])
    hand = Osslsigncode(("-certs", chain, "-key", key), "test", config.epoch)
    return Choice(hand, stamper, files=TEST_FILES, trust=tuple(STORES.values()))
