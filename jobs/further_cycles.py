"""Who has another cycle that starts in the same month: accounts of days, which a run of their next number bills."""

from __future__ import annotations

from jobs.bill_runs import transaction
from tollgate.billing.cycles import month_of, number_of
from tollgate.platform.settings import Settings

# Cycles after the account's first start in the month, or after its first cycle if that is later.
FURTHER = """
WITH of_days AS (
  SELECT cycle_days, closed_on, first_cycle_start AS anchor, greatest(first_cycle_start, %(month)s) AS since
  FROM crm.account WHERE cycle_days IS NOT NULL
), further AS (
  SELECT closed_on, since + ((anchor - since) %% cycle_days + cycle_days) %% cycle_days + %(before)s * cycle_days AS day
  FROM of_days
)
SELECT count(*) FROM further WHERE day < %(month)s + interval '1 month' AND (closed_on IS NULL OR day < closed_on)
"""


def further_accounts(settings: Settings, cycle: str) -> tuple[str, int]:
    """The key after `cycle` in its month, and how many accounts that are not closed before have a cycle of it."""
    month, number = month_of(cycle), number_of(cycle)
    with transaction(settings) as cursor:
        cursor.execute(FURTHER, {"month": month, "before": number})
        (accounts,) = cursor.fetchone()
    return f"{cycle[:7]}.{number + 1}", int(accounts)
