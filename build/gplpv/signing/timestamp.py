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
from asn1crypto import algos, cms, core, tsp, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gplpv.errors import GplpvError
from gplpv.pkcs7 import RFC3161_STAMP, Message

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
        except (ValueError, TypeError, KeyError) as error:
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
    _require_signed(signed)
    return bytes(token.dump())


def _require_signed(signed: cms.SignedData) -> None:
    (signer,) = signed["signer_infos"]
    algorithm = signer["digest_algorithm"]["algorithm"].native
    attributes = {item["type"].native: item["values"] for item in signer["signed_attrs"]}
    content = hashlib.new(algorithm, signed["encap_content_info"]["content"].contents).digest()
    if attributes["message_digest"][0].native != content:
        raise _Refused("sent a stamp that is not over its own content")
    certificate = _signer_certificate(signed, signer)
    usage = certificate.extended_key_usage_value
    if usage is None or "time_stamping" not in usage.native:
        raise _Refused("sent a stamp by a certificate that is not for time stamping", final=True)
    key = serialization.load_der_public_key(certificate.public_key.dump())
    covered = b"\x31" + signer["signed_attrs"].dump()[1:]
    if not isinstance(key, rsa.RSAPublicKey):
        raise _Refused("sent a stamp without an RSA signature", final=True)
    try:
        key.verify(signer["signature"].native, covered, padding.PKCS1v15(), _hash(signer["digest_algorithm"]))
    except InvalidSignature:
        raise _Refused("sent a stamp whose signature is wrong") from None


def _signer_certificate(signed: cms.SignedData, signer: cms.SignerInfo) -> x509.Certificate:
    wanted = signer["sid"].chosen
    for choice in signed["certificates"]:
        certificate = choice.chosen
        if isinstance(wanted, cms.IssuerAndSerialNumber) and (
            certificate.serial_number == wanted["serial_number"].native
            and certificate.issuer.dump() == wanted["issuer"].dump()
        ):
            return certificate
    raise _Refused("sent a stamp without its certificate")


def _hash(algorithm: algos.DigestAlgorithm) -> hashes.HashAlgorithm:
    known = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
    found: hashes.HashAlgorithm = known[algorithm["algorithm"].native]
    return found
