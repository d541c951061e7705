"""Views of what mediation made of the records, up to the last published batch."""

from __future__ import annotations

from tollgate.assurance.views.view import View

ACCEPTED_USAGE = """
SELECT usage_event.*
FROM usage_event
WHERE disposition = 'accepted' AND batch_no <= (SELECT to_no FROM published_to)
"""

QUARANTINED_RECORD = """
SELECT usage_event.*, get(reasons, 0) AS reason
FROM usage_event
WHERE disposition = 'quarantined' AND batch_no <= (SELECT to_no FROM published_to)
"""

VIEWS = {
    "accepted_usage": View(
        "one row an accepted event of a published batch", "(source, event_id, event_month)", ACCEPTED_USAGE,
        takes="usage_event",
    ),
    "quarantined_record": View(
        "one row a record that mediation set aside, of a published batch", "(topic, kafka_partition, kafka_offset)",
        QUARANTINED_RECORD, takes="usage_event",
        columns="reason STRING COMMENT 'the first of its reasons, in the order of the rule table'",
    ),
}  # fmt: skip
