"""Views of the marks: how far the tables may be read, and what each stage balanced."""

from __future__ import annotations

from tollgate.assurance.views.view import View

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

CONTROL_TOTAL = """
SELECT 'mediation' AS stage, batch_no AS no, received AS items_in,
  accepted + quarantined + duplicate AS items_out, CAST(NULL AS DECIMAL(38,6)) AS amount, balanced
FROM control_mediation
UNION ALL
SELECT 'rating', rating_no, accepted_in + retried_in + 2 * coalesce(corrected, 0),
  rated + suspended + still_suspended, charge_total, balanced
FROM control_rating
UNION ALL
SELECT 'reference', snapshot_id, rows, rows, CAST(NULL AS DECIMAL(38,6)), true
FROM control_snapshot
UNION ALL
SELECT concat('quality of ', table_name), to_no, rows_checked, rows_checked, CAST(NULL AS DECIMAL(38,6)), passed
FROM quality_result
UNION ALL
SELECT 'reconciliation', run_no, count(*), count_if(holds), CAST(NULL AS DECIMAL(38,6)), min(holds)
FROM control_reconcile GROUP BY run_no
UNION ALL
SELECT 'second rating', run_no, checked, checked - different, CAST(charge_table AS DECIMAL(38,6)), holds
FROM control_second_rating
UNION ALL
SELECT 'maintenance', maintenance_no, sum(rows_before), sum(rows_after), CAST(NULL AS DECIMAL(38,6)), min(balanced)
FROM control_maintenance GROUP BY maintenance_no
"""

CONTROL_SOURCE = """
SELECT batch_no, generation, topic, recorded_at, balanced, inline(by_source)
FROM control_mediation
"""

VIEWS = {
    "published_to": View(
        "the last micro-batch up to which every mark is there and balances",
        "one row",
        PUBLISHED_TO,
        columns="to_no BIGINT COMMENT 'batch_no; -1 when there is none'",
    ),
    "control_source": View(
        "one row a micro-batch and source: what it sent and what became of it; batches of older releases have none",
        "(batch_no, source)",
        CONTROL_SOURCE,
        columns="""
batch_no BIGINT COMMENT 'micro-batch',
generation INT COMMENT 'checkpoint generation',
topic STRING COMMENT 'Kafka topic',
recorded_at TIMESTAMP COMMENT 'when the last record of the batch arrived',
balanced BOOLEAN COMMENT 'whether the batch balances, each source in it too',
source STRING COMMENT 'the sending system; unregistered for all that are not registered or not told',
records BIGINT COMMENT 'accepted + quarantined + duplicate',
accepted BIGINT COMMENT 'of them accepted',
quarantined BIGINT COMMENT 'of them quarantined',
duplicate BIGINT COMMENT 'of them copies',
late BIGINT COMMENT 'accepted ones that arrived over 86,400 s after their end',
lateness_s DECIMAL(38,0) COMMENT 'sum over the accepted ones: arrival minus end, seconds',
max_lateness_s BIGINT COMMENT 'the largest of them; NULL without an accepted one',
accepted_duration_s BIGINT COMMENT 'sum over the accepted ones',
accepted_volume_bytes BIGINT COMMENT 'sum over the accepted ones'
""",
    ),
    "control_total": View(
        "one row a hand-over: what went in, what came out, whether it balances",
        "(stage, no)",
        CONTROL_TOTAL,
        columns="""
stage STRING COMMENT 'mediation, rating, reference, quality of a table, reconciliation, second rating or maintenance',
no BIGINT COMMENT 'batch_no, rating_no, snapshot_id, last number checked, run_no or maintenance_no',
items_in BIGINT COMMENT 'records, events, rows or equations taken; two for an event that was corrected',
items_out BIGINT COMMENT 'the same, accounted for',
amount DECIMAL(38,6) COMMENT 'rating, second rating: sum of list charges; NULL elsewhere',
balanced BOOLEAN COMMENT 'whether the hand-over holds'
""",
    ),
}
