"""Tax on one bill: where the account is taxed on the cycle's last day, what is exempt, each rule once, its shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from tollgate.oracle.account_rows import Exemption, Jurisdiction
from tollgate.oracle.amounts import round_to_minor, share_out
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import Cycle
from tollgate.oracle.lines import Bill, Line
from tollgate.oracle.prepaid import is_prepaid
from tollgate.oracle.rows import Account, Tax

UNTAXED = ("none", "exempt")


def tax_rules(account: Account, book: PriceBook, cycle: Cycle, jurisdictions: Sequence[Jurisdiction]) -> list[Tax]:
    """The rules of where the account is on the cycle's last day, valid in its last second."""
    last_day, at = cycle.end - timedelta(days=1), cycle.end_us // 1_000_000 - 1
    here = account.tax_jurisdiction
    for move in jurisdictions:
        if move.starts_on <= last_day < move.ends_on:
            here = move.tax_jurisdiction
    return [tax for tax in book.taxes if tax.jurisdiction == here and tax.valid_from <= at < tax.valid_to]


def exempt_categories(
    account: Account, rules: Sequence[Tax], cycle: Cycle, exemptions: Sequence[Exemption]
) -> frozenset[str]:
    """Categories of the rules that the account does not pay."""
    last_day = cycle.end - timedelta(days=1)
    named = {one.tax_category for one in exemptions if one.starts_on <= last_day < one.ends_on}
    return frozenset(
        rule.tax_category for rule in rules if account.tax_exempt or "*" in named or rule.tax_category in named
    )


def add_tax(bill: Bill, account: Account, rules: Sequence[Tax], exemptions: Sequence[Exemption] = ()) -> None:
    """Tax once per rule and invoice, and each line's share of it by largest remainder, ties by line number.

    A line whose category needs a rule and has none makes the bill `lacks_tax_rule`. Prices of prepaid usage include the
    tax: those lines name the rule, and the tax inside them stands on a line of its own.
    """
    last_day = bill.cycle_end - timedelta(days=1)
    taxable = [line for line in bill.lines if _is_taxable(line, account, exemptions, last_day)]
    for line in taxable:
        if all(tax.tax_category != line.tax_category for tax in rules):
            bill.lacks_tax_rule = True
    for tax in rules:
        of_rule = [line for line in taxable if line.tax_category == tax.tax_category]
        for line in of_rule:
            if is_prepaid(line):
                line.tax_id = tax.tax_id
                line.tax_share = -line.amount if line.kind == "prepaid_tax" else 0
                bill.tax += line.tax_share
        taxed = [line for line in of_rule if not is_prepaid(line)]
        amount = round_to_minor(sum(line.amount for line in taxed) * tax.rate, bill.minor_digits)
        shares = share_out(amount, [line.amount for line in taxed], bill.minor_digits)
        for line, share in zip(taxed, shares, strict=True):
            line.tax_id = tax.tax_id
            line.tax_share += share
        bill.tax += amount


def _is_taxable(line: Line, account: Account, exemptions: Sequence[Exemption], last_day: date) -> bool:
    """Whether a line bears tax; sets its `exempt_reason` where an exemption is why it does not."""
    if line.tax_category in UNTAXED:
        return False
    for category in (line.tax_category, "*"):
        for one in exemptions:
            if one.tax_category == category and one.starts_on <= last_day < one.ends_on:
                line.exempt_reason = one.reason
                return False
    return not account.tax_exempt
