"""What the billing bench bills and loads: a month of rated events, its accounts, lines; drawn by Spark out of a seed.

Draws are hashes of a row's number, so that any machine and any number of tasks draw the same.
"""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession

from jobs.quality_slices import RATED
from tollgate.platform.lake import Lake, contract

CYCLE, AS_OF = "2026-10", "2026-11-02T00:00:00Z"
SNAPSHOT = RATING = BATCH = 1
LINES_OF_AN_ACCOUNT = 8
_BEGINS, _MONTH_S = "TIMESTAMP '2026-10-01 04:00:00'", 31 * 86_400
# As many files at each size, so that a plan's tasks do not grow with it.
_FILES = 4
# The demo's plans, and the prices of its rate.csv in millionths a block: a minute, a message, a megabyte.
_PLAN = "CASE pmod(account_no, 3) WHEN 0 THEN 'term' WHEN 1 THEN 'month_to_month' ELSE 'prepaid' END"
_PRICE = (
    "CASE service WHEN 'sms' THEN 50000L"
    " WHEN 'voice' THEN CASE plan_id WHEN 'term' THEN 100000L WHEN 'month_to_month' THEN 50000L ELSE 25000L END"
    " ELSE CASE plan_id WHEN 'term' THEN 10000L WHEN 'month_to_month' THEN 12000L ELSE 20000L END END"
)
# What a row of rated usage says of itself where no draw decides; rates are flat: one piece, factor 10 / 10.
_RATED = {
    "rating_no": f"{RATING}L", "batch_no": f"{BATCH}L", "source": "'msc'", "event_id": "concat('e', id)",
    "event_hash": "xxhash64('msc', id)", "revision": "1", "kind": "'original'", "retail_status": "'rated'",
    "wholesale_status": "'not_applicable'", "technology": "'4G'",
    "account_id": "concat('a', account_no)", "customer_id": "concat('c', account_no)",
    "subscription_id": "concat('s', account_no)", "contract_id": "concat('k', account_no)",
    "zone_id": "if(service = 'data', 'home', 'national')", "roaming_zone": "'home'",
    "rate_id": "concat_ws('_', service, plan_id)", "price_source": "'rate'", "currency": "'CAD'",
    "unit": "CASE service WHEN 'voice' THEN 'second' WHEN 'sms' THEN 'message' ELSE 'byte' END",
    "initial_units": "increment_units", "unit_price_micros": "price", "connect_fee_micros": "0L",
    "piece_units": "array(charged_units)", "piece_band": "array('flat')", "piece_price_micros": "array(price)",
    "piece_factor_num": "array(10L)", "factor_den": "10L", "discount_ids": "CAST(array() AS ARRAY<STRING>)",
    "discount_num": "1L", "discount_den": "1L", "digits": "4", "rounding": "'half_up'",
    "numerator": "exact", "denominator": "of", "list_price": "charge",
    "tax_category": "if(plan_id = 'prepaid', 'none', 'standard')",
    "pricebook_version": "1L", "snapshot_id": f"{SNAPSHOT}L", "event_month": "date_format(started_at, 'yyyy-MM')",
}  # fmt: skip


def write_month(lake: Lake, events: int, accounts: int, seed: int) -> None:
    """Fill a lake that has the demo's price book, and nothing else, with a snapshot and a balanced, checked rating run.

    A line and a contract an account. Three in five events are calls, three in twenty messages, the rest data.
    """
    spark = lake.spark
    numbers = spark.range(0, accounts, numPartitions=_FILES).withColumnRenamed("id", "account_no")
    own = {
        "ref_account": {
            "account_id": "concat('a', account_no)", "customer_id": "concat('c', account_no)", "currency": "'CAD'",
            "time_zone": "'America/Toronto'", "anchor_day": "1", "first_cycle_start": "DATE '2026-10-01'",
            "tax_jurisdiction": "'CA-ON'", "tax_exempt": "pmod(account_no, 100) = 99",
        },
        "ref_contract": {
            "contract_id": "concat('k', account_no)", "subscription_id": "concat('s', account_no)",
            "account_id": "concat('a', account_no)", "plan_id": _PLAN,
            "starts_on": "date_add(DATE '2026-08-01', CAST(pmod(account_no, 80) AS INT))",
        },
    }  # fmt: skip
    for table, columns in own.items():
        rows = _as_contract(numbers, table, {"snapshot_id": f"{SNAPSHOT}L", **columns})
        lake.append(rows, table, "bench", 1)
    lake.append(_rated(spark, events, accounts, seed), "rated_usage", "bench", 1)
    nothing = Decimal(0)
    marks = {
        "control_snapshot": (SNAPSHOT, "bench", 2 * accounts),
        "control_rating": (
            RATING, BATCH, BATCH, SNAPSHOT, 1, events, 0, events, 0, 0, nothing, nothing, True, None, None,
        ),
        "quality_result": (RATED, RATED, RATING, RATING, events, True, [], None, None, 1, None),
    }  # fmt: skip
    for table, mark in marks.items():
        lake.append(lake.frame([mark], table), table, "bench", 1)


def drawn_lines(spark: SparkSession, lines: int, seed: int) -> DataFrame:
    """Rows of billing.staging_invoice_line, as many accounts as give eight each, in no order of their keys."""
    account = f"pmod(xxhash64(id div {LINES_OF_AN_ACCOUNT}, {seed}), 1000000000000)"
    numbered = spark.range(0, lines, numPartitions=_FILES).selectExpr(
        "id", f"id % {LINES_OF_AN_ACCOUNT} AS place", f"pmod(xxhash64(id, {seed}, 'cents'), 100000) AS cents"
    )
    return numbered.selectExpr(
        "'2026-10/regular/1' AS run_id", "1L AS fencing", f"concat('a', lpad({account}, 12, '0')) AS account_id",
        "CAST(place + 1 AS INT) AS line_no", "concat_ws('|', 'usage', id, 'voice', 'national', place) AS line_key",
        "'usage' AS kind", f"if(place = 0, NULL, concat('s', {account})) AS subscription_id",
        "if(place = 0, NULL, 'voice') AS service", "if(place = 0, NULL, 'national') AS zone_id",
        "if(place = 0, NULL, 'home') AS roaming_zone", "if(place = 0, NULL, DATE '2026-10-01') AS origin_cycle",
        # Text as people write it: quotes, a comma, now and then what COPY has to escape.
        r"concat('Calls, \"Canada\", 100 free minutes', if(id % 50 = 0, ' \\ \t \n', '')) AS description",
        "place AS events", "cents * 60 AS units", "cents AS free_units", "'second' AS unit",
        "CAST(CAST(cents AS DECIMAL(18,0)) * 0.0101BD AS DECIMAL(38,6)) AS exact_total",
        "CAST(CAST(cents AS DECIMAL(18,0)) * 0.01BD AS DECIMAL(18,3)) AS amount", "'standard' AS tax_category",
        "'hst_on' AS tax_id", "CAST(CAST(cents AS DECIMAL(18,0)) * 0.001BD AS DECIMAL(18,3)) AS tax_share",
        "if(place = 1, 'embassy', NULL) AS exempt_reason",
    )  # fmt: skip


def _rated(spark: SparkSession, events: int, accounts: int, seed: int) -> DataFrame:
    def drawn(name: str, below: int) -> str:
        return f"pmod(xxhash64(id, {seed}, '{name}'), {below})"

    told = spark.range(0, events, numPartitions=_FILES).selectExpr(
        "id", f"{drawn('account', accounts)} AS account_no",
        f"CASE WHEN {drawn('service', 20)} < 12 THEN 'voice' WHEN {drawn('service', 20)} < 15 THEN 'sms'"
        " ELSE 'data' END AS service",
        f"{drawn('units', 1_800)} AS amount",
        f"{_BEGINS} + make_dt_interval(0, 0, 0, CAST({drawn('start', _MONTH_S)} AS DECIMAL(18,6))) AS started_at",
    )  # fmt: skip
    counted = told.selectExpr(
        "*", f"{_PLAN} AS plan_id",
        "CASE service WHEN 'voice' THEN amount + 1 ELSE 0L END AS duration_s",
        "CASE service WHEN 'data' THEN amount * 20000 ELSE 0L END AS volume_bytes",
        "CASE service WHEN 'voice' THEN 60L ELSE 1L END AS increment_units",
        "CASE service WHEN 'voice' THEN 60L WHEN 'sms' THEN 1L ELSE 1000000L END AS block_units",
    )  # fmt: skip
    units = "CASE service WHEN 'voice' THEN (duration_s + 59) div 60 * 60 WHEN 'sms' THEN 1L ELSE volume_bytes END"
    priced = counted.selectExpr("*", f"{units} AS charged_units", f"{_PRICE} AS price").selectExpr(
        "*", "charged_units * 10 * price AS exact", "block_units * 10 AS of"
    )
    # Half up to four digits, in whole numbers; CAST widens only.
    charge = "CAST(CAST((2 * exact + of * 100) div (2 * of * 100) AS DECIMAL(18,0)) * 0.0001BD AS DECIMAL(18,6))"
    return _as_contract(priced.selectExpr("*", f"{charge} AS charge"), "rated_usage", _RATED)


def _as_contract(rows: DataFrame, table: str, columns: dict[str, str]) -> DataFrame:
    """The table's columns, each by its text, else as the rows have it, else NULL."""
    texts = [
        f"CAST({columns.get(field.name, field.name if field.name in rows.columns else 'NULL')}"
        f" AS {field.dataType.simpleString()}) AS {field.name}"
        for field in contract(table).fields
    ]
    return rows.selectExpr(*texts)
