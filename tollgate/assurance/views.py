"""Views over the tables of a lake, as SQL: what analysts, reports and the page of the demo read."""

from __future__ import annotations

PUBLISHED_TO = """
SELECT coalesce(max(batch_no), -1) AS to_no
FROM (
  SELECT batch_no, min(is_sound) OVER (ORDER BY batch_no ROWS UNBOUNDED PRECEDING) AS is_unbroken
  FROM (
    SELECT batch_no, balanced AND coalesce(
      batch_no = lag(batch_no) OVER (ORDER BY batch_no) + 1 OR generation <> lag(generation) OVER (ORDER BY batch_no),
      true) AS is_sound
    FROM control_mediation))
WHERE is_unbroken
"""

ACCEPTED_USAGE = """
SELECT usage_event.*
FROM usage_event
WHERE disposition = 'accepted' AND batch_no <= (SELECT to_no FROM published_to)
"""

# An id that comes back in another month is a second event, suspended as id_conflict: the month belongs to the key.
CURRENT_RATING = """
SELECT * EXCEPT (recency) FROM (
  SELECT *, row_number() OVER (
    PARTITION BY source, event_id, event_month, revision
    ORDER BY retail_status = 'suspended', rating_no DESC) AS recency
  FROM rated_usage)
WHERE recency = 1
"""

CONTROL_TOTAL = """
SELECT 'mediation' AS stage, batch_no AS no, received AS items_in,
  accepted + quarantined + duplicate AS items_out, CAST(NULL AS DECIMAL(38,6)) AS amount, balanced
FROM control_mediation
UNION ALL
SELECT 'rating', rating_no, accepted_in + retried_in, rated + suspended + still_suspended, charge_total, balanced
FROM control_rating
UNION ALL
SELECT 'reference', snapshot_id, rows, rows, CAST(NULL AS DECIMAL(38,6)), true
FROM control_snapshot
UNION ALL
SELECT 'quality', to_no, rows_checked, rows_checked, CAST(NULL AS DECIMAL(38,6)), passed
FROM quality_result
UNION ALL
SELECT 'reconciliation', run_no, count(*), count_if(holds), CAST(NULL AS DECIMAL(38,6)), min(holds)
FROM control_reconcile GROUP BY run_no
"""

REVENUE_BY_SERVICE = """
SELECT service,
  count_if(retail_status = 'rated') AS rated,
  count_if(retail_status = 'zero_rated') AS zero_rated,
  count_if(retail_status = 'suspended') AS suspended,
  coalesce(sum(charge), 0) AS list_charge,
  coalesce(sum(cost), 0) AS cost,
  coalesce(sum(margin), 0) AS margin,
  count_if(retail_status = 'rated' AND wholesale_status = 'no_carrier_rate') AS cost_unknown
FROM current_rating
GROUP BY service
"""

# In the order in which they stand on each other.
VIEWS: dict[str, str] = {
    "published_to": PUBLISHED_TO,
    "accepted_usage": ACCEPTED_USAGE,
    "current_rating": CURRENT_RATING,
    "control_total": CONTROL_TOTAL,
    "revenue_by_service": REVENUE_BY_SERVICE,
}
