"""A night on a small lake: gate, one commit, its mark; nothing new, a retry, and a death between commit and mark."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from jobs import night, rate_usage
from jobs.awaiting_usage import Awaiting, Later, awaiting, later_than, taken_to
from rating import sheet
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

BOOK = ("price_plan", "price_zone", "price_destination", "price_own_range", "price_roaming_zone", "price_rate_key")
BOOK += ("price_carrier_key", "price_band_day", "price_discount")
LISTS = {
    "arrived_at": sheet.local(6),
    "reasons": [],
    "flags": [],
    "repairs": [],
    "defaulted_fields": [],
    "rule_version": 1,
}


class Lakeside:
    """A lake with the small book, its customers, and batches as mediation would leave them."""

    def __init__(self, lake: Any, settings: Any) -> None:
        self.lake = lake
        self.settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": lake.root})})

    def furnish(self) -> None:
        book = sheet.small_book(self.lake.spark)
        for name in BOOK:
            self.lake.append(book.table(name), name, "seed", 1)
        version = {"digest": "-", "author": "a", "reason": "r", "name": "small", "currency": "CAD", "factor_den": 10}
        version |= {
            "time_zone": "America/Toronto",
            "discount_den": 20,
            "band_slots": sheet.SLOTS,
            "amount_type": "BIGINT",
        }
        self.put("price_version", 1, version)
        self.customers(snapshot_id=3, lines=sheet.LINES)

    def put(self, table: str, no: int, *rows: dict[str, Any]) -> None:
        self.lake.append(sheet.rows(self.lake.spark, table, *rows), table, "seed", no)

    def customers(self, snapshot_id: int, lines: list[dict[str, Any]]) -> None:
        pin = {"snapshot_id": snapshot_id}
        accounts = [sheet.account(name) for name in ("plain", "held")]
        self.put("ref_subscription", snapshot_id, *({**row, **pin} for row in lines))
        self.put("ref_account", snapshot_id, *({**row, **pin} for row in accounts))
        self.put("ref_customer_fact", snapshot_id, *({**row, **pin} for row in sheet.FACTS))
        self.put("control_snapshot", snapshot_id, {**pin, "digest": str(snapshot_id), "rows": 0})

    def batch(self, no: int, *events: dict[str, Any], checked: bool = True) -> None:
        places = [{**row, **LISTS, "batch_no": no, "kafka_offset": 10 * no + at} for at, row in enumerate(events)]
        self.put("usage_event", no, *places)
        counts = dict.fromkeys(("received", "raw_rows", "accepted"), len(events))
        counts |= dict.fromkeys(("quarantined", "duplicate", "late", "raw_bytes", "accepted_duration_s"), 0)
        mark = {
            "batch_no": no,
            "generation": 1,
            "topic": "cdr.raw",
            "offsets": "{}",
            "rule_version": 1,
            "balanced": True,
        }
        mark |= {"accepted_volume_bytes": 0, "recorded_at": datetime(2026, 10, 6, tzinfo=timezone.utc)}
        self.put("control_mediation", no, {**mark, **counts})
        if checked:
            self.check(no)

    def check(self, no: int, failed: list[str] | None = None) -> None:
        found = {"suite": "usage_event", "table_name": "usage_event", "rows_checked": 0, "passed": not failed}
        self.put("quality_result", no, {**found, "from_no": no, "to_no": no, "failed_expectations": failed or []})

    def night(self, *argv: str) -> dict[str, Any]:
        return rate_usage.run(self.lake.spark, self.settings, rate_usage.parser().parse_args(list(argv)))

    def marks(self) -> list[tuple[Any, ...]]:
        names = ["rating_no", "from_batch_no", "to_batch_no", "accepted_in", "retried_in", "rated", "suspended"]
        marks = self.lake.read("control_rating").orderBy("rating_no")
        return [tuple(row) for row in marks.select(*names, "still_suspended", "balanced").collect()]


@pytest.fixture(scope="module")
def furnished(spark, settings, tmp_path_factory) -> str:
    """Root of a lake without batches, to be copied."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("night") / "lake"))
    Lakeside(lake, settings).furnish()
    return lake.root


@pytest.fixture
def side(furnished, lake, settings) -> Lakeside:
    shutil.copytree(furnished, lake.root)
    return Lakeside(lake, settings)


@pytest.mark.covers("RAT-01", "RAT-09", "QUA-06")
def test_a_night_rates_once_retries_what_was_held_and_mends_its_mark(side, lake, monkeypatch):
    first = [sheet.event("a"), sheet.event("b", msisdn=sheet.HELD), sheet.event("c", destination="+9990000000")]
    side.batch(0, *first, checked=False)
    with pytest.raises(TollgateError, match="quality gate"):
        side.night()
    side.check(0)
    with pytest.raises(TollgateError, match="batch 1 is not published"):
        side.night("--to-batch", "1")
    assert side.night("--to-batch", "0", "--dry-run")["suspended"] == {"no_zone": 1, "suspended_line": 1}
    assert not lake.exists("rated_usage")

    rated = side.night()
    assert (rated["rated"], rated["suspended"]) == (1, {"no_zone": 1, "suspended_line": 1})
    assert (rated["charge"]["voice"], rated["cost"]["voice"]) == (Decimal("0.1"), Decimal("0.08"))
    taken = ("from_batch_no", "to_batch_no", "batches")
    assert [rated[name] for name in taken] == [0, 0, 1]
    nothing = side.night()
    assert [nothing[name] for name in ("rated", *taken)] == [0, None, None, 0]

    # The line is active again in a newer snapshot; an id comes back in another month.
    lines = [{**row, "line_state": "active"} for row in sheet.LINES]
    side.customers(snapshot_id=4, lines=lines)
    side.batch(1, sheet.event("a", at=sheet.local(1, month=11)), sheet.event("d"))
    assert rate_usage._next_night(lake, 4, 1, to_batch=None).to_batch_no == 1
    assert rate_usage._next_night(lake, 4, 1, to_batch=0).to_batch_no == 0
    with monkeypatch.context() as dies:
        dies.setattr(rate_usage, "_mark", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            side.night()
    assert taken_to(lake) == 1, "its rows are committed, the next night writes the mark"
    mended = side.night()
    assert (mended["repaired"], mended["rated"], mended["suspended"]) == (True, 2, {"id_conflict": 1})
    assert side.marks() == [
        (1, 0, 0, 3, 0, 1, 2, 0, True),
        (2, 1, 0, 0, 2, 0, 0, 2, True),
        (3, 1, 1, 2, 2, 2, 1, 1, True),
    ]

    side.batch(2, sheet.event("e"), sheet.event("f"), checked=False)
    assert awaiting(lake, taken_to(lake), 2) == Awaiting(2, 2, records=2, accepted=2, unchecked=1, refused=())
    side.check(2, failed=["volume_bytes: 1 of 2 rows"])
    assert awaiting(lake, 1, 2) == Awaiting(2, 2, 2, 2, 1, refused=("volume_bytes: 1 of 2 rows",))
    assert awaiting(lake, 1, 0).batches == 0
    assert awaiting(lake, 1, 0).figures()["from_batch_no"] is None
    rows = lake.read("rated_usage").select("event_id", "rating_no", "retail_status").collect()
    assert sorted(tuple(row) for row in rows) == [
        ("a", 1, "rated"),
        ("a", 3, "suspended"),
        ("b", 1, "suspended"),
        ("b", 3, "rated"),
        ("c", 1, "suspended"),
        ("d", 3, "rated"),
    ]


@pytest.mark.covers("RAT-01")
def test_a_night_without_a_batch_says_so_and_names_the_date_for_which_batches_wait(side, lake):
    def outlook(day: str) -> dict[str, Any]:
        return night.run(lake.spark, side.settings, night.parser().parse_args(["--date", day, "--dry-run"]))

    assert (later_than(lake, -1), outlook("2026-10-05")["next"]) == (None, "nothing")
    # Both arrived on the 6th.
    side.batch(0, sheet.event("a"))
    side.batch(1, sheet.event("b"))
    assert [later_than(lake, after) for after in (-1, 0, 1)] == [
        Later(0, 1, "2026-10-06"), Later(1, 1, "2026-10-06"), None
    ]  # fmt: skip
    early, due = outlook("2026-10-05"), outlook("2026-10-06")
    names = ("from_batch_no", "to_batch_no", "batches", "records")
    assert [early["steps"][0][name] for name in names] == [None, None, 0, 0]
    assert early["next"] == "batches 0 to 1 arrived up to 2026-10-06: `tollgate night --date 2026-10-06` takes them"
    assert [due["steps"][0][name] for name in names] == [0, 1, 2, 2]
    assert due["next"] == "`tollgate night --date 2026-10-06` does it"
