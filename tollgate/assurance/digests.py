"""Numbers of documents: equal sums of equal counts in two stores are the same documents, to the last digit.

jobs/reconcile.py takes the same numbers of what is in PostgreSQL.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

INVOICE = ("account_id", "cycle_start", "cycle_end", "currency", "lines", "net", "tax", "total", "content_hash")
LINE = ("account_id", "line_key", "kind", "events", "free_units", "exact_total", "amount", "tax_share")
# Of 16 hexadecimal digits the first could be a sign.
DIGITS = 15


def digest(columns: tuple[str, ...]) -> Column:
    """The first digits of the MD5 of these columns as texts; all of them are told in both stores."""
    text = F.concat_ws("|", *[F.col(name).cast("string") for name in columns])
    return F.conv(F.substring(F.md5(text), 1, DIGITS), 16, 10).cast("decimal(38,0)")


def digest_in_postgres(columns: tuple[str, ...]) -> str:
    """The same as an expression of PostgreSQL; days are told as ISO dates whatever the session's style."""
    days = {"cycle_start", "cycle_end"}
    said = ", ".join(f"to_char({name}, 'YYYY-MM-DD')" if name in days else name for name in columns)
    return f"('x0' || substr(md5(concat_ws('|', {said})), 1, {DIGITS}))::bit(64)::bigint"
