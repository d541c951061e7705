"""`tollgate sql` answers questions, exactly, and what it writes is whole or not there."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import Observation

from tollgate.platform import answer_parquet
from tollgate.platform.answer_output import Output, add_output, deliver, output_from
from tollgate.platform.answer_table import print_table
from tollgate.platform.answers import asked, check_question, mistakes_told, needed_by
from tollgate.platform.errors import TollgateError

# One row of every awkward kind, one of NULLs.
AWKWARD = """
SELECT * FROM VALUES
  (0.000000000000000000BD, CAST(-1234567.1 AS DECIMAL(18,6)), TIMESTAMP '2026-10-01 11:48:57.123', DATE '2026-10-31',
   X'00FF', array(1.50BD), named_struct('n', 1L, 'at', TIMESTAMP '2026-10-01 00:00:00'), map('k', 0.10BD),
   ' say "hi", [b]you[/b]\\u001b ', '', 9007199254740993L, true),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
AS t(tiny, amount, at, day, bytes, list, record, map, text, empty, big, flag)
"""
CSV = (
    "tiny,amount,at,day,bytes,list,record,map,text,empty,big,flag\n"
    "0.000000000000000000,-1234567.100000,2026-10-01 11:48:57.123+00:00,2026-10-31,00ff,"
    '"[""1.50""]","{""n"":1,""at"":""2026-10-01 00:00:00+00:00""}","{""k"":""0.10""}",'
    '" say ""hi"", [b]you[/b]\x1b ","",9007199254740993,true\n'
    ",,,,,,,,,,,\n"
)
JSON = {
    "tiny": "0.000000000000000000", "amount": "-1234567.100000", "at": "2026-10-01 11:48:57.123+00:00",
    "day": "2026-10-31", "bytes": "00ff", "list": ["1.50"], "record": {"n": 1, "at": "2026-10-01 00:00:00+00:00"},
    "map": {"k": "0.10"}, "text": ' say "hi", [b]you[/b]\x1b ', "empty": "", "big": 9007199254740993, "flag": True,
}  # fmt: skip


class Terminal:
    """A narrow terminal that remembers what was written."""

    def __init__(self, is_terminal: bool = True) -> None:
        self.text, self.is_terminal = "", is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def writelines(self, lines) -> None:
        self.text += "".join(lines)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("DELETE FROM usage_event", "DELETE"),
        ("-- SELECT\n drop table usage_event", "DROP"),
        ("/* SELECT */ update rated_usage SET charge = 0", "UPDATE"),
        ("MERGE INTO invoice USING invoice_line ON true WHEN MATCHED THEN DELETE", "MERGE"),
    ],
)
def test_a_query_that_would_change_something_is_refused_before_anything_starts(query, found):
    with pytest.raises(TollgateError, match="only questions are answered") as refused:
        check_question(query)
    assert f"found:    {found}" in str(refused.value)


@pytest.mark.parametrize(
    ("query", "found", "way_out"),
    [
        ("SELEC 1", "SELEC", "did you mean SELECT?"),
        ("SET spark.sql.ansi.enabled = false", "SET", "tollgate tables"),
        ("-- SELECT", "nothing", "tollgate tables"),
        ("", "nothing", "tollgate tables"),
    ],
)
def test_what_is_no_query_is_told_with_what_may_be_meant(query, found, way_out):
    with pytest.raises(TollgateError, match="this is no query") as refused:
        check_question(query)
    assert f"found:    {found}" in str(refused.value) and way_out in str(refused.value)


def test_a_question_that_writes_or_does_not_run_is_told_in_one_line(spark):
    for wrong, said in (
        ("FROM no_table INSERT INTO other SELECT *", "only questions"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "only questions"),
        ("SELECT no_such_column FROM VALUES (1) AS t(a)", "UNRESOLVED_COLUMN"),
        ("SELECT (1", "PARSE_SYNTAX_ERROR"),
    ):
        with pytest.raises(TollgateError) as refused, mistakes_told():
            asked(spark, wrong)
        assert said in str(refused.value) and str(refused.value).count("\n") <= 3
    assert needed_by("SHOW VIEWS") is None and needed_by("select 1") == "select 1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "parquet"], "Parquet is a folder"),
        (["--format", "csv", "--out", "s3a://bucket/x.csv"], "only Parquet is written to a URL"),
        (["--format", "csv", "--out", "{folder}/lake/usage_event"], "the lake's folder belongs to the jobs"),
        (["--format", "csv", "--out", "{folder}/none/x.csv"], "no such folder"),
        (["--format", "csv", "--out", "{folder}/old.csv"], "exists already"),
        (["--format", "parquet", "--out", "{folder}/old.csv", "--replace"], "does not replace a file"),
        (["--format", "csv", "--out", "{folder}", "--replace"], "does not replace a folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_spark_starts(tmp_path, arguments, said):
    (tmp_path / "old.csv").write_text("old")
    parser = argparse.ArgumentParser()
    add_output(parser)
    args = parser.parse_args([text.format(folder=tmp_path) for text in arguments])
    with pytest.raises(TollgateError, match=said):
        output_from(args, str(tmp_path / "lake"))
    assert (tmp_path / "old.csv").read_text() == "old"


def test_csv_and_json_give_every_row_to_the_last_digit(spark, tmp_path, capsys):
    awkward = spark.sql(AWKWARD).coalesce(1)
    deliver(awkward, Output("csv", str(tmp_path / "a.csv"), False, None))
    assert (tmp_path / "a.csv").read_text() == CSV
    deliver(awkward, Output("json", None, False, None))
    shown = capsys.readouterr()
    assert [json.loads(line) for line in shown.out.splitlines()] == [JSON, dict.fromkeys(JSON)]
    assert shown.err == f"2 rows in {tmp_path / 'a.csv'}\n"
    deliver(spark.range(250, numPartitions=3), Output("csv", None, False, None))
    assert capsys.readouterr().out.split() == ["id", *map(str, range(250))]


def test_a_table_folds_no_number_and_shows_null(spark, capsys):
    awkward = spark.sql(AWKWARD).coalesce(1)
    piped, narrow = Terminal(is_terminal=False), Terminal()
    assert print_table(awkward, piped, 5) == 2
    lines = piped.text.splitlines()
    assert any("-1234567.100000" in line and "2026-10-01 11:48:57.123+00:00" in line and "true" in line
               for line in lines)  # fmt: skip
    assert "[b]you[/b]\\x1b" in piped.text and "\x1b" not in piped.text
    assert sum(line.count("NULL") for line in lines) == 12
    long_text = spark.sql("SELECT 123456789012345678901234567890.123456BD AS amount, repeat('word ', 40) AS text")
    print_table(long_text, narrow, 5)
    assert "123456789012345678901234567890.123456" in narrow.text
    assert narrow.text.count("word") == 40 and len(narrow.text.splitlines()) > 5
    print_table(spark.range(3), piped, 2)
    assert "first 2 rows; --limit shows more" in capsys.readouterr().err
    print_table(spark.sql("EXPLAIN SELECT 1"), piped, 100)
    assert "\n== Physical Plan ==\n" in f"\n{piped.text}"


@pytest.mark.covers("ANA-11")
def test_parquet_has_every_row_in_types_that_others_read(spark, tmp_path):
    rows = spark.sql("SELECT id, 0.10BD AS amount, TIMESTAMP '2026-10-01 11:48:57' AS at FROM range(0, 250, 1, 2)")
    out = tmp_path / "answer"
    deliver(rows, Output("parquet", str(out), False, None))
    found = pq.read_table(out)
    assert sorted(found["id"].to_pylist()) == list(range(250))
    assert set(found["amount"].to_pylist()) == {Decimal("0.10")}
    assert found["at"][0].as_py() == datetime(2026, 10, 1, 11, 48, 57, tzinfo=timezone.utc)
    assert "INT96" not in str(pq.ParquetFile(next(out.glob("*.parquet"))).schema)
    with pytest.raises(TollgateError, match="exists already"):
        deliver(rows, Output("parquet", str(out), False, None))
    deliver(rows, Output("parquet", str(out), True, 3))
    assert pq.read_table(out).num_rows == 3
    (out / "notes.txt").write_text("mine")
    with pytest.raises(TollgateError, match="holds other things") as refused:
        deliver(rows, Output("parquet", str(out), True, None))
    assert "notes.txt" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["answer"]


def test_an_answer_that_fails_half_way_leaves_nothing_and_harms_nothing(spark, tmp_path, monkeypatch):
    breaks = spark.range(3000, numPartitions=3).selectExpr("100 DIV (2500 - id) AS n")
    old = tmp_path / "old.csv"
    old.write_text("old")
    for form, out in (("csv", old), ("json", tmp_path / "new.json"), ("parquet", tmp_path / "new")):
        with pytest.raises(TollgateError, match="does not run"), mistakes_told():
            deliver(breaks, Output(form, str(out), True, None))
    monkeypatch.setattr(Observation, "get", {"rows": 4})  # as if a task on another machine had kept a row to itself
    with pytest.raises(TollgateError, match="not all rows arrived"):
        answer_parquet.write_parquet(spark.range(3), Output("parquet", str(tmp_path / "new"), False, None))
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"] and old.read_text() == "old"
    with pytest.raises(TollgateError, match="two columns have one name"):
        deliver(spark.sql("SELECT 1 AS a, 2 AS a"), Output("json", None, False, None))


def test_a_reader_that_leaves_early_is_no_error():
    script = (
        "from tollgate.platform.answer_output import standard_output\n"
        "with standard_output() as file:\n    for n in range(100_000): print(n, file=file)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd=Path(__file__).parents[2]) as writer:  # fmt: skip
        assert writer.stdout is not None and writer.stderr is not None
        assert writer.stdout.readline() == b"0\n"
        writer.stdout.close()
        assert writer.stderr.read() == b"" and writer.wait(timeout=30) == 0
