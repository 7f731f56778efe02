# SPDX-License-Identifier: GPL-2.0-or-later
"""Stamping: golden bytes of the vendor's tool, and each documented option."""

import datetime
from pathlib import Path

import pytest

from gplpv import cli
from gplpv.errors import GplpvError
from gplpv.stampinf import Stamp, product_version, stamp, stamp_file

GOLDEN = Path(__file__).parent / "golden" / "stampinf"
DATE = datetime.date(2012, 1, 2)


def stamped(text: str, **what) -> str:
    return stamp(text.encode(), Stamp(**{"version": "1.2.3.4", "date": DATE, **what})).decode()


def test_matches_the_vendors_tool():
    # virtio-win's viostor for XP; its build passed the version with a trailing blank.
    what = Stamp("51.64.104.4800 ", datetime.date(2012, 11, 27), "x86")
    assert stamp((GOLDEN / "viostor_wxp_x86.inx").read_bytes(), what) == (GOLDEN / "viostor_wxp_x86.inf").read_bytes()


# What the publisher of virtio-win changed in the template of balloon before it was stamped.
PUBLISHED = {
    b";INX_COPYRIGHT_1\r\n;INX_COPYRIGHT_2\r\n": b";Copyright (c) 2009-2018 Red Hat Inc.\r\n",
    b"_INX_SUBSYS_VENDOR_ID": b"1AF4",
    b"&REV_00, PCI\\VEN_1AF4&DEV_1002\r\n": b"&REV_00\r\n",
    b"&REV_01, PCI\\VEN_1AF4&DEV_1045\r\n": b"&REV_01\r\n",
    b"%VENDOR%": b"%RHEL%",
    b"VENDOR =": b"RHEL =",
    b"INX_COMPANY": b"Red Hat, Inc.",
    b"INX_PREFIX_VIRTIO": b"",
    b'Balloon Device"\r\n': b'Balloon Device"\r\n\r\n',
}


def test_matches_the_vendors_tool_with_a_framework_and_a_version_in_the_decoration():
    template = (GOLDEN / "balloon_wlh_amd64.inx").read_bytes()
    for text, becomes in PUBLISHED.items():
        assert text in template
        template = template.replace(text, becomes)
    what = Stamp("60.76.104.15400", datetime.date(2018, 6, 11), "amd64.6.0", kmdf="1.9")
    assert stamp(template, what) == (GOLDEN / "balloon_wlh_amd64.inf").read_bytes()


def test_driver_ver_is_replaced_where_it_stands_without_its_comment():
    text = "[Version]\r\nA=1\r\n  driverver = 01/01/2000,1.0.0.0 ; replaced\r\nB=2\r\n[Other]\r\nDriverVer=kept\r\n"
    assert stamped(text) == "[Version]\r\nA=1\r\nDriverVer=01/02/2012,1.2.3.4\r\nB=2\r\n[Other]\r\nDriverVer=kept\r\n"


def test_a_line_that_goes_on_is_replaced_whole():
    assert stamped("[Version]\nDriverVer=01/01/2000, \\ ; x\n 1.0.0.0\nA=1\n") == (
        "[Version]\nDriverVer=01/02/2012,1.2.3.4\nA=1\n"
    )


def test_a_section_in_parts_is_one_section():
    text = "[Version]\nA=1\n[Other]\n[VERSION]\nDriverVer=x\n"
    assert stamped(text) == "[Version]\nA=1\n[Other]\n[VERSION]\nDriverVer=01/02/2012,1.2.3.4\n"


def test_what_stands_in_quotes_or_behind_the_end_is_no_directive():
    text = '[Version]\nA="\\" ; \nB="[Version]"\n\x1aDriverVer=kept'
    assert stamped(text) == '[Version]\nA="\\" ; \nB="[Version]"\nDriverVer=01/02/2012,1.2.3.4\n\x1aDriverVer=kept'


def test_a_missing_driver_ver_becomes_the_last_line_of_its_section():
    text = "[Version]\r\nA=1\r\n\r\n[B]\r\n"
    assert stamped(text) == "[Version]\r\nA=1\r\nDriverVer=01/02/2012,1.2.3.4\r\n\r\n[B]\r\n"


def test_a_section_at_the_end_without_a_line_end():
    assert stamped("[Version]\nA=1") == "[Version]\nA=1\nDriverVer=01/02/2012,1.2.3.4\n"


def test_another_section_can_get_driver_ver():
    assert stamped("[Version]\n[Mine]\n", section="Mine") == "[Version]\n[Mine]\nDriverVer=01/02/2012,1.2.3.4\n"


def test_arch_is_put_in_everywhere_with_its_case_kept():
    out = stamped('[Version]\n[M.NT$ARCH$]\n%a% = "$ARCH$"\n', arch="amd64.6.1")
    assert "[M.NTamd64.6.1]" in out
    assert '"amd64.6.1"' in out


@pytest.mark.parametrize("name", ["$CHICAGO$", "$WINDOWS NT$", "$Windows NT$", "$ARCHITECTURE$", "$KMDFVERSION$"])
def test_other_names_between_dollars_survive(name):
    assert f'Signature="{name}"' in stamped(f'[Version]\nSignature="{name}"\n', arch="x86")


def test_framework_versions():
    text = "[Version]\n$KMDFVERSION$ $KMDFCOINSTALLERVERSION$ $UMDFVERSION$ $UMDFCOINSTALLERVERSION$\n"
    assert "1.9 01009 1.11.0 01011" in stamped(text, kmdf="1.9", umdf="1.11.0")


def test_catalog_file_is_written_only_when_asked_for():
    assert "CatalogFile" not in stamped("[Version]\n")
    assert "CatalogFile=a.cat" in stamped("[Version]\nCatalogFile = b.cat\n", catalog="a.cat")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_keeps_its_encoding_and_mark(encoding):
    mark = "\ufeff".encode(encoding)
    out = stamp(mark + "[Version]\r\nDriverVer=x\r\n[\u00e9\u4e2d]\r\n".encode(encoding), Stamp("1.2.3.4", DATE))
    assert out == mark + "[Version]\r\nDriverVer=01/02/2012,1.2.3.4\r\n[\u00e9\u4e2d]\r\n".encode(encoding)


def test_bytes_of_any_ansi_code_page_survive():
    text = b"[Version]\r\nProvider=" + bytes(range(0x80, 0x100)) + b"\r\nDriverVer=x\r\n"
    assert bytes(range(0x80, 0x100)) in stamp(text, Stamp("1.2.3.4", DATE))


def test_a_template_without_the_section_is_refused_by_name(tmp_path):
    template = tmp_path / "a.inx"
    template.write_bytes(b"[Strings]\r\n")
    with pytest.raises(GplpvError, match=r"a\.inx.*\[Version\]"):
        stamp_file(template, tmp_path / "a.inf", Stamp("1.2.3.4", DATE))
    assert not (tmp_path / "a.inf").exists()


def test_half_a_utf16_character_is_refused():
    with pytest.raises(GplpvError, match="UTF-16"):
        stamp(b"\xff\xfe[", Stamp("1.2.3.4", DATE))


def test_a_character_that_the_encoding_lacks_is_refused():
    with pytest.raises(GplpvError, match="ANSI text has no '\u4e2d'"):
        stamp(b"[Version]\r\n", Stamp("1.2.3.4", DATE, catalog="\u4e2d.cat"))


NTVERP = """#define VER_PRODUCTBUILD            /* build */ 7600
#define VER_PRODUCTBUILD_QFE        16385
#define VER_PRODUCTMAJORVERSION     6
#define VER_PRODUCTMINORVERSION     (1) // minor
#define VER_PRODUCTVERSION VER_PRODUCTMAJORVERSION,VER_PRODUCTMINORVERSION,VER_PRODUCTBUILD,VER_PRODUCTBUILD_QFE
"""


def test_the_version_of_ntverp_is_that_of_its_macros(tmp_path):
    header = tmp_path / "ntverp.h"
    header.write_text(NTVERP)
    assert product_version(header) == "6.1.7600.16385"


@pytest.mark.parametrize("text", ["", "#define VER_PRODUCTVERSION A,B\n#define A B\n#define B A\n"])
def test_an_ntverp_without_a_version_is_refused(tmp_path, text):
    header = tmp_path / "ntverp.h"
    header.write_text(text)
    with pytest.raises(GplpvError, match=r"ntverp\.h defines no VER_PRODUCTVERSION"):
        product_version(header)


VARIABLES = ("STAMPINF_DATE", "STAMPINF_VERSION", "PRIVATE_DRIVER_PACKAGE", "Platform", "_BUILDARCH")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Stamp a template by the command, under the variables given, at 2020-03-04 05:06:07."""

    def stamped_by(*words: str, **variables: str) -> bytes:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"SOURCE_DATE_EPOCH": "1583298367", **variables}.items():
            monkeypatch.setenv(name, value)
        inf = tmp_path / "a.inf"
        inf.write_bytes(b"[Version]\nDriverVer=x\n[M.NT$ARCH$]\n")
        assert cli.main(["stampinf", "-f", str(inf), *words]) == 0
        return inf.read_bytes()

    return stamped_by


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        ("-d * -v *", {}, b"03/04/2020,5.6.7.0\n[M.NT$ARCH$]\n"),
        ("-d -v 1.2.3.4", {}, b"03/04/2020,1.2.3.4\n[M.NT$ARCH$]\n"),
        ("", {"STAMPINF_DATE": "05-06-2007", "STAMPINF_VERSION": "1.2.3.4"}, b"05/06/2007,1.2.3.4\n[M.NT$ARCH$]\n"),
        ("-d -v", {"STAMPINF_DATE": "05/06/2007", "STAMPINF_VERSION": "1.2.3.4 "}, b"2007,1.2.3.4 \n[M.NT$ARCH$]\n"),
        ("-d 01/02/2003 -v 5.6.7.8", {"STAMPINF_DATE": "05/06/2007", "STAMPINF_VERSION": "1.2.3.4"}, b"2003,5.6.7.8\n"),
        ("-v *", {"_BUILDARCH": "AMD64"}, b"[M.NTAMD64]\n"),
        ("-v * -a", {"_BUILDARCH": "AMD64", "Platform": "x86"}, b"[M.NTx86]\n"),
        ("-v * -a amd64.6.1", {"_BUILDARCH": "AMD64"}, b"[M.NTamd64.6.1]\n"),
        ("-d 01/02/2003 -v 1.2.3.4", {"PRIVATE_DRIVER_PACKAGE": "1"}, b"03/04/2020,5.6.7.0\nCatalogFile=delta.cat\n"),
        ("-c own.cat", {"PRIVATE_DRIVER_PACKAGE": "1"}, b"\nCatalogFile=own.cat\n"),
    ],
)
def test_what_is_not_said_comes_from_the_environment(run, words, variables, expected):
    assert expected in run(*words.split(), **variables)


def test_the_version_comes_from_ntverp_before_platforms_yaml(run, tmp_path):
    (tmp_path / "ntverp.h").write_text(NTVERP)
    assert b",6.1.7600.16385\n" in run("-i", str(tmp_path))
    assert b",0." in run()


def test_the_command_takes_the_tools_options(tmp_path, capsys):
    inf = tmp_path / "a.inf"
    inf.write_bytes(b"[Version]\r\nDriverVer=x\r\n[M.NT$ARCH$]\r\n")
    words = ["stampinf", "-f", str(inf), "-d", "03-04-2005", "-v", "6.7.8.9", "-a", "AMD64", "-c", "a.cat", "-n"]
    assert cli.main(words) == 0
    expected = b"[Version]\r\nDriverVer=03/04/2005,6.7.8.9\r\nCatalogFile=a.cat\r\n[M.NTAMD64]\r\n"
    assert inf.read_bytes() == expected
    assert "03/04/2005,6.7.8.9" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "value"), [("-d", "31/12/2005"), ("-v", "1.2.3"), ("-v", "1.2.3.65535")])
def test_the_command_refuses_bad_values_and_changes_nothing(tmp_path, capsys, option, value):
    inf = tmp_path / "a.inf"
    inf.write_bytes(b"[Version]\r\n")
    others = {"-d": "03/04/2005", "-v": "6.7.8.9", option: value}
    assert cli.main(["stampinf", "-f", str(inf), *(word for pair in others.items() for word in pair)]) == 2
    assert value in capsys.readouterr().err
    assert inf.read_bytes() == b"[Version]\r\n"
