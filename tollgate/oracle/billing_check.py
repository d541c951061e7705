"""Bills every account again, run by run, and compares each billed event, line and invoice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import pyarrow as pa

from tollgate.oracle.allowances import Use, uses_of
from tollgate.oracle.amounts import decimal_of
from tollgate.oracle.bill_discounts import PostedLine, cycle_of
from tollgate.oracle.billing import bill_cycle, is_closed, is_too_little
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CalendarKey, CycleCalendar, cycle_calendar
from tollgate.oracle.due_versions import Version, due_versions, version_of
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun, has_table, read_table, rows_of
from tollgate.oracle.lines import USAGE, Bill, BilledEvent, Line, PrepaidBalance, RatedEvent, Slice
from tollgate.oracle.prepaid import Purse
from tollgate.oracle.report import Report

LINE_COLUMNS = (
    *("account_id", "line_key", "line_no", "kind", "subscription_id", "service", "zone_id", "roaming_zone"),
    *("origin_cycle", "events", "units", "free_units", "unit", "exact_total", "amount", "tax_category", "tax_id"),
    *("tax_share", "exempt_reason"),
)
INVOICE_COLUMNS = (
    *("account_id", "customer_id", "cycle_start", "cycle_end", "invoice_kind", "sequence", "currency"),
    *("minor_digits", "lines", "net", "tax", "total", "due_on"),
)
BILLED_COLUMNS = (
    *("source", "event_id", "revision", "rating_no", "account_id", "subscription_id", "origin_cycle", "line_key"),
    *("allowance_id", "free_units", "net_numerator", "net_denominator", "list_charge", "net_charge"),
    *("slices", "money_slices", "kind", "tier_places"),
)
BALANCE_COLUMNS = PrepaidBalance._fields


@dataclass(frozen=True)
class RunPins:
    """A bill run as the oracle must repeat it: its id, the month its cycles start in, and what it pinned.

    cycle_number: which of the cycles of an account that start in that month.
    is_preview: the run counts for nothing after it, and its lines stand outside the lake's tables.
    parked: accounts that the run set aside, so that they have no invoice of it.
    """

    run_id: str
    cycle_start: date
    rating_no: int
    snapshot_id: int
    is_preview: bool = False
    parked: tuple[str, ...] = ()
    cycle_number: int = 1


class Biller:
    """Repeats bill runs in their order; keeps what posted runs billed, took of allowances and wrote on lines."""

    def __init__(
        self,
        events: dict[str, list[RatedEvent]],
        facts_of: Callable[[int], Facts],
        book_of: Callable[[int], PriceBook],
        rating_runs: list[RatingRun],
    ) -> None:
        self._events = events
        self._facts_of, self._book_of = facts_of, book_of
        self._book_version = {run.rating_no: run.pricebook_version for run in rating_runs}
        self._carried: set[Version] = set()
        self._billed: set[tuple[str, date]] = set()
        self._used: dict[str, Counter[Use]] = defaultdict(Counter)
        self._billed_events: dict[str, list[BilledEvent]] = defaultdict(list)
        self._purses: dict[str, dict[str, Purse]] = defaultdict(dict)
        self._lines: dict[str, list[PostedLine]] = defaultdict(list)
        self._calendars: dict[CalendarKey, CycleCalendar] = {}

    def bill(self, pins: RunPins) -> list[Bill]:
        """The bills of a run by account; a posted run's usage is carried and its slices are taken from then on.

        Raises ValueError when the run pins a rating run that the lake does not have.
        """
        if pins.rating_no not in self._book_version:
            raise ValueError(f"run {pins.run_id} pins rating_no {pins.rating_no}; control_rating has no such run")
        book, facts = self._book_of(self._book_version[pins.rating_no]), self._facts_of(pins.snapshot_id)
        bills = []
        for account_id in sorted(facts.accounts):
            account = facts.accounts[account_id]
            calendar = cycle_calendar(account, self._calendars)
            cycle = calendar.find(pins.cycle_start, pins.cycle_number)
            is_done = cycle is not None and (account_id, cycle.start) in self._billed
            if cycle is None or is_done or account_id in pins.parked or cycle.start < account.first_cycle_start:
                continue
            # Such a bill has to be parked: a run that made one anyway is a difference.
            if account.currency != book.currency:
                continue
            known = [event for event in self._events.get(account_id, ()) if event.rating_no <= pins.rating_no]
            events = due_versions(known, self._carried, cycle.end_us)
            if not events and is_closed(account, cycle):
                continue
            contracts = facts.contracts.get(account_id, [])
            earlier = (
                self._used[account_id],
                self._lines[account_id],
                self._billed_events[account_id],
                self._purses[account_id],
            )
            bill = bill_cycle(
                account, cycle, calendar, events, contracts, book, *earlier, facts.adjustments[account_id],
                facts.jurisdictions[account_id], facts.exemptions[account_id],
            )  # fmt: skip
            if bill is not None and not bill.lacks_tax_rule and not is_too_little(bill, book, cycle):
                bills.append(bill)
        if not pins.is_preview:
            self._post(bills, book)
        return bills

    def _post(self, bills: list[Bill], book: PriceBook) -> None:
        for bill in bills:
            self._billed.add((bill.account_id, bill.cycle_start))
            self._lines[bill.account_id] += [PostedLine(cycle_of(line, bill.cycle_start), line) for line in bill.lines]
            self._billed_events[bill.account_id] += bill.billed
            for one in bill.prepaid:
                before = self._purses[bill.account_id].get(one.contract_id, Purse(0, 0, False))
                taken, asked = before.forfeited + one.forfeited, before.settled + one.settled
                self._purses[bill.account_id][one.contract_id] = Purse(one.closing, taken, one.is_closed, asked)
            for billed in bill.billed:
                self._carried.add(version_of(billed.event))
                for use, units in uses_of(billed, book):
                    self._used[bill.account_id][use] += units


def check_run(root: str, pins: RunPins, bills: list[Bill], report: Report, preview: pa.Table | None = None) -> None:
    """Compare a run's lines, and of a run in the lake also its invoices and billed events.

    preview: lines that stand outside the lake, with the columns of invoice_line.
    """
    if preview is not None:
        compare_run(pins, bills, report, preview)
        return
    where = {"run_id": pins.run_id}
    compare_run(
        pins,
        bills,
        report,
        read_table(root, "invoice_line", LINE_COLUMNS, where),
        read_table(root, "invoice", INVOICE_COLUMNS, where),
        read_table(root, "billed_usage", BILLED_COLUMNS, where),
        read_table(root, "prepaid_balance", BALANCE_COLUMNS, where) if has_table(root, "prepaid_balance") else None,
    )


def compare_run(
    pins: RunPins,
    bills: list[Bill],
    report: Report,
    lines: pa.Table,
    invoices: pa.Table | None = None,
    billed: pa.Table | None = None,
    balances: pa.Table | None = None,
) -> None:
    """Compare the bills of a run with tables that have at least the columns above; a table not given is left out, that
    of prepaid balances only where the bills have none."""
    expected = {(bill.account_id, line.line_key): expected_line(bill, line) for bill in bills for line in bill.lines}
    found = _by_key(lines, LINE_COLUMNS, 2)
    _compare(report, "invoice_line", pins.run_id, expected, found)
    amounts = [sum(row["amount"] * 1_000_000 for row in side.values()) for side in (expected, found)]
    report.total(f"lines of {pins.run_id}", *(int(amount) for amount in amounts))
    if invoices is not None:
        heads = {(bill.account_id,): expected_invoice(bill) for bill in bills}
        _compare(report, "invoice", pins.run_id, heads, _by_key(invoices, INVOICE_COLUMNS, 1))
    if billed is not None:
        events = {_billed_key(one): expected_billed(bill, one) for bill in bills for one in bill.billed}
        rows = _by_key(billed, BILLED_COLUMNS, 4)
        for key, row in rows.items():
            row["exact_net"] = Fraction(int(row["net_numerator"]), int(row["net_denominator"]))
            if row["slices"] is None:
                row["slices"] = _older_slices(row)
            row["money_slices"] = row["money_slices"] or ()
            row["kind"] = row["kind"] or "original"
            # A row that is older than the column does not tell.
            untold = events.get(key, {}).get("tier_places", ())
            told = row["tier_places"]
            row["tier_places"] = untold if told is None else tuple((of["from_unit"], of["to_unit"]) for of in told)
        _compare(report, "billed_usage", pins.run_id, events, rows)
    expected_balances = {one[:2]: expected_balance(one) for bill in bills for one in bill.prepaid}
    if balances is not None or (expected_balances and invoices is not None):
        found = {} if balances is None else _by_key(balances, BALANCE_COLUMNS, 2)
        _compare(report, "prepaid_balance", pins.run_id, expected_balances, found)


def expected_line(bill: Bill, line: Line) -> dict[str, Any]:
    """What the line must say; units and exact total where it carries usage."""
    fields: dict[str, Any] = {
        name: getattr(line, name)
        for name in ("line_no", "kind", "subscription_id", "service", "zone_id", "roaming_zone", "origin_cycle")
    }
    fields |= {"events": line.events, "amount": decimal_of(line.amount), "tax_category": line.tax_category}
    fields |= {"tax_id": line.tax_id, "tax_share": decimal_of(line.tax_share)}
    fields |= {"exempt_reason": line.exempt_reason, "unit": line.unit}
    if line.kind in USAGE:
        fields |= {"units": line.units, "free_units": line.free_units}
        fields["exact_total"] = decimal_of(int(line.exact_total))
    return fields


def expected_invoice(bill: Bill) -> dict[str, Any]:
    """What the invoice must say; its number and content hash are not the oracle's."""
    fields = {name: getattr(bill, name) for name in ("customer_id", "cycle_start", "cycle_end", "currency", "due_on")}
    fields |= {"invoice_kind": bill.kind, "sequence": 1, "minor_digits": bill.minor_digits, "lines": len(bill.lines)}
    return fields | {"net": decimal_of(bill.net), "tax": decimal_of(bill.tax), "total": decimal_of(bill.total)}


def expected_billed(bill: Bill, one: BilledEvent) -> dict[str, Any]:
    """What the row of billed_usage must say."""
    priced = one.event.priced
    return {
        "account_id": bill.account_id,
        "subscription_id": priced.holding.subscription_id if priced.holding else None,
        "origin_cycle": one.origin_cycle,
        "line_key": one.line_key,
        "allowance_id": one.allowance_id,
        "free_units": one.free_units,
        "slices": tuple(part._asdict() for part in one.slices),
        "money_slices": tuple(
            {"allowance_id": part.allowance_id, "granted_on": part.granted_on, "amount": decimal_of(part.units)}
            for part in one.money_slices
        ),
        "exact_net": Fraction(one.net_numerator, one.net_denominator),
        "list_charge": decimal_of(-(priced.charge or 0) if one.event.kind == "reversal" else priced.charge),
        "kind": one.event.kind,
        "tier_places": one.tier_places,
        "net_charge": decimal_of(one.net_charge),
    }


def _older_slices(row: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Of a row that was written before the column: one allowance at most, that of the event's cycle."""
    slices = (Slice(row["allowance_id"], row["origin_cycle"], row["free_units"]),) if row["allowance_id"] else ()
    return tuple(part._asdict() for part in slices)


def expected_balance(one: PrepaidBalance) -> dict[str, Any]:
    """What the row of prepaid_balance must say."""
    amounts = ("opening", "topped_up", "debits", "forfeited", "settled", "closing")
    return {**one._asdict(), **{name: decimal_of(getattr(one, name)) for name in amounts}}


def _billed_key(one: BilledEvent) -> tuple[str, str, int, int]:
    return (*version_of(one.event), one.event.rating_no)


def _by_key(table: pa.Table, columns: tuple[str, ...], parts: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their first columns; a second row of one key stands under its own, so that it shows as unexpected."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for values in rows_of(table, columns):
        key = values[:parts]
        while key in rows:
            key = (*key, "again")
        rows[key] = dict(zip(columns, values, strict=True))
    return rows


def _compare(
    report: Report,
    kind: str,
    run_id: str,
    expected: dict[tuple[Any, ...], dict[str, Any]],
    found: dict[tuple[Any, ...], dict[str, Any]],
) -> None:
    comparison = report.comparison(kind)
    for key in [*expected, *(key for key in found if key not in expected)]:
        comparison.compare(" ".join(map(str, (run_id, *key))), expected.get(key), found.get(key))
