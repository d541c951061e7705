"""Prices that end and have no row after them: allowed, since a service may end, and more often a line forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from tollgate.reference.cells import OPEN_END
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import COST_CELLS, RATE_CELLS, Key, cost_keys, rate_keys, resolve


def ends(book: SourceBook) -> list[Finding]:
    """A remark for each row of rate.csv and carrier_rate.csv after which nothing holds for a key that it priced.

    Publishing tells them and goes on. By file and line.
    """
    found: list[Finding] = []
    for file, cells, keys in (("rate", RATE_CELLS, rate_keys), ("carrier_rate", COST_CELLS, cost_keys)):
        last: dict[Key, tuple[datetime, SourceRow]] = {}
        for interval in resolve(book.rows[file], cells, keys(book))[0]:
            last[interval.key] = max(
                last.get(interval.key, (interval.valid_to, interval.row)), (interval.valid_to, interval.row),
                key=lambda one: one[0],
            )  # fmt: skip
        ending = Counter((row.line, until) for until, row in last.values() if until < OPEN_END)
        lines = {row.line: row for _, row in last.values()}
        for (line, until), count in sorted(ending.items()):
            keys_told = "one key" if count == 1 else f"{count} keys"
            found.append(
                lines[line].finding(
                    f"ends {until:%Y-%m-%dT%H:%M:%SZ}, and no row follows it for {keys_told} that it prices"
                )
            )
    return found
