"""Rows into PostgreSQL by COPY: each value as it was, a partition whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from answers import ask
from frames import table
from pydantic import SecretStr
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reference.places import own_places

from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres_copy import CONNECTIONS, copy_into
from tollgate.platform.settings import Settings

TEXTS = [
    None, "", " ", "plain", "a\tb", "a\nb", "a\rb", "a\r\nb", "\\", "\\\\", "\\N", "\\.", "\\t", "\\n", "a\\", "\t",
    "\n",
    '"', "'", '"a","b"', "{}", "NULL", "null", "--", "a;b", "$1", "%s", "%(run_id)s", "é", "e\u0301", "日本語", "🙂",
    "\u202eabc", "\u2028", "\ufeff", "\x01\x08\x0b\x0c\x1b\x7f", " a ", "x" * 70_000, "\\" * 5_000,
]  # fmt: skip
ARRAYS = [
    None, [], [""], [None], ["NULL"], ["a", None, "b"], ["a,b", "{c}", '"', "\\", '\\"', "a\tb", "a\nb", "\\N", " a "],
]  # fmt: skip
# Microseconds from 1970: one before the zones of railways, the least and the last of what both can say, and a summer.
INSTANTS = [
    None,
    0,
    1,
    -1,
    -2_840_140_800_000_001,
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
    1_753_972_496_123_456,
]
NUMBERS: list[tuple[Any, ...]] = [
    (None, None, None, None, None, None, None),
    (True, -128, -(2**15), -(2**31), -(2**63), Decimal("-999999999999999.999"), Decimal("-" + "9" * 32 + ".999999")),
    (False, 127, 2**15 - 1, 2**31 - 1, 2**63 - 1, Decimal("999999999999999.999"), Decimal("0.000001")),
    (True, 0, 0, 0, 0, Decimal("0.000"), Decimal("0.000000")),
]  # fmt: skip
DATES = [None, date(1, 1, 1), date(1582, 10, 4), date(1970, 1, 1), date(2024, 2, 29), date(9999, 12, 31)]


@pytest.fixture(scope="module")
def database(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database whose sessions read dates and times in an odd way unless told."""
    made = own_places(services, tmp_path_factory.mktemp("copied"))
    name = made.postgres.url.rpartition("/")[2]
    ask(made, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'")
    ask(made, f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'")
    return made


@pytest.fixture(params=["UTC", "America/Toronto"])
def in_zone(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[str]:
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield request.param
    spark.conf.set("spark.sql.session.timeZone", before)


def made(settings: Settings, columns: str) -> str:
    """A table of these columns, emptied of what another test left."""
    ask(settings, f"DROP TABLE IF EXISTS copied; CREATE TABLE copied ({columns})")
    return "copied"


@pytest.mark.covers("QUA-04")
def test_hostile_text_comes_out_as_it_went_in(spark: SparkSession, database: Settings) -> None:
    rows = [(number, text) for number, text in enumerate(TEXTS)]
    copy_into(table(spark, "n INT, said STRING", *rows), made(database, "n int, said text"), database)
    assert ask(database, "SELECT n, said FROM copied ORDER BY n") == rows


def test_arrays_of_text_come_out_as_they_went_in(spark: SparkSession, database: Settings) -> None:
    rows = [(number, texts) for number, texts in enumerate(ARRAYS)]
    copy_into(table(spark, "n INT, said ARRAY<STRING>", *rows), made(database, "n int, said text[]"), database)
    assert ask(database, "SELECT n, said FROM copied ORDER BY n") == rows


def test_numbers_and_dates_come_out_to_the_last_digit(spark: SparkSession, database: Settings) -> None:
    kinds = "yes BOOLEAN, b TINYINT, s SMALLINT, i INT, l BIGINT, d DECIMAL(18,3), x DECIMAL(38,6)"
    rows = [(number, *values) for number, values in enumerate(NUMBERS)]
    stored = "n int, yes boolean, b smallint, s smallint, i int, l bigint, d numeric(18,3), x numeric(38,6)"
    copy_into(table(spark, f"n INT, {kinds}", *rows), made(database, stored), database)
    found = ask(database, "SELECT * FROM copied ORDER BY n")
    assert found == rows
    assert [str(row[-1]) for row in found[1:]] == [f"{row[-1]:f}" for row in rows[1:]], "its scale too"

    days = [(number, day) for number, day in enumerate(DATES)]
    # Named out of the table's order.
    frame = table(spark, "n INT, day DATE", *days).select("day", "n")
    copy_into(frame, made(database, "n int, day date, more text DEFAULT 'own'"), database)
    assert ask(database, "SELECT n, day, more FROM copied ORDER BY n") == [(*row, "own") for row in days]


def test_an_instant_is_the_same_one_whatever_the_zones_of_both_sessions(
    spark: SparkSession, database: Settings, in_zone: str
) -> None:
    rows = [(number, micros) for number, micros in enumerate(INSTANTS)]
    frame = table(spark, "n INT, us BIGINT", *rows).select("n", F.timestamp_micros("us").alias("at"))
    copy_into(frame, made(database, "n int, at timestamptz"), database)
    back = "SELECT n, (extract(epoch FROM at) * 1000000)::bigint FROM copied ORDER BY n"
    assert ask(database, back) == rows, in_zone


def test_a_partition_is_one_transaction_and_an_empty_one_none(spark: SparkSession, database: Settings) -> None:
    name = made(database, "id bigint PRIMARY KEY, by bigint DEFAULT txid_current()")
    copy_into(spark.range(0, 0, 1, 3), name, database)
    copy_into(spark.range(0, 30_000, 1, 20), name, database)
    copy_into(spark.range(30_000, 60_000, 1, 3).where("id < 45000"), name, database)
    assert ask(database, "SELECT count(*), sum(id) FROM copied") == [(45_000, 45_000 * 44_999 // 2)]
    whole = "SELECT count(DISTINCT by) FROM copied WHERE id {} 30000"
    assert ask(database, whole.format("<")) == [(CONNECTIONS,)]
    assert ask(database, whole.format(">=")) == [(2,)]


def _dies(settings: Settings) -> None:
    """The server ends the connection that brings row 25,000."""
    ask(settings, """
      CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
      CREATE TRIGGER dies BEFORE INSERT ON copied FOR EACH ROW WHEN (NEW.id = 25000) EXECUTE FUNCTION dies()
    """)  # fmt: skip


def _refuses(settings: Settings) -> None:
    ask(settings, "ALTER TABLE copied ADD CONSTRAINT small CHECK (id < 29999)")


@pytest.mark.parametrize(("trouble", "said"), [(_dies, "connection"), (_refuses, "small")])
def test_a_connection_that_dies_in_the_middle_leaves_no_row_of_its_partition(
    spark: SparkSession, database: Settings, trouble: Callable[[Settings], None], said: str
) -> None:
    name = made(database, "id bigint PRIMARY KEY")
    trouble(database)
    # Three batches of Arrow and the last row of them.
    frame = spark.range(0, 30_000, 1, 1)
    with pytest.raises(TollgateError, match="did not take the rows") as refused:
        copy_into(frame, name, database)
    assert said in refused.value.found
    assert ask(database, "SELECT count(*) FROM copied") == [(0,)]
    copy_into(frame, made(database, "id bigint PRIMARY KEY"), database)
    assert ask(database, "SELECT count(*) FROM copied") == [(30_000,)]


def test_a_task_that_comes_twice_is_refused_by_the_key(spark: SparkSession, database: Settings) -> None:
    name = made(database, "id bigint PRIMARY KEY")
    copy_into(spark.range(0, 100, 1, 1), name, database)
    with pytest.raises(TollgateError) as refused:
        copy_into(spark.range(0, 100, 1, 1), name, database)
    assert "copied_pkey" in refused.value.found
    assert "(id)=(" not in str(refused.value), "what a row holds is nobody's to read in a log"
    assert ask(database, "SELECT count(*) FROM copied") == [(100,)]


def test_what_postgresql_cannot_hold_and_what_has_no_exact_text_is_refused(
    spark: SparkSession, database: Settings
) -> None:
    name = made(database, "n int, said text")
    with pytest.raises(TollgateError, match="did not take the rows"):
        copy_into(table(spark, "n INT, said STRING", (1, "a"), (2, "a\0b")).coalesce(1), name, database)
    assert ask(database, "SELECT count(*) FROM copied") == [(0,)]
    with pytest.raises(TollgateError) as refused:
        copy_into(table(spark, "n INT, said STRING", (1, "a")).selectExpr("n", "1e0 AS half"), name, database)
    assert refused.value.found == "half double"


def test_no_password_is_told(spark: SparkSession, database: Settings) -> None:
    wrong = database.postgres.model_copy(update={"password": SecretStr("not-so-secret")})
    with pytest.raises(TollgateError) as refused:
        copy_into(spark.range(1), "copied", database.model_copy(update={"postgres": wrong}))
    assert "authentication failed" in refused.value.found
    assert "not-so-secret" not in str(refused.value)
