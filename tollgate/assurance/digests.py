"""Numbers of documents: equal sums of equal counts in two stores are the same documents, to the last digit.

jobs/reconcile.py takes the same numbers of what is in PostgreSQL.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

# All columns of both stores but the run, which is told apart already.
INVOICE = (
    "account_id", "customer_id", "cycle_start", "cycle_end", "invoice_kind", "sequence", "currency", "minor_digits",
    "lines", "net", "tax", "total", "content_hash", "due_on",
)  # fmt: skip
LINE = (
    "account_id", "line_no", "line_key", "kind", "subscription_id", "service", "zone_id", "roaming_zone",
    "origin_cycle", "description", "events", "units", "free_units", "unit", "exact_total", "amount", "tax_category",
    "tax_id", "tax_share", "exempt_reason",
)  # fmt: skip
DAYS = ("cycle_start", "cycle_end", "due_on", "origin_cycle")
# Of 16 hexadecimal digits the first could be a sign.
DIGITS = 15


def digest(columns: tuple[str, ...]) -> Column:
    """The first digits of the MD5 of these columns as texts; NULL is an empty one."""
    text = F.concat_ws("|", *[F.coalesce(F.col(name).cast("string"), F.lit("")) for name in columns])
    return F.conv(F.substring(F.md5(text), 1, DIGITS), 16, 10).cast("decimal(38,0)")


def digest_in_postgres(columns: tuple[str, ...]) -> str:
    """The same as an expression of PostgreSQL; days are told as ISO dates whatever the session's style."""
    texts = [f"to_char({name}, 'YYYY-MM-DD')" if name in DAYS else f"{name}::text" for name in columns]
    said = ", ".join(f"coalesce({text}, '')" for text in texts)
    return f"('x0' || substr(md5(concat_ws('|', {said})), 1, {DIGITS}))::bit(64)::bigint"
