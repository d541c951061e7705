"""Names of the JVM are asked for once: what every column and commit names costs no round trip."""

from __future__ import annotations

from typing import Any

import pytest

ASKED = [
    "functions.col", "org.apache.spark.sql.delta.DeltaLog", "scala.jdk.javaapi.CollectionConverters",
    "java.io.RandomAccessFile", "py4j.reflection.TypeUtil", "io.delta.tables.DeltaTable",
]  # fmt: skip


def named(jvm: Any, path: str) -> Any:
    for name in path.split("."):
        jvm = getattr(jvm, name)
    return jvm


@pytest.mark.parametrize("path", ASKED)
def test_a_name_is_asked_for_once(spark: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    first = named(spark._jvm, path)
    sent: list[str] = []
    send = spark._jvm._gateway_client.send_command
    monkeypatch.setattr(spark._jvm._gateway_client, "send_command", lambda text, *rest: sent.append(text) or send(text))
    assert named(spark._jvm, path) is first and sent == []
    # What is not kept does go there, so that the count means something.
    assert spark._jvm.com is not None and sent != []


def test_what_is_named_is_there(spark: Any) -> None:
    assert spark._jvm.java.util.ArrayList(["a", "b"]).size() == 2
    assert spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, "/nowhere").snapshot()


def test_a_kept_class_makes_objects(spark: Any) -> None:
    """PySpark makes the second session of a process so, when the first one has left its names behind."""
    of_session = getattr(spark._jvm, "org.apache.spark.sql.classic.SparkSession")
    assert of_session(spark.sparkContext._jsc.sc(), {}).version() == spark.version
