"""The archive of classes: one for each Java and class path, used where it is, and no session needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollgate.platform import class_archive
from tollgate.platform.spark import connector_jars


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLGATE_JARS", str(tmp_path))
    (tmp_path / "spark").mkdir()
    (tmp_path / "spark" / "a.jar").touch()
    return tmp_path


def test_a_session_uses_the_archive_that_is_there_and_none_that_is_not(folder):
    assert class_archive.java_options(connector_jars()) == ""
    file = class_archive.archive_file(connector_jars())
    file.touch()
    assert class_archive.java_options(connector_jars()) == f'"-XX:SharedArchiveFile={file}" -Xlog:cds*=off'


@pytest.mark.parametrize("changed", ["a jar", "the Java"])
def test_another_class_path_or_java_never_meets_it(folder, monkeypatch, changed):
    before = class_archive.archive_file(connector_jars())
    if changed == "a jar":
        (folder / "spark" / "b.jar").touch()
    else:
        monkeypatch.setattr(class_archive, "java_version", lambda: "another")
    assert class_archive.archive_file(connector_jars()) != before


def test_what_cannot_be_made_is_said_and_is_no_failure(folder, monkeypatch, capsys):
    (folder / "classes-old.jsa").touch()
    monkeypatch.setenv("TOLLGATE_SPARK__MASTER", "no-such-master")
    assert class_archive.make() == 0
    assert "this Java made none" in capsys.readouterr().out
    assert not list(folder.glob("classes-*"))


@pytest.mark.covers("OPS-16")
def test_a_local_session_has_jars_alone_on_its_class_path(spark):
    jvm = spark._jvm
    path = jvm.java.lang.System.getProperty("java.class.path").split(":")
    assert not [entry for entry in path if Path(entry).is_dir()]
    assert {Path(jar).name for jar in connector_jars()} <= {Path(entry).name for entry in path}
    # What the folder of settings would have brought.
    assert spark.conf.get("spark.sql.extensions") == "io.delta.sql.DeltaSparkSessionExtension"
    assert jvm.java.lang.System.getProperty("log4j2.configurationFile").endswith("/conf/log4j2.properties")
