# SPDX-License-Identifier: GPL-2.0-or-later
"""Who signs a release: what the environment names, each way in which that is wrong, and secrets that stay secret."""

from __future__ import annotations

import datetime
import os
import stat
import subprocess
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gplpv import config, process, signing
from gplpv.config import SigningEnvironment
from gplpv.errors import GplpvError, UsageError
from gplpv.matrix import SigningPolicy
from gplpv.signing import containers, release
from gplpv.signing.signers import ByPolicy, Command
from signing_materials import CANARY, NOW, Watch, certificate, image, key, key_pem, pem, pfx

SETTINGS = config.load(Path(__file__).parents[3])
POLICY = SigningPolicy(sys="sha256", exe="sha1", cat="sha1", msi="sha1")
PRIVATE = key()
GOOD = certificate(PRIVATE)
DAY = datetime.timedelta(days=1)


def hand(**variables: str | Path) -> object:
    texts = {name: str(value) for name, value in variables.items()}
    return release.hand(SigningEnvironment(**texts), SETTINGS, NOW)


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "driver.sys"
    path.parent.mkdir()
    path.write_bytes(image())
    return path


def test_a_pfx_signs(tmp_path: Path, unsigned: Path) -> None:
    signer = hand(pfx=pfx(tmp_path / "a.pfx", PRIVATE, GOOD), password=CANARY)
    ByPolicy(signer, POLICY).sign(unsigned, tmp_path / "driver.sys", "x")
    assert containers.signature_of(tmp_path / "driver.sys")


def test_an_encrypted_key_signs(tmp_path: Path, unsigned: Path) -> None:
    chain, secret = pem(tmp_path / "a.pem", GOOD), key_pem(tmp_path / "a.key", PRIVATE, CANARY)
    signer = hand(pem=chain, key=secret, password=CANARY)
    ByPolicy(signer, POLICY).sign(unsigned, tmp_path / "driver.sys", "x")
    assert containers.signature_of(tmp_path / "driver.sys")


BAD_CERTIFICATES = {
    "expired": (certificate(PRIVATE, start=NOW - 9 * DAY, end=NOW - 2 * DAY), "expired on 2026-11-26"),
    "not yet valid": (certificate(PRIVATE, start=NOW + DAY), "valid from 2026-11-29 only"),
    "wrong usage": (certificate(PRIVATE, usage=ExtendedKeyUsageOID.SERVER_AUTH), "not for signing code"),
    "no usage": (certificate(PRIVATE, usage=None), "not for signing code"),
    "another key": (certificate(key()), "does not belong to the certificate"),
}


@pytest.mark.parametrize(("bad", "says"), BAD_CERTIFICATES.values(), ids=BAD_CERTIFICATES)
def test_a_certificate_that_is_not_fit_is_refused(tmp_path: Path, bad: object, says: str) -> None:
    chain, secret = pem(tmp_path / "a.pem", bad), key_pem(tmp_path / "a.key", PRIVATE)
    with pytest.raises(GplpvError, match=says) as caught:
        hand(pem=chain, key=secret)
    assert caught.value.hint


def test_files_that_do_not_hold_what_they_should(tmp_path: Path) -> None:
    chain, secret = pem(tmp_path / "a.pem", GOOD), key_pem(tmp_path / "a.key", PRIVATE, CANARY)
    good, keyless = pfx(tmp_path / "a.pfx", PRIVATE, GOOD), pfx(tmp_path / "keyless.pfx", None, GOOD)
    (tmp_path / "noise").write_bytes(b"noise")
    noise, missing = tmp_path / "noise", tmp_path / "missing"
    cases: list[tuple[dict[str, str | Path], str]] = [
        ({"pfx": missing}, "cannot be read: No such file"),
        ({"pfx": noise}, "is no PFX file"),
        ({"pfx": good}, "The password does not open"),
        ({"pfx": good, "password": "wrong"}, "The password does not open"),
        ({"pfx": keyless, "password": CANARY}, "has no private key"),
        ({"pem": chain}, "its key is missing"),
        ({"pem": chain, "key": missing}, "cannot be read: No such file"),
        ({"pem": noise, "key": secret}, "holds no PEM certificate"),
        ({"pem": chain, "key": noise}, "holds no private key"),
        ({"pem": chain, "key": secret}, "encrypted and no password was given"),
        ({"pem": chain, "key": secret, "password": "wrong"}, "The password does not open"),
        ({"pem": chain, "key": secret, "pkcs11": noise}, "names no key of a token"),
        ({"pem": chain, "key": "pkcs11:object=a", "pkcs11": missing}, "There is no PKCS #11 module"),
        ({"pem": chain, "key": "pkcs11:object=a;pin-value=1", "pkcs11": noise}, "PIN in it"),
        ({"pem": chain, "pfx": good}, "GPLPV_SIGN_PFX and GPLPV_SIGN_PEM are both set"),
        ({}, "does not know who signs"),
    ]
    for variables, says in cases:
        with pytest.raises(GplpvError, match=says) as caught:
            hand(**variables)
        assert caught.value.hint
        assert CANARY not in str(caught.value)


def test_a_misspelt_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPLPV_SIGN_PASWORD", CANARY)
    with pytest.raises(UsageError) as caught:
        config.signing_environment()
    assert "'GPLPV_SIGN_PASSWORD'" in caught.value.hint
    assert CANARY not in str(caught.value)


def test_the_password_comes_by_descriptor_or_variable_and_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPLPV_SIGN_PASSWORD", CANARY)
    assert config.signing_environment().password == CANARY
    monkeypatch.delenv("GPLPV_SIGN_PASSWORD")
    reading, writing = os.pipe()
    os.write(writing, f"{CANARY}\n".encode())
    os.close(writing)
    monkeypatch.setenv("GPLPV_SIGN_PASSWORD_FD", str(reading))
    environment = config.signing_environment()
    assert environment.password == CANARY
    assert CANARY not in repr(environment)
    with pytest.raises(UsageError, match="cannot be read"):
        config.signing_environment()  # it was read to its end and closed


def test_no_program_inherits_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPLPV_SIGN_PASSWORD", CANARY)
    assert CANARY not in process.run(["env"]).output


def sign_watched(signer: object, unsigned: Path, target: Path, secret: str) -> None:
    """Sign until the signing program was seen running at least three times; the secret is on no command line.

    osslsigncode hides what it is given there as soon as it can, so what it is started with is looked at, too.
    """
    started = patch("gplpv.process.subprocess.run", wraps=subprocess.run)
    with started as calls, Watch(b"osslsigncode\0sign\0") as watch:
        for _ in range(100):
            ByPolicy(signer, POLICY).sign(unsigned, target, "x")
            if watch.sightings >= 3:
                break
    assert watch.sightings >= 3
    assert not [line for line in watch.lines if secret.encode() in line]
    assert not [call for call in calls.call_args_list if secret in repr((call.args, call.kwargs["env"]))]


def test_the_password_is_on_no_command_line_and_in_no_file(
    tmp_path: Path, unsigned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    container = pfx(tmp_path / "a.pfx", PRIVATE, GOOD)
    signer = hand(pfx=container, password=CANARY)
    sign_watched(signer, unsigned, tmp_path / "out" / "driver.sys", CANARY)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) == 3  # the input, the container, the output
    assert not [path for path in left if CANARY.encode() in path.read_bytes()]
    assert CANARY not in repr(signer)
    assert CANARY not in ByPolicy(signer, POLICY).identity


def test_a_failing_signer_tells_no_secret_and_leaves_nothing(tmp_path: Path, unsigned: Path) -> None:
    container = pfx(tmp_path / "a.pfx", PRIVATE, GOOD)
    signer = hand(pfx=container, password=CANARY)
    container.write_bytes(b"changed meanwhile")
    with pytest.raises(GplpvError, match=r"driver\.sys could not be signed") as caught:
        ByPolicy(signer, POLICY).sign(unsigned, tmp_path / "out" / "driver.sys", "x")
    assert CANARY not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, unsigned: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(GplpvError, match="cannot be written"):
        ByPolicy(hand(pfx=pfx(tmp_path / "a.pfx", PRIVATE, GOOD), password=CANARY), POLICY).sign(
            unsigned, tmp_path / "out" / "driver.sys", "x"
        )


@pytest.fixture
def service(tmp_path: Path) -> str:
    """A signing service: a script, and where it finds its own key."""
    chain, secret = pem(tmp_path / "service.pem", GOOD), key_pem(tmp_path / "service.key", PRIVATE)
    script = tmp_path / "service.sh"
    script.write_text(f'#!/bin/sh\nexec osslsigncode sign -certs {chain} -key {secret} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{script} -in {{input}} -out {{output}} -h {{digest}} -n {{description}}"


def test_a_sign_command_signs(tmp_path: Path, unsigned: Path, service: str) -> None:
    ByPolicy(hand(command=service), POLICY).sign(unsigned, tmp_path / "driver.sys", "two words; & more")
    assert containers.signature_of(tmp_path / "driver.sys")


def test_a_sign_command_may_stand_in_platforms_yaml() -> None:
    facts = SETTINGS.matrix.signing.model_copy(update={"command": "tool {input} {output}"})
    settings = config.Config(SETTINGS.root, SETTINGS.matrix.model_copy(update={"signing": facts}), SETTINGS.epoch)
    assert release.hand(SigningEnvironment(), settings, NOW) == Command("tool {input} {output}")


FAILING_COMMANDS = {
    "fails": ("false {input} {output}", "false failed with exit code 1"),
    "is not there": ("no-such-program {input} {output}", "cannot be started"),
    "writes nothing": ("true {input} {output}", "wrote nothing"),
    "does not sign": ("cp {input} {output}", "unsigned"),
    "writes rubbish": ("sh -c 'cp /bin/true \"$1\"' sh {output} {input}", "no program or driver image"),
}


@pytest.mark.parametrize(("template", "says"), FAILING_COMMANDS.values(), ids=FAILING_COMMANDS)
def test_a_command_that_does_not_do_it(tmp_path: Path, unsigned: Path, template: str, says: str) -> None:
    with pytest.raises(GplpvError, match=says) as caught:
        ByPolicy(Command(template), POLICY).sign(unsigned, tmp_path / "out" / "driver.sys", "x")
    assert caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []


def test_a_command_that_signs_another_file_or_with_another_digest(tmp_path: Path, unsigned: Path, service: str) -> None:
    other = tmp_path / "other.sys"
    other.write_bytes(image(32))
    for template, says in (
        (service.replace("{input}", f"{other}") + " -i https://example.invalid/{input}", "made for another file"),
        (service.replace("{digest}", "sha1"), "was signed with sha1 where sha256 is wanted"),
    ):
        with pytest.raises(GplpvError, match=says):
            ByPolicy(Command(template), POLICY).sign(unsigned, tmp_path / "out" / "driver.sys", "x")
        assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("tool {input}", "lacks {output}"),
        ("tool {input} {outptu}", "no {outptu} to put in"),
        ("tool '{input} {output}", "cannot be read"),
        ("tool {input {output}", "cannot be read"),
    ],
)
def test_a_command_template_is_checked_before_anything_is_built(template: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Command(template)


def test_options_of_signing_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs signatures=FOLDER"):
        signing.choose("detached", SETTINGS)
    with pytest.raises(UsageError, match="There are no signatures in"):
        signing.choose("detached", SETTINGS, tmp_path)
    with pytest.raises(UsageError, match="does not go with sign=test"):
        signing.choose("test", SETTINGS, tmp_path)


def test_the_cross_certificate_goes_along(tmp_path: Path, unsigned: Path) -> None:
    facts = SETTINGS.matrix.signing.model_copy(update={"cross_certificate": "cross.pem"})
    settings = config.Config(tmp_path, SETTINGS.matrix.model_copy(update={"signing": facts}), SETTINGS.epoch)
    chain, secret = pem(tmp_path / "a.pem", GOOD), key_pem(tmp_path / "a.key", PRIVATE)
    environment = SigningEnvironment(pem=str(chain), key=str(secret))
    with pytest.raises(GplpvError, match=r"There is no cross\.pem"):
        release.hand(environment, settings, NOW)
    cross = certificate(key(), name="Throwaway cross certificate")
    pem(tmp_path / "cross.pem", cross)
    ByPolicy(release.hand(environment, settings, NOW), POLICY).sign(unsigned, tmp_path / "driver.sys", "x")
    signature = containers.signature_of(tmp_path / "driver.sys") or b""
    assert cross.public_bytes(Encoding.DER) in signature
    assert GOOD.public_bytes(Encoding.DER) in signature


def test_time_stamps_are_for_releases_unless_asked_for() -> None:
    nothing, asked = SigningEnvironment(), SigningEnvironment(timestamp="http://a.invalid/, http://b.invalid/")
    assert release.stamper(nothing, SETTINGS, always=False) is None
    default = release.stamper(nothing, SETTINGS, always=True)
    assert default and list(default.servers) == SETTINGS.matrix.signing.timestamp.servers
    given = release.stamper(asked, SETTINGS, always=False)
    assert given and given.servers == ("http://a.invalid/", "http://b.invalid/")
    assert release.stamper(SigningEnvironment(timestamp="off"), SETTINGS, always=True) is None
    with pytest.raises(UsageError, match=r"'stamps\.example', which is no server"):
        release.stamper(SigningEnvironment(timestamp="http://a.example stamps.example"), SETTINGS, always=True)


def test_a_token_signs_and_its_pin_is_on_no_command_line(
    tmp_path: Path, unsigned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM, through OpenSSL's PKCS #11 engine."""
    pin = "73914682"
    store = tmp_path / "softhsm"
    (store / "tokens").mkdir(parents=True)
    (store / "conf").write_text(f"directories.tokendir = {store}/tokens\nlog.level = ERROR\n")
    chain, secret = pem(tmp_path / "a.pem", GOOD), key_pem(tmp_path / "a.key", PRIVATE)
    environment = {**os.environ, "SOFTHSM2_CONF": str(store / "conf")}
    for words in (
        ["--init-token", "--free", "--label", "signing", "--so-pin", pin, "--pin", pin],
        ["--import", str(secret), "--token", "signing", "--label", "release", "--id", "01", "--pin", pin],
    ):
        subprocess.run(["softhsm2-util", *words], env=environment, check=True, capture_output=True)
    secret.unlink()
    module = next(Path("/usr/lib").glob("**/libsofthsm2.so"))
    signer = hand(pem=chain, key="pkcs11:token=signing;object=release", pkcs11=module, password=pin)
    monkeypatch.setenv("SOFTHSM2_CONF", str(store / "conf"))
    sign_watched(signer, unsigned, tmp_path / "driver.sys", pin)
    assert containers.signature_of(tmp_path / "driver.sys")
