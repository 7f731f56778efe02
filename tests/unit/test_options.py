# SPDX-License-Identifier: GPL-2.0-or-later
"""The build's options: what they choose, and how an unknown one is refused."""

from pathlib import Path

import pytest

from gplpv import matrix, options
from gplpv.errors import UsageError

LOADED = matrix.load(Path(__file__).parents[2] / "platforms.yaml")


def names(targets=(), **arguments):
    return [variant.name for variant in options.parse(LOADED, arguments, targets).variants]


def test_one_variant():
    assert names(platform="XP", arch="x64", debug="1") == ["XPx64 debug"]


def test_defaults():
    assert names() == ["XPx32", "XPx64"]


def test_lists_and_all():
    assert names(platform="2000,XP", arch="x32", debug="0,1") == ["2000x32", "2000x32 debug", "XPx32", "XPx32 debug"]
    assert names(platform="all", arch="x64") == ["XPx64", "2003x64", "Vista2008x64"]


def test_all_as_a_target_is_everything():
    assert len(names(["all"])) == 14


def test_all_as_a_target_leaves_a_given_option_alone():
    assert names(["all"], platform="XP", debug="1") == ["XPx32 debug", "XPx64 debug"]


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        ({"platfrom": "XP"}, "no option 'platfrom'", "'platform'"),
        ({"platform": "Vista"}, "platform=Vista", "'Vista2008'"),
        ({"platform": "xp"}, "platform=xp", "'XP'"),
        ({"arch": "x46"}, "arch=x46", "'x64'"),
        ({"debug": "yes"}, "debug=yes", "0, 1, all"),
        ({"sign": "tset"}, "sign=tset", "'test'"),
        ({"sign": "off,test"}, "sign=off,test", "'test'"),
        ({"platform": ""}, "no value", "Vista2008"),
        ({"platform": "2000", "arch": "x64"}, "platform=2000 arch=x64", "2000 has x32"),
    ],
)
def test_what_is_unknown_is_refused_with_the_nearest_name(arguments, says, hint):
    with pytest.raises(UsageError) as caught:
        options.parse(LOADED, arguments, [])
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_target_is_refused_with_the_nearest_alias():
    with pytest.raises(UsageError, match="drvers") as caught:
        options.check_targets(["drvers"])
    assert "'drivers'" in caught.value.hint
    options.check_targets(["all", "dist", "target/winxp/amd64/debug/xenpci.sys"])


def test_the_help_page_names_every_option_value_default_and_alias():
    page = options.help_page(LOADED)
    for option in options.declare(LOADED):
        assert f"{option.name}=" in page
        assert f"(default: {option.default})" in page
        assert all(value in page for value in option.values)
    assert all(f"  {alias} " in page for alias in options.ALIASES)
    assert page.count("./scons ") >= 4
    assert max(map(len, page.splitlines())) <= 120
