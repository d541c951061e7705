"""Rates every accepted event again and compares each row of rated_usage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import gcd
from typing import Any, NamedTuple

from tollgate.oracle.amounts import decimal_of
from tollgate.oracle.book import PriceBook
from tollgate.oracle.charge import Piece
from tollgate.oracle.corrections import differs, selection_of, taken_back
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import Accepted, RatingRun, micros, read_table, rows_of
from tollgate.oracle.lines import RatedEvent
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.report import Report
from tollgate.oracle.rows import Usage

STATUS = ("retail_status", "suspense_reason", "wholesale_status", "charge", "cost", "margin", "cost_id", "call_type")
OWNER = ("account_id", "subscription_id", "contract_id", "plan_id")
CHARGED = ("zone_id", "roaming_zone", "prefix", "rate_id", "price_source", "charged_units", "unit", "tax_category")
EXACT = ("discount_ids", "digits", "rounding")
OF_EVENT = ("direction", "technology", "slice_id")
TERMS = ("block_units", "initial_units", "increment_units", "unit_price_micros", "connect_fee_micros")
PIECES = ("piece_units", "piece_band", "piece_price_micros", "piece_factor_num", "factor_den")
FRACTIONS = ("numerator", "denominator", "cost_numerator", "cost_denominator", "discount_num", "discount_den")
PINS = ("pricebook_version", "snapshot_id")
KEY = ("source", "event_id", "revision", "rating_no", "batch_no", "started_at")
VERSION = ("kind", "corrects")
COLUMNS = (*KEY, *VERSION, *STATUS, *OWNER, *CHARGED, *EXACT, *OF_EVENT, *TERMS, *PIECES, *FRACTIONS, *PINS)


class Outcome(NamedTuple):
    """What one rating run must have written for one event.

    pins: the run whose book and snapshot made the price; of a reversal that of the row which it takes back, whose price
    it has.
    """

    accepted: Accepted
    run: RatingRun
    priced: Priced
    pins: RatingRun
    revision: int = 1
    kind: str = "original"
    corrects: int | None = None


def rate_all(
    accepted: list[Accepted],
    runs: list[RatingRun],
    facts_of: Callable[[int], Facts],
    book_of: Callable[[int], PriceBook],
) -> list[Outcome]:
    """The history of every accepted event: a row at its first run, at each new reason of suspense, and at last rated;
    and two at each correction that changes it.

    accepted: in the order of acceptance, so the first of an identity owns it and later ones are conflicts.
    An event is tried by the run that takes its batch, and by every later night for as long as it is suspended.
    """
    outcomes: list[Outcome] = []
    owners: set[tuple[str, str]] = set()
    asked = {run.rating_no: selection_of(run) for run in runs}
    for one in accepted:
        identity = (one.usage.source, one.usage.event_id)
        is_conflict = identity in owners
        owners.add(identity)
        standing, pins, reason = None, None, None
        for run in runs:
            selection = asked[run.rating_no]
            if selection is not None:
                if standing is not None and selection.takes(one.usage, standing.priced):
                    now = price_event(one.usage, book_of(run.pricebook_version), facts_of(run.snapshot_id))
                    rows = _corrected(standing, run, now)
                    outcomes += rows
                    standing = rows[-1] if rows else standing
                continue
            if standing is not None or run.to_batch_no < one.batch_no:
                continue
            if (run.snapshot_id, run.pricebook_version) == pins:
                continue
            pins = (run.snapshot_id, run.pricebook_version)
            priced = price_event(one.usage, book_of(run.pricebook_version), facts_of(run.snapshot_id), is_conflict)
            if priced.suspense_reason is None or priced.suspense_reason != reason:
                outcomes.append(Outcome(one, run, priced, run))
            reason = priced.suspense_reason
            standing = outcomes[-1] if reason is None else None
    return outcomes


def _corrected(was: Outcome, run: RatingRun, now: Priced) -> list[Outcome]:
    """The reversal and the correction of what stands; none where it costs the same, or would have no price."""
    if now.suspense_reason is not None or not differs(was.accepted.usage, was.priced, now):
        return []
    reversal = was._replace(run=run, revision=was.revision + 1, kind="reversal", corrects=was.revision)
    return [reversal, Outcome(was.accepted, run, now, run, was.revision + 2, "correction", was.revision)]


def rated_events(outcomes: Iterable[Outcome]) -> dict[str, list[RatedEvent]]:
    """Rated and zero-rated events by the account that owned the line."""
    by_account: dict[str, list[RatedEvent]] = defaultdict(list)
    for one in outcomes:
        priced, usage = one.priced, one.accepted.usage
        if priced.suspense_reason is None and priced.holding is not None:
            told = (usage.source, usage.event_id, usage.started_at, usage.service, one.run.rating_no, priced)
            event = RatedEvent(*told, one.revision, one.kind, one.corrects)
            by_account[priced.holding.account_id].append(event)
    return by_account


def check_rating(root: str, outcomes: list[Outcome], report: Report) -> None:
    """Compare every row of rated_usage with the outcomes, one to one."""
    comparison = report.comparison("rated_usage")
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    found_charge = found_cost = 0
    table = read_table(root, "rated_usage", COLUMNS)
    for values in rows_of(table, COLUMNS):
        row = dict(zip(COLUMNS, values, strict=True))
        found[tuple(row[name] for name in KEY)].append(row)
        found_charge += micros(row["charge"]) or 0
        found_cost += micros(row["cost"]) or 0
    charge = cost = 0
    for outcome in outcomes:
        usage, run, pins = outcome.accepted.usage, outcome.run, outcome.pins
        sign = -1 if outcome.kind == "reversal" else 1
        charge += sign * (outcome.priced.charge or 0)
        cost += sign * (outcome.priced.wholesale.cost or 0)
        place = (outcome.revision, run.rating_no, outcome.accepted.batch_no, usage.started_at)
        rows = found.get((usage.source, usage.event_id, *place), [])
        expected = expected_fields(usage, outcome.priced)
        if outcome.kind == "reversal":
            expected = taken_back(expected)
        expected |= {"pricebook_version": pins.pricebook_version, "snapshot_id": pins.snapshot_id}
        expected |= {name: getattr(outcome, name) for name in VERSION}
        taken = _take(rows, outcome.priced.suspense_reason)
        key = f"{usage.source}|{usage.event_id}|revision {outcome.revision}|rating_no {run.rating_no}"
        comparison.compare(key, expected, found_fields(taken) if taken else None)
    for key_values, rows in found.items():
        for row in rows:
            comparison.compare("|".join(map(str, key_values)), None, found_fields(row))
    report.total("charge", charge, found_charge)
    report.total("cost", cost, found_cost)


def _take(rows: list[dict[str, Any]], reason: str | None) -> dict[str, Any] | None:
    """Take a row out of those of one identity and run: the one of the same reason when there is one."""
    if not rows:
        return None
    at = next((at for at, row in enumerate(rows) if row["suspense_reason"] == reason), 0)
    return rows.pop(at)


def expected_fields(usage: Usage, priced: Priced) -> dict[str, Any]:
    """What the rated row must say; for a suspended event its reason, its owner and its cost."""
    holding, cost = priced.holding, priced.wholesale
    fields: dict[str, Any] = {
        "retail_status": priced.retail_status,
        "suspense_reason": priced.suspense_reason,
        "wholesale_status": cost.status,
        "charge": decimal_of(priced.charge),
        "cost": decimal_of(cost.cost),
        "margin": decimal_of(priced.margin),
        "cost_id": cost.row.cost_id if cost.row else None,
        "exact_cost": _reduced(cost.numerator, cost.denominator),
        "call_type": priced.call_type,
        **{name: getattr(usage, name) for name in OF_EVENT},
    }
    if priced.retail_status == "suspended" or holding is None:
        return fields
    fields |= {name: getattr(holding, name) for name in OWNER}
    fields |= {name: getattr(priced, name) for name in CHARGED if name != "rate_id"}
    fields |= {name: getattr(priced, name) for name in EXACT}
    fields["rate_id"] = priced.rate.rate_id if priced.rate else None
    fields["exact_charge"] = _reduced(priced.numerator, priced.denominator)
    fields["pieces"] = tuple(piece for piece in priced.pieces if piece.units)
    if priced.retail_status == "zero_rated":
        del fields["discount_ids"]  # nothing is charged, so nothing was discounted
    else:
        fields |= {**_terms(priced), "kept": priced.keep}
    return fields


def _terms(priced: Priced) -> dict[str, int]:
    """Steps, price and connect fee of the row that made the charge: a rate, or a cost with a mark-up."""
    row = priced.rate or priced.wholesale.row
    assert row is not None
    return dict(zip(TERMS, (row.block, row.initial, row.increment, row.price, row.connect_fee), strict=True))


def found_fields(row: dict[str, Any]) -> dict[str, Any]:
    """A row of rated_usage with its exact amounts as fractions and its pieces as (units, band, factor, price)."""
    fields = dict(row)
    fields["exact_charge"] = _reduced(row["numerator"], row["denominator"])
    fields["exact_cost"] = _reduced(row["cost_numerator"], row["cost_denominator"])
    fields["kept"] = Fraction(int(row["discount_num"]), int(row["discount_den"])) if row["discount_den"] else None
    fields["discount_ids"] = tuple(row["discount_ids"] or ())
    fields["pieces"] = _pieces(row)
    return fields


def _reduced(numerator: Decimal | int | None, denominator: Decimal | int | None) -> tuple[int, int] | None:
    """An exact amount in lowest terms; far cheaper than a Fraction where hundreds of thousands are compared."""
    if numerator is None or denominator is None:
        return None
    over, under = int(numerator), int(denominator)
    common = gcd(over, under)
    return over // common, under // common


@cache
def _factor(numerator: int, denominator: int) -> Fraction:
    return Fraction(numerator, denominator)


def _pieces(row: dict[str, Any]) -> tuple[Piece, ...]:
    """Pieces of a row; pieces of no length say nothing and are left out, neighbours that are alike are one piece."""
    pieces: list[Piece] = []
    names = ("piece_units", "piece_band", "piece_price_micros", "piece_factor_num")
    for units, band, price, factor_num in zip(*(row[name] or () for name in names), strict=True):
        piece = Piece(units, band, _factor(factor_num, row["factor_den"]), price)
        if pieces and pieces[-1][1:] == piece[1:]:
            pieces[-1] = piece._replace(units=pieces[-1].units + units)
        elif units:
            pieces.append(piece)
    return tuple(pieces)
