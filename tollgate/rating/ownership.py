"""Who pays: the line that held the served number when the event started, its account, and the customer's facts."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.rating.as_of import with_row_in_force
from tollgate.reference.frames import Reference

NEEDED = ("msisdn", "started_at")


def with_owner(events: DataFrame, reference: Reference) -> DataFrame:
    """Add the rows in force `line`, `account` and `fact`; NULL where nobody held the number.

    The subscriber_id of the record plays no part: a number may have changed hands since.
    Lines are not broadcast by hint, there may be millions of them.
    """
    events = with_row_in_force(
        events,
        reference.table("ref_subscription"),
        same={"msisdn": "msisdn"},
        take=["subscription_id", "account_id", "contract_id", "plan_id", "line_state"],
        into="line",
    )
    events = with_row_in_force(
        events,
        reference.table("ref_account"),
        same={"account_id": "line.account_id"},
        take=["customer_id", "currency"],
        into="account",
        is_timed=False,
    )
    return with_row_in_force(
        events,
        reference.table("ref_customer_fact"),
        same={"customer_id": "account.customer_id"},
        take=["is_student", "customer_since"],
        into="fact",
    )
