"""Calls of a VoIP switch: start and end, carrier, and its own idea of the type of call and the called country."""

from __future__ import annotations

from tollgate.mediation.dialects.dialect import Dialect, renamed

VOIP_JSON = Dialect(
    name="voip_json",
    fields=(
        "call_id", "caller_number", "called_number", "start_time", "end_time", "duration_seconds", "carrier_id",
        "call_type", "country_code",
    ),
    columns={
        **renamed({
            "call_id": "event_id",
            "caller_number": "msisdn_received",
            "called_number": "destination_received",
            "start_time": "start_received",
            "end_time": "end_received",
            "duration_seconds": "duration_received",
            "carrier_id": "carrier_id",
            "call_type": "call_type_given",
            "country_code": "country_given",
        }),
        "service": "'voice'",
    },
    any_type=("duration_seconds",),
    minor=("carrier_id", "call_type", "country_code"),
)  # fmt: skip
