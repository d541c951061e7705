"""What every Spark JVM on this machine loads at its start, loaded and verified once and kept in a file.

A JVM maps the archive of the classes that it is given; without one, or with one that does not fit, it reads the jars as
ever. `make setup` makes it: `python -m tollgate.platform.class_archive`. Figures: docs/decisions/0028-class-archive.md.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tollgate.platform.java import java_binary, java_version
from tollgate.platform.places import jars_dir, project_root


def java_options(jars: Sequence[str]) -> str:
    """Options of a JVM with these jars on its class path: the archive that fits it, or none."""
    file = archive_file(jars)
    # It is an aid: a JVM that cannot use it says nothing and goes on.
    return f'"-XX:SharedArchiveFile={file}" -Xlog:cds*=off' if file.exists() else ""


def archive_file(jars: Sequence[str]) -> Path:
    """Where the archive of this Java and these jars stands; another Java or another jar is another file."""
    import pyspark

    spark = Path(pyspark.__path__[0])
    parts = [java_version(), str(Path(java_binary()).resolve()), pyspark.__version__, str(spark), *jars]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return jars_dir("spark").parent / f"classes-{digest[:16]}.jsa"


def make() -> int:
    """Make the archive of this installation unless it is there. Never fails: what works without it goes on."""
    from tollgate.platform.spark import JAVA_OPTIONS_ENV, connector_jars

    file = archive_file(connector_jars())
    if file.exists():
        print("class archive: there")
        return 0
    for stale in file.parent.glob("classes-*.jsa"):
        stale.unlink()
    with tempfile.TemporaryDirectory(prefix="classes-", dir=file.parent) as folder:
        left = Path(folder) / file.name
        done = subprocess.run(
            [sys.executable, "-m", "tollgate.platform.class_archive", "--session", folder],
            env={**os.environ, JAVA_OPTIONS_ENV: f"-XX:ArchiveClassesAtExit={left}"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0 and left.exists():
            os.replace(left, file)
            print(f"class archive: made, {file.stat().st_size >> 20} MB")
        else:
            said = (done.stderr or done.stdout).strip().splitlines()
            print(
                f"class archive: this Java made none ({said[-1] if said else 'no word'}); starts take a little longer"
            )
    return 0


def a_session(folder: Path) -> None:
    """A session that does what most do: JSON through a stream into Delta, joins, windows, sums; then it ends."""
    from pyspark import SparkContext
    from pyspark.sql import DataFrame, Window
    from pyspark.sql import functions as F

    from tollgate.platform.lake import Lake
    from tollgate.platform.settings import load_settings
    from tollgate.platform.spark import spark_session

    spark = spark_session(
        load_settings(str(project_root() / "conf" / "local.toml"), {"lake.root": str(folder / "lake")}), "class archive"
    )
    lake = Lake(spark, str(folder / "lake"))
    (folder / "in").mkdir()
    (folder / "in" / "a.json").write_text('{"id": "a", "n": 7}\n{"id": "b", "n": "x"}\n', encoding="utf-8")

    def take(batch: DataFrame, number: int) -> None:
        parsed = (
            batch.withColumn("json", F.from_json("value", "id STRING, n BIGINT")).select("value", "json.*").persist()
        )
        carriers = lake.read("ref_carrier").where("snapshot_id = 1")
        named = parsed.join(F.broadcast(carriers), F.expr("id = carrier_id"), how="left")
        order = Window.partitionBy("id").orderBy("n")
        rows = named.withColumn("place", F.row_number().over(order)).selectExpr(
            "CAST(place AS BIGINT) AS snapshot_id", "sha2(value, 256) AS digest",
            "CAST(coalesce(try_multiply(n, 2), 0) AS DECIMAL(38,0)) AS amount",
        )  # fmt: skip
        summed = rows.groupBy("snapshot_id").agg(F.max("digest").alias("digest"), F.sum("amount").alias("amount"))
        told = summed.selectExpr("snapshot_id", "digest", "CAST(amount AS BIGINT) AS rows")
        lake.append(told, "control_snapshot", "training", number, {"batch": number})
        parsed.unpersist()

    lake.append(lake.frame([(1, "a", "A"), (1, "c", "C")], "ref_carrier"), "ref_carrier", "training", 1)
    stream = spark.readStream.format("text").load(str(folder / "in")).writeStream.foreachBatch(take)
    started = stream.option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True).start()
    started.awaitTermination()
    lake.append(lake.frame([(9, "d", 1)], "control_snapshot"), "control_snapshot", "training", 9)
    lake.register_views()
    spark.sql("SELECT digest, count(*) FROM control_snapshot GROUP BY 1 ORDER BY 2 DESC").collect()
    lake.commit_metadata("control_snapshot", 1)
    gateway = SparkContext._gateway
    spark.stop()
    assert gateway is not None
    gateway.shutdown()
    # The archive is written while the JVM ends.
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=300)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--session"]:
        a_session(Path(sys.argv[2]))
    else:
        sys.exit(make())
