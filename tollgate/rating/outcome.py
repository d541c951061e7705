"""The outcome: rated, zero-rated, or suspended with the first reason that applies; never 0 for lack of a price."""

from __future__ import annotations

from pyspark.sql import DataFrame

# A call that nobody answered, or that lasted 0 s; a message that failed. An outcome that is missing, or that a call
# does not have, makes none free.
ZERO_BY_OUTCOME = """
CASE WHEN service = 'voice' THEN duration_s = 0 OR coalesce(call_outcome IN ('failed', 'busy', 'no_answer'), false)
     WHEN service IN ('sms', 'mms') THEN coalesce(call_outcome = 'failed', false) ELSE false END"""

# In order: the first that holds is the event's. What needs no price (zero by outcome) needs no rate and no band.
SUSPENDED_IF = {
    "id_conflict": "is_id_conflict",
    "no_subscriber": "line IS NULL",
    "suspended_line": "line.line_state <> 'active'",
    "no_plan": "known_plan IS NULL",
    "no_zone": "zone_id IS NULL OR roaming_zone IS NULL",
    "no_band": "NOT is_zero AND rate IS NOT NULL AND NOT is_cut",
    "no_rate": "NOT is_zero_by_outcome AND rate IS NULL",
    "currency_mismatch": "NOT account.currency <=> currency",
    "amount_overflow": "charge IS NULL",
}
# An event that was never priced has no rate row to take it from, but its invoice line has a tax category.
TAX_CATEGORY_WITHOUT_A_RATE = "standard"
# What a suspended event does not have.
_OF_A_PRICE = [
    "rate",
    "charged_units",
    "unit",
    "initial_units",
    "increment_units",
    "connect_fee_micros",
    "piece_units",
    "piece_band",
    "piece_price_micros",
    "piece_factor_num",
    "factor_den",
    "discount_ids",
    "discount_num",
    "discount_den",
    "numerator",
    "denominator",
    "list_price",
    "charge",
]


def with_outcome(events: DataFrame, currency: str) -> DataFrame:
    """Add `suspense_reason`, `retail_status`, `price_source`, `tax_category` and `currency`, the book's.

    A suspended event loses everything of a price. The wholesale leg has its own status and stays as it is.
    """
    reasons = " ".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in SUSPENDED_IF.items())
    judged = events.selectExpr("*", f"'{currency}' AS currency").selectExpr(
        "*", f"CASE {reasons} END AS suspense_reason"
    )
    return judged.selectExpr(
        f"* EXCEPT ({', '.join(_OF_A_PRICE)})",
        *(f"CASE WHEN suspense_reason IS NULL THEN {name} END AS {name}" for name in _OF_A_PRICE),
        """CASE WHEN suspense_reason IS NOT NULL THEN 'suspended'
                WHEN is_zero THEN 'zero_rated' ELSE 'rated' END AS retail_status""",
        """CASE WHEN suspense_reason IS NULL AND rate IS NOT NULL
                THEN CASE WHEN is_marked_up THEN 'markup' ELSE 'rate' END END AS price_source""",
        f"""CASE WHEN suspense_reason IS NULL THEN coalesce(rate.tax_category, '{TAX_CATEGORY_WITHOUT_A_RATE}') END
            AS tax_category""",
    )
