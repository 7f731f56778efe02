# SPDX-License-Identifier: GPL-2.0-or-later
"""Time stamps from a time-stamp authority over HTTP (RFC 3161): a list of servers, each tried several times.

The stamp is fetched here and not by the signing program, because its retries, waits and sentences are ours then,
whichever program or service made the signature.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import NoReturn

import requests
from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from gplpv.errors import GplpvError
from gplpv.pkcs7 import RFC3161_STAMP, Message, structures
from gplpv.pkcs7 import signer as signers

_HINT = "Try again later, or name others: signing.timestamp.servers in platforms.yaml, or GPLPV_SIGN_TIMESTAMP."
_LARGEST = 1 << 20
_PASSING = {"system_failure", "time_not_available"}
"""Reasons of refusals that may be gone the next time (RFC 3161, 2.4.2)."""


class _Response(core.Sequence):  # type: ignore[misc]  # asn1crypto has no type hints
    """TimeStampResp; asn1crypto's own wants a token in refusals, too."""

    _fields = [("status", tsp.PKIStatusInfo), ("token", cms.ContentInfo, {"optional": True})]  # noqa: RUF012


class _Refused(Exception):
    """A server's answer that is no stamp; `final` when asking again would not change it."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True)
class Stamper:
    """Where stamps come from.

    Attributes:
        servers: URLs, in the order they are asked.
        digest: digest of the request.
        timeout: seconds to wait for one answer.
        tries: how often one server is asked before the next is.
        pause: seconds before the second try; doubled before each later one.
    """

    servers: tuple[str, ...]
    digest: str = "sha256"
    timeout: float = 20
    tries: int = 3
    pause: float = 2

    def stamped(self, message: Message) -> Message:
        """The message with a stamp on its signature; as it is when it has one already.

        Raises:
            GplpvError: what each server did.
        """
        if message.is_stamped():
            return message
        return message.with_unsigned(RFC3161_STAMP, self.token(message.encrypted_digest))

    def token(self, data: bytes) -> bytes:
        """A stamp of `data`: the DER of a TimeStampToken."""
        failures = []
        for server in self.servers:
            for attempt in range(self.tries):
                if attempt:
                    time.sleep(self.pause * 2 ** (attempt - 1))
                try:
                    return self._ask(server, data)
                except _Refused as error:
                    failure = error
                    if error.final:
                        break
            failures.append(
                f"Time stamp server {server} {failure} ({attempt + 1} {'try' if not attempt else 'tries'})."
            )
        raise GplpvError("\n".join(failures), _HINT)

    def _ask(self, server: str, data: bytes) -> bytes:
        imprint = hashlib.new(self.digest, data).digest()
        nonce = secrets.randbits(63)
        request = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": self.digest}, "hashed_message": imprint},
                "nonce": nonce,
                "cert_req": True,
            }
        )
        answer = self._post(server, request.dump())
        try:
            return _checked(answer, imprint, self.digest, nonce)
        except structures.Wrong as error:
            raise _Refused(f"sent a stamp that does not hold: {error}") from error
        except (ValueError, TypeError, KeyError, IndexError, UnsupportedAlgorithm) as error:
            raise _Refused("answered with something that is no time stamp") from error

    def _post(self, server: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        deadline = time.monotonic() + self.timeout
        try:
            with requests.post(server, data=body, headers=headers, timeout=self.timeout, stream=True) as response:
                if response.status_code != 200:
                    raise _Refused(f"answered with HTTP status {response.status_code}")
                found = b""
                for part in response.iter_content(4096):
                    found += part
                    if time.monotonic() > deadline:
                        _too_late(self.timeout)
                    if len(found) > _LARGEST:
                        raise _Refused("answered with something that is no time stamp")
                return found
        except requests.Timeout:
            _too_late(self.timeout)
        except requests.ConnectionError as error:
            # A body that stalls is reported as a broken connection.
            if "timed out" in str(error):
                _too_late(self.timeout)
            raise _Refused("cannot be reached") from error
        except requests.RequestException as error:
            raise _Refused(f"cannot be asked: {error}", final=True) from error


def _too_late(seconds: float) -> NoReturn:
    raise _Refused(f"did not answer within {seconds:g} s")


def _checked(answer: bytes, imprint: bytes, digest: str, nonce: int) -> bytes:
    """The token of an answer (RFC 3161, 2.4.2), when it is over what was asked and its own signature holds."""
    response = _Response.load(answer, strict=True)
    status = response["status"]
    if status["status"].native not in ("granted", "granted_with_mods"):
        reasons = status["fail_info"].native or set()
        texts = status["status_string"].native or sorted(reasons) or [status["status"].native]
        raise _Refused(f"refused: {'; '.join(texts)}", final=not reasons & _PASSING)
    token = response["token"]
    signed = token["content"]
    if signed["encap_content_info"]["content_type"].native != "tst_info":
        raise ValueError("content")
    info = signed["encap_content_info"]["content"].parsed
    found = info["message_imprint"]
    asked = (found["hash_algorithm"]["algorithm"].native, found["hashed_message"].native, info["nonce"].native)
    if asked != (digest, imprint, nonce):
        raise _Refused("stamped something else than was asked")
    _require_signed(token.dump())
    return bytes(token.dump())


def _require_signed(token: bytes) -> None:
    """Check that the stamp is signed by whom it names, who is for stamping; as verifying will do."""
    signed = structures.signed_data(token, 3)
    signer = signers.only(signed)
    digest = signers.digest_name(signer, signed)
    content = signed["content"]["value"].parse(spec=core.OctetString).native
    signers.signed_attributes(signer, structures.TST_INFO, signers.hash_of(digest, content))
    leaf = signers.leaf(signer, signers.certificates(signed))
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([])
    if ExtendedKeyUsageOID.TIME_STAMPING not in usages:
        raise _Refused("sent a stamp by a certificate that is not for time stamping", final=True)
    signers.verify_value(signer, leaf, digest)
