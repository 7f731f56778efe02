# SPDX-License-Identifier: MIT
"""InstanceTransforms: one package, installed several times.  Wine installs them in tests/wine/test_transform.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import wixpy
from wixpy import transform
from wixpy.database import Database
from wixpy.errors import WixpyError
from wixpy.transform import Transform

Package = Callable[..., Database]
CODE, UPGRADE = "11111111-2222-3333-4444-aaaaaaaaaaaa", "11111111-2222-3333-4444-bbbbbbbbbbbb"
INSTANCES = f"""<Property Id="INSTANCE" Value="first"/><MajorUpgrade DowngradeErrorMessage="No."/>
<InstanceTransforms Property="INSTANCE"><Instance Id="Second" ProductCode="{CODE}" ProductName="Second sample"/>
<Instance Id="Third" ProductCode="*" UpgradeCode="{UPGRADE}"/></InstanceTransforms>"""
REGISTRY = """<Component Id="Own" Guid="11111111-2222-3333-4444-cccccccccccc" MultiInstance="yes">
<RegistryValue Root="HKLM" Key="Software\\[INSTANCE]" Name="n" Type="string" Value="1"/></Component>"""


def instance(database: Database, name: str) -> Database:
    copy = database.copy()
    copy.apply_transform(database.storages[name])
    return copy


def test_each_instance_has_its_codes(package: Package) -> None:
    database = package(INSTANCES, beside=REGISTRY)
    assert list(database.storages) == ["Second", "Third"]
    second, third = (instance(database, name) for name in ("Second", "Third"))
    assert [each.property("INSTANCE") for each in (database, second, third)] == ["first", "Second", "Third"]
    assert [each.property("ProductName") for each in (database, second, third)] == ["Sample", "Second sample", "Sample"]
    assert second.property("ProductCode") == f"{{{CODE}}}".upper()
    assert len({each.property("ProductCode") for each in (database, second, third)}) == 3
    assert second.property("UpgradeCode") == database.property("UpgradeCode")
    assert third.property("UpgradeCode") == f"{{{UPGRADE}}}".upper()
    codes = [{row["UpgradeCode"] for row in each.rows("Upgrade")} for each in (database, third)]
    assert codes == [{database.property("UpgradeCode")}, {third.property("UpgradeCode")}]
    own = [each.get("Component", "Own")["ComponentId"] for each in (database, second, third)]  # type: ignore[index]
    assert own[0] == "{11111111-2222-3333-4444-CCCCCCCCCCCC}"
    assert len(set(own)) == 3
    main = {each.get("Component", "Main")["ComponentId"] for each in (database, second, third)}  # type: ignore[index]
    assert len(main) == 1


def test_an_instance_is_for_any_package_and_two_builds_are_equal(source: Callable[..., Path], tmp_path: Path) -> None:
    path = source(INSTANCES, beside=REGISTRY)
    for name in ("1.msi", "2.msi"):
        wixpy.build(path, tmp_path / name, epoch=1)
    assert (tmp_path / "1.msi").read_bytes() == (tmp_path / "2.msi").read_bytes()
    made = Transform.parse(Database.open(tmp_path / "1.msi").storages["Second"])
    transform.check(made.summary, Database())
    assert made.tables.keys() == {"Property", "Component"}


def test_another_instance_gives_another_package_code(package: Package) -> None:
    codes = {package(INSTANCES.replace("Second sample", name)).summary[9] for name in ("one", "two")}  # type: ignore[index]
    assert len(codes) == 2


def test_a_property_without_a_value_gets_one(package: Package) -> None:
    database = package(INSTANCES.replace('Value="first"', 'Secure="yes"'))
    assert database.property("INSTANCE") is None
    assert instance(database, "Third").property("INSTANCE") == "Third"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (INSTANCES.replace("Third", "Second"), "the instance Second is defined twice"),
        (INSTANCES.replace("Third", "T" * 32), "is no name for a storage"),
        (INSTANCES * 1 + INSTANCES[INSTANCES.index("<Inst") :], "two InstanceTransforms"),
        ('<InstanceTransforms Property="ALLUSERS"/>', "InstanceTransforms is empty"),
        (INSTANCES.replace('Property="INSTANCE"', 'Property="NONE"'), "refers to Property “NONE”"),
        (INSTANCES.replace("ProductCode", "Code"), "Instance has no attribute Code"),
    ],
)
def test_a_mistake_is_told_with_its_line(body: str, message: str, package: Package) -> None:
    with pytest.raises(WixpyError, match=message) as failure:
        package(body, beside=REGISTRY)
    assert failure.value.line
    assert failure.value.hint


def test_an_instance_with_the_code_of_the_package_is_refused(package: Package, source: Callable[..., Path]) -> None:
    path = source(INSTANCES)
    path.write_text(path.read_text("utf-8").replace('Product Id="*"', f'Product Id="{CODE}"'), "utf-8")
    with pytest.raises(WixpyError, match="has the product code of the package"):
        wixpy.build(path, path.with_suffix(".msi"), epoch=1)


def test_several_instances_of_a_component_need_instances(package: Package) -> None:
    with pytest.raises(WixpyError, match="Component/@MultiInstance has no effect here"):
        package(beside=REGISTRY.replace("INSTANCE]", "ProductName]"))
