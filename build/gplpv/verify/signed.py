# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of signatures: that no byte is beyond them, that they hold, and that the target's Windows takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from gplpv import pkcs7
from gplpv.matrix import Nt, SignedKind
from gplpv.verify import compound, portable
from gplpv.verify.finding import Outcome, check, doubt, fact, fault, faults
from gplpv.verify.subject import File

_SHA1_ONLY_BEFORE: Nt = (6, 0)
_SHA256_ONLY_FROM: Nt = (6, 2)
_LOADS_SIGNED_ONLY: Nt = (6, 0)


@check("layout", "image installer", "what a signature does not cover has the one value that it can have")
def image_layout(file: File) -> Iterator[Outcome]:
    yield from faults(portable.layout_faults(file.data))
    yield fact("certificate table, checksum and the file's end are as they must be")


@check("layout", "msi", "no sector, entry or spare byte of the compound file is beyond its streams")
def msi_layout(file: File) -> Iterator[Outcome]:
    container = file.container
    extended = container.streams.get((compound.EXTENDED_STREAM,))
    if extended is not None and (not file.signature or extended != container.metadata_digest(file.signature.digest)):
        yield fault("its extended signature is not that of its directory")
    yield fact(f"{len(container.streams)} streams, nothing between them")


@check("signature", "msi installer image catalog", "signed, unchanged since, by somebody who may, for this Windows")
def signature(file: File) -> Iterator[Outcome]:
    found = file.signature
    if found is None:
        yield from _unsigned(file)
        return
    for one in found.all():
        yield from faults(f"signature: {text}" for text in one.faults)
        yield fact(_describe(one))
        if one.chain and not one.chain.trusted and not file.home:
            yield doubt(f"{_describe(one)}: whole, but anybody can have made it; --root FILE names who may")
    yield from _digests_for_target(file, found)


def _describe(found: pkcs7.Signature) -> str:
    if not found.chain:
        return str(found)
    if found.time_stamp:
        when = str(found.time_stamp)
    else:
        claimed = f"{found.signing_time:%Y-%m-%d}" if found.signing_time else "an unknown day"
        when = f"no time stamp, {claimed} as it says, until {found.chain.certificates[0].not_valid_after_utc:%Y-%m-%d}"
    return f"{found}, {found.chain.root_text}, {when}"


def _unsigned(file: File) -> Iterator[Outcome]:
    is_driver = file.name.lower().endswith(".sys")
    if is_driver and file.variant and not _wanted(file):
        yield fact("not signed by itself: its catalog vouches for it")
    elif file.context.demand:
        yield fault("it is not signed")
    elif file.kind == "catalog":
        yield doubt("it is not signed: Windows takes the driver for unsigned")
    elif is_driver and file.variant and file.variant.arch_name == "x64" and file.variant.until >= _LOADS_SIGNED_ONLY:
        yield doubt("it is not signed, and 64-bit Windows since Vista loads no such driver")
    elif file.home:
        yield fact("not signed by itself")
    else:
        yield doubt("it is not signed: nothing tells a changed byte")


def _digests_for_target(file: File, found: pkcs7.Signature) -> Iterator[Outcome]:
    """What the platform's policy wants; and whatever that says, Windows before 6.0 knows SHA-1 alone, 6.0 and 6.1 look
    at the first signature only, 6.2 and later want SHA-256."""
    if not file.variant:
        return
    first, last = file.variant.nt, file.variant.until
    digests = [one.digest for one in found.all()]
    if first < _SHA1_ONLY_BEFORE and digests[0] != "sha1":
        yield fault(f"its first signature is {digests[0]}, and Windows {first[0]}.{first[1]} knows only sha1")
    if last >= _SHA256_ONLY_FROM and "sha256" not in digests:
        yield fault(f"its signature is {digests[0]}, and Windows {last[0]}.{last[1]} wants sha256")
    wanted = _wanted(file)
    missing = [name for name in wanted if name not in digests]
    if missing:
        policy = f"for {file.variant.platform_name} it is signed with {' and '.join(wanted)}"
        yield fault(f"it has no {' and no '.join(missing)} signature; {policy}")
    elif first < _SHA256_ONLY_FROM and wanted and digests[0] != wanted[0]:
        yield fault(f"its first signature is {digests[0]}; Windows before 6.2 looks at no other and wants {wanted[0]}")


def _wanted(file: File) -> tuple[str, ...]:
    """The digests that the policy of the file's platform has for it, in their order."""
    kind = file.file_name.lower().rpartition(".")[2]
    known = next((one for one in get_args(SignedKind) if one == kind), None)
    return file.variant.platform.signing.digests(known) if file.variant and known else ()
