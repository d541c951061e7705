"""Who called and on which network slice: from the record's bytes through mediation and rating, and by the oracle."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from mediation.records import DATA, VOICE, payload, raw_rows
from mediation.records import small_reference as of_mediation

from rating import sheet, tariff
from tollgate.mediation.usage import mediate
from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import OPEN_END_S, Account, Holding, Usage
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import reference

NUMBER = VOICE["msisdn"]
IN_US = {"roaming": True, "roaming_country": "US", "carrier_id": None}
# Beside the rows of the model for this zone: 0.10 a started minute, 0.30 received, 0.40 on slice s1.
BOOK = {
    **tariff.MODEL,
    "destination": [
        *tariff.MODEL["destination"],
        {**tariff.SINCE, "prefix": "44", "match": "prefix", "zone_id": "tech"},
    ],
    "rate": [
        *tariff.MODEL["rate"],
        tariff.rate("tech", "0.70", "tech_us", roaming_zone="us"),
        tariff.rate("tech", "0.05", "tech_us_in", roaming_zone="us", direction="in"),
    ],
}
CALL = {**VOICE, "duration_seconds": "61"}  # two started minutes
# Record, rate, charge
CASES = [
    (payload(CALL, event_id="home"), "tech", "0.2"),
    (payload(CALL, event_id="made", direction="outgoing"), "tech", "0.2"),
    (payload(CALL, event_id="received", direction="MT"), "tech_in", "0.6"),
    (payload(CALL, event_id="abroad", **IN_US), "tech_us", "1.4"),
    (payload(CALL, event_id="received abroad", direction="in", **IN_US), "tech_us_in", "0.1"),
    (payload(CALL, event_id="on the slice", slice_id="s1"), "tech_slice", "0.8"),
    (payload(CALL, event_id="on another slice", slice_id="s2"), "tech", "0.2"),
    (payload(CALL, event_id="received on the slice", direction="in", slice_id="s1"), "tech_in", "0.6"),
    (payload(DATA, event_id="package", rating_group="web", slice_id="s1"), "web_s1", "7"),
    (payload(DATA, event_id="data is out", direction="in"), "video", "12.346"),  # 12,346 started kilobytes
]


@pytest.mark.covers("RAT-41", "MED-20")
def test_an_incoming_call_abroad_and_a_slice_have_prices_of_their_own(spark, tmp_path):
    folder = tariff.written(tmp_path / "book", BOOK)
    customers = reference(
        {
            "ref_subscription": sheet.rows(spark, "ref_subscription", sheet.line(NUMBER, "one")),
            "ref_account": sheet.rows(spark, "ref_account", sheet.account("one")),
            "ref_customer_fact": sheet.rows(spark, "ref_customer_fact", sheet.fact("one", False, date(2026, 9, 1))),
        },
        sheet.PINS["snapshot_id"],
    )
    usage = mediate(raw_rows(spark, *(record for record, *_ in CASES)), of_mediation(spark)).cache()
    book = tariff.frames_of(spark, tariff.compiled(folder))
    rated = {row["event_id"]: row for row in rate_events(usage, book, customers, rating_no=1).collect()}
    events = usage.orderBy("kafka_offset").selectExpr("*", "unix_micros(started_at) AS at_us").collect()
    usage.unpersist()

    account = Account("a", "c", "CAD", "America/Toronto", 1, date(2024, 1, 1), None, "CA-ON", False)
    known = Facts([account], [Holding(NUMBER, "s", "a", "k", "term", "active", 0, OPEN_END_S * 1_000_000)], [])
    written = PriceBook(folder)
    for event, (_, rate_id, charge) in zip(events, CASES, strict=True):
        row = rated[event["event_id"]]
        assert (event["reasons"], row["suspense_reason"]) == ([], None), event["event_id"]
        assert (row["rate_id"], row["charge"]) == (rate_id, Decimal(charge)), event["event_id"]
        assert (row["direction"], row["slice_id"]) == (event["direction"], event["slice_id"])
        given = {name: event[name] for name in Usage._fields if name != "started_at"}
        priced = price_event(Usage(started_at=event["at_us"], **given), written, known)
        assert priced.rate is not None and (priced.rate.rate_id, priced.charge) == (rate_id, int(row["charge"] * 10**6))
        # The other side pays for what is received; abroad the visited network is paid, data is out whatever it says.
        is_paid_for = event["event_id"] in ("received", "received on the slice")
        assert (row["wholesale_status"] == "not_applicable") == is_paid_for, event["event_id"]
        assert priced.wholesale.status == row["wholesale_status"]
