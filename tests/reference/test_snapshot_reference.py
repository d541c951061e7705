"""A snapshot flattens who held what, is taken once for the same master data, and refuses contradictions."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from frames import assert_rows, table
from reference.places import own_places

from jobs import snapshot_reference
from jobs.pinned import load_reference
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import connect, migrate
from tollgate.reference.dialling import dialling_rows
from tollgate.reference.snapshot_checks import (
    mistakes,
    plan_digest,
    row_digests,
    snapshot_digest,
    unaligned_accounts,
    unknown_countries,
)

SUBSCRIPTION = (
    "msisdn STRING, subscription_id STRING, account_id STRING, contract_id STRING, plan_id STRING, line_state STRING, "
    "valid_from TIMESTAMP, valid_to TIMESTAMP"
)
FACT = "customer_id STRING, is_student BOOLEAN, customer_since DATE, valid_from TIMESTAMP, valid_to TIMESTAMP"
MASTER_DATA = """
INSERT INTO crm.customer VALUES ('c1', 'Ann', 'ann@x.ca', '1990-01-01', 'Bay St 1', '2025-03-31');
INSERT INTO crm.customer_fact VALUES ('c1', true, '[2026-09-01 04:00+00,2026-10-10 04:00+00)');
INSERT INTO crm.account VALUES ('a1', 'c1', 'CAD', 'America/Toronto', 1, '2026-10-01', NULL, 'CA-ON', false);
INSERT INTO crm.phone_line VALUES ('s1', 'a1'), ('s2', 'a1');
INSERT INTO crm.line_number VALUES
  ('s1', '+14162000001', '30272000000001', '[2026-09-15 00:00+00,2026-11-01 00:00+00)'),
  ('s2', '+14162000001', '30272000000002', '[2026-11-01 00:00+00,)');
INSERT INTO crm.line_state VALUES ('s1', 'active', '[2026-09-01 00:00+00,2026-10-20 00:00+00)'),
  ('s1', 'suspended', '[2026-10-20 00:00+00,2026-10-25 00:00+00)'), ('s1', 'active', '[2026-10-25 00:00+00,)'),
  ('s2', 'active', '(,)');
INSERT INTO crm.contract VALUES ('k1', 's1', 'term', '2026-10-01', '2027-10-01', '2026-10-21'),
  ('k2', 's1', 'month_to_month', '2026-10-26', NULL, NULL), ('k3', 's2', 'prepaid', '2026-01-01', NULL, NULL);
INSERT INTO crm.contract VALUES ('k1', 's1', 'month_to_month', '2026-10-01', NULL, NULL, '2026-09-01', '2026-09-02');
INSERT INTO crm.cell VALUES ('cell-1', 'S1', 'Toronto', 'ON', 'CA', -79.4, 43.65, '5G');
INSERT INTO crm.carrier VALUES ('carrier_001', 'One');
INSERT INTO crm.source VALUES ('msc-1', 'native_json', 'CA', 'America/Toronto');
"""


@pytest.fixture
def places(services, tmp_path):
    """Own lake and own database, with the rows above in schema crm."""
    own = own_places(services, tmp_path)
    migrate(own)
    execute(own, MASTER_DATA)
    return own


def execute(places, statement: str) -> None:
    session = connect(places)
    with session, session.cursor() as cursor:
        cursor.execute(statement)
    session.close()


def at(month: int, year: int = 2026) -> datetime:
    return datetime(year, month, 1, tzinfo=timezone.utc)


@pytest.mark.covers("CON-03", "CON-08", "CON-21", "RAT-51")
def test_a_line_is_cut_where_number_state_or_contract_changes(spark, places):
    lake = Lake(spark, places.lake.root)

    def take() -> dict:
        return snapshot_reference.run(spark, places, snapshot_reference.parser().parse_args([]))

    assert take()["message"] == "took snapshot 1"
    held = load_reference(lake).table("ref_subscription").orderBy("valid_from")
    held = held.selectExpr(
        *("subscription_id", "contract_id", "plan_id", "line_state"),
        *("date_format(valid_from, 'MM-dd HH')", "date_format(valid_to, 'yyyy-MM-dd HH')"),
    )
    spans = [tuple(row) for row in held.collect()]
    # Contract days begin at midnight in Toronto, 04:00 UTC in October.
    assert spans == [
        ("s1", None, None, "active", "09-15 00", "2026-10-01 04"),
        ("s1", "k1", "term", "active", "10-01 04", "2026-10-20 00"),
        ("s1", "k1", "term", "suspended", "10-20 00", "2026-10-21 04"),
        ("s1", None, None, "suspended", "10-21 04", "2026-10-25 00"),
        ("s1", None, None, "active", "10-25 00", "2026-10-26 04"),
        ("s1", "k2", "month_to_month", "active", "10-26 04", "2026-11-01 00"),
        ("s2", "k3", "prepaid", "active", "11-01 00", "9999-12-31 00"),
    ]
    facts = load_reference(lake).table("ref_customer_fact").orderBy("valid_from")
    facts = facts.selectExpr(
        "is_student", "string(customer_since)", "string(date(valid_from))", "string(date(valid_to))"
    )
    assert [tuple(row) for row in facts.collect()] == [
        (False, "2025-03-31", "1970-01-01", "2026-09-01"),
        (True, "2025-03-31", "2026-09-01", "2026-10-10"),
        (False, "2025-03-31", "2026-10-10", "9999-12-31"),
    ]
    contracts = load_reference(lake).table("ref_contract").select("contract_id", "plan_id").orderBy("contract_id")
    assert [tuple(row) for row in contracts.collect()] == [("k1", "term"), ("k2", "month_to_month"), ("k3", "prepaid")]

    assert take()["message"] == "snapshot 1 is still what the master data say"
    execute(places, "UPDATE crm.account SET tax_exempt = true")
    assert take()["snapshot_id"] == 2
    exempt = lake.read("ref_account").orderBy("snapshot_id").select("snapshot_id", "tax_exempt")
    assert [tuple(row) for row in exempt.collect()] == [(1, False), (2, True)]


@pytest.mark.covers("RAT-51")
def test_overlaps_and_holes_are_said_with_their_numbers(spark):
    held = table(
        spark, SUBSCRIPTION,
        ("+1", "s1", "a", "k", "p", "active", at(1), at(3)),
        ("+1", "s2", "a", "k", "p", "active", at(2), at(4)),
        ("+1", "s3", "a", "k", "p", None, at(4), at(5)),
        ("+2", "s2", "a", "k", "p", "active", at(2), at(4)),
    )  # fmt: skip
    facts = table(
        spark,
        FACT,
        ("c1", True, None, at(1), at(3)),
        ("c1", False, None, at(3), at(1, 2027)),
    )
    sources = table(spark, "source STRING, dialect STRING", ("msc", "native_json"), ("pbx", "voip_xml"))
    assert_rows(
        mistakes(held, facts, sources, ["native_json", "voip_json"]),
        ("number +1: s2 has it from 2026-02-01T00:00:00Z, before the one before ends at 2026-03-01T00:00:00Z",),
        ("line s3 has no state from 2026-04-01T00:00:00Z",),
        ("source pbx has dialect voip_xml; known are native_json, voip_json",),
    )


@pytest.mark.covers("MED-03", "RAT-51")
def test_a_country_without_a_numbering_plan_is_said_with_whose_it_is(spark):
    sources = table(spark, "source STRING, country STRING", ("msc", "CA"), ("pbx", "UK"))
    cells = table(spark, "cell_id STRING, country STRING", ("c1", "US"), ("c2", "ca"))
    expected = "expected an ISO code of two capital letters with a numbering plan, such as CA"
    assert_rows(
        unknown_countries(sources, cells, [row.country for row in dialling_rows()]),
        (f"source pbx has country 'UK'; {expected}",),
        (f"cell c2 has country 'ca'; {expected}",),
    )


@pytest.mark.covers("RAT-51")
def test_a_zone_that_is_none_is_refused_with_whose_it_is_before_anything_is_read_by_it(spark, places):
    execute(places, "UPDATE crm.account SET time_zone = 'America/Tornoto' WHERE account_id = 'a1'")
    execute(places, "UPDATE crm.source SET time_zone = ''")
    with pytest.raises(TollgateError, match="no snapshot is taken") as raised:
        snapshot_reference.run(spark, places, snapshot_reference.parser().parse_args([]))
    assert "account a1 has time zone 'America/Tornoto'; expected an IANA time zone" in str(raised.value)
    assert "source msc-1 has time zone ''" in str(raised.value)


@pytest.mark.covers("CON-21")
def test_a_first_cycle_begins_on_the_anchor_day_and_one_of_days_on_any(spark):
    accounts = table(
        spark, "account_id STRING, anchor_day INT, first_cycle_start DATE, cycle_days INT",
        ("first", 1, date(2026, 5, 1), None), ("shorter month", 31, date(2026, 2, 28), None),
        ("leap year", 30, date(2028, 2, 29), None), ("days", 1, date(2026, 5, 20), 30),
        # 20 to 31 May would be on no bill; the cycle from 15 October would wait for that from 15 September.
        ("within", 1, date(2026, 5, 20), None), ("before", 15, date(2026, 10, 1), None),
        ("leap day is the last", 30, date(2028, 2, 28), None), ("may is longer", 31, date(2026, 5, 30), None),
    )  # fmt: skip
    said = "account {} has its first cycle from {}; expected a start on its anchor day, {}, or on the last day of a "
    assert_rows(
        unaligned_accounts(accounts),
        *[
            (said.format(*one) + "shorter month",)
            for one in (
                ("within", "2026-05-20", 1), ("before", "2026-10-01", 15), ("leap day is the last", "2028-02-28", 30),
                ("may is longer", "2026-05-30", 31),
            )
        ],
    )  # fmt: skip


def test_the_digest_sees_every_cell_and_no_order(spark):
    ddl, rows = "id STRING, n BIGINT", [("a", 1), ("b", None), ("b", None)]

    def digest(*lines: tuple) -> tuple[str, int]:
        return snapshot_digest(row_digests({"t": table(spark, ddl, *lines)}).collect())

    assert digest(*rows) == digest(*reversed(rows))
    others = [rows[:2], [("a", 2), *rows[1:]], [("a", 1), ("b", 0), ("b", None)]]
    assert len({digest(*rows), *(digest(*lines) for lines in others)}) == 4


def test_the_digest_of_a_numbering_plan_sees_every_cell_and_no_order():
    rows = [("1", 10, None), ("44", 11, "GB"), ("44", 11, "GB")]

    def digest(*lines: tuple) -> tuple[str, int]:
        return snapshot_digest([plan_digest("ref_number_range", lines)])

    assert digest(*rows) == digest(*reversed(rows)) and digest(*rows)[1] == 3
    others = [rows[:2], [("1", 10, ""), *rows[1:]], [("1", 9, None), *rows[1:]], [("11", 0, None), *rows[1:]]]
    assert len({digest(*rows), *(digest(*lines) for lines in others)}) == 5
    assert digest(*rows) != snapshot_digest([plan_digest("ref_dialling", rows)])
