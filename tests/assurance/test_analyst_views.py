"""What analysts see: every view and every report over one small lake, with tokens in place of numbers."""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import hmac
import json
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from assurance import analysts_lake
from assurance.analysts_lake import ABROAD, ANN, BOB, NOWHERE, POSTED, REPORTS
from frames import assert_rows, session_beside, table
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from reference.places import own_places

from jobs import analyst_views, answer_query, explain_charge, list_tables, run_report
from tollgate.assurance.tokens import INNER, OUTER, PERSONAL, padded_keys, prefix, token
from tollgate.assurance.views import VIEWS
from tollgate.platform.answer_output import Output
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import contract, contract_names
from tollgate.platform.postgres import migrate
from tollgate.platform.reports import arguments, read_report, report_names
from tollgate.platform.token_key import LOCAL_KEY, TOKEN_KEY_ENV, token_key

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
KEY = "a key of the tests, thirty-two characters or more"


def by_hand(text: str, key: bytes = KEY.encode()) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture(scope="module")
def lake_settings(settings, tmp_path_factory):
    root = tmp_path_factory.mktemp("analysts") / "lake"
    analysts_lake.write(root)
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": str(root)})})


@pytest.fixture(scope="module")
def seen(spark, lake_settings):
    session = session_beside(spark)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_KEY_ENV, KEY)
        analyst_views.register(session, lake_settings, posted=[POSTED])
    return session


@pytest.fixture
def other(spark):
    return session_beside(spark)


def settings_with_database(settings, url: str):
    return settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"url": url})})


def rows(frame: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.collect()]


def test_a_token_is_hmac_sha256_whatever_the_length_of_the_key(spark):
    texts = [ANN, "", "não é número", ANN + " ", "x" * 200]
    numbers = table(spark, "text STRING", *((text,) for text in texts), (None,))
    keys = [b"short", b"k" * 64, b"longer than a block of the hash " * 4]
    pads = [table(spark, f"{INNER} BINARY, {OUTER} BINARY", padded_keys(key)) for key in keys]
    found = numbers.select("text", *(token(F.col("text"), pad) for pad in pads))
    assert_rows(found, *((text, *(by_hand(text, key) for key in keys)) for text in texts), (None, None, None, None))
    numbers = table(spark, "n STRING", (ANN,), ("+2902222",), ("+29",), ("911",), (None,))
    assert_rows(numbers.select(prefix(F.col("n"))), ("+1416",), ("+",), ("+",), ("911",), (None,))


def test_tables_and_views_have_the_columns_that_their_description_says(seen):
    known = list_tables.descriptions()
    assert set(known) == {*contract_names(), *VIEWS, "posted_run"}
    for name, one in known.items():
        told = StructType.fromDDL(", ".join(f"`{column.name}` {column.type}" for column in one.columns))
        found = [(field.name, field.dataType) for field in seen.table(name).schema.fields]
        assert [(field.name, field.dataType) for field in told.fields] == found, name
        assert one.about and one.key and all(column.about for column in one.columns), name
    comments = {field.name: field.metadata["comment"] for field in seen.table("rated_usage").schema.fields}
    assert comments["msisdn"] == "token: served number" and comments["charge"].startswith("list charge")


def test_no_personal_value_stands_in_any_table_and_tokens_join(seen):
    personal = {row[column.name] for name in contract_names() for row in analysts_lake.LAKE.get(name, ())
                for column in contract(name).fields
                if PERSONAL.search(column.metadata["comment"]) and row.get(column.name)} - {"911"}  # fmt: skip
    assert {ANN, BOB, ABROAD, NOWHERE, "cell-1", "302720000000001"} <= personal
    whole = [seen.table(name).select(F.lit(name), F.to_json(F.struct("*"))) for name in (*analysts_lake.LAKE, *VIEWS)]
    shown = rows(functools.reduce(DataFrame.unionAll, whole))
    assert len(shown) > 60
    assert not [(name, value) for name, text in shown for value in personal if value in text]
    assert not {"payload", "headers"} & set(seen.table("raw_cdr").columns)
    joined = seen.sql("""
        SELECT DISTINCT msisdn, msisdn_prefix, subscription_id, destination, destination_prefix
        FROM accepted_usage JOIN ref_subscription USING (msisdn, msisdn_prefix) WHERE service = 'voice'""")
    held = (by_hand(ANN), "+1416", "L")
    expected = [(ABROAD, "+44207"), (NOWHERE, "+99912"), ("911", "911")]
    assert_rows(joined, *((*held, by_hand(number), area) for number, area in expected))


def test_the_key_stands_in_no_plan_and_no_setting(seen):
    secrets = [KEY.encode(), *padded_keys(KEY.encode())]
    forms = {form for one in secrets for form in (one.hex(), one.hex().upper(), base64.b64encode(one).decode())}
    forms |= {KEY, repr(list(secrets[1]))[1:-1], repr(secrets[1])[2:40]}
    question = "SELECT msisdn, count(*) FROM current_rating WHERE destination <> 'x' GROUP BY msisdn"
    texts = ["\n".join(row[0] for row in seen.sql(f"EXPLAIN {how} {question}").collect())
             for how in ("EXTENDED", "FORMATTED", "COST", "CODEGEN")]  # fmt: skip
    asked = seen.sql(question)
    asked.collect()
    execution = asked._jdf.queryExecution()
    texts += [str(execution), execution.optimizedPlan().toJSON(), execution.executedPlan().toJSON()]
    texts += [str(rows(seen.sql(f"DESCRIBE EXTENDED {name}"))) for name in ("rated_usage", "current_rating")]
    texts += [str(rows(seen.sql("SET -v"))), str(seen.sparkContext.getConf().getAll())]
    assert INNER in texts[0] and len(texts) == 11
    assert not [form for form in forms for text in texts if form in text]


def test_what_is_not_known_is_refused_where_it_matters(other, lake_settings, monkeypatch, capsys):
    monkeypatch.delenv(TOKEN_KEY_ENV, raising=False)
    assert token_key(lake_settings) == LOCAL_KEY
    elsewhere = lake_settings.model_copy(update={"profile": "cluster"})
    assert token_key(elsewhere) is None
    for query, is_refused in (
        ("SELECT * FROM revenue_by_service", False),
        ("SELECT service, destination_prefix FROM suspended_event", False),
        ("SELECT count(DISTINCT msisdn) FROM rated_usage", True),
        ("SELECT 1 FROM rated_usage WHERE destination = 'x'", True),
        ("SELECT r.event_id FROM rated_usage AS r JOIN ref_subscription AS s ON r.msisdn = s.msisdn", True),
        ("SELECT * FROM accepted_usage", True),
    ):
        analyst_views.register(other, elsewhere, query)
        answer = other.sql(query)
        if is_refused:
            with pytest.raises(TollgateError, match="no key to make tokens"):
                analyst_views.refuse_passing_tokens(answer, elsewhere)
        else:
            analyst_views.refuse_passing_tokens(answer, elsewhere)
    monkeypatch.setenv(TOKEN_KEY_ENV, "short")
    with pytest.raises(TollgateError, match="the key of the tokens is short"):
        token_key(elsewhere)
    monkeypatch.setenv(TOKEN_KEY_ENV, KEY)
    nowhere = settings_with_database(lake_settings, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(TollgateError, match="the posted bill runs are not known: PostgreSQL does not answer"):
        analyst_views.register(other, nowhere, "SELECT * FROM posted_line")
    analyst_views.register(other, nowhere)
    assert rows(other.table("posted_line")) == []
    assert capsys.readouterr().err == "warning: posted_run is empty: PostgreSQL does not say which runs are posted\n"


def test_the_command_answers_with_tokens_or_in_clear(other, lake_settings, monkeypatch, capsys):
    monkeypatch.setenv(TOKEN_KEY_ENV, KEY)
    for flags, number in (([], by_hand(BOB)), (["--in-clear"], BOB)):
        seeing = answer_query.parser().parse_args(flags)
        answer_query.answer(other, lake_settings, "SELECT msisdn FROM Accepted_Usage WHERE service = 'data'",
                            Output("csv", None, False, None), seeing)  # fmt: skip
        assert capsys.readouterr().out == f"msisdn\n{number}\n"
    for wrong, said in (([], "no query"), (["DROP TABLE invoice"], "only questions")):
        with pytest.raises(TollgateError, match=said):
            answer_query.run_cli(lake_settings, answer_query.parser().parse_args(wrong))


@pytest.mark.covers("ANA-14", "ANA-16")
def test_every_report_says_what_the_small_lake_holds(seen):
    assert set(REPORTS) == set(report_names())
    for name, expected in REPORTS.items():
        report = read_report(name)
        answer = seen.sql(report.sql, args=arguments(report, []) or None)
        texts = [F.col(c).cast("string").alias(c) if kind == "timestamp" else F.col(c) for c, kind in answer.dtypes]
        assert rows(answer.select(*texts)) == expected, name
        assert report.about.endswith(".") and len(report.about) < 140, name


def test_parameters_narrow_a_report_and_a_wrong_one_is_named(seen):
    day, cycle, prefixes = (read_report(name) for name in ("revenue_by_day", "invoice_totals", "unknown_prefixes"))
    sixth = arguments(day, ["from_day=2026-10-06", "to_day=2026-10-06"])
    assert [row[0] for row in rows(seen.sql(day.sql, args=sixth))] == [date(2026, 10, 6)]
    none = arguments(cycle, ["cycle=x' OR 'a' = 'a"])
    assert rows(seen.sql(cycle.sql, args=none)) == []
    with pytest.raises(TollgateError) as refused:
        arguments(day, ["from_day=0999-10-06", "cycle=2026-10", "to_day"])
    told = str(refused.value)
    assert all(said in told for said in ("3 parameter(s)", "expected a day", "cycle: no such", "to_day: expected NAME"))
    with pytest.raises(TollgateError, match="no report leackage") as refused:
        read_report("leackage")
    assert "did you mean `tollgate report leakage`?" in str(refused.value)
    assert arguments(prefixes, ["rows=3"]) == {"rows": 3}


def test_revenue_of_the_days_is_revenue_of_the_services_and_its_parts_add_up(seen):
    sums = "sum(rated), sum(suspended), sum(list_charge), sum(cost), sum(margin), sum(cost_unknown)"
    (by_day,), (by_service,) = (rows(seen.sql(f"SELECT {sums} FROM revenue_by_{of}")) for of in ("day", "service"))
    assert by_day == by_service == (3, 1, D("0.35"), D("0.05"), D("0.15"), 1)
    assert_rows(
        seen.sql(
            "SELECT sum(list_charge - charge_cost_unknown - charge_no_carrier - cost - margin) FROM revenue_by_day"
        ),
        (D("0E-6"),),
    )
    assert json.dumps(rows(seen.sql("SELECT run_id, cycle FROM posted_run"))) == f'[["{POSTED}", "2026-10"]]'


def test_the_commands_that_need_no_spark_list_what_there_is():
    assert all(f"{name} " in list_tables.listing() for name in (*contract_names(), *VIEWS))
    assert "destination_prefix" in list_tables.columns_told("suspended_event")
    with pytest.raises(TollgateError, match="no table or view invoise") as refused:
        list_tables.columns_told("invoise")
    assert "did you mean invoice?" in str(refused.value)
    assert argparse.Namespace(**vars(list_tables.parser().parse_args(["invoice"]))).name == "invoice"


def test_only_a_database_that_is_down_leaves_unknown_what_was_billed(spark, lake_settings, services, tmp_path):
    def billed_line(settings) -> str:
        texts, _ = explain_charge.explained(spark, settings, "free")
        return texts[0].splitlines()[-1]

    nowhere = settings_with_database(lake_settings, "postgresql://nobody@127.0.0.1:1/none")
    assert billed_line(nowhere).startswith("billed     unknown: PostgreSQL does not answer; check postgres.url")
    unmigrated = own_places(services, tmp_path)
    elsewhere = unmigrated.model_copy(update={"lake": lake_settings.lake})
    with pytest.raises(TollgateError, match="the database lacks a table or column"):
        billed_line(elsewhere)
    migrate(elsewhere)
    assert not billed_line(elsewhere).startswith("billed"), "the run is not posted there"
    # A table that is not what its contract says is no database that is down, even while one is.
    root = tmp_path / "lake"
    shutil.copytree(lake_settings.lake.root, root)
    shutil.rmtree(root / "billed_usage")
    shutil.copytree(root / "invoice", root / "billed_usage")
    wrong = nowhere.model_copy(update={"lake": nowhere.lake.model_copy(update={"root": str(root)})})
    with pytest.raises(TollgateError, match="billed_usage"):
        billed_line(wrong)


@pytest.mark.parametrize(("part", "listing"), [("tables", list_tables.listing), ("reports", run_report.listing)])
def test_the_lists_in_the_document_are_what_the_commands_print(part, listing):
    text = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
    shown = text.partition(f"<!-- {part}: begin -->\n```\n")[2].partition(f"\n```\n<!-- {part}: end -->")[0]
    assert shown == listing(), "put the command's output there"
