# SPDX-License-Identifier: GPL-2.0-or-later
"""Time stamps of OpenSSL's authority over HTTP, and every way in which a server fails."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gplpv.errors import GplpvError
from gplpv.matrix import SigningPolicy
from gplpv.signing.signers import ByPolicy, Osslsigncode
from gplpv.signing.timestamp import Stamper
from signing_materials import Authority, certificate, image, key, key_pem, pem


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    made = Authority(tmp_path_factory.mktemp("tsa"), ["good"])
    yield made
    made.close()


def stamper(authority: Authority, *answers: str, others: tuple[str, ...] = ()) -> Stamper:
    authority.answers, authority.asked = list(answers), 0
    return Stamper((authority.url, *others), timeout=0.5, tries=3, pause=0.01)


def test_each_signature_of_a_file_is_stamped_and_osslsigncode_verifies_it(authority: Authority, tmp_path: Path) -> None:
    private = key()
    chain = pem(tmp_path / "chain.pem", certificate(private))
    hand = Osslsigncode(("-certs", chain, "-key", key_pem(tmp_path / "key.pem", private)), "throwaway", 1764201600)
    (tmp_path / "unsigned.sys").write_bytes(image())
    policy = SigningPolicy(sys="dual", exe="sha1", cat="sha1", msi="sha1")
    slow_machine = replace(stamper(authority, "good"), timeout=20)
    ByPolicy(hand, policy, slow_machine).sign(tmp_path / "unsigned.sys", tmp_path / "signed.sys", "x")
    words = ["osslsigncode", "verify", "-CAfile", chain, "-TSA-CAfile", authority.folder / "tsa.pem"]
    outcome = subprocess.run([*words, "-in", tmp_path / "signed.sys"], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.count("Timestamp Server Signature verification: ok") == 2
    assert authority.asked == 2


def test_it_asks_again_after_failures(authority: Authority) -> None:
    patient = replace(stamper(authority, "500", "garbage", "good"), timeout=20)
    assert patient.token(b"data")
    assert authority.asked == 3


FAILURES = {
    "slow": "did not answer within 0.5 s (3 tries)",
    "stalls": "did not answer within 0.5 s (3 tries)",
    "500": "answered with HTTP status 500 (3 tries)",
    "garbage": "answered with something that is no time stamp (3 tries)",
}


@pytest.mark.parametrize(("answer", "says"), FAILURES.items(), ids=FAILURES)
def test_a_server_that_goes_on_failing_is_named_with_what_it_did(authority: Authority, answer: str, says: str) -> None:
    with pytest.raises(GplpvError) as caught:
        stamper(authority, answer).token(b"data")
    assert caught.value.message == f"Time stamp server {authority.url} {says}."
    assert "GPLPV_SIGN_TIMESTAMP" in caught.value.hint


def test_a_refusal_is_final_and_told(authority: Authority) -> None:
    """The authority takes SHA-256 only."""
    with pytest.raises(GplpvError, match=r"refused: .*digest algorithm.*\(1 try\)"):
        replace(stamper(authority, "good"), digest="sha1", timeout=20).token(b"data")


def test_a_stamp_of_something_else_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers every request with its first answer."""
    patient = replace(stamper(authority, "good"), timeout=20, tries=1)
    first: list[bytes] = []
    reply = authority.reply

    def replayed(request: bytes) -> bytes:
        first.append(first[0] if first else reply(request))
        return first[0]

    monkeypatch.setattr(authority, "reply", replayed)
    assert patient.token(b"data")
    with pytest.raises(GplpvError, match="stamped something else than was asked"):
        patient.token(b"data")


def test_a_stamp_that_was_changed_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = authority.reply

    def changed(request: bytes) -> bytes:
        answer = bytearray(reply(request))
        answer[-10] ^= 1  # within the signature
        return bytes(answer)

    monkeypatch.setattr(authority, "reply", changed)
    with pytest.raises(GplpvError, match="does not hold: its signature value is not that of its signer"):
        replace(stamper(authority, "good"), timeout=20, tries=1).token(b"data")


def test_an_unreachable_server_is_named_and_the_next_one_asked(authority: Authority) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        alone = Stamper((dead,), timeout=0.5, tries=2, pause=0.01)
        with pytest.raises(GplpvError) as caught:
            alone.token(b"data")
        assert caught.value.message == f"Time stamp server {dead} cannot be reached (2 tries)."
        asked = replace(stamper(authority, "good"), timeout=20)
        assert replace(asked, servers=(dead, *asked.servers)).token(b"data")
