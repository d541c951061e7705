"""The one page of the demo: plain text out of the summary. Same summary, same page; what varies from run to run stands
at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tollgate.demo.layout import amount, grid, percent
from tollgate.demo.page_of_run import ended_early, outliers, parked, statement, verified

WIDTH = 118


def page(summary: Mapping[str, Any]) -> str:
    """The whole page. summary: what `tollgate.demo.figures` gathered; amounts are texts already in their own digits."""
    sections = [
        ("", _headline(summary)),
        ("Records in", _records(summary["records"], summary["parameters"])),
        ("Injected and found, class by class", _truth(summary["truth"])),
        ("Quality gates", _gates(summary["gates"])),
        ("Rated and suspended", _rating(summary["rating"])),
        ("Revenue and cost by service, list prices", _services(summary["services"])),
        ("Invoices", _invoices(summary["invoices"])),
        ("Outliers: bills to look at before a run is approved", outliers(summary["bill_run"])),
        ("Parked accounts", parked(summary["bill_run"])),
        ("The posted month, verified by hash", verified(summary["verified"])),
        ("Preview of the next month", _preview(summary["preview"])),
        ("What may leak", _leakage(summary["leakage"])),
        ("Conservation: every equation, both sides", _equations(summary["equations"])),
        ("One invoice in full", _invoice(summary["invoice_in_full"])),
        ("A Term contract that ended early", ended_early(summary["bill_run"]["ended_early"])),
        ("A prepaid statement", statement(summary["bill_run"]["statement"])),
        ("Two charges explained", ["\n\n".join(one["text"].rstrip() for one in summary["charges_explained"])]),
        ("The second opinion", _opinion(summary["second_opinion"])),
        ("Where the tables are, and how to look", _places(summary["places"])),
        ("Times of this run", _times(summary["times"])),
    ]
    return "\n".join(line for title, lines in sections for line in (*_title(title), *lines)) + "\n"


def _title(title: str) -> list[str]:
    return ["", title, "-" * len(title)] if title else []


def _headline(summary: Mapping[str, Any]) -> list[str]:
    told = summary["parameters"]
    return [
        "=" * WIDTH,
        f"Tollgate demo: {told['subscribers']:,} lines, {told['events']:,} records, seed {told['seed']}; "
        f"billed {told['cycle']}, preview {told['preview_cycle']}",
        "=" * WIDTH,
    ]


def _records(records: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    rows = [[row["disposition"], row["kind"], row["code"], f"{row['records']:,}"] for row in records["by_code"]]
    totals = ", ".join(f"{name} {count:,}" for name, count in records["by_disposition"].items())
    return [
        f"{records['received']:,} received: {totals}",
        f"{told['events']:,} until the cut-off of {told['cycle']}, {records['received'] - told['events']:,} after it",
        "",
        *grid(["disposition", "for", "code", "records"], rows, "lllr"),
    ]


def _truth(truth: Mapping[str, Any]) -> list[str]:
    heads = ["class", "injected", "found as expected", "recall", "said to be", "rightly", "precision"]
    rows = [
        [
            row["dirt_class"],
            f"{row['injected']:,}",
            f"{row['found']:,}",
            percent(row["found"], row["injected"]),
            f"{row['claimed']:,}",
            f"{row['rightly']:,}",
            percent(row["rightly"], row["claimed"]),
        ]
        for row in truth["classes"]
    ]
    missed = [f"  differs: {miss}" for miss in truth["misses"]] or [
        "Every record was found as injected; none was taken for another."
    ]
    return [
        *grid(heads, rows, "lrrrrrr"),
        *missed,
        "Late by a day or less leaves no flag: such a record counts as clean.",
    ]


def _gates(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    suites = {
        suite: [gate for gate in gates if gate["suite"] == suite] for suite in ("usage_event", "rated_usage", "invoice")
    }
    rows = [
        [suite, str(len(of_suite)), f"{sum(gate['rows_checked'] for gate in of_suite):,}",
         str(sum(len(gate["warnings"]) for gate in of_suite))]
        for suite, of_suite in suites.items()
    ]  # fmt: skip
    told = [
        f"  {gate['suite']} {gate['from_no']} to {gate['to_no']}: {text}" for gate in gates for text in gate["warnings"]
    ]
    return [
        *grid(["suite", "passed", "rows", "warnings"], rows, "lrrr"),
        *told,
        "A blocking expectation that is not met ends the route before the next job.",
    ]


def _rating(rating: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [[row["retail_status"], row["suspense_reason"], f"{row['events']:,}"] for row in rating]
    return grid(["status", "reason", "events"], rows, "llr")


def _services(services: Iterable[Mapping[str, Any]]) -> list[str]:
    names = ["service", "rated", "zero_rated", "suspended", "list_charge", "cost", "margin", "cost_unknown"]
    rows = [[amount(row[name]) for name in names] for row in services]
    table = grid([name.replace("_", " ") for name in names], rows, "lrrrrrrr")
    return [
        *table,
        "Margin is charge less cost of the events whose cost is known; those of the last column are not in it.",
    ]


def _invoices(invoices: Mapping[str, Any]) -> list[str]:
    lines = [
        [row["kind"], f"{row['lines']:,}", f"{row['events']:,}", amount(row["amount"]), amount(row["tax"])]
        for row in invoices["by_kind"]
    ]
    head = (
        f"{invoices['invoices']:,} invoices posted with {invoices['lines']:,} lines: net {amount(invoices['net'])}, "
        f"tax {amount(invoices['tax'])}, total {amount(invoices['total'])} {invoices['currency']}; "
        f"parked accounts {invoices['parked']:,}"
    )
    return [head, "", *grid(["kind of line", "lines", "events", "amount", "tax"], lines, "lrrrr")]


def _preview(preview: Mapping[str, Any]) -> list[str]:
    return [
        f"{preview['cycle']}, nothing posted: {preview['invoices']:,} bills with {preview['lines']:,} lines, "
        f"net {amount(preview['net'])}",
        f"of it usage of earlier cycles: {preview['prior_lines']:,} prior-period lines for "
        f"{preview['prior_events']:,} late events, {amount(preview['prior_amount'])}",
    ]


def _leakage(leakage: Iterable[Mapping[str, Any]]) -> list[str]:
    names = [
        "service",
        "billed_events",
        "unbilled_events",
        "suspended_events",
        "billed_charge",
        "unbilled_charge",
        "cost_unknown_events",
    ]
    rows = [[amount(row[name]) for name in names] for row in leakage]
    return grid([name.replace("_", " ") for name in names], rows, "lrrrrrr")


def _equations(equations: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line each; those of which the lake has nothing, such as prepaid credit without a prepaid plan, are left out."""
    lines = []
    for row in equations:
        if all(value == "0" for side in ("left", "right") for value in row[side].values()):
            continue
        sides = [
            " + ".join(f"{name.replace('_', ' ')} {value}" for name, value in row[side].items())
            for side in ("left", "right")
        ]
        lines.append(
            f"[{'ok' if row['holds'] else 'FAILS'}] {row['equation']} ({row['part']}): {sides[0]} = {sides[1]}"
        )
    return lines


def _invoice(invoice: Mapping[str, Any]) -> list[str]:
    if not invoice:
        return ["no invoice was posted"]
    heads = ["#", "what", "line", "events", "units", "free", "unit", "net", "tax"]
    names = [
        "line_no",
        "description",
        "subscription_id",
        "events",
        "units",
        "free_units",
        "unit",
        "amount",
        "tax_share",
    ]
    rows = [[amount(row[name]) for name in names] for row in invoice["lines"]]
    return [
        f"Invoice {invoice['invoice_no']} of account {invoice['account_id']}, {invoice['cycle_start']} to "
        f"{invoice['cycle_end']} (end excluded)",
        *grid(heads, rows, "rllrrrlrr"),
        *(f"tax {row['tax_id']} on {amount(row['net'])}: {amount(row['tax'])}" for row in invoice["taxes"]),
        f"net {amount(invoice['net'])} + tax {amount(invoice['tax'])} = {amount(invoice['total'])} "
        f"{invoice['currency']}",
    ]


def _opinion(opinion: Mapping[str, Any]) -> list[str]:
    rows = [[kind, f"{opinion['compared'][kind]:,}", f"{opinion['different'][kind]:,}"] for kind in opinion["compared"]]
    verdict = "equal to the last digit" if opinion["equal"] else "DIFFERENT; details in build/demo/oracle.json"
    return [
        f"Plain Python and fractions, no code shared: {verdict}",
        "",
        *grid(["compared", "rows", "different"], rows, "lrr"),
    ]


def _places(places: Mapping[str, str]) -> list[str]:
    return grid(["what", "where"], [[name, where] for name, where in places.items()], "ll")


def _times(times: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [[row["step"], f"{row['seconds']:.1f} s"] for row in times]
    return grid(["step", "wall time"], rows, "lr")
