"""Tax on one bill: where the account is taxed on the cycle's last day, what is exempt, each rule once, its shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from tollgate.oracle.account_rows import Exemption, Jurisdiction
from tollgate.oracle.amounts import round_to_minor, share_out
from tollgate.oracle.book import PriceBook
from tollgate.oracle.lines import Bill, Line
from tollgate.oracle.rows import Account

UNTAXED = ("none", "exempt")


def add_tax(
    bill: Bill,
    account: Account,
    book: PriceBook,
    at: int,
    jurisdictions: Sequence[Jurisdiction] = (),
    exemptions: Sequence[Exemption] = (),
) -> None:
    """Tax once per rule and invoice, and each line's share of it by largest remainder, ties by line number.

    at: the last second of the cycle. A line whose category needs a rule and has none makes the bill `lacks_tax_rule`.
    """
    last_day = bill.cycle_end - timedelta(days=1)
    here = account.tax_jurisdiction
    for move in jurisdictions:
        if move.starts_on <= last_day < move.ends_on:
            here = move.tax_jurisdiction
    rules = [tax for tax in book.taxes if tax.jurisdiction == here and tax.valid_from <= at < tax.valid_to]
    taxable = [line for line in bill.lines if _is_taxable(line, account, exemptions, last_day)]
    for line in taxable:
        if all(tax.tax_category != line.tax_category for tax in rules):
            bill.lacks_tax_rule = True
    for tax in rules:
        taxed = [line for line in taxable if line.tax_category == tax.tax_category]
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
