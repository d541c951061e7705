"""What the page says of the posted bill run, where an operator would look for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollgate.billing.parking import REASONS
from tollgate.demo.layout import amount, grid


def outliers(run: Mapping[str, Any]) -> list[str]:
    """Each kind with the invoice that is farthest from 0, what it was compared with, and its largest line."""
    if not run["outlier_kinds"]:
        return ["no invoice was unlike the others"]
    rows = [
        [row["kind"], f"{row['invoices']:,}", row["account_id"], amount(row["total"]), _limit(row),
         f"{row['largest_line']} {amount(row['line_amount'])}"]
        for row in run["outlier_kinds"]
    ]  # fmt: skip
    return [
        *grid(["kind", "invoices", "such as", "total", "beyond", "its largest line"], rows, "lrlrrl"),
        f"A person approves them with --accept-outliers; this run was approved by {run['approved']}.",
        f"All of them: tollgate bill show {run['run_id']}",
    ]


def parked(run: Mapping[str, Any]) -> list[str]:
    """The accounts that were not billed, why, and the way on."""
    if not run["parked_accounts"]:
        return ["no account is parked"]
    rows = [
        [row["account_id"], row["reason"], row["taxed_in"], f"{row['events']:,}", amount(row["charge"])]
        for row in run["parked_accounts"]
    ]
    heads = ["account", "reason", "taxed in", "rated events that wait", "list charges"]
    return [
        f"{run['parked']:,} of {run['accounts']:,} due accounts; the others are billed, and the usage of these waits.",
        "",
        *grid(heads, rows, "lllrr"),
        *_way_on(run),
    ]


def verified(found: Mapping[str, Any]) -> list[str]:
    """The hash of the run and of its three sets of invoices."""
    sets = {
        "posted": "content_hash",
        "rebuilt from its pins": "rebuilt",
        "lines in the lake": "lake",
        "lines in PostgreSQL": "postgres",
    }
    verdict = "Equal" if len({found[key] for key in sets.values()}) == 1 else "DIFFERENT"
    return [
        f"Run {found['run_id']}, {found['invoices']:,} invoices, computed again from what it was made of.",
        "",
        *grid(["bill", "SHA-256 of its invoices"], [[name, found[key]] for name, key in sets.items()], "ll"),
        f"{verdict}. The same at any later time: tollgate bill verify --run-id {found['run_id']}",
    ]


def ended_early(invoice: Mapping[str, Any]) -> list[str]:
    """The contract, its last bill in short, and where the deposit went."""
    if not invoice:
        return ["no invoice of a contract that was cancelled before its term's end"]
    moved = ", ".join(f"{row['ledger_account']} {amount(row['amount'])}" for row in invoice["deposit"])
    return [
        f"Contract {invoice['contract_id']}, plan {invoice['plan_id']}: began {invoice['starts_on']}, bound until "
        f"{invoice['term_ends_on']}, cancelled on {invoice['cancelled_on']}.",
        *_in_short(invoice),
        "The monthly fee is due for the days in force; the deposit, paid with the first month, is forfeited.",
        f"Ledger, debit positive: {moved}",
    ]


def statement(invoice: Mapping[str, Any]) -> list[str]:
    """The statement in short."""
    if not invoice:
        return ["no prepaid contract had a statement"]
    return [
        *_in_short(invoice),
        "Usage is paid from the credit, its prices include tax; what is due is what was bought.",
    ]


def _limit(row: Mapping[str, Any]) -> str:
    compared = amount(row["compared_with"])
    return compared if row["limit_percent"] == 100 else f"{row['limit_percent']} % of {compared}"


def _way_on(run: Mapping[str, Any]) -> list[str]:
    lacking = sorted({row["taxed_in"] for row in run["parked_accounts"] if row["reason"] == REASONS["tax"]})
    rule = [
        f"The book has tax rules for {run['jurisdictions']}, and tax is never 0 for lack of one. The way on:",
        f"  a row for {', '.join(lacking)} in conf/pricebook/tax.csv, then "
        "tollgate publish_pricebook --author NAME --reason TEXT",
    ]
    again = f"  tollgate bill run --cycle {run['cycle']} --as-of {run['as_of']}: a run of the accounts that are left"
    return [*(rule if lacking else ["The way on, once the reason is mended:"]), again]


def _in_short(invoice: Mapping[str, Any]) -> list[str]:
    rows = [
        [row["what"], row["subscription_id"], f"{row['lines']:,}", f"{row['events']:,}", amount(row["amount"]),
         amount(row["tax"])]
        for row in invoice["lines"]
    ]  # fmt: skip
    return [
        f"Invoice {invoice['invoice_no']} of account {invoice['account_id']}, {invoice['cycle_start']} to "
        f"{invoice['cycle_end']} (end excluded)",
        *grid(["what", "of line", "lines", "events", "net", "tax"], rows, "llrrrr"),
        f"net {amount(invoice['net'])} + tax {amount(invoice['tax'])} = {amount(invoice['total'])} "
        f"{invoice['currency']}",
    ]
