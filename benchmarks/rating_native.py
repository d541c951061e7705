"""The contest's own side: the plan that the night runs, on two cores in a heap of 2 GB."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.rating_input import read_book, read_owners

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RATING_NO = 1


def rate(folder: Path, out: str) -> None:
    """Rated rows of the input as Parquet files under `out`."""
    from tollgate.rating.rate import rate_events

    spark = session()
    usage = spark.read.parquet(str(folder / "usage"))
    rated = rate_events(usage, read_book(spark, folder), read_owners(spark, folder), RATING_NO)
    rated.write.mode("overwrite").parquet(out)


def session(heap: str = "2g") -> SparkSession:
    """The project's session on two cores, with generated code."""
    from tollgate.platform.settings import load_settings
    from tollgate.platform.spark import spark_session

    settings = load_settings(
        None, {"spark.master": "local[2]", "spark.driver_memory": heap, "spark.generated_code": "true"}
    )
    return spark_session(settings, "bench")
