"""One bill run as a function of tables and pins. Month and preview are this same function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.billing.advance import advance_lines
from tollgate.billing.buckets import grants_of, late_cycles
from tollgate.billing.carried import carried_usage, reversals_of
from tollgate.billing.charges import with_net_charges
from tollgate.billing.corrected import parted
from tollgate.billing.cycles import accounts_to_bill
from tollgate.billing.discounts import discount_lines
from tollgate.billing.invoice import invoices
from tollgate.billing.lines import all_lines, completed, lines_of_contracts_and_usage, with_usage_key
from tollgate.billing.one_off import one_off_lines
from tollgate.billing.parking import failing_accounts, set_aside
from tollgate.billing.prepaid import (
    PREPAID_BALANCE,
    prepaid_balances,
    prepaid_contracts,
    unsound_accounts,
    with_prepaid_contract,
)
from tollgate.billing.prepaid_lines import prepaid_lines
from tollgate.billing.spend_limits import spend_limit_lines
from tollgate.billing.supplementary import too_little, with_late_closed
from tollgate.billing.tax import with_tax
from tollgate.billing.tax_status import exemptions_in_force, with_jurisdiction
from tollgate.billing.volume_tiers import volume_lines
from tollgate.reference.book_features import ROLLOVER, SPEND_LIMITS
from tollgate.reference.frames import PriceBook, Reference

BILLED_USAGE = [
    "run_id", "source", "event_id", "revision", "rating_no", "started_at", "account_id", "subscription_id",
    "origin_cycle", "line_key",
    "allowance_id", "free_units", "net_numerator", "net_denominator", "list_charge", "net_charge", "slices",
    "money_slices", "kind", "tier_places",
]  # fmt: skip
INVOICE_LINE = [
    "run_id", "account_id", "line_no", "line_key", "kind", "subscription_id", "service", "zone_id", "roaming_zone",
    "origin_cycle",
    "description", "events", "units", "free_units", "unit", "exact_total", "amount", "tax_category", "tax_id",
    "tax_share", "exempt_reason",
]  # fmt: skip


@dataclass(frozen=True)
class PostedRuns:
    """What earlier posted runs did, as of a run's own pins.

    runs: (run_id, cycle, as_of); parked: (run_id, account_id) that they set aside; usage: their billed_usage; lines:
    their invoice_line with the run's `cycle`, its key; prepaid: their prepaid_balance; named: (run_id, account_id) of
    the runs that were asked for named accounts only, None where there is none.
    """

    runs: DataFrame
    parked: DataFrame
    usage: DataFrame
    lines: DataFrame
    prepaid: DataFrame
    named: DataFrame | None = None


@dataclass(frozen=True)
class Bill:
    """The frames of a run. billed_usage, invoice_line and invoice are as their contracts, without the parked accounts.

    parked: (account_id, reason); not_due: (account_id, cycle_end) of accounts whose cycle has not ended by as_of.
    accounts: the accounts to bill, parked and not due ones included. prepaid_balance: None where the price book has no
    prepaid plan.
    """

    billed_usage: DataFrame
    invoice_line: DataFrame
    invoice: DataFrame
    parked: DataFrame
    not_due: DataFrame
    accounts: DataFrame
    prepaid_balance: DataFrame | None = None


def bill_cycle(
    cycle: str,
    as_of: datetime,
    rated: DataFrame,
    rating_no: int,
    reference: Reference,
    book: PriceBook,
    posted: PostedRuns,
    *,
    tiers: DataFrame | None = None,
    run_id: str = "preview",
    only: DataFrame | None = None,
    is_open: bool = False,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> Bill:
    """Bill the accounts whose cycle of the key `cycle`, see cycles.py, has ended by `as_of`.

    rated: rated_usage, which counts up to `rating_no`; reference, book: pinned; posted: what earlier runs did; tiers:
    price_tier of all versions, None where no rate has any. only: (account_id) to bill, None for all. is_open: bill
    cycles before their end, for a preview. keep: a job persists here what is read again. Source: docs/billing.md.
    """
    contracts = reference.table("ref_contract")
    candidates = accounts_to_bill(
        reference.table("ref_account"), cycle, as_of, posted.runs, posted.parked, named=posted.named, only=only,
        is_open=is_open,
    )  # fmt: skip
    back = reversals_of(rated, rating_no)
    has_closed = not reference.table("ref_account").where("closed_on IS NOT NULL").isEmpty()
    with_late = with_late_closed(candidates, rated, rating_no, posted.usage, back) if has_closed else candidates
    accounts = keep(_with_minor_digits(with_late, book))
    due = accounts.where(F.expr("is_due AND NOT is_waiting") & (F.col("currency") == book.currency))
    carried = carried_usage(rated, rating_no, posted.usage, due, back)
    late = late_cycles(carried) if ROLLOVER in book.features else None
    grants = grants_of(book.table("price_allowance"), contracts, due, late, keep)
    prepaid = _prepaid(contracts, due, book.table("price_top_up"), posted, keep)
    corrected = None if back is None else parted(carried, rated, posted.usage, tiers, prepaid, keep)
    net = with_net_charges(carried, rated, grants, book, posted.usage, tiers, corrected)
    usage = keep(net.transform(_billed, prepaid))
    zones, fees = book.table("price_zone"), book.table("price_fee")
    rarer = _rarer_lines(reference, fees, due, posted)
    own = keep(lines_of_contracts_and_usage(usage, contracts, due, zones, fees, posted.lines, rarer))
    own = _with_volume(own, usage, posted, rated, due, tiers, keep)
    own = _with_limits(own, posted, contracts, due, book, cycle, prepaid, keep)
    balances = None if prepaid is None else keep(prepaid_balances(usage, prepaid, posted.prepaid))
    taxed, exempt = _tax_status(reference, due)
    more = _more_lines(own.withColumn("cycle", F.lit(cycle)), balances, posted, contracts, taxed, book, exempt)
    lines = keep(all_lines(own, more, due, fees).transform(with_tax, taxed, book.table("price_tax"), exempt))
    unsound = None if balances is None else unsound_accounts(balances, usage, posted.prepaid, due)
    failing = keep(_left_out(failing_accounts(carried, usage, lines, unsound), lines, due, fees, has_closed))
    sound, run = _sound(lines, failing), F.lit(run_id).alias("run_id")
    return Bill(
        billed_usage=_sound(usage, failing).select(run, *BILLED_USAGE[1:]),
        invoice_line=sound.select(run, *INVOICE_LINE[1:]),
        invoice=invoices(sound, due).select(run, "*"),
        parked=set_aside(accounts, book.currency).unionByName(failing),
        not_due=accounts.where("NOT is_due").select("account_id", "cycle_end"),
        accounts=accounts,
        prepaid_balance=None if balances is None else _sound(balances, failing).select(run, *PREPAID_BALANCE[1:]),
    )


def _with_minor_digits(accounts: DataFrame, book: PriceBook) -> DataFrame:
    currencies = F.broadcast(book.table("price_currency").drop("pricebook_version"))
    return accounts.join(currencies, "currency", how="left")


def _prepaid(
    contracts: DataFrame, due: DataFrame, top_ups: DataFrame, posted: PostedRuns, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame | None:
    """Prepaid contracts; None where neither the book nor a statement before has any."""
    if top_ups.isEmpty() and posted.prepaid.isEmpty():
        return None
    return keep(prepaid_contracts(contracts, due, top_ups))


def _rarer_lines(reference: Reference, fees: DataFrame, due: DataFrame, posted: PostedRuns) -> list[DataFrame]:
    """Lines that most operators do not have: one-off charges, fees in advance; plans without those that there are
    none of."""
    found = []
    adjustments = reference.table("ref_adjustment")
    if not adjustments.isEmpty():
        found.append(one_off_lines(adjustments, due, posted.lines))
    in_advance = fees.where("in_advance")
    if not in_advance.isEmpty():
        found.append(advance_lines(reference.table("ref_contract"), due, in_advance, posted.lines))
    return found


def _left_out(failing: DataFrame, lines: DataFrame, due: DataFrame, fees: DataFrame, has_closed: bool) -> DataFrame:
    """(account_id, reason) of accounts that fail, and of closed ones with too little to invoice; a row each."""
    if not has_closed:
        return failing
    return failing.unionByName(too_little(lines, due, fees).join(failing, "account_id", how="left_anti"))


def _tax_status(reference: Reference, due: DataFrame) -> tuple[DataFrame, DataFrame | None]:
    """The accounts with their jurisdiction at the cycle's end, and the exemptions in force; plans without what the
    snapshot does not have."""
    moves, exemptions = reference.table("ref_account_jurisdiction"), reference.table("ref_tax_exemption")
    taxed = due if moves.isEmpty() else with_jurisdiction(due, moves)
    return taxed, None if exemptions.isEmpty() else exemptions_in_force(due, exemptions)


def _with_volume(
    own: DataFrame,
    usage: DataFrame,
    posted: PostedRuns,
    rated: DataFrame,
    due: DataFrame,
    tiers: DataFrame | None,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The lines with those of volume tiers, where a rate has some."""
    volume = None if tiers is None else tiers.where("mode = 'volume'")
    if volume is None or volume.isEmpty():
        return own
    return keep(own.unionByName(completed(volume_lines(usage, posted.usage, posted.lines, rated, due, volume))))


def _with_limits(
    own: DataFrame,
    posted: PostedRuns,
    contracts: DataFrame,
    due: DataFrame,
    book: PriceBook,
    cycle: str,
    prepaid: DataFrame | None,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The lines with those of spending caps and minimums, where the book has some."""
    if SPEND_LIMITS not in book.features:
        return own
    now = own.withColumn("cycle", F.lit(cycle))
    limits = spend_limit_lines(now, posted.lines, contracts, due, book.table("price_spend_limit"), prepaid)
    return keep(own.unionByName(completed(limits)))


def _more_lines(
    own: DataFrame,
    balances: DataFrame | None,
    posted: PostedRuns,
    contracts: DataFrame,
    due: DataFrame,
    book: PriceBook,
    exempt: DataFrame | None,
) -> list[DataFrame]:
    """Discounts and lines of prepaid contracts. Most books have no such row; then the plan is without that part."""
    rules = book.table("price_bill_discount")
    more = [] if rules.isEmpty() else [discount_lines(own, posted.lines, contracts, due, rules)]
    return more if balances is None else [*more, *prepaid_lines(own, balances, due, book.table("price_tax"), exempt)]


def _sound(rows: DataFrame, failing: DataFrame) -> DataFrame:
    return rows.join(F.broadcast(failing), "account_id", how="left_anti")


def _billed(net: DataFrame, prepaid: DataFrame | None) -> DataFrame:
    """What lines, equations and billed_usage need of a carried row with its net charge; nothing else is kept."""
    of_lines = [
        "service",
        "zone_id",
        "roaming_zone",
        "tax_category",
        "charged_units",
        "unit",
        "currency",
        "account_currency",
        "line_kind",
        "prepaid_contract_id",
    ]
    keyed = net.transform(with_prepaid_contract, prepaid).transform(with_usage_key)
    return keyed.withColumnRenamed("charge", "list_charge").select(*BILLED_USAGE[1:], *of_lines)
