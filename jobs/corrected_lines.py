"""Posted lines that a correction takes usage of back: no credit note may give the same usage back.

A correction names them in billing.corrected_line before it writes a row. Credit notes and corrections ask for each
other's lines under locks of that table, so of two that come at once the second sees the first.
Source: docs/billing.md, "Corrected usage".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.bill_runs import transaction
from jobs.staged_rows import in_staging, made
from tollgate.assurance.conservation import NO_PART, Equation, Measures
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, kept
from tollgate.platform.postgres import jdbc
from tollgate.platform.postgres_copy import copy_into
from tollgate.platform.settings import Settings

LINE = ["run_id", "account_id", "line_key"]
EVENT = ["source", "event_id", "revision"]
STAGING = "billing.staging_corrected_line"
# Posted usage that credit notes hold, drafts too, each line once: what they take back, and all usage of a cycle of
# which they take back a line that follows from it, as a discount does: a correction would reckon that one again.
CREDITED = """
WITH noted AS (
  SELECT l.invoice_no, l.line_no, l.kind, i.account_id, coalesce(l.origin_cycle, i.cycle_start) AS of_cycle
  FROM billing.credit_note_line AS c JOIN billing.invoice_line AS l USING (invoice_no, line_no)
  JOIN billing.invoice AS i USING (invoice_no) WHERE NOT c.is_void
)
SELECT i.run_id, i.account_id, l.line_key FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no)
WHERE l.kind IN ('usage', 'prior_period', 'usage_reversal', 'usage_correction') AND (
  EXISTS (SELECT FROM noted AS n WHERE (n.invoice_no, n.line_no) = (l.invoice_no, l.line_no))
  OR EXISTS (SELECT FROM noted AS n WHERE billing.follows_usage(n.kind) AND n.account_id = i.account_id
             AND n.of_cycle = coalesce(l.origin_cycle, i.cycle_start)))
"""
# Excludes other corrections and whoever drafts a note; readers go on.
LOCK = "LOCK TABLE billing.corrected_line IN EXCLUSIVE MODE"
ANNOUNCE = f"""
INSERT INTO billing.corrected_line ({", ".join(LINE)}, rating_no)
SELECT {", ".join(LINE)}, rating_no FROM {STAGING} WHERE rating_no = %(rating_no)s
ON CONFLICT DO NOTHING
"""
CREDITED_SINCE = f"""
SELECT min(account_id) FROM ({CREDITED}) AS credited JOIN {STAGING} AS s USING ({", ".join(LINE)})
WHERE s.rating_no = %(rating_no)s
"""

CREDITED_LINES = f"SELECT count(*) FROM ({CREDITED}) AS credited"
GIVEN_BACK_ONCE = Equation(
    "ledger", "what credit notes take back no correction does", ("lines_of_notes",), ("lines_of_notes_uncorrected",)
)
NAMED_BEFORE = "SELECT array_agg(DISTINCT rating_no) FROM billing.corrected_line WHERE rating_no < %s"


def with_credited(usage: DataFrame, settings: Settings) -> DataFrame:
    """Add `is_credited`: a credit note that is not void holds the posted line of the event, see CREDITED.

    usage: with run_id, account_id and line_key, the key of a posted line.
    """
    with transaction(settings) as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM billing.credit_note WHERE status <> 'void')")
        if cursor.fetchone() == (False,):
            return usage.withColumn("is_credited", F.lit(False))
    lines = usage.sparkSession.read.format("jdbc").options(**jdbc(settings), dbtable=f"({CREDITED}) AS credited").load()
    credited = lines.withColumn("noted", F.lit(True))
    met = usage.join(credited, LINE, how="left")
    return met.withColumn("is_credited", F.coalesce("noted", F.lit(False)))


def given_back_once(lake: Lake, settings: Settings) -> tuple[tuple[Equation, ...], Measures]:
    """The equation of credit notes and corrections with its measures, out of the rows of both and not of what was
    announced; nothing where no note takes anything back."""
    with transaction(settings) as cursor:
        cursor.execute(CREDITED_LINES)
        [lines] = cursor.fetchone()
    if not lines:
        return (), {}
    credited = lake.spark.read.format("jdbc").options(**jdbc(settings), dbtable=f"({CREDITED}) AS credited").load()
    billed = lake.read("billed_usage").select(*LINE, *EVENT)
    reversals = lake.read("rated_usage").where("kind = 'reversal'").selectExpr(*EVENT[:2], "corrects AS revision")
    twice = billed.join(credited, LINE, how="left_semi").join(reversals, EVENT, how="left_semi")
    both = twice.select(*LINE).distinct().count()
    facts = {"lines_of_notes": lines, "lines_of_notes_uncorrected": lines - both}
    return (GIVEN_BACK_ONCE,), {(name, NO_PART): Decimal(value) for name, value in facts.items()}


def announce(settings: Settings, usage: DataFrame, rating_no: int) -> None:
    """Name the posted lines of this usage as taken back by the correction `rating_no`; again, the same rows.

    usage: with run_id, account_id and line_key. Raises TollgateError, and names none, when a credit note has taken one
    of them since the correction looked, or staging lacks a row.
    """
    lines = kept(usage.select(*LINE).distinct().withColumn("rating_no", F.lit(rating_no).cast("bigint")))
    keys: dict[str, Any] = {"rating_no": rating_no}
    with transaction(settings) as cursor:
        cursor.execute(f"DELETE FROM {STAGING} WHERE rating_no = %(rating_no)s", keys)
    copy_into(lines, STAGING, settings)
    expected = made({STAGING: lines})[STAGING]
    with transaction(settings) as cursor:
        cursor.execute(LOCK)
        cursor.execute(in_staging(STAGING, lines, "rating_no = %(rating_no)s"), keys)
        found = cursor.fetchone()
        if found != expected:
            raise TollgateError(
                "the lines to correct did not come into PostgreSQL whole; nothing was written", where=STAGING,
                expected=f"{expected[0]} rows", found=f"{found[0]} rows, or others", way_out="correct again",
            )  # fmt: skip
        cursor.execute(CREDITED_SINCE, keys)
        [credited] = cursor.fetchone()
        if credited is not None:
            raise TollgateError(
                "a credit note has just taken back a line of this usage; nothing was written", where=credited,
                way_out="correct again: it says what can be done",
            )  # fmt: skip
        cursor.execute(ANNOUNCE, keys)
        cursor.execute(f"DELETE FROM {STAGING} WHERE rating_no = %(rating_no)s", keys)


def forget_unwritten(lake: Lake, settings: Settings, next_no: int) -> None:
    """Free the lines of corrections that died before their rows and whose number a night has taken.

    next_no: number of the next rating run; all before it have their mark. Lines that a dead correction named under the
    number of a later correction stay named: on the safe side, for another process may just be at work under it.
    """
    with transaction(settings) as cursor:
        cursor.execute(
            "SELECT array_agg(DISTINCT rating_no) FROM billing.corrected_line WHERE rating_no < %s", (next_no,)
        )
        [named] = cursor.fetchone()
        if named is None:
            return
        nights = lake.read("control_rating").where(F.col("rating_no").isin(named) & F.col("corrected").isNull())
        never = [row.rating_no for row in nights.select("rating_no").collect()]
        cursor.execute("DELETE FROM billing.corrected_line WHERE rating_no = ANY (%s)", (never,))
