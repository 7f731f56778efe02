# SPDX-License-Identifier: GPL-2.0-or-later
"""The digests that signatures have to have: what platforms.yaml wants, and what Windows can take at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gplpv import config, verify
from gplpv.chains import Trust
from gplpv.config import Config
from gplpv.matrix import Variant
from gplpv.verify import Level
from gplpv.verify.subject import File

from .authority import NOW, Authority, sign
from .shared import samples

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def settings() -> Config:
    return config.load(PROJECT)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A driver by the digests of its signatures, the first one first."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    who, folder = authority.issue("signer"), authority.folder
    (folder / "unsigned.sys").write_bytes(samples.image(2048, plus=True))
    found = {"": (folder / "unsigned.sys").read_bytes()}
    for first, second in (("sha1", "sha256"), ("sha256", "sha1")):
        single = folder / f"{first}.sys"
        found[first] = sign(folder / "unsigned.sys", single, who, digest=first)
        found[f"{first} {second}"] = sign(single, folder / "both.sys", who, "-nest", digest=second)
    return found


def faults(settings: Config, variant: Variant, data: bytes, *, demand: bool = False) -> list[str]:
    context = verify.Context(settings, Trust((), NOW), demand)
    subject = File("xenvbd.sys", "image", context, variant, data)
    found = verify.check_file(subject)
    return [one.text for one in found if one.check == "signature" and one.level is Level.FAIL]


@pytest.mark.parametrize(
    ("platform", "digests", "says"),
    [
        ("XP", "sha1", ""),
        ("XP", "sha1 sha256", ""),
        ("XP", "sha256", "its first signature is sha256, and Windows 5.2 knows only sha1"),
        ("XP", "sha256 sha1", "its first signature is sha256, and Windows 5.2 knows only sha1"),
        ("Vista2008", "sha1 sha256", ""),
        ("Vista2008", "sha1", "it has no sha256 signature; for Vista2008 it is signed with sha1 and sha256"),
        ("Vista2008", "sha256", "it has no sha1 signature; for Vista2008 it is signed with sha1 and sha256"),
        (
            "Vista2008",
            "sha256 sha1",
            "its first signature is sha256; Windows before 6.2 looks at no other",
        ),
    ],
)
def test_a_driver_has_the_signatures_of_its_platform(
    settings: Config, images: dict[str, bytes], platform: str, digests: str, says: str
) -> None:
    (variant,) = settings.matrix.select([platform], ["x64"], [False])
    assert "; ".join(faults(settings, variant, images[digests])).startswith(says)
    assert bool(says) == bool(faults(settings, variant, images[digests]))


def test_a_driver_without_embedded_signatures_is_left_to_its_catalog(
    settings: Config, images: dict[str, bytes]
) -> None:
    (variant,) = settings.matrix.select(["XP"], ["x64"], [False])
    assert faults(settings, variant, images[""], demand=True) == ["it is not signed"]
    signing = variant.platform.signing.model_copy(update={"embed": False})
    platform = variant.platform.model_copy(update={"signing": signing})
    matrix = settings.matrix.model_copy(update={"platforms": {"XP": platform}})
    assert faults(settings, Variant(matrix, "XP", "x64", False), images[""], demand=True) == []
