# SPDX-License-Identifier: GPL-2.0-or-later
"""PKCS #7 as Authenticode uses it: `structures` says what is where, `signer` holds one signer against what it signed;
`messages` puts signatures together, `verification` believes nothing of them. Signing and verifying share the first two.
"""

from gplpv.pkcs7.messages import Message, nest, parse
from gplpv.pkcs7.structures import INDIRECT_DATA, RFC3161_STAMP, TRUST_LIST, content_of
from gplpv.pkcs7.verification import Expected, Signature, TimeStamp, verify

__all__ = [
    "INDIRECT_DATA",
    "RFC3161_STAMP",
    "TRUST_LIST",
    "Expected",
    "Message",
    "Signature",
    "TimeStamp",
    "content_of",
    "nest",
    "parse",
    "verify",
]
