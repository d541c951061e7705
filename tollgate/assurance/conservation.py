"""The equations of conservation: what must be equal, and whether it is.

Nothing is lost and nothing is counted twice between the broker and the ledger if every equation holds. They are data: a
name, the stage that they guard, and the measures on either side, summed. Source: docs/architecture.md, promise 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

NO_PART = "all"
Measures = Mapping[tuple[str, str], Decimal]


@dataclass(frozen=True)
class Equation:
    """Σ of the left measures = Σ of the right ones, for every part in which one of them stands."""

    stage: str
    name: str
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """An equation with its numbers: `terms` holds each measure of either side."""

    equation: Equation
    part: str
    terms: Mapping[str, Decimal]

    @property
    def left_side(self) -> Decimal:
        return sum((self.terms[name] for name in self.equation.left), Decimal(0))

    @property
    def right_side(self) -> Decimal:
        return sum((self.terms[name] for name in self.equation.right), Decimal(0))

    @property
    def holds(self) -> bool:
        return self.left_side == self.right_side


# Both sides come from one run alone, so they are asked of a draft as well, before it is posted.
WITHIN_A_RUN = (
    Equation("billing", "every usage line equals its own events", ("usage_lines",), ("usage_lines_that_sum",)),
    Equation("billing", "events on lines", ("billed_events",), ("line_events",)),
    Equation("billing", "net charges on usage lines", ("billed_net",), ("line_exact",)),
    Equation("billing", "free units are those of their slices", ("billed_events",), ("sliced_events",)),
    Equation(
        "billing", "net charges are exact charges less what allowances paid", ("billed_events",), ("paid_events",)
    ),
    Equation("billing", "lines make the invoices", ("line_amount",), ("invoice_net",)),
    Equation("billing", "tax shares make the tax", ("line_tax",), ("invoice_tax",)),
    Equation("billing", "net and tax make the total", ("invoice_net", "invoice_tax"), ("invoice_total",)),
    Equation("billing", "every invoice equals its own lines", ("billed_accounts",), ("invoices_that_sum",)),
    Equation(
        "billing",
        "prepaid credit is carried, topped up, used or forfeited",
        ("prepaid_opening", "prepaid_topped_up", "prepaid_settled"),
        ("prepaid_debits", "prepaid_forfeited", "prepaid_closing"),
    ),
    Equation("billing", "prepaid usage is taken from the credit", ("billed_prepaid",), ("prepaid_debits",)),
    Equation("billing", "every prepaid balance adds up", ("prepaid_balances",), ("prepaid_balances_that_add_up",)),
)
EQUATIONS = (
    Equation("mediation", "offsets without a hole", ("span",), ("received",)),
    Equation("mediation", "everything received is kept", ("received",), ("raw_rows",)),
    Equation("mediation", "one disposition a record", ("raw_rows",), ("accepted", "quarantined", "duplicate")),
    Equation("mediation", "the offsets received are the offsets kept", ("received_offsets",), ("raw_offsets",)),
    Equation("mediation", "the same records, by their places", ("raw_places",), ("mediated_places",)),
    Equation("mediation", "the marks of the batches", ("marked_rows",), ("mediated_rows",)),
    Equation(
        "rating",
        "accepted is rated or held with a reason",
        ("accepted_events",),
        ("rated", "zero_rated", "suspended", "awaiting_rating"),
    ),
    Equation(
        "rating",
        "every source, service and day is rated or held",
        ("usage_days",),
        ("usage_days_that_balance",),
    ),
    Equation("rating", "rated events keep their time and amounts", ("accepted_contents",), ("rated_contents",)),
    Equation("rating", "the charges the nights marked", ("marked_charge",), ("table_charge",)),
    Equation("rating", "the costs the nights marked", ("marked_cost",), ("table_cost",)),
    Equation(
        "billing",
        "rated is billed or carried over",
        ("rated", "zero_rated"),
        ("billed", "carried_late", "carried_open"),
    ),
    Equation(
        "billing", "charges are billed or carried over", ("rated_charge",), ("billed_list_charge", "carried_charge")
    ),
    Equation("billing", "events keep account, time and charge", ("rated_owners",), ("billed_owners", "carried_owners")),
    *WITHIN_A_RUN,
    Equation("ledger", "invoices in PostgreSQL", ("invoices",), ("issued_invoices",)),
    Equation("ledger", "the same invoices in PostgreSQL", ("invoice_digest",), ("issued_digest",)),
    Equation("ledger", "lines in PostgreSQL", ("line_count",), ("issued_lines",)),
    Equation("ledger", "the same lines in PostgreSQL", ("line_digest",), ("issued_line_digest",)),
    Equation("ledger", "net in PostgreSQL", ("invoice_net",), ("issued_net",)),
    Equation("ledger", "tax in PostgreSQL", ("invoice_tax",), ("issued_tax",)),
    Equation("ledger", "total in PostgreSQL", ("invoice_total",), ("issued_total",)),
    Equation("ledger", "total in PostgreSQL by currency", ("total_of_currency",), ("issued_of_currency",)),
    Equation("ledger", "debits are credits", ("debits",), ("credits",)),
    Equation("ledger", "receivable is the sum of totals", ("receivable",), ("invoice_total",)),
    Equation("ledger", "every journal is that of its own invoice", ("journals",), ("journals_that_agree",)),
    Equation("ledger", "credit given to prepaid contracts is booked", ("credit_given",), ("booked_given",)),
    Equation("ledger", "credit that contracts forfeited is booked", ("credit_taken",), ("booked_taken",)),
    Equation("ledger", "forfeited deposits are those that were held", ("forfeits",), ("forfeits_as_held",)),
    Equation("ledger", "numbers follow the accounts of their run", ("invoices",), ("numbered_in_order",)),
    Equation("ledger", "numbers without a gap", ("numbered",), ("last_no",)),
    Equation("ledger", "the highest number is the last one given", ("highest_no",), ("last_no",)),
)
# Where nothing was corrected they would say 0 = 0.
_OF_CORRECTIONS = (
    Equation("rating", "each reversal takes back one rated row", ("reversals",), ("reversed",)),
    Equation("rating", "each reversal has its correction", ("reversals",), ("corrections",)),
    Equation("rating", "reversals give back what was charged", ("given_back",), ("reversed_charge",)),
)


def of_corrections(facts: Measures) -> tuple[Equation, ...]:
    """The equations of corrected usage, once there is any."""
    has_any = any(value for (measure, _), value in facts.items() if measure in ("reversals", "corrections"))
    return _OF_CORRECTIONS if has_any else ()


def balances(facts: Measures, equations: Iterable[Equation] = EQUATIONS) -> list[Balance]:
    """Every equation with its numbers, part by part.

    facts: (measure, part) -> value. A measure that lacks a part counts 0 there, so a table without a row of it fails;
    an equation of which nothing is known stands once, 0 = 0.
    """
    known = with_totals(facts)
    return [balance for equation in equations for balance in _parts_of(equation, known)]


def with_totals(facts: Measures) -> dict[tuple[str, str], Decimal]:
    """The facts and what is compared over all topic-partitions: `mediated_rows`."""
    dispositions = ("accepted", "quarantined", "duplicate")
    rows = sum((value for (measure, _), value in facts.items() if measure in dispositions), Decimal(0))
    return {**facts, ("mediated_rows", NO_PART): rows}


def _parts_of(equation: Equation, facts: Measures) -> list[Balance]:
    names = (*equation.left, *equation.right)
    parts = sorted({part for measure, part in facts if measure in names}) or [NO_PART]
    return [Balance(equation, part, {name: facts.get((name, part), Decimal(0)) for name in names}) for part in parts]
