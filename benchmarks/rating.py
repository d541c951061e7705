"""Rating: events a second, and the charge of a call in native expressions against the same in a Python function."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.rows import Row
from jobs.pinned import load_price_book, load_reference
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings
from tollgate.rating.price import with_net_charge
from tollgate.rating.rate import rate_events

TERMS = (
    "piece_units", "piece_factor_num", "factor_den", "block_units", "unit_price_micros", "connect_fee_micros",
    "minimum_micros",
    "maximum_micros", "discount_num", "discount_den", "digits", "rounding",
)  # fmt: skip


def rating_rows(spark: SparkSession, settings: Settings, folder: Path) -> list[Row]:
    """Rate all accepted events of the lake to Parquet, then price the rated calls both ways; their totals must
    agree."""
    lake = Lake(spark, settings.lake.root)
    book, reference = load_price_book(lake), load_reference(lake)
    events = lake.read("usage_event").where("disposition = 'accepted'")
    accepted = events.count()
    rated = str(folder / "rated")
    seconds = min(_written(rate_events(events, book, reference, 1), rated) for _ in range(2))
    calls = spark.read.parquet(rated).where("service = 'voice' AND retail_status = 'rated' AND price_source = 'rate'")
    calls = calls.withColumn("free_units", F.lit(0).cast("bigint")).persist()
    expected = calls.agg(F.sum("charge")).collect()[0][0]
    ours = _timed(with_net_charge(calls, book.piece_slots).agg(F.sum("net_charge")), expected, "native expressions")
    theirs = _timed(calls.agg(F.sum(naive_charge()(*TERMS))), expected, "the Python function")
    calls.unpersist()
    return [
        Row("rating.rate", accepted / seconds, bar=30_000, aim=250_000, unit="events/s"),
        Row("rating.against_python_udf", theirs / ours, bar=2, aim=10, unit="times", ours=ours, baseline=theirs),
    ]


def naive_charge() -> Any:
    """What a straightforward port would do: each call's charge in a Python UDF, exact and rounded once, half up."""

    @F.udf("DECIMAL(18,6)")
    def charge(units, factors, factor_den, block, price, connect_fee, minimum, maximum, kept, of, digits, rounding):  # type: ignore[no-untyped-def]
        from decimal import Decimal

        exact = sum(
            (Fraction(u * price * f, factor_den * block) for u, f in zip(units, factors, strict=True)),
            Fraction(connect_fee),
        )
        exact = exact if minimum is None else max(exact, Fraction(minimum))
        exact = (exact if maximum is None else min(exact, Fraction(maximum))) * Fraction(kept, of)
        step = 10 ** (6 - digits)
        cut, rest = divmod(exact.numerator, exact.denominator * step)
        half = {"half_up": 2 * rest >= exact.denominator * step, "up": rest > 0, "down": False}[rounding]
        return Decimal((cut + half) * step).scaleb(-6)

    return charge


def _written(frame: DataFrame, path: str) -> float:
    begun = time.perf_counter()
    frame.write.mode("overwrite").parquet(path)
    return time.perf_counter() - begun


def _timed(total: DataFrame, expected: object, name: str) -> float:
    """Seconds of the faster of two runs; TollgateError when the total is another one: a wrong result has no speed."""
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        found = total.collect()[0][0]
        seconds.append(time.perf_counter() - begun)
        if found != expected:
            raise TollgateError(f"{name} give another total", expected=str(expected), found=str(found))
    return min(seconds)
