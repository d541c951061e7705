"""Calls and messages of an archive: two numbers, a wall-clock time, the places of both as [lon, lat]; no id."""

from __future__ import annotations

from tollgate.mediation.dialects.dialect import Dialect, renamed

HISTORY_JSON = Dialect(
    name="history_json",
    fields=("type", "src_number", "dst_number", "time", "duration", "src_loc", "dst_loc"),
    columns={
        **renamed({
            "src_number": "msisdn_received",
            "dst_number": "destination_received",
            "duration": "duration_received",
        }),
        # What a record says is all there is to tell it by: the same content is the same event.
        "event_id": "content_digest",
        "service": "CASE json.type WHEN 'call' THEN 'voice' ELSE json.type END",
        "start_received": "replace(json.time, ' ', 'T')",
    },
    any_type=("duration", "src_loc", "dst_loc"),
)  # fmt: skip
