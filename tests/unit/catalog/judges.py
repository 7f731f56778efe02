# SPDX-License-Identifier: GPL-2.0-or-later
"""signify, an Authenticode verifier that shares nothing with ours but the ASN.1 library."""

from __future__ import annotations

import datetime
import io
import re
import warnings
from pathlib import Path
from unittest import mock

_search = re.search


def _search_version(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
    """oscrypto 1.3.0 takes no patch level of two digits, as in OpenSSL 3.0.13: let it read 3.0.1."""
    return _search(pattern, text, flags) or _search(r"\b(\d\.\d\.\d)\d*\b", text)


with warnings.catch_warnings(), mock.patch("re.search", _search_version):
    warnings.simplefilter("ignore")
    import oscrypto.asymmetric  # noqa: F401

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from signify.authenticode import AuthenticodeFile
    from signify.x509 import Certificate, CertificateStore, VerificationContext


def verdict(file: Path, catalog: Path, root: Path, moment: datetime.datetime) -> str:
    """Return what signify says of a file under a catalog: OK, NOT_SIGNED, INVALID_DIGEST, ...."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trusted = CertificateStore([Certificate.from_pem(root.read_bytes())], trusted=True)
        context = VerificationContext(trusted, timestamp=moment)
        judged = AuthenticodeFile.from_stream(io.BytesIO(file.read_bytes()), allow_flat=True)
        judged.add_catalog(io.BytesIO(catalog.read_bytes()))
        result, _ = judged.explain_verify(signature_types="catalog", verification_context=context)
    return str(result.name)
