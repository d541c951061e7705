"""A file of usage rated with a folder of prices: the example, and rows that cannot be read."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs import rate_file
from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Account, CustomerFact, Holding, Usage
from tollgate.platform.errors import TollgateError
from tollgate.rating.result_sheet import RESULT

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "conf" / "example_tariff"
BERLIN = ZoneInfo("Europe/Berlin")
FOREVER = 253_402_214_400_000_000
HEADER = "event_id,started_at,service,duration_s,volume_bytes,destination,plan_id"

# The arithmetic of conf/example_tariff, by hand.
BY_HAND = {
    "over_20": "0.1125",  # 90 s are 120: (30 x 1 + 90 x 1/2) x 0.09 / 60
    "holiday": "0.09",  # 120 x 1/2 x 0.09 / 60 on German Unity Day
    "student_and_loyal": "0.0684",  # 0.09 x 0.8 x 0.95, customer for two years on that day
    "plan_before_noon": "0.061",  # business by the second: 61 x 0.06 / 60
    "plan_from_noon": "0.18",  # basic by the minute: 120 x 0.09 / 60
    "europe_minimum": "0.1",  # 6 x 0.19 / 60 + 0.05 = 0.069
    "europe_between": "0.3667",  # 100 x 0.19 / 60 + 0.05
    "europe_november": "0.3",  # 100 x 0.15 / 60 + 0.05
    "europe_maximum": "1",  # 3600 x 0.19 / 60 + 0.05 = 11.45
    "marked_up": "0.32",  # no rate; cost 120 x 0.08 / 60 x 2
    "received_abroad": "0.075",  # the same at the price of what is received: 90 x 0.05 / 60
    "first_minute": "0.06",  # 7 s are the first minute: 60 x 0.06 / 60
    "abroad": "0.285",  # 61 s are 90: 90 x 0.19 / 60
    "on_net": "0.07",
    "message": "0.07",
    "data": "0.1235",  # 12,346,000 bytes x 0.01 / 1,000,000 = 0.12346, up
    "plan_of_the_row": "0.072",  # 0.09 x 0.8: the row says student
    "unanswered": "0",
    "emergency": "0",
    "freephone": "0",
}
SUSPENDED = {
    "no_carrier": "no_rate", "far_abroad": "no_rate", "nobodys_number": "no_subscriber", "two_plans": "ambiguous",
    "suspended_line": "suspended_line", "other_currency": "currency_mismatch", "unknown_zone": "no_zone",
}  # fmt: skip


def rate(spark, settings, *argv: str) -> dict[str, Any]:
    args = rate_file.parser().parse_args(["--pricebook", str(EXAMPLE / "pricebook"), *argv])
    rate_file.check_before_spark(settings, args)
    return rate_file.run(spark, settings, args)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def example(spark, settings, tmp_path_factory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("rated") / "result.csv"
    files = ("--usage", str(EXAMPLE / "usage.csv"), "--subscriptions", str(EXAMPLE / "subscriptions.csv"))
    return rate(spark, settings, *files, "--out", str(out)), out


@pytest.mark.covers("RAT-02", "RAT-08", "RAT-41", "RAT-42", "RAT-46")
def test_the_example_costs_what_was_reckoned_by_hand(example):
    figures, out = example
    found = {row["event_id"]: row for row in rows(out)}
    assert {name: Decimal(found[name]["charge"]) for name in BY_HAND} == {
        name: Decimal(charge) for name, charge in BY_HAND.items()
    }
    assert {name: row["reason"] for name, row in found.items() if row["status"] == "suspended"} == SUSPENDED
    assert all(row["charge"] == "" for row in found.values() if row["status"] == "suspended")
    assert figures["charge"] == sum(Decimal(charge) for charge in BY_HAND.values())
    assert (figures["rows"], figures["rated"], figures["zero_rated"], figures["invalid"]) == (27, 17, 3, 0)
    assert figures["suspended"] == {
        reason: list(SUSPENDED.values()).count(reason) for reason in dict.fromkeys(SUSPENDED.values())
    }
    # Costs: 15 s of minutes at 0.01 by the second, and the started minute to France at 0.08.
    assert [Decimal(found[name]["cost"]) for name in ("over_20", "europe_between")] == [
        Decimal("0.015"),
        Decimal("0.16"),
    ]
    assert Decimal(found["europe_between"]["margin"]) == Decimal("0.2067")


def test_the_example_is_what_its_folder_says_to_the_letter(example):
    _, out = example
    assert out.read_text(encoding="utf-8") == (EXAMPLE / "expected.csv").read_text(encoding="utf-8")
    header = out.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header == [*(EXAMPLE / "usage.csv").read_text(encoding="utf-8").splitlines()[0].split(","), *RESULT]
    given = [row["event_id"] for row in rows(EXAMPLE / "usage.csv")]
    assert [row["event_id"] for row in rows(out)] == given
    assert rows(out)[3]["note"] == "by the second, business"
    assert json.loads(rows(out)[0]["pieces"])[0]["units"] == 30
    explained = rows(out)[2]["explanation"]
    assert explained == "(60 day x 0.09) / 60 seconds, student and loyalty x 304/400, = 0.0684 EUR, half up to 4 digits"


def micros(text: str) -> int:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=BERLIN)
    return int((at - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()) * 1_000_000


def facts() -> Facts:
    """The subscriptions as the oracle takes them: an account and a customer a row."""
    accounts, holdings, customers = [], [], []
    for number, row in enumerate(rows(EXAMPLE / "subscriptions.csv")):
        name, currency = f"a{number}", row["currency"] or "EUR"
        accounts.append(Account(name, name, currency, "Europe/Berlin", 1, date(2026, 1, 1), None, "DE", False))
        start, end = (
            micros(row[c] + "T00:00:00" * (len(row[c]) == 10)) if row[c] else FOREVER
            for c in ("valid_from", "valid_to")
        )
        holdings.append(Holding(row["msisdn"], name, name, name, row["plan_id"], row["line_state"], start, end))
        if row["customer_since"]:
            since = date.fromisoformat(row["customer_since"])
            customers.append(CustomerFact(name, row["student"] == "true", since, 0, FOREVER))
    return Facts(accounts, holdings, customers)


# The oracle asks a snapshot, in which these do not stand.
NOT_ASKED = {"two_plans", "plan_of_the_row"}


def test_the_oracle_says_the_same_of_every_row_that_it_can_be_asked(example):
    _, out = example
    book, known = PriceBook(EXAMPLE / "pricebook"), facts()
    compared = 0
    for row in rows(out):
        if row["event_id"] in NOT_ASKED:
            continue
        usage = Usage(
            "file", row["event_id"], row["service"], micros(row["started_at"]), row["msisdn"] or None,
            row["destination"] or None, row["rated_destination_country"] or None, int(row["duration_s"] or 0),
            int(row["volume_bytes"] or 0), "internet" if row["service"] == "data" else None,
            bool(row["roaming_country"]), row["roaming_country"] or None, row["carrier_id"] or None,
            row["call_outcome"] or None, row["direction"] or None,
        )  # fmt: skip
        priced = price_event(usage, book, known)
        charge = "" if priced.charge is None else f"{Decimal(priced.charge).scaleb(-6):.6f}"
        cost = "" if priced.wholesale.cost is None else f"{Decimal(priced.wholesale.cost).scaleb(-6):.6f}"
        told = (priced.retail_status, priced.suspense_reason or "", charge, cost, priced.zone_id or "")
        assert told == tuple(row[c] for c in ("status", "reason", "charge", "cost", "rated_zone_id")), row["event_id"]
        compared += 1
    assert compared == len(rows(out)) - len(NOT_ASKED)


BAD = [
    # a line, and what its reason must say; empty: it is rated
    ("ok,2026-10-05 10:00:00,voice,60,,+493012345678,basic", ""),
    ("no_start,,voice,60,,+493012345678,basic", "started_at: expected an instant"),
    ("no_day,2026-02-30 10:00:00,voice,60,,+493012345678,basic", 'found "2026-02-30 10:00:00"'),
    ("no_such_hour,2026-03-29 02:30:00,voice,60,,+493012345678,basic", "without an offset that Europe/Berlin had"),
    ("that_hour_by_offset,2026-03-29T02:30:00+01:00,voice,60,,+493012345678,basic", ""),
    ("fax,2026-10-05 10:00:00,fax,60,,+493012345678,basic", 'expected one of voice, sms, mms, data, found "fax"'),
    ("negative,2026-10-05 10:00:00,voice,-1,,+493012345678,basic", 'whole seconds from 0 to 86400, found "-1"'),
    ("a_day_and_one,2026-10-05 10:00:00,voice,86401,,+493012345678,basic", 'found "86401"'),
    ("huge,2026-10-05 10:00:00,voice,99999999999999999999,,+493012345678,basic", "duration_s"),
    ("decimal,2026-10-05 10:00:00,voice,1.5,,+493012345678,basic", 'found "1.5"'),
    ("no_duration,2026-10-05 10:00:00,voice,,,+493012345678,basic", "from 0 to 86400, found nothing"),
    ("no_volume,2026-10-05 10:00:00,data,,,,basic", "to 1099511627776, found nothing"),
    ("as_dialled,2026-10-05 10:00:00,voice,60,,030 12345678,basic", "+, or a short code of 1 to 6 digits"),
    ("no_number,2026-10-05 10:00:00,sms,,,,basic", "destination"),
    (",2026-10-05 10:00:00,sms,,,+493012345678,basic", "event_id: expected an id of 1 to 128 bytes, found nothing"),
    ("two_at_once,soon,voice,x,,+493012345678,basic", "; duration_s: expected"),
    ("too_few,2026-10-05 10:00:00,voice,60", "the row has another number of cells than the header"),
    ("too_many,2026-10-05 10:00:00,voice,60,,+493012345678,basic,1,2", "the row has another number of cells"),
    ('"quote""d, with a comma",2026-10-05 10:00:00,voice,60,,+493012345678,basic', ""),
    ('stray,2026-10-05 10:00:00,voice,60,,"+493012345678,basic', "the row has another number of cells"),
    ("long_ago,0001-01-01 00:00:00,voice,60,,+493012345678,basic", "no_zone"),
    ("last,2026-10-05T23:59:59.999999Z,sms,,,112,basic", ""),
]  # fmt: skip


@pytest.mark.covers("OPS-16")
def test_a_row_that_cannot_be_read_stops_nothing_and_says_why(spark, settings, tmp_path, capsys):
    usage, out = written(tmp_path / "usage.csv", HEADER, *(line for line, _ in BAD), ""), tmp_path / "out.csv"
    with pytest.raises(TollgateError, match=r"17 of 22 rows cannot be read; all others are in the result") as refused:
        rate(spark, settings, "--usage", str(usage), "--out", str(out))
    assert refused.value.exit_code == 1
    figures = json.loads(capsys.readouterr().out)
    found = rows(out)
    for row, (line, reason) in zip(found, BAD, strict=True):
        assert (reason in row["reason"]) if reason else not row["reason"], (line, row["reason"])
        assert (row["status"] == "invalid") == bool(reason and reason != "no_zone"), (line, row["status"])
        assert bool(row["charge"]) == (row["status"] == "rated"), line
    assert (figures["invalid"], figures["rated"], figures["suspended"]) == (17, 4, {"no_zone": 1})
    assert found[18]["event_id"] == 'quote"d, with a comma'


def test_numbers_as_dialled_are_read_by_mediations_rules(spark, settings, tmp_path):
    usage = written(
        tmp_path / "usage.csv", "event_id,started_at,service,duration_s,msisdn,destination,carrier_id,Notes",
        "national,2026-10-05 10:00:00,voice,60,01551 0000001,030 12345678,transit,a note",
        "exit_code,2026-10-05 10:00:00,voice,60,+4915510000001,0033 1 45 67 89 01,transit,",
        "emergency,2026-10-05 10:00:00,voice,60,+4915510000001,112,,",
        "impossible,2026-10-05 10:00:00,voice,60,+4915510000001,0999,,",
    )  # fmt: skip
    held = written(tmp_path / "held.csv", "msisdn,plan_id", "+4915510000001,basic")
    out = tmp_path / "out.parquet"
    with pytest.raises(TollgateError, match="1 of 4 rows"):
        files = ("--usage", str(usage), "--subscriptions", str(held), "--out", str(out))
        rate(spark, settings, *files, "--country", "DE")
    result = spark.read.parquet(str(out)).select(
        "event_id", "rated_zone_id", "rated_call_type", "status", "charge", "reason", "Notes"
    )
    nothing_said = (None,)
    assert sorted(tuple(row)[:5] for row in result.collect()) == [
        ("emergency", "emergency", None, "zero_rated", Decimal("0.000000")),
        ("exit_code", "europe", "international", "rated", Decimal("0.240000")),  # 60 x 0.19 / 60 + 0.05
        ("impossible", *nothing_said * 2, "invalid", None),
        ("national", "germany", "national", "rated", Decimal("0.090000")),
    ]
    said = {row["event_id"]: (row["reason"], row["Notes"]) for row in result.collect()}
    assert said["impossible"][0] == 'destination: expected a number that can be dialled in DE, found "0999"'
    assert said["national"] == (None, "a note")


def test_subscriptions_that_cannot_be_read_stop_the_run(spark, settings, tmp_path):
    usage = written(tmp_path / "usage.csv", HEADER, BAD[0][0])
    held = written(
        tmp_path / "held.csv", "msisdn,plan_id,valid_from,valid_to,student",
        "015510000001,basic,,,", "+4915510000002,basic,2026-10-02,2026-10-01,maybe",
    )  # fmt: skip
    with pytest.raises(TollgateError) as refused:
        rate(spark, settings, "--usage", str(usage), "--subscriptions", str(held), "--out", str(tmp_path / "out.csv"))
    assert 'a row without a number: msisdn: expected an E.164 number with +, found "015510000001"' in refused.value.what
    assert '+4915510000002: student: expected true or false, found "maybe"' in refused.value.what
    assert "+4915510000002: valid_from: expected a moment before valid_to" in refused.value.what
    assert not list(tmp_path.glob("*out*"))


def test_a_result_that_cannot_be_written_is_told_before_anything_is_rated(settings, tmp_path):
    usage, out = written(tmp_path / "usage.csv", HEADER, BAD[0][0]), tmp_path / f"{'x' * 300}.csv"
    args = rate_file.parser().parse_args(["--usage", str(usage), "--out", str(out)])
    with pytest.raises(TollgateError, match="the result cannot be written") as refused:
        rate_file.check_before_spark(settings, args)
    assert str(out) in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["usage.csv"]
