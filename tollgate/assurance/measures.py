"""What the tables say, as (measure, part, value) rows: the numbers that the equations of conservation stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.billed_rows import billed_by_run
from tollgate.assurance.current_rating import IS_CURRENT, row_versions, signed
from tollgate.assurance.digests import INVOICE, LINE, digest
from tollgate.assurance.measured import content, measured, owner
from tollgate.assurance.prepaid_credit import prepaid_credit, prepaid_in_ledger
from tollgate.assurance.usage_days import usage_days

ALL = "all"
USAGE_KINDS = ("usage", "prior_period", "usage_reversal", "usage_correction")


@dataclass(frozen=True)
class Reach:
    """How far each table counts: the last published batch and the last batch taken by a rating run.

    suspended: rows of rated_usage that the nights wrote as suspended; corrected: events that corrections corrected.
    """

    published_to: int
    rated_to: int
    suspended: int = 0
    corrected: int = 0


def measures(tables: Mapping[str, DataFrame], posted: DataFrame, reach: Reach) -> DataFrame:
    """All measures of the lake as one frame (measure STRING, part STRING, value DECIMAL(38,6)): one action reads them.

    tables: control_mediation, raw_cdr, usage_event, control_rating, rated_usage, billed_usage, invoice_line, invoice,
    ref_account, prepaid_balance. posted: the bill runs that count, (run_id, part); `part` names a run in the result.
    """
    usage = tables["usage_event"].where(F.col("batch_no") <= reach.published_to)
    billed = tables["billed_usage"].join(F.broadcast(posted), "run_id", how="inner")
    lines = tables["invoice_line"].join(F.broadcast(posted), "run_id", how="inner")
    invoices = tables["invoice"].join(F.broadcast(posted), "run_id", how="inner")
    prepaid = tables["prepaid_balance"].join(F.broadcast(posted), "run_id", how="inner")
    versions = row_versions(tables["rated_usage"], reach.suspended, reach.corrected)
    groups = [
        received(tables["control_mediation"].where(F.col("batch_no") <= reach.published_to)),
        raw(tables["raw_cdr"].where(F.col("batch_no") <= reach.published_to)),
        mediated(usage),
        marked(tables["control_mediation"].where(F.col("batch_no") <= reach.published_to)),
        awaited(usage, reach.rated_to),
        usage_days(usage, versions, reach.rated_to),
        rated(versions),
        rated_marks(tables["control_rating"], tables["rated_usage"]),
        billed_by_service(billed),
        carried_over(tables["rated_usage"], billed, invoices, tables["ref_account"]),
        billed_by_run(billed),
        invoice_lines(lines, billed),
        prepaid_credit(prepaid, billed),
        prepaid_in_ledger(prepaid, invoices),
        issued(invoices, lines),
        measured(invoices, F.col("currency"), total_of_currency=F.sum("total")),
    ]
    return reduce(DataFrame.unionByName, groups)


def received(control: DataFrame) -> DataFrame:
    """Records by topic-partition as the marks tell: the sum of their ranges, the span from the first start to the last
    end, and the sum of all offsets in the ranges."""
    ranges = control.select(
        "topic", F.explode(F.from_json("offsets", "MAP<STRING, ARRAY<BIGINT>>")).alias("partition", "range")
    )
    start, end = F.col("range")[0], F.col("range")[1]
    return measured(
        ranges,
        F.concat_ws("-", "topic", "partition"),
        received=F.sum(end - start),
        span=F.max(end) - F.min(start),
        # Of two neighbours one is even.
        received_offsets=F.sum(F.expr("CAST(range[0] + range[1] - 1 AS DECIMAL(19,0)) * (range[1] - range[0]) / 2")),
    )


def raw(raw_cdr: DataFrame) -> DataFrame:
    """Rows of raw_cdr by topic-partition, the sum of their offsets, and `_places`: equal counts of other records would
    differ in these."""
    offsets = F.sum(F.col("kafka_offset").cast("DECIMAL(20,0)"))
    return measured(raw_cdr, _topic_partition(), raw_rows=F.count("*"), raw_offsets=offsets, raw_places=_places())


def mediated(usage_event: DataFrame) -> DataFrame:
    """Rows of usage_event by topic-partition and disposition, and `_places`."""
    return measured(
        usage_event,
        _topic_partition(),
        accepted=F.count_if(F.col("disposition") == "accepted"),
        quarantined=F.count_if(F.col("disposition") == "quarantined"),
        duplicate=F.count_if(F.col("disposition") == "duplicate"),
        mediated_places=_places(),
    )


def marked(control: DataFrame) -> DataFrame:
    """What the marks of the batches add up to."""
    return measured(
        control, F.lit(ALL), marked_rows=F.sum(F.col("accepted") + F.col("quarantined") + F.col("duplicate"))
    )


def awaited(usage_event: DataFrame, rated_to: int) -> DataFrame:
    """Accepted events by service, those that no rating run has taken yet, and what the others are."""
    accepted = usage_event.where("disposition = 'accepted'")
    return measured(
        accepted,
        F.col("service"),
        accepted_events=F.count("*"),
        awaiting_rating=F.count_if(F.col("batch_no") > rated_to),
        accepted_contents=F.sum(F.when(F.col("batch_no") <= rated_to, content())),
    )


def rated(versions: DataFrame) -> DataFrame:
    """Events by service and retail status, and what they are; of all their row versions, reversals too, the list
    charges and whose they are; and how many reversals there are, of how many rows, with what they take back.

    versions: of `row_versions`.
    """
    has_charge = F.col("retail_status") != "suspended"
    is_reversal = F.col("kind") == "reversal"
    is_reversed = ~is_reversal & ~F.col(IS_CURRENT)

    def current(status: str) -> Column:
        return F.count_if(F.col(IS_CURRENT) & (F.col("retail_status") == status))

    return measured(
        versions,
        F.col("service"),
        rated=current("rated"),
        zero_rated=current("zero_rated"),
        suspended=current("suspended"),
        rated_contents=F.sum(F.when(F.col(IS_CURRENT), content())),
        rated_charge=F.sum("charge"),
        rated_owners=F.sum(F.when(has_charge, owner("charge"))),
        reversals=F.count_if(is_reversal),
        corrections=F.count_if(F.col("kind") == "correction"),
        reversed=F.count_if(is_reversed),
        given_back=F.sum(F.when(is_reversal, -F.col("charge"))),
        reversed_charge=F.sum(F.when(is_reversed, F.col("charge"))),
    )


def rated_marks(control_rating: DataFrame, rated_usage: DataFrame) -> DataFrame:
    """What the marks of the nights add up to, and the same read back from the table."""
    marks = measured(control_rating, F.lit(ALL), marked_charge=F.sum("charge_total"), marked_cost=F.sum("cost_total"))
    table = measured(rated_usage, F.lit(ALL), table_charge=F.sum("charge"), table_cost=F.sum("cost"))
    return marks.unionByName(table)


def billed_by_service(billed: DataFrame) -> DataFrame:
    """Events on invoices by service, less those that reversals there took back, their list charges and whose they are.
    The service is that of the line which carries the event."""
    service = F.split_part("line_key", F.lit("|"), F.lit(3))
    return measured(
        billed,
        service,
        billed=F.sum(F.expr(signed())),
        billed_list_charge=F.sum("list_charge"),
        billed_owners=F.sum(owner("list_charge")),
    )


def carried_over(rated_usage: DataFrame, billed: DataFrame, invoices: DataFrame, accounts: DataFrame) -> DataFrame:
    """Rated events by service that are on no posted invoice: late for a cycle that was billed, or of a cycle that was
    not. Of one that was corrected before it was billed, the row and its reversal stay here and come to nothing."""
    identity = ["source", "event_id", "revision", "rating_no"]
    unbilled = rated_usage.where("retail_status <> 'suspended'").join(
        billed.select(*identity), identity, how="left_anti"
    )
    zone = accounts.groupBy("account_id").agg(F.max_by("time_zone", "snapshot_id").alias("time_zone"))
    billed_until = invoices.groupBy("account_id").agg(F.max("cycle_end").alias("billed_until"))
    placed = unbilled.join(zone, "account_id", how="left").join(billed_until, "account_id", how="left")
    local_date = F.to_date(F.from_utc_timestamp("started_at", F.coalesce("time_zone", F.lit("UTC"))))
    is_late = F.coalesce(local_date < F.col("billed_until"), F.lit(False))
    return measured(
        placed,
        F.col("service"),
        carried_late=F.sum(F.when(is_late, F.expr(signed()))),
        carried_open=F.sum(F.when(~is_late, F.expr(signed()))),
        carried_charge=F.sum("charge"),
        carried_owners=F.sum(owner("charge")),
    )


def invoice_lines(lines: DataFrame, billed: DataFrame) -> DataFrame:
    """Lines of a run: events and exact sums of its usage lines, amounts and tax shares of all, and how many usage lines
    equal the events of their own account, key and cycle."""
    is_usage = F.col("kind").isin(*USAGE_KINDS)
    own = billed.groupBy("run_id", "account_id", "line_key").agg(
        F.count("*").alias("own_events"),
        F.sum("net_charge").alias("own_net"),
        F.abs(F.sum("free_units")).alias("own_free"),
        F.min("origin_cycle").alias("own_from"),
        F.max("origin_cycle").alias("own_to"),
    )
    agrees = (
        (F.col("events") == F.col("own_events"))
        & (F.col("exact_total") == F.col("own_net"))
        & (F.col("free_units") == F.col("own_free"))
        & (F.col("origin_cycle") == F.col("own_from"))
        & (F.col("origin_cycle") == F.col("own_to"))
    )
    return measured(
        lines.join(own, ["run_id", "account_id", "line_key"], how="left"),
        F.col("part"),
        usage_lines=F.count_if(is_usage),
        usage_lines_that_sum=F.count_if(is_usage & agrees),
        line_events=F.sum(F.when(is_usage, F.col("events"))),
        line_exact=F.sum(F.when(is_usage, F.col("exact_total"))),
        line_count=F.count("*"),
        line_amount=F.sum("amount"),
        line_tax=F.sum("tax_share"),
        line_digest=F.sum(digest(LINE)),
    )


def issued(invoices: DataFrame, lines: DataFrame) -> DataFrame:
    """Invoices of a run, their sums, and how many of them equal their own lines: sums alone could hide two errors that
    cancel out."""
    cycle = F.when(F.col("kind") == "usage", F.col("origin_cycle"))
    own = lines.groupBy("run_id", "account_id", F.col("part").alias("line_part")).agg(
        F.sum("amount").alias("line_amount"),
        F.sum("tax_share").alias("line_tax"),
        F.count("*").alias("line_count"),
        F.min(cycle).alias("first_cycle"),
        F.max(cycle).alias("last_cycle"),
    )
    # An invoice without usage has no line that tells its cycle.
    is_of_cycle = F.coalesce(F.col("first_cycle"), F.col("cycle_start")) == F.col("cycle_start")
    agrees = (
        is_of_cycle
        & F.col("last_cycle").eqNullSafe(F.col("first_cycle"))
        & (F.col("net") == F.col("line_amount"))
        & (F.col("tax") == F.col("line_tax"))
        & (F.col("total") == F.col("net") + F.col("tax"))
        & (F.col("lines") == F.col("line_count"))
    )
    return measured(
        invoices.join(own, ["run_id", "account_id"], how="full"),
        F.coalesce("part", "line_part"),
        invoices=F.count("part"),
        # An account of which there is an invoice or a line.
        billed_accounts=F.count("*"),
        invoices_that_sum=F.count_if(agrees),
        invoice_net=F.sum("net"),
        invoice_tax=F.sum("tax"),
        invoice_total=F.sum("total"),
        invoice_lines=F.sum("lines"),
        invoice_digest=F.sum(digest(INVOICE)),
    )


def _places() -> Column:
    """Sum of a hash of each record's place: equal sums of equal counts are the same records, each as often."""
    return F.sum(F.xxhash64("kafka_partition", "kafka_offset").cast("DECIMAL(20,0)"))


def _topic_partition() -> Column:
    return F.concat_ws("-", "topic", F.col("kafka_partition").cast("string"))
