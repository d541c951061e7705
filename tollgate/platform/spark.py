"""The Spark session: the project's own on a laptop, the one that spark-submit prepared elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

from tollgate.platform import class_archive
from tollgate.platform.errors import TollgateError
from tollgate.platform.gateway import quiet_gateway
from tollgate.platform.java import java_binary, java_release
from tollgate.platform.jvm_names import keep_names
from tollgate.platform.places import jars_dir, project_root
from tollgate.platform.progress import follow
from tollgate.platform.short_logs import FILES_BY_COMMITS
from tollgate.platform.skipping import SKIPPING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tollgate.platform.settings import Settings

# What the rows that one machine has ask for; measured in docs/decisions/0006-sessions-on-a-laptop.md.
_ON_ONE_MACHINE = {
    # With a handful of partitions there is nothing to adapt, and planning each stage again costs more than it runs.
    "spark.sql.adaptive.enabled": "false",
    # Each broadcast table takes a whole page: 64 MB by default, for some hundred rows.
    "spark.buffer.pageSize": "1m",
    # Small files are shared out by their size. The default counts 4 MB for opening each, and one core gets them all.
    "spark.sql.files.openCostInBytes": "65536",
    # Each plan is searched for joins where a Bloom filter of a gigabyte would pay; here none ever does.
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Finding out by statistics which of a few files to leave unread costs a query; `Lake` turns it on for many files.
    SKIPPING: "false",
    FILES_BY_COMMITS: "true",
    # Spark looks each plan over after each of its own rules; the tests do, and leave it on.
    "spark.sql.lightweightPlanChangeValidation": "false",
}
# What these log, with a stack trace, they also throw; whoever catches it says it in words, or shows the whole.
_SAID_TWICE = (
    "org.apache.spark.executor.Executor", "org.apache.spark.scheduler.TaskSetManager", "org.apache.spark.util.Utils",
    "org.apache.spark.sql.delta.files.DeltaFileFormatWriter",
    "org.apache.spark.sql.execution.streaming.runtime.MicroBatchExecution",
)  # fmt: skip
# More options for the JVM of a local session, after the project's own.
JAVA_OPTIONS_ENV = "TOLLGATE_JAVA_OPTIONS"
# What plans are without generated code. A subexpression that comes twice is then looked up in a cache made for many
# threads, row by row, which costs a tenth of all tasks: more than most of these expressions do.
_INTERPRETED = {"spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.sql.subexpressionElimination.enabled": "false"}
# Room for compiled methods, so that none is thrown out again. In another time zone Delta checks each commit twice.
_JAVA_OPTIONS = "-XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=512m -Duser.timezone=UTC"
# Java 17 looks through all compiled methods for cold ones each time that some have changed, and finds no room wanting.
_OF_JAVA_17 = "-XX:SweeperThreshold=10"
# The JVM's compilers took a fifth of a demo's CPU. A method is given to the second one once it has run eight times as
# often as by default: what plans and describes never does, what goes over rows soon does. See
# docs/decisions/0049-a-short-sessions-jvm.md.
_OF_INTERPRETED = (
    "-XX:Tier4InvocationThreshold=40000 -XX:Tier4MinInvocationThreshold=5000 -XX:Tier4CompileThreshold=100000 "
    "-XX:Tier4BackEdgeThreshold=300000"
)
# Little lives long in a session of small plans, and what does is copied twice and no more. Ten million kept rows fill
# the older half, and then each collection is a full one: see docs/decisions/0048-a-large-session-collects-otherwise.md.
_OF_SMALL = "-XX:+UseSerialGC -XX:NewRatio=1 -XX:MaxTenuringThreshold=2"
_OF_LARGE = "-XX:+UseG1GC"
_LARGE_GB = 3
# Rows that leave the heap for the disk, object by object.
_KRYO = {"spark.serializer": "org.apache.spark.serializer.KryoSerializer"}


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
    logging: Any = session._jvm
    keep_names(logging)
    for name in _SAID_TWICE:
        logging.org.apache.logging.log4j.core.config.Configurator.setLevel(name, "OFF")
    follow(session)
    return session


def generate_code(session: SparkSession) -> None:
    """From now on, also in a session whose plans were interpreted: right for many rows of few plans."""
    for name in _INTERPRETED:
        session.conf.unset(name)


def _start(settings: Settings, app_name: str) -> SparkSession:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    java_binary()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {"spark.master": settings.spark.master, "spark.driver.memory": settings.spark.driver_memory}
    variables, jars = {}, connector_jars()
    if settings.spark.master.startswith("local"):
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        options |= _of_one_machine(settings)
    if settings.spark.master.startswith("local") and "SPARK_CONF_DIR" not in os.environ:
        # No folder on the class path, and one loader for all jars: so the class archive holds for them.
        options |= {"spark.jars": "", "spark.driver.extraClassPath": os.pathsep.join(jars)}
        options["spark.driver.extraJavaOptions"] += f" {_logging()} {class_archive.java_options(jars)}"
        defaults = shlex.quote(str(project_root() / "conf" / "spark-defaults.conf"))
        variables = {"PYSPARK_SUBMIT_ARGS": f"--properties-file {defaults} pyspark-shell"}
    else:
        os.environ.setdefault("SPARK_CONF_DIR", str(project_root() / "conf"))
        options["spark.jars"] = ",".join(jars)
    conf = SparkConf().setAppName(app_name).setAll(list(options.items()))
    # A process has one JVM, also when its session is stopped and another begins.
    SparkContext(conf=conf, gateway=None if SparkContext._gateway else quiet_gateway(conf, variables))
    return SparkSession.builder.getOrCreate()


def _of_one_machine(settings: Settings) -> dict[str, str]:
    options = {"spark.sql.warehouse.dir": f"{settings.lake.root}/_warehouse", **_ON_ONE_MACHINE}
    if not settings.spark.generated_code:
        # Compiling some forty plans takes longer than interpreting them over a few hundred thousand rows.
        options |= _INTERPRETED
    is_large = settings.spark.generated_code and _gigabytes(settings.spark.driver_memory) >= _LARGE_GB
    options |= _KRYO if is_large else {}
    # A heap that starts small is collected and grown dozens of times before it has the size that it is given.
    java = [_OF_LARGE if is_large else _OF_SMALL, _JAVA_OPTIONS, f"-Xms{settings.spark.driver_memory}"]
    java += [] if settings.spark.generated_code else [_OF_INTERPRETED]
    java += [_OF_JAVA_17] if java_release() == 17 else []
    options["spark.driver.extraJavaOptions"] = " ".join([*java, os.environ.get(JAVA_OPTIONS_ENV, "")]).strip()
    return options


def _gigabytes(memory: str) -> float:
    """Of an amount as the JVM takes it, such as 3g or 3072m; 0 of what the JVM will refuse."""
    found = re.fullmatch(r"(\d+)([kmgt]?)b?", memory.strip().lower())
    return int(found[1]) * 1024.0 ** (" kmgt".index(found[2] or " ") - 3) if found else 0.0


def _logging() -> str:
    return f'"-Dlog4j2.configurationFile={(project_root() / "conf" / "log4j2.properties").as_uri()}"'


def connector_jars() -> list[str]:
    """Paths of the jars of Delta, Kafka and PostgreSQL; TollgateError when there are none."""
    folder = jars_dir("spark")
    jars = sorted(str(jar) for jar in folder.glob("*.jar"))
    if not jars:
        raise TollgateError(
            "the jars of Delta, Kafka and PostgreSQL are missing", where=str(folder), way_out="run `make setup`"
        )
    return jars
