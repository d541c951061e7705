"""What one event would cost by the price book's CSV files, and how that is reckoned: by the oracle, without Spark."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from datetime import date, datetime
from typing import Any

from tollgate.oracle.amounts import decimal_of
from tollgate.oracle.book import PriceBook
from tollgate.oracle.clock import epoch_seconds
from tollgate.oracle.quote import ANYBODY, Quote, quote
from tollgate.oracle.rows import OPEN_END_S, CustomerFact, Usage
from tollgate.oracle.sheet import SheetError
from tollgate.platform.errors import UsageError, nearest
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings

SERVICES = ("voice", "sms", "mms", "data")
TECHNOLOGIES = ("2G", "3G", "4G", "5G", "FIXED")
LONGEST_S, LARGEST_BYTES = 86_400, 1 << 40  # what mediation lets through
E164, SHORT_CODE = re.compile(r"\+[1-9]\d{1,14}"), re.compile(r"\d{1,6}")
NOTE = "A list charge: free units, tiers of the month, discounts of the bill and tax come with the bill."


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="quote_event", description=__doc__, epilog=NOTE)
    add = found.add_argument
    add("--pricebook", metavar="DIR", help="folder of the CSV files (default: pricebook.dir)")
    add("--plan", required=True, help="price plan of the line")
    add("--service", required=True, choices=SERVICES)
    add("--at", required=True, type=_instant, metavar="INSTANT", help="start, such as 2026-10-06T19:59:00-04:00")
    add("--to", type=_number, metavar="NUMBER", help="called number: +16045550100, or a short code; not for data")
    add("--country", type=_country, help="country of the called number (default: by its prefix)")
    add("--from", "--msisdn", dest="msisdn", type=_e164, metavar="NUMBER", help="served number: it makes a call local")
    add("--duration", type=_whole(LONGEST_S), metavar="SECONDS", help="voice: length of the call")
    add("--bytes", type=_whole(LARGEST_BYTES), metavar="BYTES", help="data: volume")
    add("--rating-group", metavar="GROUP", help="data: rating group (default: the first of operator.csv)")
    add("--roaming", type=_country, metavar="COUNTRY", help="visited country")
    add("--direction", choices=("out", "in"), help="who made it (default: the served number did, out)")
    add("--technology", choices=TECHNOLOGIES)
    add("--slice", metavar="ID", help="network slice")
    add("--carrier", metavar="ID", help="interconnect carrier: without it no cost and no mark-up")
    add("--student", action="store_true", help="the customer is a student")
    add("--customer-since", type=_date, metavar="DATE", help="local date since when (default: that of the start)")
    add("--currency", metavar="CODE", help="currency of the account (default: the book's)")
    add("--json", action="store_true", help="one JSON object instead of text")
    add("--timing", action="store_true", help="how long reading the book and pricing took, on stderr")
    return add_common(found)


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Print one quote; UsageError for arguments that do not fit the book, and for a book with findings."""
    folder = args.pricebook or settings.pricebook.dir
    begun = time.perf_counter_ns()
    try:
        book = PriceBook(folder)
    except SheetError as refused:
        listed = "\n  ".join(refused.findings)
        raise UsageError(
            f"the price book cannot be quoted from\n  {listed}", where=str(folder), way_out="tollgate pricebook check"
        ) from None
    read = time.perf_counter_ns()
    usage, customer = _usage(args, book), _customer(args, book)
    asked = time.perf_counter_ns()
    answer = quote(book, args.plan, usage, customer, args.currency)
    done = time.perf_counter_ns()
    print(json.dumps(_as_json(answer, book), indent=1) if args.json else _as_text(args, usage, answer, book, folder))
    if args.timing:
        timing = {"read_the_book": read - begun, "price_and_explain": done - asked}
        print(" ".join(f"{name} {ns / 1e6:.3f} ms" for name, ns in timing.items()), file=sys.stderr)


def _usage(args: argparse.Namespace, book: PriceBook) -> Usage:
    """The event of the arguments; UsageError where they do not fit the service or the book."""
    if args.plan not in book.plans:
        _refuse("--plan", args.plan, list(book.plans))
    is_data, is_voice = args.service == "data", args.service == "voice"
    for flag, value, belongs in (
        ("--to", args.to, not is_data),
        ("--duration", args.duration, is_voice),
        ("--bytes", args.bytes, is_data),
    ):
        if belongs != (value is not None):
            raise UsageError(f"{flag} is {'needed' if belongs else 'not'} for {args.service}")
    group = None
    if is_data:
        group = args.rating_group or next(iter(book.rating_groups), None)
        if group not in book.rating_groups:
            _refuse("--rating-group", str(group), list(book.rating_groups))
    elif args.rating_group:
        raise UsageError(f"--rating-group is not for {args.service}")
    at: datetime = args.at
    return Usage(
        source=ANYBODY, event_id=ANYBODY, service=args.service, msisdn=args.msisdn,
        started_at=epoch_seconds(at) * 1_000_000 + at.microsecond,
        destination=args.to, destination_country=args.country or _country_of(args.to),
        duration_s=args.duration or 0, volume_bytes=args.bytes or 0, rating_group=group,
        roaming=args.roaming is not None, roaming_country=args.roaming, carrier_id=args.carrier,
        direction=args.direction, technology=args.technology, slice_id=args.slice,
    )  # fmt: skip


def _customer(args: argparse.Namespace, book: PriceBook) -> CustomerFact:
    since = args.customer_since or book.clock.local_date(epoch_seconds(args.at))
    return CustomerFact(ANYBODY, args.student, since, 0, OPEN_END_S * 1_000_000)


def _country_of(number: str | None) -> str | None:
    """Country of a called number by its prefix, as mediation tells it; short codes have none."""
    if number is None or not number.startswith("+"):
        return None
    from tollgate.reference.numbering import country_prefixes

    digits, prefixes = number[1:], country_prefixes()
    return next((prefixes[digits[:end]] for end in range(len(digits), 0, -1) if digits[:end] in prefixes), None)


def _as_text(args: argparse.Namespace, usage: Usage, answer: Quote, book: PriceBook, folder: str) -> str:
    amount = f"{usage.duration_s:,} s" if usage.service == "voice" else f"{usage.volume_bytes:,} bytes"
    country = f" ({usage.destination_country})" if usage.destination_country else ""
    parts = [usage.service, f"plan {args.plan}", f"at {args.at.isoformat()}"]
    parts += [f"to {usage.destination}{country}"] if usage.destination else []
    parts += [amount] if usage.service in ("voice", "data") else []
    parts += [f"rating group {usage.rating_group}"] if usage.rating_group else []
    lines = [f"{step.name:<12}{step.text}" for step in answer.steps]
    where = f"Priced by the oracle from {folder}, without Spark; nothing is stored. {NOTE}"
    return "\n".join([", ".join(parts), "", *lines, "", where])


def _as_json(answer: Quote, book: PriceBook) -> dict[str, Any]:
    priced, cost = answer.priced, answer.priced.wholesale
    names = ("retail_status", "suspense_reason", "zone_id", "roaming_zone", "prefix", "call_type", "price_source")
    found: dict[str, Any] = {name: getattr(priced, name) for name in names}
    amounts = {"charge": priced.charge, "cost": cost.cost, "margin": priced.margin}
    exact = {"numerator": priced.numerator, "denominator": priced.denominator}
    return {
        **found,
        "rate_id": priced.rate.rate_id if priced.rate else None,
        "wholesale_status": cost.status,
        "cost_id": cost.row.cost_id if cost.row else None,
        "currency": book.currency,
        **{name: None if value is None else str(decimal_of(value)) for name, value in amounts.items()},
        "charged_units": priced.charged_units,
        "unit": priced.unit,
        "pieces": [
            {"units": p.units, "band": p.band_id, "price": str(decimal_of(p.price)), "factor": str(p.factor)}
            for p in priced.pieces
        ],
        "discount_ids": list(priced.discount_ids),
        "exact_micros": exact,
        "digits": priced.digits,
        "rounding": priced.rounding,
        "steps": [step._asdict() for step in answer.steps],
        "priced_by": "oracle",
    }


def _refuse(flag: str, found: str, known: list[str]) -> None:
    near = nearest(found, known)
    listed = ", ".join(sorted(known)) or "none"
    raise UsageError(
        f"{flag} is not in the price book", expected=f"one of {listed}", found=found,
        way_out=f"did you mean {near}?" if near else "",
    )  # fmt: skip


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected an instant with offset, such as 2026-10-06T19:59:00-04:00: {text}")
    return found


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a date, such as 2024-02-29: {text}") from None


def _number(text: str) -> str:
    if not E164.fullmatch(text) and not SHORT_CODE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected + and up to 15 digits, or a short code of up to 6: {text}")
    return text


def _e164(text: str) -> str:
    if not E164.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected + and up to 15 digits: {text}")
    return text


def _country(text: str) -> str:
    if not re.fullmatch(r"[A-Z]{2}|001", text):
        raise argparse.ArgumentTypeError(f"expected an ISO country of two capital letters, or 001: {text}")
    return text


def _whole(largest: int) -> Any:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) <= largest):
            raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {largest}: {text}")
        return int(text)

    return read


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
