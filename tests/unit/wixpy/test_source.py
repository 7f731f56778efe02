# SPDX-License-Identifier: MIT
"""Reading sources: XML, variables, and everything that is not understood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.wxs import compile, grammar
from wixpy.wxs import source as reader

ROOT = '<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">{}</Wix>'
Source = Callable[..., Path]


def parsed(tmp_path: Path, text: str, **defines: str) -> reader.Node:
    path = tmp_path / "x.wxs"
    path.write_text(text, "utf-8")
    return reader.parse(path, defines)


def test_elements_know_their_lines(tmp_path: Path) -> None:
    root = parsed(tmp_path, ROOT.format("\n\n<Fragment\n Id='a'/>"))
    assert (root.line, root.children[0].line) == (1, 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [("$(var.X)", "given"), ("a$(var.X)b$(var.X)", "agivenbgiven"), ("$$(var.X)", "$(var.X)"), ("$5 (x)", "$5 (x)")],
)
def test_variables_are_filled_in(tmp_path: Path, text: str, value: str) -> None:
    root = parsed(tmp_path, ROOT.format(f"<Fragment Id='{text}'>{text}</Fragment>"), X="given")
    assert root.children[0].attributes["Id"] == value
    assert root.children[0].text == value


@pytest.mark.parametrize("define", ["<?define X='v'?>", '<?define X = "v" ?>', "<?define X=v?>"])
def test_a_source_defines_variables(tmp_path: Path, define: str) -> None:
    text = define + ROOT.format("<Fragment Id='$(var.X)'/>")
    assert parsed(tmp_path, text).children[0].attributes["Id"] == "v"


def test_a_value_from_outside_wins(tmp_path: Path) -> None:
    text = "<?define X='inside'?>" + ROOT.format("<Fragment Id='$(var.X)'/>")
    assert parsed(tmp_path, text, X="outside").children[0].attributes["Id"] == "outside"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (ROOT.format("\n<Fragment Id='$(var.None)'/>"), 2, "None is not defined"),
        (ROOT.format("\n<Fragment Id='$(nev.PATH)'/>"), 2, r"\$\(nev.PATH\) is not supported"),
        (ROOT.format("\n<?if $(var.X)?>"), 2, r"<\?if"),
        (ROOT.format("\n<?include x.wxi?>"), 2, "no file “x.wxi”"),
        ("<Wix/>", 1, "namespace"),
        (ROOT.format("\n<Fragment>"), 2, "not well-formed"),
        ("", 1, "not well-formed"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + ROOT.format(""), 1, "document type"),
        (ROOT.format("\n<Fragment xmlns:u='urn:u' u:Id='x'/>"), 2, "namespace of its own"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(WixpyError, match=message) as caught:
        parsed(tmp_path, text)
    assert (caught.value.file, caught.value.line) == (tmp_path / "x.wxs", line)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("<Frobnicate/>", "no element Frobnicate", "there is"),
        ("<Featrue Id='x'/>", "no element Featrue", "Feature"),
        ("<Property Id='X' Valeu='1'/>", "no attribute Valeu", "Value"),
        ("<Property Value='1'/>", "needs the attribute Id", "Id="),
        ("<Property Id='X' Value='1' Secure='maybe'/>", "Secure is “maybe”", "yes or no"),
        ("<Property Id='1X' Value='1'/>", "Id is “1X”", "identifier"),
        ("<Upgrade Id='123'/>", "Id is “123”", "GUID"),
        ("<Media Id='2' Cabinet='x.cab' EmbedCab='maybe'/>", "EmbedCab is “maybe”", "yes or no"),
        (
            "<Media Id='2' Cabinet='x.cab' CompressionLevel='lzx'/>",
            "Level is “lzx”",
            "none or low or medium or high or mszip",
        ),
        ("<Icon Id='x' SourceFile='main.txt'>text</Icon>", "has no text", "remove"),
        ("<InstallExecuteSequence><InstallFlies/></InstallExecuteSequence>", "no element InstallFlies", ""),
        ("<SymbolPath Path='x'/>", "SymbolPath is not supported", "remove it"),
        (
            "<util:XmlFile xmlns:util='http://schemas.microsoft.com/wix/UtilExtension'/>",
            "util:XmlFile is not",
            "as it must be",
        ),
    ],
)
def test_nothing_unknown_is_dropped(source: Source, body: str, message: str, hint: str) -> None:
    path = source(body)
    with pytest.raises(WixpyError, match=message) as caught:
        compile(path, {}, 0)
    assert hint in str(caught.value.hint)
    assert caught.value.line == path.read_text("utf-8").split("\n").index(body) + 1


def test_an_attribute_without_effect_is_refused(source: Source) -> None:
    path = source(inside="<Condition Message='x'>1</Condition>")
    with pytest.raises(WixpyError, match="Condition/@Message has no effect here"):
        compile(path, {}, 0)


def test_every_child_in_the_grammar_is_an_element() -> None:
    known = grammar.elements().keys()
    for element in known:
        assert set(grammar.elements()[element].children) <= known, element


def test_the_root_must_be_wix_with_one_product(tmp_path: Path) -> None:
    path = tmp_path / "x.wxs"
    path.write_text(ROOT.format("<Fragment/>"))
    with pytest.raises(WixpyError, match="0 Product elements"):
        compile(path, {}, 0)


def test_rows_know_the_element_they_come_from(source: Source) -> None:
    path = source("<Property Id='HERE' Value='1'/>")
    database, places = compile(path, {}, 0)
    assert isinstance(database, Database)
    assert (
        places["Property", ("HERE",)].line
        == path.read_text("utf-8").split("\n").index("<Property Id='HERE' Value='1'/>") + 1
    )
