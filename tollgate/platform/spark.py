"""The Spark session: the project's own on a laptop, the one that spark-submit prepared elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tollgate.platform.errors import TollgateError
from tollgate.platform.java import java_binary
from tollgate.platform.places import jars_dir, project_root

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tollgate.platform.settings import Settings


def spark_session(settings: Settings, app_name: str) -> SparkSession:
    """The session with Delta and the connectors on its class path; an active one is used as it is.

    Under spark-submit its arguments and conf/spark-defaults.conf decide everything but the name and the number of
    shuffle partitions; otherwise the same file is read and master, memory and jars come from `settings`.
    """
    from pyspark.sql import SparkSession

    if "PYSPARK_GATEWAY_PORT" in os.environ:
        session = SparkSession.builder.appName(app_name).getOrCreate()
    else:
        session = SparkSession.getActiveSession() or _start(settings, app_name)
    session.conf.set("spark.sql.shuffle.partitions", str(settings.spark.shuffle_partitions))
    session.sparkContext.setLogLevel("ERROR")
    return session


def _start(settings: Settings, app_name: str) -> SparkSession:
    from pyspark.sql import SparkSession

    java_binary()
    os.environ.setdefault("SPARK_CONF_DIR", str(project_root() / "conf"))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.appName(app_name)
        .config("spark.master", settings.spark.master)
        .config("spark.jars", ",".join(_connector_jars()))
        .config("spark.driver.memory", settings.spark.driver_memory)
    )
    if settings.spark.master.startswith("local"):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        builder = builder.config("spark.sql.warehouse.dir", f"{settings.lake.root}/_warehouse")
        # With a handful of partitions there is nothing to adapt, and planning each stage again costs more than it runs.
        builder = builder.config("spark.sql.adaptive.enabled", "false")
        # Compiling some forty plans takes longer than interpreting them over the rows that a laptop has.
        builder = builder.config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        # Asking the statistics which of a few files to skip takes longer than reading them.
        builder = builder.config("spark.databricks.delta.stats.skipping", "false")
    return builder.getOrCreate()


def _connector_jars() -> list[str]:
    folder = jars_dir("spark")
    jars = sorted(str(jar) for jar in folder.glob("*.jar"))
    if not jars:
        raise TollgateError(
            "the jars of Delta, Kafka and PostgreSQL are missing", where=str(folder), way_out="run `make setup`"
        )
    return jars
