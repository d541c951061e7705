"""Views of what posted bill runs billed, and of where each accepted event stands.

Rows of billing tables count once their run is posted. PostgreSQL alone knows which are: the view posted_run.
"""

from __future__ import annotations

from tollgate.assurance.views.view import View

POSTED_RUN = View(
    "one row a posted bill run, as PostgreSQL says when the question is asked",
    "run_id",
    "",
    columns="""
run_id STRING COMMENT 'bill run',
cycle STRING COMMENT 'key of the billed cycles: month in which they start, YYYY-MM, or YYYY-MM.2',
posted_at TIMESTAMP COMMENT 'when it was posted, UTC; NULL for a run named by --posted-run'
""",
)

_OF_POSTED_RUNS = "SELECT {0}.*, posted_run.cycle FROM {0} JOIN posted_run ON {0}.run_id = posted_run.run_id"
_CYCLE = "cycle STRING COMMENT 'key of the billed cycle: month in which it starts, YYYY-MM, or YYYY-MM.2'"

# billed_usage names the revision and the rating run of what it billed: a correction on no posted run is unbilled.
USAGE_STANDING = """
SELECT usage.source, usage.event_id, usage.event_month, rating.revision, usage.batch_no, usage.service,
  usage.started_at, usage.duration_s, usage.volume_bytes, rating.account_id,
  CASE WHEN rating.retail_status IS NULL THEN 'awaiting_rating'
       WHEN rating.retail_status = 'suspended' THEN 'suspended'
       WHEN billed.run_id IS NULL THEN 'unbilled'
       ELSE 'billed' END AS standing,
  rating.suspense_reason, rating.charge, billed.net_charge, billed.run_id
FROM accepted_usage AS usage
LEFT JOIN current_rating AS rating
  ON rating.source = usage.source AND rating.event_id = usage.event_id AND rating.event_month = usage.event_month
LEFT JOIN posted_usage AS billed
  ON billed.source = rating.source AND billed.event_id = rating.event_id
  AND billed.revision = rating.revision AND billed.rating_no = rating.rating_no
"""

VIEWS = {
    "posted_usage": View(
        "one row a rated event that a posted run billed", "(run_id, source, event_id, revision)",
        _OF_POSTED_RUNS.format("billed_usage"), takes="billed_usage", columns=_CYCLE,
    ),
    "posted_line": View(
        "one row an invoice line of a posted run", "(run_id, account_id, line_key)",
        _OF_POSTED_RUNS.format("invoice_line"), takes="invoice_line", columns=_CYCLE,
    ),
    "posted_invoice": View(
        "one row an invoice of a posted run", "(run_id, account_id)",
        _OF_POSTED_RUNS.format("invoice"), takes="invoice", columns=_CYCLE,
    ),
    "posted_prepaid": View(
        "one row a prepaid contract and posted run: its credit before and after", "(run_id, contract_id)",
        _OF_POSTED_RUNS.format("prepaid_balance"), takes="prepaid_balance", columns=_CYCLE,
    ),
    "usage_standing": View(
        "one row an accepted event and where it stands: awaiting rating, suspended, unbilled or billed",
        "(source, event_id, event_month)",
        USAGE_STANDING,
        columns="""
source STRING COMMENT 'identity of the event, with event_id',
event_id STRING COMMENT 'identity of the event, with source',
event_month STRING COMMENT 'YYYY-MM of started_at in UTC',
revision INT COMMENT 'revision of the rated row; NULL before rating',
batch_no BIGINT COMMENT 'micro-batch of the event',
service STRING COMMENT 'voice, sms, mms or data',
started_at TIMESTAMP COMMENT 'start of the event, UTC',
duration_s BIGINT COMMENT 'usage as mediated, seconds',
volume_bytes BIGINT COMMENT 'usage as mediated, bytes',
account_id STRING COMMENT 'owner''s account; NULL without a subscriber and before rating',
standing STRING COMMENT 'awaiting_rating, suspended, unbilled (this revision is on no posted invoice) or billed',
suspense_reason STRING COMMENT 'why it is suspended',
charge DECIMAL(18,6) COMMENT 'list charge; NULL without a price',
net_charge DECIMAL(18,6) COMMENT 'what the allowance left to pay; NULL unless billed',
run_id STRING COMMENT 'posted run that billed it'
""",
    ),
}  # fmt: skip
