"""Show how a charge came about, from its row of rated_usage alone, and reckon it again: `tollgate explain EVENT_ID`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.bill_runs import invoice_line_of, posted_runs
from jobs.explain_revisions import as_it_stood, in_order, revision_steps
from jobs.plain_amounts import amount_of, plain_exact, plain_money
from tollgate.assurance.current_rating import IS_CURRENT, row_versions
from tollgate.money import MICROS_PER_UNIT, rounded_exactly
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import UnreachableError
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

UNIT_SHORT = {"second": "s", "message": "message(s)", "byte": "bytes"}
SUSPENDED = {
    "id_conflict": "its id was accepted before, with another event",
    "no_subscriber": "nobody held this number when it started",
    "suspended_line": "the line was suspended when it started",
    "no_plan": "the line had no plan that the price book knows",
    "no_zone": "the price book has no zone for this destination or visited country",
    "no_band": "the published calendar of time bands does not hold it",
    "no_rate": "the price book has no rate for it, and no mark-up on the carrier's cost",
    "currency_mismatch": "account and price book have different currencies",
    "amount_overflow": "the amount is larger than the table holds",
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="explain", description=__doc__)
    found.add_argument("event_id", metavar="EVENT_ID", help="id given by the source")
    found.add_argument("--source", help="the sending system, where several use the id")
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Print the explanation of each event of this id; return the ids, charges and whether each was reckoned equal."""
    texts, events = explained(spark, settings, args.event_id, args.source)
    for text in texts:
        print(text, flush=True)
    return {"events": events}


def explained(
    spark: SparkSession, settings: Settings, event_id: str, source: str | None = None
) -> tuple[list[str], list[dict[str, Any]]]:
    """The explanation of each event of this id, of a corrected one that of each revision; and of the rows that stand
    their source, id, charge and whether all was reckoned equal.

    What was billed of it is unknown while no database answers; TollgateError for whatever else is wrong with it.
    """
    lake = Lake(spark, settings.lake.root)
    is_wanted = F.col("event_id") == event_id
    if source:
        is_wanted &= F.col("source") == source
    with step("look for the event"):
        versions = readable(row_versions(lake.read("rated_usage").where(is_wanted)))
        rows = in_order(row.asDict() for row in versions.collect())
    if not rows:
        raise TollgateError(
            f"event {event_id} is not in rated_usage",
            where=lake.path("rated_usage"),
            way_out="it may be quarantined, a duplicate, or not rated yet: look for it in usage_event",
        )
    unknown = {}
    try:
        billed = _billed(lake, settings, is_wanted)
    except UnreachableError as error:
        # The row explains itself; what runs took of it is all that needs the database.
        billed, unknown = [], {"billed_unknown": f"unknown: {error.what}; {error.way_out}"}
    texts = []
    for row in rows:
        slices = [one for one in billed if all(one[name] == row[name] for name in ("source", "revision", "rating_no"))]
        texts.append(explain_text({**row, "billed": slices, **unknown}))
    current = [row for row in rows if row[IS_CURRENT]]
    reckoned = {row["source"]: all(is_equal(one) for one in rows if one["source"] == row["source"]) for row in current}
    names = ("source", "event_id", "charge")
    return texts, [{**{name: row[name] for name in names}, "equal": reckoned[row["source"]]} for row in current]


def readable(rated: DataFrame) -> DataFrame:
    """Rows of rated_usage for `explain_text`: the start as text, in UTC."""
    return rated.withColumn("started_at", F.date_format("started_at", "yyyy-MM-dd HH:mm:ss"))


def explain_text(row: Mapping[str, Any]) -> str:
    """The arithmetic of one row of rated_usage, a line a step, so that a customer can follow it with a calculator.

    row: the columns of rated_usage by name, `started_at` as shown; optionally `billed`, rows of billed_usage, each with
    the `invoice` line that it is on, or `billed_unknown`, why they are not known. Nothing else is read: the row alone
    recomputes its charge.
    """
    return "\n".join(f"{name:<11}{text}" for name, text in _steps(row)) + "\n"


def is_equal(row: Mapping[str, Any]) -> bool:
    """Whether the charge of the row is what its own prices, pieces and discounts give; true when it has none."""
    row = as_it_stood(row)
    if row["retail_status"] == "suspended":
        return row["charge"] is None
    if row["retail_status"] == "zero_rated":
        return row["charge"] == 0
    exact = _bounded(row) * Fraction(row["discount_num"], row["discount_den"])
    stated = Fraction(int(row["numerator"]), int(row["denominator"]))
    rounded = rounded_exactly(exact.numerator, exact.denominator, row["digits"], row["rounding"])
    return exact == stated and rounded == int(row["charge"] * MICROS_PER_UNIT)


def _steps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "event", f"{_event(row)}, started {row['started_at']} UTC, id {row['event_id']}"
    yield from revision_steps(row)
    if row["subscription_id"]:
        yield "line", f"{row['subscription_id']} of account {row['account_id']}, plan {row['plan_id'] or 'none'}"
    if row["zone_id"]:
        by = f" by prefix {row['prefix']}" if row["prefix"] else ""
        yield "zone", f"{row['zone_id']}{by}, roaming zone {row['roaming_zone'] or 'unknown'}"
    if row["retail_status"] == "suspended":
        yield "suspended", f"{row['suspense_reason']}: {SUSPENDED[row['suspense_reason']]}; not charged, tried again"
    elif row.get("kind") == "reversal":
        yield "charge", f"{plain_money(row['charge'])} {row['currency']}: what was charged, with the other sign"
    else:
        yield from _price_steps(row)
    if row["cost"] is not None:
        yield "cost", f"{plain_money(row['cost'])} {row['currency']} to {row['carrier_id']} by {row['cost_id']}"
    else:
        yield "cost", row["wholesale_status"].replace("_", " ")
    yield "pins", f"price book {row['pricebook_version']}, snapshot {row['snapshot_id']}, rating run {row['rating_no']}"
    for slice_ in row.get("billed", ()):
        freed = ", ".join(_freed(slice_)) or "none free"
        paid = _prepaid_by(slice_["line_key"])
        yield (
            "billed",
            f"{plain_money(slice_['net_charge'])} {row['currency']} net, {freed}{paid}, run {slice_['run_id']}",
        )
        if invoice := slice_.get("invoice"):
            amount = f"{plain_money(invoice['amount'])} {invoice['currency']} of {invoice['events']} event(s)"
            yield "invoice", f"{invoice['invoice_no']}, line {invoice['line_no']}: {amount}"
    if "billed_unknown" in row:
        yield "billed", row["billed_unknown"]


def _freed(billed: Mapping[str, Any]) -> Iterator[str]:
    """What each allowance freed; a row that is older than its slices has one at most."""
    older = {"allowance_id": billed["allowance_id"], "units": billed["free_units"]}
    for one in billed.get("slices") or ([older] if billed["allowance_id"] else []):
        yield f"{one['units']} units free by {one['allowance_id']}"
    for one in billed.get("money_slices") or ():
        yield f"{plain_money(one['amount'])} paid by {one['allowance_id']}"


def _event(row: Mapping[str, Any]) -> str:
    """What was used, with whom and where."""
    used = {"voice": f"{row['duration_s']} s", "data": f"{row['volume_bytes']} bytes"}.get(row["service"], "1 message")
    is_received = row["direction"] == "in" and row["service"] != "data"
    with_whom = "received from" if is_received else "to"
    party = f" {with_whom} {row['destination']}" if row["destination"] else ""
    abroad = f" {'in' if is_received else 'from'} {row['roaming_country']}" if row["roaming_country"] else ""
    kinds = [row["rating_group"], f"slice {row['slice_id']}" if row["slice_id"] else None]
    kind = f" ({', '.join(filter(None, kinds))})" if any(kinds) else ""
    return f"{row['service']}, {used}{party}{kind}{abroad}"


def _prepaid_by(line_key: str) -> str:
    """Of usage that a prepaid contract pays the key of its line ends with the contract."""
    contract = line_key.rpartition("|")[2]
    return f", paid from the credit of contract {contract}" if contract else ""


def _price_steps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    currency = row["currency"]
    if row["retail_status"] == "zero_rated":
        why = row["rate_id"] if row["charged_units"] else row["call_outcome"] or "no duration"
        yield "charge", f"{plain_money(row['charge'])} {currency}: zero-rated ({why})"
        return
    unit = UNIT_SHORT[row["unit"]]
    price = f"{plain_money(amount_of(row['unit_price_micros']))} {currency} for {row['block_units']} {unit}"
    origin = f"cost row {row['cost_id']}, marked up" if row["price_source"] == "markup" else f"rate {row['rate_id']}"
    steps = f"{row['increment_units']} {unit}"
    if row["initial_units"] not in (None, row["increment_units"]):
        steps = f"{row['initial_units']} {unit}, then {steps}"
    yield "price", f"{price}, in steps of {steps} ({origin})"
    has_prices = set(_piece_prices(row)) - {row["unit_price_micros"]}
    shown = " + ".join(
        f"{units} {unit} {band} x {plain_exact(Fraction(num, row['factor_den']))}"
        + (f" at {plain_money(amount_of(at))}" if has_prices else "")
        for units, band, at, num in _pieces(row)
    )
    yield "units", f"{row['charged_units']} {unit} charged = {shown or '0'}"
    usage = plain_exact(_usage(row) / MICROS_PER_UNIT)
    if has_prices:
        yield "sum", f"units x factor x price, together / {row['block_units']} = {usage}"
    else:
        weighed = Fraction(sum(units * num for units, _, _, num in _pieces(row)), row["factor_den"])
        yield "sum", f"{plain_exact(weighed)} x price / {row['block_units']} = {usage}"
    if row["connect_fee_micros"]:
        fee, total = plain_money(amount_of(row["connect_fee_micros"])), plain_exact(_with_fee(row) / MICROS_PER_UNIT)
        factor = f" x {plain_exact(_fee_factor(row))}" if row["price_source"] == "markup" else ""
        yield "connect", f"+ {fee}{factor} = {total}"
    for name in ("minimum", "maximum"):
        if row[f"{name}_micros"] is not None:
            yield (
                name,
                f"{plain_money(amount_of(row[f'{name}_micros']))}: {plain_exact(_bounded(row) / MICROS_PER_UNIT)}",
            )
    if row["discount_ids"]:
        kept = f"{row['discount_num']}/{row['discount_den']}"
        yield "discounts", f"{', '.join(row['discount_ids'])}: x {kept} of {plain_money(row['list_price'])}"
    stated = Fraction(int(row["numerator"]), int(row["denominator"])) / MICROS_PER_UNIT
    mode = row["rounding"].replace("_", " ")
    yield (
        "charge",
        f"{plain_exact(stated)} rounded {mode} to {row['digits']} digits = {plain_money(row['charge'])} {currency}",
    )
    yield "reckoned", "again from this row: " + ("equal" if is_equal(row) else "NOT EQUAL")


def _pieces(row: Mapping[str, Any]) -> list[tuple[int, str, int, int]]:
    """Units, band, price of a block and factor numerator of each piece."""
    return list(zip(row["piece_units"], row["piece_band"], _piece_prices(row), row["piece_factor_num"], strict=True))


def _piece_prices(row: Mapping[str, Any]) -> list[int]:
    # A row that is older than the prices of pieces has one.
    prices: list[int] | None = row["piece_price_micros"]
    return [row["unit_price_micros"]] * len(row["piece_units"]) if prices is None else prices


def _usage(row: Mapping[str, Any]) -> Fraction:
    """Micros of the units alone."""
    priced = sum(units * price * factor for units, _, price, factor in _pieces(row))
    return Fraction(priced, row["factor_den"] * row["block_units"])


def _with_fee(row: Mapping[str, Any]) -> Fraction:
    return _usage(row) + row["connect_fee_micros"] * _fee_factor(row)


def _fee_factor(row: Mapping[str, Any]) -> Fraction:
    """A mark-up is on the carrier's connect fee too."""
    is_markup = row["price_source"] == "markup"
    return Fraction(row["piece_factor_num"][0], row["factor_den"]) if is_markup else Fraction(1)


def _bounded(row: Mapping[str, Any]) -> Fraction:
    """Micros with the connect fee, between minimum and maximum."""
    exact = _with_fee(row)
    if row["minimum_micros"] is not None:
        exact = max(exact, Fraction(row["minimum_micros"]))
    return exact if row["maximum_micros"] is None else min(exact, Fraction(row["maximum_micros"]))


def _billed(lake: Lake, settings: Settings, is_wanted: Any) -> list[dict[str, Any]]:
    """What posted runs billed of the event; PostgreSQL knows which are posted and is asked only if a run has it."""
    found = [row.asDict() for row in lake.read("billed_usage").where(is_wanted).collect()]
    posted = set(posted_runs(settings)) if found else set()
    of_runs = [row for row in found if row["run_id"] in posted]
    return [{**row, "invoice": invoice_line_of(settings, row)} for row in of_runs]


if __name__ == "__main__":
    sys.exit(main(parser(), run))
