"""Rating runs, nights and corrections alike: their numbers, what each pins, and one that died before its mark."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from pyspark.sql import DataFrame

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

# One series of numbers for both kinds of run: each is a commit to rated_usage, then its row in control_rating.
APP_ID = "rate_usage"
# An accepted record among those of its id; mediation lets an id through once a month.
EVENT = ["event_month", "event_hash", "source", "event_id"]


@dataclass(frozen=True)
class Night:
    """A rating run: the batches [from_batch_no, to_batch_no] (none when to is from - 1) and what it pins.

    selection: of a correction, which takes no batch, what it was asked for; see `Selection`. None for a night.
    """

    rating_no: int
    from_batch_no: int
    to_batch_no: int
    snapshot_id: int
    pricebook_version: int
    selection: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which rated events a correction looks at: started in [begin, end), and of these accounts, service and plan as
    their rows stood; None for all."""

    begin: datetime
    end: datetime
    accounts: list[str] | None = None
    service: str | None = None
    plan: str | None = None

    def as_json(self) -> str:
        """As control_rating keeps it; instants as microseconds since 1970, which no zone can change."""
        told = {"from": _micros(self.begin), "to": _micros(self.end), "accounts": self.accounts}
        return json.dumps({**told, "service": self.service, "plan": self.plan}, sort_keys=True)


def unmarked_night(lake: Lake) -> Night | None:
    """The rating run whose rows were committed and whose mark was not: it died in between."""
    committed, marked = lake.last_version("rated_usage", APP_ID), lake.last_version("control_rating", APP_ID)
    if committed is None or committed == marked:
        return None
    return Night(**lake.commit_metadata("rated_usage", 1, "rating_no")[0])


def append_run(lake: Lake, rows: DataFrame, run: Night) -> None:
    """Append the rows of a rating run in its one commit.

    TollgateError when another run, a night beside a correction, has taken its number meanwhile: then nothing of this
    one was written.
    """
    lake.append(rows, "rated_usage", APP_ID, run.rating_no, asdict(run))
    newest = lake.commit_metadata("rated_usage", 4, "rating_no")
    if [told for told in newest if told["rating_no"] == run.rating_no] != [asdict(run)]:
        raise TollgateError(
            f"another rating run has taken number {run.rating_no} meanwhile; nothing of this one was written",
            where=lake.path("rated_usage"), way_out="start it again when the other one has ended",
        )  # fmt: skip


def out_of_balance(lake: Lake, rating_no: int) -> TollgateError:
    """The refusal to rate beyond a run whose rows do not add up."""
    return TollgateError(
        f"rating run {rating_no} does not balance; nothing is rated beyond it",
        where=lake.path("control_rating"),
        expected="accepted_in + retried_in = rated + suspended + still_suspended - 2 x corrected",
        way_out="look for events that rated_usage lacks or holds twice: `tollgate reconcile` names the equation",
    )


def _micros(instant: datetime) -> int:
    since = instant - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
