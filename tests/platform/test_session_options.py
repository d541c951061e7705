"""What a local session is started with, by what it is for. Nothing here starts one."""

from __future__ import annotations

import pytest

from tollgate.platform.settings import load_settings
from tollgate.platform.spark import _of_one_machine


@pytest.mark.covers("OPS-04")
@pytest.mark.parametrize(
    ("memory", "generated_code", "is_large"),
    [
        ("3g", True, True), ("3072m", True, True), ("3145728k", True, True), ("4G", True, True), ("1t", True, True),
        ("3221225472", True, True), ("2g", True, False), ("3000m", True, False), ("3g", False, False),
        ("8g", False, False), ("three", True, False),
    ],
)  # fmt: skip
def test_a_session_for_many_rows_has_another_collector(memory: str, generated_code: bool, is_large: bool) -> None:
    settings = load_settings()
    spark = settings.spark.model_copy(update={"driver_memory": memory, "generated_code": generated_code})
    options = _of_one_machine(settings.model_copy(update={"spark": spark}))
    java = options["spark.driver.extraJavaOptions"].split()
    assert ("-XX:+UseG1GC" in java, "-XX:+UseSerialGC" in java) == (is_large, not is_large)
    assert f"-Xms{memory}" in java
    assert ("spark.serializer" in options) == is_large
    assert ("spark.sql.codegen.factoryMode" in options) == (not generated_code)
    # Generated code wants what interpreted expressions are better without.
    assert ("spark.sql.subexpressionElimination.enabled" in options) == (not generated_code)


@pytest.mark.covers("OPS-04")
@pytest.mark.parametrize(("release", "is_told"), [(17, True), (21, False)])
def test_a_java_is_not_given_an_option_that_it_does_not_have(
    release: int, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollgate.platform.spark.java_release", lambda: release)
    java = _of_one_machine(load_settings())["spark.driver.extraJavaOptions"]
    assert ("SweeperThreshold" in java) == is_told
