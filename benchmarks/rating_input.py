"""What the rating contest rates: typed usage events of a month and who owns them, drawn by Spark out of a seed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rating_book import CARRIERS, COUNTRIES, PRICE_PARTS, drawn_prefixes, write_book
from tollgate.platform.lake import contract
from tollgate.reference.frames import PriceBook, Reference, price_book, reference

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SNAPSHOT = 1
OWNERS = ("ref_subscription", "ref_account", "ref_customer_fact")
_MONTH_BEGINS, _MONTH_S = "TIMESTAMP '2026-10-01 04:00:00'", 31 * 86_400
_ALWAYS = ("TIMESTAMP '2024-01-01 05:00:00' AS valid_from", "TIMESTAMP '9999-12-31 00:00:00' AS valid_to")
# Draws are hashes of the event's number, so that any machine and any number of tasks draw the same.
_DRAW = "pmod(xxhash64(id, {seed}, '{name}'), {below})"


def write_input(
    spark: SparkSession, folder: Path, events: int, lines: int, prefixes: int, seed: int, is_skewed: bool = False
) -> None:
    """`folder`/book, `folder`/usage and `folder`/ref_*. is_skewed: half of the events are of one line."""
    folder.mkdir(parents=True)
    write_book(folder / "book", prefixes, seed)
    for name, rows in _owners(spark, lines).items():
        rows.coalesce(1).write.parquet(str(folder / name))
    usage = _usage(spark, events, lines, drawn_prefixes(prefixes, seed), seed, is_skewed)
    usage.write.parquet(str(folder / "usage"))


def read_book(spark: SparkSession, folder: Path) -> PriceBook:
    """The written book as pricing is given it."""
    frames = {
        name: spark.read.schema(contract(name)).parquet(str(folder / "book" / f"{name}.parquet"))
        for name in PRICE_PARTS
    }
    return price_book(frames, read_version(folder))


def read_version(folder: Path) -> dict[str, Any]:
    """The written book's row of price_version."""
    version: dict[str, Any] = json.loads((folder / "book" / "version.json").read_text(encoding="utf-8"))
    return version


def read_owners(spark: SparkSession, folder: Path) -> Reference:
    """The written customers as pricing is given them."""
    return reference({name: spark.read.parquet(str(folder / name)) for name in OWNERS}, SNAPSHOT)


def _owners(spark: SparkSession, lines: int) -> dict[str, DataFrame]:
    """A line, an account and a customer each; one line in 500 is suspended, one in 200 has no plan."""
    numbers = spark.range(0, lines, numPartitions=1)
    pin = f"{SNAPSHOT}L AS snapshot_id"
    return {
        "ref_subscription": numbers.selectExpr(
            pin, "concat('+1416', lpad(id, 7, '0')) AS msisdn", "concat('s', id) AS subscription_id",
            "concat('a', id) AS account_id", "concat('k', id) AS contract_id",
            "CASE WHEN id % 200 = 199 THEN NULL WHEN id % 3 = 0 THEN 'term' WHEN id % 3 = 1 THEN 'month_to_month'"
            " ELSE 'prepaid' END AS plan_id",
            "if(id % 500 = 250, 'suspended', 'active') AS line_state", *_ALWAYS,
        ),
        "ref_account": numbers.selectExpr(
            pin, "concat('a', id) AS account_id", "concat('c', id) AS customer_id",
            "if(id % 300 = 150, 'EUR', 'CAD') AS currency",
        ),
        "ref_customer_fact": numbers.selectExpr(
            pin, "concat('c', id) AS customer_id", "id % 10 = 0 AS is_student",
            "date_sub(DATE '2026-10-20', CAST(id % 700 AS INT)) AS customer_since", *_ALWAYS,
        ),
    }  # fmt: skip


def _usage(spark: SparkSession, events: int, lines: int, prefixes: list[str], seed: int, is_skewed: bool) -> DataFrame:
    """Rows of usage_event that are accepted, in the columns that rating reads."""

    def drawn(name: str, below: int) -> str:
        return _DRAW.format(seed=seed, name=name, below=below)

    from pyspark.sql import functions as F

    listed = spark.createDataFrame(list(enumerate(prefixes)), "number BIGINT, listed STRING")
    line = drawn("line", lines)
    numbered = spark.range(0, events, numPartitions=max(2, events // 500_000)).selectExpr(
        "id",
        f"CASE WHEN id % 200 = 7 THEN -1 ELSE {drawn('prefix', len(prefixes))} END AS number",
        f"{f'if(id % 2 = 0, 0, {line})' if is_skewed else line} AS line_no",
        f"{drawn('service', 100)} AS of_100",
        f"{drawn('roaming', 20)} = 0 AS roaming",
        f"{_MONTH_BEGINS} + make_dt_interval(0, 0, 0, CAST({drawn('start', _MONTH_S)} AS DECIMAL(18,6))) AS started_at",
    )
    told = numbered.join(F.broadcast(listed), "number", how="left").selectExpr(
        "*",
        "CASE WHEN of_100 < 60 THEN 'voice' WHEN of_100 < 75 THEN 'sms' ELSE 'data' END AS service",
        f"lpad({drawn('digits', 10**9)}, 9, '0') AS digits",
        # Under no listed prefix where there is none.
        "coalesce(listed, '0') AS prefix",
    )
    outcome = drawn("outcome", 50)
    called = told.selectExpr(
        "*",
        "CASE WHEN service <> 'data' THEN concat('+', left(concat(prefix, digits), 12)) END AS destination",
        f"concat('C', char(65 + CAST(number % {COUNTRIES} AS INT))) AS called_country",
        "number % 40 < 3 AS is_national",
    )
    columns = {
        "batch_no": "1L", "source": "'msc'", "event_id": "concat('e', id)", "event_hash": "xxhash64('msc', id)",
        "technology": "'4G'", "rating_group": "CASE WHEN service = 'data' THEN if(id % 4 = 0, 'video', 'web') END",
        "call_outcome": f"CASE service WHEN 'voice' THEN if({outcome} = 0, 'busy', 'answered')"
        f" WHEN 'sms' THEN if({outcome} = 0, 'failed', 'delivered') END",
        "duration_s": f"CASE WHEN service = 'voice' THEN {drawn('seconds', 1800)} ELSE 0L END",
        "volume_bytes": f"CASE WHEN service = 'data' THEN {drawn('bytes', 50_000_000)} ELSE 0L END",
        "msisdn": "concat('+1416', lpad(line_no, 7, '0'))",
        "destination_class": "CASE WHEN service <> 'data' THEN 'e164' END",
        "destination_country": "CASE WHEN service <> 'data' THEN called_country END",
        "call_type": "CASE WHEN service <> 'data' THEN if(is_national, 'national', 'international') END",
        "roaming_country": "CASE WHEN roaming THEN element_at(array('US', 'GB', 'FR'), CAST(id % 3 AS INT) + 1) END",
        "carrier_id": f"concat('c', {drawn('carrier', CARRIERS)})",
        "direction": "CAST(NULL AS STRING)", "slice_id": "CAST(NULL AS STRING)",
        "event_month": "date_format(started_at, 'yyyy-MM')",
    }  # fmt: skip
    made = [f"{text} AS {name}" for name, text in columns.items()]
    return called.selectExpr("service", "started_at", "destination", "roaming", *made)


def main() -> None:
    """Draw an input, and print `null`: it has nothing to tell."""
    from benchmarks.rating_native import session

    arguments = argparse.ArgumentParser(prog="python -m benchmarks.rating_input", description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--events", type=int, required=True)
    arguments.add_argument("--lines", type=int, required=True)
    arguments.add_argument("--prefixes", type=int, default=5_000)
    arguments.add_argument("--seed", type=int, default=11)
    arguments.add_argument("--skewed", action="store_true", help="half of the events are of one line")
    args = arguments.parse_args()
    spark = session()
    write_input(spark, args.folder, args.events, args.lines, args.prefixes, args.seed, args.skewed)
    print(json.dumps(None))


if __name__ == "__main__":
    main()
