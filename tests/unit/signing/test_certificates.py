# SPDX-License-Identifier: GPL-2.0-or-later
"""The certificates of sign=test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography import x509

from gplpv import config
from gplpv.signing import certificates

SETTINGS = config.load(Path(__file__).parents[3])


def test_a_private_authority_and_a_code_signing_certificate_valid_at_the_builds_moment(tmp_path: Path) -> None:
    chain, key, root, publisher = (tmp_path / name for name in ("chain", "key", "root", "publisher"))
    certificates.make_test_certificates(chain, key, root, publisher, SETTINGS)
    signer, authority = x509.load_pem_x509_certificates(chain.read_bytes())
    assert x509.load_der_x509_certificate(root.read_bytes()) == authority
    assert x509.load_der_x509_certificate(publisher.read_bytes()) == signer
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.3"]
    for one in (signer, authority):
        assert one.not_valid_before_utc < SETTINGS.moment < one.not_valid_after_utc
        assert one.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.5"  # sha1WithRSAEncryption
    assert key.stat().st_mode & 0o077 == 0
    trust = ["-CAfile", chain, "-purpose", "any", "-attime", str(SETTINGS.epoch)]
    subprocess.run(["openssl", "verify", *trust, chain], check=True, capture_output=True)


def test_what_may_be_published_holds_no_key(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("chain", "key", "root", "publisher")]
    certificates.make_test_certificates(*paths, SETTINGS)
    assert [path.name for path in paths if b"PRIVATE KEY" in path.read_bytes()] == ["key"]
