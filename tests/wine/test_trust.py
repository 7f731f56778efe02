# SPDX-License-Identifier: GPL-2.0-or-later
"""Test-signed packages: their certificates are trusted when the user consents, never otherwise, and go with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import pytest

from gplpv import signing

from .package import DONE, RESTART_NEEDED, Package, build, pvinstall
from .prefix import PROJECT
from .windows import Windows

STORES = "HKLM\\Software\\Microsoft\\SystemCertificates"
RECORD = "HKLM\\Software\\GPLPV\\Trust"
SUCCESS = (DONE, RESTART_NEEDED)


@pytest.fixture(scope="module")
def signed() -> Mapping[str, Package]:
    """A variant that no other test builds, for what is signed has the name of what is not."""
    return build("2003", "x64", debug=False, sign="test")


@pytest.fixture(scope="module")
def machine() -> Iterator[Windows]:
    """A 64-bit Server 2003; each test removes what it installed."""
    windows = Windows("x64")
    try:
        windows.set_version("win2003")
        yield windows
    finally:
        windows.close()


def ours() -> dict[str, str]:
    """Per store, the SHA-1 of the certificate that belongs there."""
    files = {store: PROJECT / path for store, path in signing.STORES.items()}
    return {store: hashlib.sha1(file.read_bytes()).hexdigest().upper() for store, file in files.items()}


def trusted(machine: Windows) -> set[str]:
    """The stores that hold our certificate."""
    found = {store: machine.registry(f"{STORES}\\{store}\\Certificates") for store in ours()}
    return {store for store, digest in ours().items() if digest in found[store]}


@pytest.mark.parametrize("kind", ["msi", "exe"])
def test_certificates_come_with_consent_and_go_with_the_product(
    kind: str, signed: Mapping[str, Package], machine: Windows
) -> None:
    package = signed[f"2003x64.{kind}"]
    without = package.install(machine)
    assert without.exit_code in SUCCESS, without.log
    assert trusted(machine) == set()
    assert machine.exists(f"{package.folder}\\trust\\Root.cer")

    # Consent may also be given later, by installing again; taking that back leaves the drivers.
    consent = package.install(machine, trust=True)
    assert consent.exit_code in SUCCESS, consent.log
    assert trusted(machine) == set(ours())
    assert pvinstall(machine, package, "rollback").exit_code in SUCCESS
    assert trusted(machine) == set()
    assert machine.service("xenpci")

    assert package.install(machine, trust=True).exit_code in SUCCESS
    assert trusted(machine) == set(ours())
    removed = package.uninstall(machine)
    assert removed.exit_code in SUCCESS, removed.log
    assert trusted(machine) == set()
    assert not machine.registry(RECORD)
    assert not machine.exists(package.folder)


def test_what_was_trusted_before_stays(signed: Mapping[str, Package], machine: Windows) -> None:
    package = signed["2003x64.msi"]
    assert package.install(machine, trust=True).exit_code in SUCCESS
    machine.run("reg", "delete", RECORD, "/f")  # as if the administrator had added them

    again = package.install(machine, trust=True)
    assert again.exit_code in SUCCESS, again.log
    assert not machine.registry(RECORD)
    assert package.uninstall(machine).exit_code in SUCCESS
    assert trusted(machine) == set(ours())
