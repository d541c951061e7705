"""One table's maintenance, by whoever may write the table: what is due leaves, small files are joined, old ones go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from jobs.legal_hold import holds_in_force
from jobs.pinned import load_reference
from jobs.standing import last_batch
from tollgate.assurance import retention
from tollgate.assurance.publication import published_to
from tollgate.assurance.retention import Rule
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, few_rows
from tollgate.platform.settings import Settings
from tollgate.platform.upkeep import Size, compact, rewrite, size_of, vacuum

STEPS = ("retention", "compact", "vacuum")
# Written by the stream, in the order of its commits.
STREAM_TABLES = ("raw_cdr", "usage_event", "control_mediation")
# Of maintenance, counted back from the last: a run that died is told by the next one, so it is among the last.
COMMITS_LOOKED_AT = 20
RATING_TABLES = ("rated_usage", "control_rating")


@dataclass(frozen=True)
class Upkeep:
    """What to do with one table, in plain values: it travels to the stream as JSON. cutoffs: rule to ISO instant."""

    table: str
    maintenance_no: int
    steps: tuple[str, ...]
    as_of: str
    cutoffs: dict[str, str]
    vacuum_hours: int


def keep_up(lake: Lake, settings: Settings, wanted: Upkeep) -> dict[str, Any]:
    """Do the steps and return table, before, after, retention by rule and deleted_files.

    The caller may write the table: for STREAM_TABLES it is the stream between two batches, or holds the stream's lock.
    Raises TollgateError while a hand-over of the table is open, and when what stays is not what stood before.
    """
    table = wanted.table
    _refuse_open(lake, table)
    with lake.alone(table):
        before = size_of(lake, table)
        left = {}
        if "retention" in wanted.steps:
            left = {rule.name: _retain(lake, settings, wanted, rule, before) for rule in retention.rules_of(table)}
        if "compact" in wanted.steps:
            compact(lake, table)
            crash_point("maintain.after_compact")
        after = size_of(lake, table)
        _refuse_lost(lake, table, before, after)
        deleted = vacuum(lake, table, wanted.vacuum_hours) if "vacuum" in wanted.steps else 0
        crash_point("maintain.after_vacuum")
    sizes = {"before": asdict(before), "after": asdict(after)}
    return {"table": table, **sizes, "retention": left, "deleted_files": deleted}


def foreseen(lake: Lake, settings: Settings, wanted: Upkeep) -> dict[str, Any]:
    """What `keep_up` would begin with, and what would leave; nothing is written."""
    left = {}
    if "retention" in wanted.steps:
        for rule in retention.rules_of(wanted.table):
            with _looked_at(lake, settings, rule, _cutoff(wanted, rule)) as (_, figures):
                left[rule.name] = {"blanked": figures["leaves"], "held": figures["held"]}
    return {"table": wanted.table, "before": asdict(size_of(lake, wanted.table)), "retention": left}


def app_id(rule: Rule) -> str:
    """Under which Delta remembers the commits of a rule; their versions are maintenance numbers."""
    return f"maintain/{rule.name}"


def committed(lake: Lake, rule: Rule, maintenance_no: int) -> list[dict[str, Any]]:
    """What the commit of that maintenance says of itself; nothing when Delta's log does not reach back so far."""
    commits = lake.commit_metadata(rule.table, COMMITS_LOOKED_AT, "maintenance_no")
    return [one for one in commits if (one["rule"], one["maintenance_no"]) == (rule.name, maintenance_no)]


def _retain(lake: Lake, settings: Settings, wanted: Upkeep, rule: Rule, before: Size) -> dict[str, int]:
    """Take what is due by one rule, in at most one commit, and hold what stays against what was."""
    number = wanted.maintenance_no
    if lake.last_version(rule.table, app_id(rule)) != number:
        cutoff = _cutoff(wanted, rule)
        with _looked_at(lake, settings, rule, cutoff) as (kept, figures):
            told = {"blanked": figures["leaves"], "held": figures["held"]}
            if not figures["leaves"]:
                return told
            where = f"{rule.number} BETWEEN {figures['first']} AND {figures['last']}"
            stays = _what_stays(lake, rule, where)
            told_by = {"maintenance_no": number, "rule": rule.name, "as_of": wanted.as_of, "before": asdict(before)}
            metadata = {**told_by, "where": where, **told, **stays}
            rewrite(
                lake, rule.table, where, lambda rows: retention.blanked(rows, rule, cutoff, kept), app_id(rule), number,
                metadata,
            )  # fmt: skip
        crash_point("maintain.after_retention")
    # A run that died after the commit comes by here again, and tells what the commit took.
    (done,) = committed(lake, rule, number)
    _refuse_changed(lake, rule, done)
    return {name: done[name] for name in ("blanked", "held")}


@contextmanager
def _looked_at(lake: Lake, settings: Settings, rule: Rule, cutoff: datetime) -> Iterator[tuple[DataFrame | None, Any]]:
    """The keys of held rows (None without any) and the row of `fates`; no hold is placed while the block runs."""
    rows = lake.read(rule.table)
    if rule.table in STREAM_TABLES:
        rows = rows.where(F.col("batch_no") <= _published(lake))
    rows = retention.due(rows, rule, cutoff)
    with holds_in_force(settings) as holds:
        figures = retention.fates(rows, rule, cutoff, None).first()
        assert figures is not None
        if not holds or not figures["leaves"]:
            yield None, figures
            return
        kept = _held(lake, rule, cutoff, figures, holds).persist()
        try:
            yield kept, retention.fates(rows, rule, cutoff, kept).first()
        finally:
            kept.unpersist()


def _held(lake: Lake, rule: Rule, cutoff: datetime, span: Row, holds: list[tuple[Any, ...]]) -> DataFrame:
    """The keys of the rows that the holds keep, of the numbers from span's first to last.

    The bytes of a record do not say whose it is; its usage event does.
    """
    frame = few_rows(lake.spark, holds, cast(StructType, StructType.fromDDL(retention.HOLD_COLUMNS)))
    owners = [(account, line) for account, line, *_ in holds if account or line]
    reached = retention.reach(frame, _subscriptions(lake, owners) if owners else None)
    readable = lake.read("usage_event" if rule.table == "raw_cdr" else rule.table)
    in_span = readable.where(F.col(rule.number).between(span["first"], span["last"]))
    return retention.held(in_span.where(F.col(rule.since) < F.lit(cutoff)), reached, rule.key)


def _subscriptions(lake: Lake, owners: list[tuple[str | None, str | None]]) -> DataFrame:
    """ref_subscription of the newest snapshot; TollgateError when it does not know one of the owners yet."""
    reference = load_reference(lake)
    accounts, lines = ({one for one in side if one} for side in zip(*owners, strict=True))
    known = reference.table("ref_account").where(F.col("account_id").isin(list(accounts)))
    lines_known = reference.table("ref_contract").where(F.col("subscription_id").isin(list(lines)))
    found = known.selectExpr("account_id AS one").union(lines_known.selectExpr("subscription_id AS one")).distinct()
    unknown = (accounts | lines) - {row["one"] for row in found.collect()}
    if unknown:
        raise TollgateError(
            "a legal hold names somebody whom the newest reference snapshot does not know; until then nothing leaves",
            where=f"reference snapshot {reference.snapshot_id}",
            found=", ".join(sorted(unknown)),
            way_out="run `tollgate snapshot_reference`",
        )
    return reference.table("ref_subscription")


def _what_stays(lake: Lake, rule: Rule, where: str) -> dict[str, Any]:
    row = retention.what_stays(lake.read(rule.table).where(where), rule).first()
    assert row is not None
    return {"rows": row["rows"], "digest": str(row["digest"])}


def _refuse_changed(lake: Lake, rule: Rule, done: dict[str, Any]) -> None:
    now = _what_stays(lake, rule, done["where"])
    if any(now[name] != done[name] for name in now):
        raise TollgateError(
            "retention changed more than it may",
            where=f"{lake.path(rule.table)}, {done['where']}",
            expected=f"{done['rows']} rows with digest {done['digest']} over the columns that stay",
            found=f"{now['rows']} rows with digest {now['digest']}",
            way_out="the version before it stands in the table's history; restore it before the next vacuum",
        )


def _refuse_lost(lake: Lake, table: str, before: Size, after: Size) -> None:
    # Where the storage keeps writers apart, a job may have appended meanwhile.
    is_whole = after.rows == before.rows or (lake.lock_folder is None and after.rows > before.rows)
    if not is_whole:
        raise TollgateError(
            "rows were lost or doubled by maintenance",
            where=lake.path(table),
            expected=f"{before.rows} rows",
            found=f"{after.rows} rows",
            way_out="the version before it stands in the table's history; restore it before the next vacuum",
        )


def _refuse_open(lake: Lake, table: str) -> None:
    """What an open hand-over needs to be finished stands in the log and must not age behind new commits."""
    if table in STREAM_TABLES:
        is_open = last_batch(lake) > _published(lake)
        way_out = "run `tollgate mediate_usage --once`, which finishes it or says why"
    elif table in RATING_TABLES:
        last_of = [lake.last_version(name, "rate_usage") for name in RATING_TABLES]
        is_open = last_of[0] != last_of[1]
        way_out = "let the night end, or run `tollgate rate_usage`"
    else:
        return
    if is_open:
        raise TollgateError(
            "a batch or night of this table has no mark that balances yet, so its files are left alone",
            where=lake.path(table),
            way_out=way_out,
        )


def _published(lake: Lake) -> int:
    row = published_to(lake.read("control_mediation")).first()
    return int(row["to_no"]) if row else -1


def _cutoff(wanted: Upkeep, rule: Rule) -> datetime:
    return datetime.fromisoformat(wanted.cutoffs[rule.name])
