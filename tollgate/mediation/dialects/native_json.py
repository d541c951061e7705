"""The native dialect: one flat JSON object a record, its source in it, every quantity a JSON string."""

from __future__ import annotations

from tollgate.mediation.dialects.dialect import Dialect, renamed

NATIVE_JSON = Dialect(
    name="native_json",
    fields=(
        "event_id", "source", "subscriber_id", "msisdn", "service_type", "timestamp", "end_time", "destination",
        "duration_seconds", "data_volume_mb", "cell_id", "roaming", "roaming_country", "carrier_id", "technology",
        "rating_group", "call_outcome", "cause", "direction", "slice_id",
    ),
    columns=renamed({
        "event_id": "event_id",
        "subscriber_id": "subscriber_id",
        "msisdn": "msisdn_received",
        "service_type": "service",
        "timestamp": "start_received",
        "end_time": "end_received",
        "destination": "destination_received",
        "duration_seconds": "duration_received",
        "data_volume_mb": "volume_received",
        "cell_id": "cell_id",
        "roaming": "roaming_received",
        "roaming_country": "roaming_country_received",
        "carrier_id": "carrier_id",
        "technology": "technology_received",
        "rating_group": "rating_group_received",
        "call_outcome": "call_outcome_received",
        "cause": "cause",
        "direction": "direction_received",
        "slice_id": "slice_id",
    }),
    any_type=("duration_seconds", "data_volume_mb", "roaming"),
    minor=("subscriber_id", "cell_id", "carrier_id", "technology", "call_outcome", "cause"),
    added=("direction", "slice_id"),
)  # fmt: skip
