# SPDX-License-Identifier: GPL-2.0-or-later
"""sign=release: from the variables GPLPV_SIGN_* to a hand that signs and the servers that stamp.

The certificate is examined as soon as the build starts: an expired one, say, is refused before anything is compiled.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gplpv.config import Config, SigningEnvironment
from gplpv.errors import GplpvError, UsageError
from gplpv.signing.certificates import examine_pem, examine_pfx
from gplpv.signing.signers import Command, Hand, Osslsigncode
from gplpv.signing.timestamp import Stamper

_WAYS = "GPLPV_SIGN_PFX, GPLPV_SIGN_PEM with GPLPV_SIGN_KEY (and GPLPV_SIGN_PKCS11), or GPLPV_SIGN_COMMAND"


def hand(environment: SigningEnvironment, config: Config, now: datetime.datetime | None = None) -> Hand:
    """Who signs.

    Args:
        now: the moment at which the certificate must be valid (default: the present).

    Raises:
        UsageError: the variables name nobody, or more than one.
        GplpvError: the certificate or its key is not fit.
    """
    now = now or datetime.datetime.now(datetime.timezone.utc)
    ways = [name for name in ("pfx", "pem", "command") if getattr(environment, name)]
    if len(ways) > 1:
        named = " and ".join(f"GPLPV_SIGN_{name.upper()}" for name in ways)
        raise UsageError(f"{named} are both set: only one can sign.", f"Set one of: {_WAYS}.")
    if environment.pfx:
        path = Path(environment.pfx).absolute()
        certificate = examine_pfx(path, environment.password, now)
        return _with(("-pkcs12", path), certificate, environment, config)
    if environment.pem:
        return _with_pem(environment, config, now)
    command = environment.command or config.matrix.signing.command
    if command:
        return Command(command)
    raise UsageError("sign=release does not know who signs.", f"Set {_WAYS}; docs/signing.md tells more.")


def _with_pem(environment: SigningEnvironment, config: Config, now: datetime.datetime) -> Hand:
    chain = Path(environment.pem or "").absolute()
    if not environment.key:
        hint = "Set GPLPV_SIGN_KEY to a PEM file, or to the pkcs11: URI of a token's key."
        raise UsageError("GPLPV_SIGN_PEM is set and its key is missing.", hint)
    if environment.pkcs11:
        if not environment.key.startswith("pkcs11:"):
            hint = "With GPLPV_SIGN_PKCS11 it is a pkcs11: URI (RFC 7512)."
            raise UsageError(f"GPLPV_SIGN_KEY={environment.key} names no key of a token.", hint)
        certificate = examine_pem(chain, None, None, now)
        return _with((*_token(environment), "-certs", chain, "-key", environment.key), certificate, environment, config)
    key = Path(environment.key).absolute()
    certificate = examine_pem(chain, key, environment.password, now)
    return _with(("-certs", chain, "-key", key), certificate, environment, config)


def _token(environment: SigningEnvironment) -> tuple[str | Path, ...]:
    """PKCS #11: the module of the token's maker, through OpenSSL's engine where that is not found by itself."""
    module = Path(environment.pkcs11 or "").absolute()
    if not module.is_file():
        raise GplpvError(f"There is no PKCS #11 module {module}.", "GPLPV_SIGN_PKCS11 names the token's library.")
    if "pin-value" in (environment.key or ""):
        hint = "Give the PIN by GPLPV_SIGN_PASSWORD_FD, and leave pin-value out of GPLPV_SIGN_KEY."
        raise UsageError("The key's URI has the PIN in it, where every process can read it.", hint)
    engine = ("-pkcs11engine", Path(environment.engine).absolute()) if environment.engine else ()
    return (*engine, "-pkcs11module", module)


def _with(
    arguments: tuple[str | Path, ...], certificate: x509.Certificate, environment: SigningEnvironment, config: Config
) -> Hand:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    cross = config.matrix.signing.cross_certificate
    if cross:
        path = config.root / cross
        if not path.is_file():
            raise GplpvError(f"There is no {cross}.", "signing.cross_certificate in platforms.yaml names it.")
        arguments, fingerprint = (*arguments, "-ac", path), f"{fingerprint} {path.read_bytes()!r}"
    return Osslsigncode(arguments, fingerprint, config.epoch, environment.password)


def stamper(environment: SigningEnvironment, config: Config, *, always: bool) -> Stamper | None:
    """Who stamps: the servers in GPLPV_SIGN_TIMESTAMP (``off``: none), else, when `always`, those of platforms.yaml."""
    facts = config.matrix.signing.timestamp
    if environment.timestamp == "off" or not (environment.timestamp or always):
        return None
    servers = environment.timestamp.replace(",", " ").split() if environment.timestamp else facts.servers
    for server in servers:
        if not server.startswith(("http://", "https://")):
            hint = "Name http:// or https:// addresses, with blanks or commas between them, or off."
            raise UsageError(f"GPLPV_SIGN_TIMESTAMP names {server!r}, which is no server.", hint)
    return Stamper(tuple(servers), facts.digest, facts.timeout, facts.tries)
