"""Show how a charge came about, from its row of rated_usage alone, and reckon it again: `tollgate explain EVENT_ID`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.bill_runs import posted_runs
from tollgate.assurance.current_rating import current_rating
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
    """The explanation of each event of this id, and its source, id, charge and whether it was reckoned equal.

    What was billed of it is unknown while no database answers; TollgateError for whatever else is wrong with it.
    """
    lake = Lake(spark, settings.lake.root)
    is_wanted = F.col("event_id") == event_id
    if source:
        is_wanted &= F.col("source") == source
    with step("look for the event"):
        rows = readable(current_rating(lake.read("rated_usage").where(is_wanted))).collect()
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
        slices = [slice_ for slice_ in billed if slice_["source"] == row["source"]]
        texts.append(explain_text({**row.asDict(), "billed": slices, **unknown}))
    names = ("source", "event_id", "charge")
    return texts, [{**{name: row[name] for name in names}, "equal": is_equal(row.asDict())} for row in rows]


def readable(rated: DataFrame) -> DataFrame:
    """Rows of rated_usage for `explain_text`: the start as text, in UTC."""
    return rated.withColumn("started_at", F.date_format("started_at", "yyyy-MM-dd HH:mm:ss"))


def explain_text(row: Mapping[str, Any]) -> str:
    """The arithmetic of one row of rated_usage, a line a step, so that a customer can follow it with a calculator.

    row: the columns of rated_usage by name, `started_at` as shown; optionally `billed`, rows of billed_usage, or
    `billed_unknown`, why they are not known. Nothing else is read: the row alone recomputes its charge.
    """
    return "\n".join(f"{name:<11}{text}" for name, text in _steps(row)) + "\n"


def is_equal(row: Mapping[str, Any]) -> bool:
    """Whether the charge of the row is what its own prices, pieces and discounts give; true when it has none."""
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
    if row["subscription_id"]:
        yield "line", f"{row['subscription_id']} of account {row['account_id']}, plan {row['plan_id'] or 'none'}"
    if row["zone_id"]:
        by = f" by prefix {row['prefix']}" if row["prefix"] else ""
        yield "zone", f"{row['zone_id']}{by}, roaming zone {row['roaming_zone'] or 'unknown'}"
    if row["retail_status"] == "suspended":
        yield "suspended", f"{row['suspense_reason']}: {SUSPENDED[row['suspense_reason']]}; not charged, tried again"
    else:
        yield from _price_steps(row)
    if row["cost"] is not None:
        yield "cost", f"{_money(row['cost'])} {row['currency']} to {row['carrier_id']} by {row['cost_id']}"
    else:
        yield "cost", row["wholesale_status"].replace("_", " ")
    yield "pins", f"price book {row['pricebook_version']}, snapshot {row['snapshot_id']}, rating run {row['rating_no']}"
    for slice_ in row.get("billed", ()):
        freed = (
            f"{slice_['free_units']} units free by {slice_['allowance_id']}" if slice_["allowance_id"] else "none free"
        )
        yield "billed", f"{_money(slice_['net_charge'])} {row['currency']} net, {freed}, run {slice_['run_id']}"
    if "billed_unknown" in row:
        yield "billed", row["billed_unknown"]


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


def _price_steps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    currency = row["currency"]
    if row["retail_status"] == "zero_rated":
        why = row["rate_id"] if row["charged_units"] else row["call_outcome"] or "no duration"
        yield "charge", f"{_money(row['charge'])} {currency}: zero-rated ({why})"
        return
    unit = UNIT_SHORT[row["unit"]]
    price = f"{_money(_amount(row['unit_price_micros']))} {currency} for {row['block_units']} {unit}"
    origin = f"cost row {row['cost_id']}, marked up" if row["price_source"] == "markup" else f"rate {row['rate_id']}"
    steps = f"{row['increment_units']} {unit}"
    if row["initial_units"] not in (None, row["increment_units"]):
        steps = f"{row['initial_units']} {unit}, then {steps}"
    yield "price", f"{price}, in steps of {steps} ({origin})"
    has_prices = set(_piece_prices(row)) - {row["unit_price_micros"]}
    shown = " + ".join(
        f"{units} {unit} {band} x {_shown(Fraction(num, row['factor_den']))}"
        + (f" at {_money(_amount(at))}" if has_prices else "")
        for units, band, at, num in _pieces(row)
    )
    yield "units", f"{row['charged_units']} {unit} charged = {shown or '0'}"
    usage = _shown(_usage(row) / MICROS_PER_UNIT)
    if has_prices:
        yield "sum", f"units x factor x price, together / {row['block_units']} = {usage}"
    else:
        weighed = Fraction(sum(units * num for units, _, _, num in _pieces(row)), row["factor_den"])
        yield "sum", f"{_shown(weighed)} x price / {row['block_units']} = {usage}"
    if row["connect_fee_micros"]:
        fee, total = _money(_amount(row["connect_fee_micros"])), _shown(_with_fee(row) / MICROS_PER_UNIT)
        factor = f" x {_shown(_fee_factor(row))}" if row["price_source"] == "markup" else ""
        yield "connect", f"+ {fee}{factor} = {total}"
    for name in ("minimum", "maximum"):
        if row[f"{name}_micros"] is not None:
            yield name, f"{_money(_amount(row[f'{name}_micros']))}: {_shown(_bounded(row) / MICROS_PER_UNIT)}"
    if row["discount_ids"]:
        kept = f"{row['discount_num']}/{row['discount_den']}"
        yield "discounts", f"{', '.join(row['discount_ids'])}: x {kept} of {_money(row['list_price'])}"
    stated = Fraction(int(row["numerator"]), int(row["denominator"])) / MICROS_PER_UNIT
    mode = row["rounding"].replace("_", " ")
    yield "charge", f"{_shown(stated)} rounded {mode} to {row['digits']} digits = {_money(row['charge'])} {currency}"
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


def _amount(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-6)


def _money(amount: Decimal) -> str:
    """At least two decimals, and no more zeros than that."""
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def _shown(exact: Fraction) -> str:
    """An exact number with up to nine decimals; … where it has more."""
    scaled, rest = divmod(abs(exact.numerator) * 10**9, exact.denominator)
    digits = f"{scaled // 10**9}.{scaled % 10**9:09d}".rstrip("0").rstrip(".")
    return ("-" if exact < 0 else "") + digits + ("…" if rest else "")


def _billed(lake: Lake, settings: Settings, is_wanted: Any) -> list[dict[str, Any]]:
    """What posted runs billed of the event; PostgreSQL knows which are posted and is asked only if a run has it."""
    found = [row.asDict() for row in lake.read("billed_usage").where(is_wanted).collect()]
    posted = set(posted_runs(settings)) if found else set()
    return [row for row in found if row["run_id"] in posted]


if __name__ == "__main__":
    sys.exit(main(parser(), run))
