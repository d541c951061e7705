"""An answer as a folder of Parquet files, by the file system that the address names: local, HDFS or an object store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from tollgate.platform.answer_output import Output


def write_parquet(answer: DataFrame, output: Output) -> int:
    """Write the answer's rows and return their number; TollgateError when something is in the way.

    What was written is counted again before it takes its place: tasks on machines that do not share the folder would
    each keep their part to themselves.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    spark = answer.sparkSession
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(_address(str(output.out)))
    files = path.getFileSystem(spark._jsc.hadoopConfiguration())
    beside, before = (
        jvm.org.apache.hadoop.fs.Path(path.getParent(), f".{path.getName()}.{os.getpid()}.{kind}")
        for kind in ("partial", "replaced")
    )
    _refuse_what_stands(files, path, output)
    counted = Observation()
    try:
        answer.observe(counted, F.count(F.lit(1)).alias("rows")).write.parquet(str(beside))
        rows, found = int(counted.get["rows"]), spark.read.parquet(str(beside)).count()
        if rows != found:
            raise TollgateError(
                "not all rows arrived; nothing was kept", where=str(path), expected=f"{rows} rows", found=f"{found}",
                way_out="name a folder or URL that all machines of the cluster share",
            )  # fmt: skip
        _refuse_what_stands(files, path, output)
        if files.exists(path):
            files.rename(path, before)
        if not files.rename(beside, path):
            files.rename(before, path)
            raise TollgateError("cannot rename the finished folder", where=str(path), found=str(beside))
        files.delete(before, True)
    finally:
        files.delete(beside, True)
    return rows


def _address(out: str) -> str:
    # Without a scheme it would be taken for a path of the cluster's own file system.
    return out if "://" in out else f"file://{Path(out).absolute()}"


def _refuse_what_stands(files: Any, path: Any, output: Output) -> None:
    if not files.exists(path):
        return
    if not output.replace:
        raise TollgateError("the folder exists already", where=str(path), way_out="name another, or add --replace")
    names = [str(status.getPath().getName()) for status in files.listStatus(path)]
    foreign = [name for name in names if not name.startswith(("part-", "_SUCCESS", "."))]
    if foreign:
        raise TollgateError(
            "the folder holds other things than Parquet files of an answer", where=str(path),
            found=", ".join(sorted(foreign)[:5]), way_out="name another",
        )  # fmt: skip
