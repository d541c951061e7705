"""The second opinion on a lake: rates and bills it again, and compares to the last digit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path

import pyarrow as pa

from tollgate.oracle.billing_check import Biller, RunPins, check_run
from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import read_accepted, read_facts, read_rating_runs
from tollgate.oracle.rating_check import check_rating, rate_all, rated_events
from tollgate.oracle.report import Report

Books = str | Path | Mapping[int, str | Path]
LinesOf = Callable[[RunPins], pa.Table | None]


def second_opinion(
    lake_root: str | Path,
    pricebook: Books,
    runs: Iterable[RunPins] = (),
    lines_of: LinesOf = lambda run: None,
) -> Report:
    """Compare every row of rated_usage, and every billed event, line and invoice of the runs, with the oracle's own.

    pricebook: folder of sheets, or a folder for each published version when the lake has several.
    runs: posted runs in the order of posting, previews where they were made; asked for when all is rated.
    lines_of: invoice_line rows of a run that is not in the lake, else None; asked for when its turn comes.
    Reads only; needs no Spark. Raises ValueError subclasses for what cannot be read.
    """
    begun = time.monotonic()
    root, report = str(lake_root), Report()

    @cache
    def book_of(version: int) -> PriceBook:
        if isinstance(pricebook, Mapping):
            if version not in pricebook:
                raise ValueError(f"no folder is given for price book version {version}; given: {sorted(pricebook)}")
            return PriceBook(pricebook[version])
        return shared_book()

    @lru_cache(maxsize=1)
    def shared_book() -> PriceBook:
        assert not isinstance(pricebook, Mapping)
        return PriceBook(pricebook)

    @cache
    def facts_of(snapshot_id: int) -> Facts:
        return read_facts(root, snapshot_id)

    rating_runs = read_rating_runs(root)
    outcomes = rate_all(read_accepted(root), rating_runs, facts_of, book_of)
    check_rating(root, outcomes, report)
    biller = Biller(rated_events(outcomes), facts_of, book_of, rating_runs)
    for pins in runs:
        check_run(root, pins, biller.bill(pins), report, lines_of(pins))
    report.seconds = time.monotonic() - begun
    return report
