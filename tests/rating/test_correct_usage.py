"""`tollgate correct-usage` on a small lake: what it corrects, what it leaves, and what the runs after it do."""

from __future__ import annotations

import shutil
from decimal import Decimal
from typing import Any

import pytest
from answers import ask
from faults.route import Route
from reference.places import own_places

from jobs import bill_runs, correct_usage, corrected_lines, credit_notes, explain_charge
from jobs.quality_slices import known_of, new_range, rows_of
from jobs.rating_runs import Night, Selection, append_run
from rating import sheet
from rating.posted_call import BILLED, post_the_call
from rating.test_night import BOOK, Lakeside
from tollgate.assurance.conservation import EQUATIONS, balances, of_corrections
from tollgate.assurance.current_rating import current_rating, row_versions
from tollgate.assurance.measures import rated, rated_marks
from tollgate.assurance.quality import judge
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import migrate

D = Decimal
VERSION = {
    "digest": "-", "author": "a", "reason": "r", "name": "small", "currency": "CAD", "factor_den": 10,
    "time_zone": "America/Toronto", "discount_den": 20, "band_slots": sheet.SLOTS, "amount_type": "BIGINT",
    "pricebook_version": 8,
}  # fmt: skip
# The price of national calls was 0.10 and should have been 0.15; the carrier's of data doubles; SMS has no price now.
DEARER = {"national": {"unit_price_micros": 150_000}}
GONE = {"sms"}
EVENTS = [
    sheet.event("national", used=150),
    sheet.event("europe", destination="+442071234567"),
    sheet.event("message", "sms"),
    sheet.event("data", "data", used=3_000_000),
    sheet.event("unanswered", call_outcome="busy"),
    sheet.event("moved", destination="+442071234567", msisdn=sheet.MOVED, at=sheet.local(5, 13)),
    sheet.event("held", msisdn=sheet.HELD),
    sheet.event("later", at=sheet.local(9, 7)),
]
WRITTEN = "event_id, revision, kind, account_id, charge, cost, rating_no, pricebook_version, snapshot_id"
OCTOBER_5 = ("--from", "2026-10-05", "--to", "2026-10-06T04:00:00Z")


class Corrector(Lakeside):
    """The night's lake, on which a newer book and a newer snapshot are right."""

    def customers(self, snapshot_id: int, lines: list[dict[str, Any]]) -> None:
        super().customers(snapshot_id, lines)
        more = [{**sheet.account(name), "snapshot_id": snapshot_id} for name in ("first", "second")]
        self.lake.append(sheet.rows(self.lake.spark, "ref_account", *more), "ref_account", "more", snapshot_id)

    def put_right(self) -> None:
        book = sheet.small_book(self.lake.spark)
        names = [name for name in BOOK if name not in ("price_rate_key", "price_carrier_key")]
        tables = {name: book.table(name) for name in names}
        rates = [{**row, **DEARER.get(row["rate_id"], {})} for row in sheet.RATES if row["rate_id"] not in GONE]
        costs = [{**row, **({"unit_price_micros": 2_000} if row["service"] == "data" else {})} for row in sheet.COSTS]
        for name, rows in (("price_rate_key", rates), ("price_carrier_key", costs)):
            tables[name] = sheet.rows(self.lake.spark, name, *rows)
        for name, frame in tables.items():
            number = "8L AS pricebook_version"
            renumbered = frame.selectExpr(*(number if of == "pricebook_version" else of for of in frame.columns))
            self.lake.append(renumbered, name, "seed", 2)
        self.put("price_version", 2, VERSION)
        owner = {"account_id": "a_plain", "subscription_id": "s_plain", "contract_id": "k_plain"}
        lines = [{**row, **owner} if row["subscription_id"] == "s_second" else row for row in sheet.LINES]
        self.customers(snapshot_id=4, lines=lines)

    def correct(self, *argv: str) -> dict[str, Any]:
        args = correct_usage.parser().parse_args([*argv])
        return correct_usage.run(self.lake.spark, self.settings, args)

    def rows(self, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
        found = self.lake.read("rated_usage").where(where).selectExpr(*columns.split(", ")).collect()
        return sorted((tuple(row) for row in found), key=str)


@pytest.fixture(scope="module")
def furnished(spark, services, tmp_path_factory) -> Corrector:
    """A lake with one night of EVENTS, and the book and the snapshot that are right."""
    migrate(services)
    lake = Lake(spark, str(tmp_path_factory.mktemp("corrected") / "lake"))
    side = Corrector(lake, services)
    side.furnish()
    side.batch(0, *EVENTS)
    assert side.night()["rated"] == 6
    side.put_right()
    return side


@pytest.fixture
def at(furnished, lake) -> Corrector:
    """A copy of it for one test."""
    shutil.copytree(furnished.lake.root, lake.root)
    return Corrector(lake, furnished.settings)


def stands(at: Corrector) -> set[str]:
    """Equations of rating that do not hold."""
    facts = {
        (row.measure, row.part): row.value
        for frame in (rated(row_versions(at.lake.read("rated_usage"))),
                      rated_marks(at.lake.read("control_rating"), at.lake.read("rated_usage")))
        for row in frame.collect()
    }  # fmt: skip
    wanted = [one for one in EQUATIONS if "marked" in " ".join(one.left)][1:]
    return {one.equation.name for one in balances(facts, (*wanted, *of_corrections(facts))) if not one.holds}


@pytest.fixture(scope="module")
def whole(furnished, tmp_path_factory) -> tuple[Corrector, dict[str, Any]]:
    """A copy that was corrected, and the figures of that."""
    root = tmp_path_factory.mktemp("whole") / "lake"
    shutil.copytree(furnished.lake.root, root)
    made = Corrector(Lake(furnished.lake.spark, str(root)), furnished.settings)
    return made, made.correct(*OCTOBER_5)


@pytest.mark.covers("RAT-01", "RAT-08", "RAT-09", "BIL-13", "QUA-06")
def test_what_costs_otherwise_is_taken_back_and_rated_anew_and_nothing_twice(whole, capsys):
    at, done = whole
    lake = at.lake
    # 150 s are 3 minutes: 0.30 becomes 0.45. Data: 0.003 of cost become 0.006. The call of `moved` has another owner.
    assert (done["rating_no"], done["corrected"], done["would_be_suspended"]) == (2, 3, {"no_rate": 1})
    assert done["charge_before"] == {"data": D("0.030000"), "voice": D("0.550000")}
    assert done["charge_after"] == {"data": D("0.030000"), "voice": D("0.700000")}
    assert (done["cost_before"]["data"], done["cost_after"]["data"]) == (D("0.003000"), D("0.006000"))
    columns = "event_id, revision, kind, corrects, account_id, charged_units, charge, pricebook_version, snapshot_id"
    assert at.rows(columns, "revision > 1 AND service = 'voice'") == [
        ("moved", 2, "reversal", 1, "a_second", -60, D("-0.250000"), 7, 3),
        ("moved", 3, "correction", 1, "a_plain", 60, D("0.250000"), 8, 4),
        ("national", 2, "reversal", 1, "a_plain", -180, D("-0.300000"), 7, 3),
        ("national", 3, "correction", 1, "a_plain", 180, D("0.450000"), 8, 4),
    ]
    mark = lake.read("control_rating").where("rating_no = 2").first()
    assert (mark.balanced, mark.rated, mark.corrected, mark.charge_total) == (True, 6, 3, D("0.150000"))
    assert stands(at) == set()

    written = at.rows(WRITTEN)
    assert at.correct(*OCTOBER_5)["rating_no"] is None, "a second start finds nothing"
    assert at.night()["rated"] == 0, "a night tries the held one again and leaves what is corrected"
    assert at.rows(WRITTEN) == written
    current = current_rating(lake.read("rated_usage")).select("event_id", "revision", "retail_status").collect()
    assert {row[0]: row[1] for row in current} == {
        **dict.fromkeys(("europe", "message", "unanswered", "held", "later"), 1),
        **dict.fromkeys(("national", "data", "moved"), 3),
    }
    assert len(current) == len(EVENTS)
    side_by_side = lake.read("rated_usage").where("kind <> 'original'")
    slice_ = new_range(lake, "rated_usage")
    assert side_by_side.count() == 6 and judge(rows_of(lake, slice_), slice_.suite, known_of(lake, slice_)).failed == ()

    told = explain_charge.run(lake.spark, at.settings, explain_charge.parser().parse_args(["national"]))
    assert told == {"events": [{"source": "sw1", "event_id": "national", "charge": D("0.450000"), "equal": True}]}
    shown = capsys.readouterr().out
    for line in (
        "revision   2, reversal: takes back revision 1", "charge     -0.30 CAD: what was charged, with the other sign",
        "revision   3, correction: in the place of revision 1", "changed    unit_price_micros 100000 -> 150000",
        "changed    charge 0.3 -> 0.45", "changed    pricebook_version 7 -> 8",
    ):  # fmt: skip
        assert line in shown, shown


def test_only_what_was_asked_for_is_looked_at(furnished):
    asked = [
        ({"service": "data"}, ["data"]), ({"plan": "none"}, []), ({"accounts": ["a_second", "x"]}, ["moved"]),
        ({"begin": sheet.local(9), "end": sheet.local(9, 7, 0, 1)}, ["later"]), ({"end": sheet.local(5, 7)}, []),
        ({"begin": sheet.local(5, 7, 0, 1), "service": "voice"}, ["moved"]),
    ]  # fmt: skip
    for fields, wanted in asked:
        span = {"begin": sheet.local(5), "end": sheet.local(6), **fields}
        found = correct_usage.standing_of(furnished.lake, Selection(**span), 2)
        assert found.columns == furnished.lake.contract("rated_usage").names, fields
        assert sorted(row.event_id for row in found.select("event_id").collect()) == wanted, fields


@pytest.mark.long
@pytest.mark.covers("RAT-01", "OPS-01")
def test_a_correction_that_died_before_its_mark_is_finished_by_the_next_night(at, lake, monkeypatch):
    with monkeypatch.context() as dies:
        dies.setattr(correct_usage, "mark_correction", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            at.correct(*OCTOBER_5)
    written = at.rows(WRITTEN)
    assert at.night()["rated"] == 0
    assert at.rows(WRITTEN) == written
    assert [(mark[0], mark[-1]) for mark in at.marks()] == [(1, True), (2, True), (3, True)]


@pytest.mark.long
def test_a_dry_run_says_what_a_run_does_and_writes_nothing(at, whole):
    before = at.rows(WRITTEN)
    dry = at.correct(*OCTOBER_5, "--dry-run")
    assert at.rows(WRITTEN) == before and dry.pop("dry_run") is True
    assert dry == whole[1]


@pytest.mark.long
@pytest.mark.covers("RAT-01", "OPS-01")
@pytest.mark.parametrize("point", ["correct.after_rated", "correct.after_mark"])
def test_a_correction_that_is_killed_leaves_the_same_tables(at, lake, whole, point):
    Route(lake.spark, at.settings).killed(point, "correct_usage", *OCTOBER_5)
    again = at.correct(*OCTOBER_5)
    undisturbed, done = whole
    if point == "correct.after_rated":
        assert again == {**done, "would_be_suspended": {}, "repaired": True}
    else:
        assert again["rating_no"] is None
    assert at.rows(WRITTEN) == undisturbed.rows(WRITTEN)
    assert at.marks() == undisturbed.marks()[:2]


def test_a_selection_of_nothing_is_refused(furnished):
    with pytest.raises(UsageError, match="--to is not after --from"):
        furnished.correct("--from", "2026-10-05", "--to", "2026-10-05")
    with pytest.raises(TollgateError, match="there is no such account"):
        furnished.correct(*OCTOBER_5, "--account", "nobody")


@pytest.mark.long
@pytest.mark.covers("BIL-11")
def test_what_cannot_be_corrected_is_refused_before_anything_is_written(at, lake, monkeypatch):
    at.put("billed_usage", 1, BILLED)
    monkeypatch.setattr(bill_runs, "posted_runs", lambda _: ["posted"])
    # The call is on a posted invoice and may be corrected there, unless an older release posted it by graduated tiers,
    # or it would be given back to another purse than the one that paid.
    assert at.correct(*OCTOBER_5, "--dry-run")["corrected"] == 3
    tier = {"rate_id": "national", "counts": "line", "from_units": 0, "to_units": None, "unit_price_micros": 1}
    at.put("price_tier", 1, {**tier, "pricebook_version": 8})
    assert at.correct(*OCTOBER_5, "--dry-run")["corrected"] == 3
    # That a rate has tiers now is a change of its price: the other call to Europe is corrected too.
    at.put("price_tier", 2, {**tier, "pricebook_version": 8, "rate_id": "flat"})
    assert at.correct(*OCTOBER_5, "--dry-run")["corrected"] == 4
    at.put("price_tier", 3, {**tier, "pricebook_version": 7})
    with pytest.raises(TollgateError, match="posted by graduated tiers") as refused:
        at.correct(*OCTOBER_5)
    assert "a_plain" in str(refused.value)
    prepaid = {**BILLED, "event_id": "moved", "account_id": "a_second", "line_key": "k|K"}
    at.put("billed_usage", 2, prepaid)
    with pytest.raises(TollgateError, match="such events of a_plain, a_second"):
        at.correct(*OCTOBER_5)
    assert lake.read("control_rating").count() == 1 and not at.rows("event_id", "revision > 1")
    taken = Night(1, 1, 0, 4, 8, "{}")
    with pytest.raises(TollgateError, match="another rating run has taken number 1 meanwhile"):
        append_run(lake, lake.read("rated_usage").limit(0), taken)


@pytest.mark.covers("BIL-11", "BIL-19")
def test_usage_is_given_back_by_a_credit_note_or_a_correction_and_not_by_both(at, lake, services, tmp_path):
    desk = own_places(services, tmp_path)
    post_the_call(at, desk)
    beside = Corrector(lake, desk)
    # A correction would reckon the discount on the call again, as a note that takes it back has done.
    of_discount = credit_notes.draft_credit(desk, 7, [1, 3], "no fee, no discount", "ann")
    assert ask(desk, corrected_lines.CREDITED) == [("posted", "a_plain", "k|")]
    credit_notes.void_credit(desk, of_discount["note_id"], "ann", "only the fee")
    credit_notes.draft_credit(desk, 7, [1], "no fee", "ann")
    assert ask(desk, corrected_lines.CREDITED) == []
    of_call = credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    with pytest.raises(TollgateError, match="that a credit note takes back") as refused:
        beside.correct(*OCTOBER_5, "--dry-run")
    assert refused.value.found == "such events of a_plain"
    credit_notes.void_credit(desk, of_call["note_id"], "ann", "corrected instead")
    assert beside.correct(*OCTOBER_5)["corrected"] == 3
    with pytest.raises(TollgateError, match="no credit note takes these lines back"):
        credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    with pytest.raises(TollgateError, match="no credit note takes these lines back"):
        credit_notes.draft_credit(desk, 7, [3], "no discount", "ann")
    assert corrected_lines.given_back_once(lake, desk) == ((), {})
