"""What a dialect is: the JSON fields of a feed's records, and which received column each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# The columns that every dialect fills, as texts of the record; rules and normalisation know only these.
RECEIVED = (
    "event_id", "subscriber_id", "msisdn_received", "service", "start_received", "end_received",
    "destination_received", "duration_received", "volume_received", "cell_id", "roaming_received",
    "roaming_country_received", "carrier_id", "technology_received", "rating_group_received",
    "call_outcome_received", "cause", "call_type_given", "country_given", "direction_received", "slice_id",
)  # fmt: skip


class Dialect(NamedTuple):
    """fields: the JSON fields of a record, in the canonical order of its content digest.

    columns: received column to SQL over `json.<field>` and `content_digest`; a column that is absent is NULL.
    any_type: fields that need not be JSON strings; the rules judge their form. minor: fields of which a number says
    what its text would: in place of a string it is flagged, not refused. added: fields that came when records had their
    digests already; the digest holds them only where they are given, so that a record without them keeps the one that
    it had.
    """

    name: str
    fields: tuple[str, ...]
    columns: Mapping[str, str]
    any_type: tuple[str, ...] = ()
    minor: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The fields that are JSON strings."""
        return tuple(field for field in self.fields if field not in self.any_type)


def renamed(fields: Mapping[str, str]) -> dict[str, str]:
    """Columns of fields that only change their name. fields: JSON field to received column."""
    return {column: f"json.`{field}`" for field, column in fields.items()}
