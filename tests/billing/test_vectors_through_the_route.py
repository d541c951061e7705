"""Golden vectors G-01 to G-16 from Kafka to PostgreSQL: four months of one line each, all in the history dialect."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import pytest
from answers import ask
from faults.fixtures import create_database, settings_of
from faults.route import Route
from faults.topics import send
from oracle.small_book import SHEETS, sheet, write_book
from years.two_years import instant

from generators.customers import local_midnight_ms, months_later
from tollgate.platform import kafka
from tollgate.platform.postgres import connect, migrate

MAY = date(2025, 5, 1)
SMS = "sms"
# Plans whose contracts open with another credit; the vectors name the credit at a month's end.
PREPAID = {"prepaid": 100, "prepaid_nothing": 0, "prepaid_ten": 10}
BOOK = {
    # A category has to have a tax; the accounts are exempt from it.
    "tax": sheet("tax", {}),
    "plan": SHEETS["plan"] + "".join(f"{plan},{plan},prepaid,prepaid,\n" for plan in PREPAID),
    "rate": SHEETS["rate"]
    + "".join(
        sheet("rate", *rows).partition("\n")[2]
        for rows in (
            [{"rate_id": plan, "plan_id": plan, "price": "0.025"} for plan in PREPAID],
            # Of messages the contracts know no price.
            [{"rate_id": "sms", "plan_id": "*", "service": "sms", "price": 0, "unit": "message", "block": 1,
              "increment": 1}],
        )
    ),
    "top_up": "plan_id,opening_credit,below,amount,moment,valid_from,valid_to\n"
    + "".join(f"{plan},{credit},10,25,month_start,2024-01-01,\n" for plan, credit in PREPAID.items()),
}  # fmt: skip
ROLLED = ("G-10", (469, 211, 975), "0.000", "99.100000")
FIVE_CALLS = (72_000,) * 5


class Line(NamedTuple):
    """A line's plan and its months from May on; ends: the first day without its contract.

    A month: vectors, calls in seconds (or SMS), total of the invoice, credit afterwards (None: not prepaid).
    """

    plan: str
    months: list[tuple[str, tuple[object, ...], str, str | None]]
    ends: date | None = None


LINES = [
    Line("term", [("G-01", (), "320.000", None), ("G-02", (), "20.000", None)]),
    Line("term", [("G-01", (), "320.000", None), ("G-03", (915, 1975, 6028), "25.000", None)]),
    Line("term", [("G-01", (), "320.000", None), ("G-04", (317,), "20.000", None)]),
    Line("term", [("G-01", (), "320.000", None), ("G-05", (5400, 660), "20.100", None)]),
    Line("term", [("G-01", (), "320.000", None), ("G-06 before", (), "20.000", None)], ends=date(2025, 6, 19)),
    Line("term", [("G-01", (), "320.000", None), ("G-06 on", (), "-280.000", None)], ends=date(2025, 6, 20)),
    Line("term", [("G-01", (), "320.000", None), ("G-06 after", (), "-280.000", None)], ends=date(2025, 6, 30)),
    Line("month_to_month", [("G-07", (248, 335, 884), "51.300", None)]),
    Line("month_to_month", [("G-08", (), "50.000", None), ("G-08", (), "50.000", None)], ends=date(2025, 6, 30)),
    Line("prepaid", [("G-09", (375,), "0.000", "99.825000"), ("G-10", (469, 211), "0.000", "99.525000"),
                     ("G-10", (975,), "0.000", "99.100000"), ("G-11", (), "0.000", "99.100000")]),
    Line("prepaid_nothing", [("G-12", (), "25.000", "25.000000"), ("G-12", (), "0.000", "25.000000")]),
    Line("prepaid_ten", [("G-13", (), "0.000", "10.000000")]),
    Line("prepaid", [("G-09", (375,), "0.000", "99.825000"), ("G-14", (), "0.000", "0.000000")],
         ends=date(2025, 6, 20)),
    Line("prepaid", [("G-09", (375,), "0.000", "99.825000"), ROLLED, ("G-15", FIVE_CALLS, "50.900", "0.000000")],
         ends=date(2025, 7, 31)),
    Line("prepaid", [("G-09", (375,), "0.000", "99.825000"), ROLLED, ("G-15", FIVE_CALLS, "25.000", "-25.900000"),
                     ("G-15", (), "25.900", "0.000000")], ends=date(2025, 8, 20)),
    Line("month_to_month", [("G-16", (SMS, SMS, SMS, 59), "50.050", None)]),
]  # fmt: skip


@pytest.fixture(scope="module")
def played(spark, services, tmp_path_factory) -> tuple[Route, list[str]]:
    """A route that has billed the four months; the keys of its cycles."""
    folder = tmp_path_factory.mktemp("vectors")
    create_database(services, "golden_vectors", None)
    route = Route(spark, settings_of(services, folder / "lake", "golden_vectors"))
    migrate(route.settings)
    kafka.ensure_topic(route.settings)
    book = write_book(folder / "book", **BOOK)
    version = route.publish("--dir", str(book))
    enter_master_data(route)
    route.snapshot()
    cycles = []
    for number in range(max(len(line.months) for line in LINES)):
        send(route.settings, 0, records(number))
        mediated = route.mediate()
        assert mediated["received"] == mediated["accepted"] == len(records(number))
        route.night()
        cycles.append(f"{months_later(MAY, number):%Y-%m}")
        route.bill(cycles[-1], instant(months_later(MAY, number + 1)))
    report = route.opinion({version: book})
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    return route, cycles


@pytest.mark.long
@pytest.mark.covers("CON-01", "CON-02", "CON-13", "CON-16", "CON-17", "CON-19", "GEN-13", "QUA-02")
def test_every_month_of_every_vector_is_posted_as_it_says(played):
    route, cycles = played
    query = "SELECT account_id, cycle_start, total FROM billing.invoice"
    posted = {(account, f"{start:%Y-%m}"): total for account, start, total in ask(route.settings, query)}
    credit = {
        (row["account_id"], f"{row['cycle_start']:%Y-%m}"): row["closing"]
        for row in route.lake.read("prepaid_balance").collect()
    }
    for number, line in enumerate(LINES):
        for cycle, (vector, _, total, left) in zip(cycles, line.months, strict=False):
            key = (f"a{number:02d}", cycle)
            assert (posted[key], credit.get(key)) == (Decimal(total), None if left is None else Decimal(left)), vector


@pytest.mark.long
@pytest.mark.covers("CON-19", "GEN-13")
def test_messages_of_the_history_dialect_are_counted_and_not_billed(played):
    """G-16, and beside the messages a call, which is billed."""
    route, _ = played
    account = len(LINES) - 1
    query = (
        "SELECT service, events, units, l.amount FROM billing.invoice_line l JOIN billing.invoice USING (invoice_no) "
        f"WHERE account_id = 'a{account}' AND l.kind = 'usage' ORDER BY service"
    )
    assert ask(route.settings, query) == [(SMS, 3, 3, Decimal("0.000")), ("voice", 1, 60, Decimal("0.050"))]


def records(month: int) -> list[tuple[bytes, bytes, int, None]]:
    """What the lines did in a month, one event a day at noon, in one record each; all arrive at its end."""
    found = []
    for number, line in enumerate(LINES):
        events = line.months[month][1] if month < len(line.months) else ()
        for day, event in enumerate(events, start=1):
            told = {"src_number": msisdn(number), "dst_number": "+16045550100",
                    "time": f"{months_later(MAY, month):%Y-%m}-{day:02d} 12:00:00"}  # fmt: skip
            told |= {"type": SMS} if event == SMS else {"type": "call", "duration": event}
            arrival = local_midnight_ms(months_later(MAY, month + 1)) - 1
            found.append((f"archive|{number}".encode(), json.dumps(told).encode(), arrival, None))
    return found


def enter_master_data(route: Route) -> None:
    """A customer, an account and a line for each, and the source of their records."""
    session = connect(route.settings)
    with session, session.cursor() as cursor:
        cursor.execute("INSERT INTO crm.source VALUES ('archive', 'history_json', 'CA', 'America/Toronto')")
        for number, line in enumerate(LINES):
            term_ends_on = date(2025, 6, 20) if line.plan == "term" else None
            of = {"n": f"{number:02d}", "msisdn": msisdn(number), "plan": line.plan, "may": MAY,
                  "term_ends_on": term_ends_on, "ends": line.ends}  # fmt: skip
            cursor.execute(
                """
                INSERT INTO crm.customer VALUES ('c' || %(n)s, 'n', 'a@b', '1980-01-01', 'x', '2025-05-01');
                INSERT INTO crm.account VALUES ('a' || %(n)s, 'c' || %(n)s, 'CAD', 'America/Toronto', 1, %(may)s, NULL,
                    'CA-ON', true);
                INSERT INTO crm.phone_line VALUES ('s' || %(n)s, 'a' || %(n)s);
                INSERT INTO crm.line_number VALUES ('s' || %(n)s, %(msisdn)s, '302720000000' || %(n)s, '(,)');
                INSERT INTO crm.line_state VALUES ('s' || %(n)s, 'active', '(,)');
                INSERT INTO crm.contract
                VALUES ('k' || %(n)s, 's' || %(n)s, %(plan)s, %(may)s, %(term_ends_on)s, %(ends)s);
                """,
                of,
            )
    session.close()


def msisdn(number: int) -> str:
    return f"+1416200{number:04d}"
