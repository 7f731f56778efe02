# SPDX-License-Identifier: GPL-2.0-or-later
"""What a driver catalog vouches for: the members of its trust list.

A member has a tag (its digest: as text in catalogs of the first version, plain in those of the second), attributes (the
file's name) and, but for the SHA-1 tags of the second version, the digest in the form that signatures have it.
"""

from __future__ import annotations

from dataclasses import dataclass

from asn1crypto import algos, core

from gplpv import authenticode
from gplpv.errors import GplpvError

_NAME_VALUE, _INDIRECT = "1.3.6.1.4.1.311.12.2.1", "1.3.6.1.4.1.311.2.1.4"
_HINT = "It is damaged: get it again."
_ALGORITHMS = {20: "sha1", 32: "sha256"}


class _Attribute(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", core.SetOf, {"spec": core.Any})]  # noqa: RUF012


class _Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _Member(core.Sequence):  # type: ignore[misc]
    _fields = [("tag", core.OctetString), ("attributes", _Attributes)]  # noqa: RUF012


class _Members(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Member


class _TrustList(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("usage", core.Any),
        ("identifier", core.OctetString),
        ("time", core.Any),
        ("algorithm", algos.AlgorithmIdentifier),
        ("members", _Members),
        ("extensions", core.Any, {"explicit": 0, "optional": True}),
    ]


class _Content(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("list", _TrustList, {"explicit": 0})]  # noqa: RUF012


class _SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digest_algorithms", core.Any),
        ("content", _Content),
        ("certificates", core.Any, {"implicit": 0, "optional": True}),
        ("crls", core.Any, {"implicit": 1, "optional": True}),
        ("signers", core.Any),
    ]


class _ContentInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("content", _SignedData, {"explicit": 0})]  # noqa: RUF012


class _NameValue(core.Sequence):  # type: ignore[misc]
    _fields = [("name", core.BMPString), ("flags", core.Integer), ("value", core.OctetString)]  # noqa: RUF012


class _Indirect(core.Sequence):  # type: ignore[misc]
    _fields = [("data", core.Any), ("digest", algos.DigestInfo)]  # noqa: RUF012


@dataclass(frozen=True)
class Member:
    """A file that a catalog vouches for: its name, and its digest twice, as the tag and as the signed value tell it."""

    file: str
    tag: bytes
    digest: bytes | None

    def matches(self, data: bytes) -> bool:
        algorithm = _ALGORITHMS.get(len(self.tag))
        if algorithm is None or (self.digest is not None and self.digest != self.tag):
            return False
        try:
            return authenticode.digest(data, algorithm) == self.tag
        except GplpvError:
            return False


def members(data: bytes) -> list[Member]:
    """Read a catalog.

    Raises:
        GplpvError: it is none, or damaged.
    """
    try:
        trust_list = _ContentInfo.load(data, strict=True)["content"]["content"]["list"]
        return [_member(one) for one in trust_list["members"]]
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise GplpvError(f"It is no catalog: {' '.join(str(error).split())[:120]}.", _HINT) from error


def _member(member: core.Sequence) -> Member:
    tag = member["tag"].native
    name, digest = "", None
    for attribute in member["attributes"]:
        kind = attribute["type"].dotted
        for value in attribute["values"]:
            if kind == _INDIRECT:
                digest = value.parse(spec=_Indirect)["digest"]["digest"].native
            elif kind == _NAME_VALUE:
                pair = value.parse(spec=_NameValue)
                if pair["name"].native == "File":
                    name = pair["value"].native.decode("utf-16-le").rstrip("\0")
    if len(tag) not in _ALGORITHMS:
        tag = bytes.fromhex(tag.decode("utf-16-le").rstrip("\0"))
    return Member(name, tag, digest)
