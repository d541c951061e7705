"""Another order of arrival, other batches and repeated records give the same invoices."""

from __future__ import annotations

import random

import pytest
from pyspark.sql import functions as F

from faults.route import Route, canonical_digest, shuffled_keeping_copies
from faults.test_kills import issued

PLACE = {"topic", "batch_no", "kafka_partition", "kafka_offset", "first_batch_no", "first_partition", "first_offset"}


def permuted_and_repeated(records: list[tuple], seed: int) -> list[tuple]:
    """The records in a drawn order, copies of one key in theirs, and 5 % of them once more at the end."""
    draw = random.Random(seed)
    permuted = shuffled_keeping_copies(records, [draw.random() for _ in records])
    keyed = [record for record in permuted if record[0] is not None]
    return permuted + draw.sample(keyed, len(keyed) // 20)


def accepted(route: Route) -> str:
    """Digest of the accepted events wherever they stood in the topic."""
    rows = route.lake.read("usage_event").where("disposition = 'accepted'")
    return canonical_digest(rows.withColumns({no: F.lit(None) for no in PLACE}), "usage_event")


@pytest.mark.long
@pytest.mark.covers("MED-11", "GEN-06")
def test_other_order_other_batches_and_repeats_accept_the_same_events(copy_of, start_route, month_of_records, tmp_path):
    first = copy_of(tmp_path / "lake")
    first.mediate()
    sent = permuted_and_repeated(month_of_records[:260], seed=5)
    route = start_route("few_permuted", sent)
    assert route.mediate(batch=150)["received"] == len(sent) > 260
    assert accepted(route) == accepted(first)


@pytest.mark.long
@pytest.mark.covers("MED-11", "GEN-06", "BIL-19", "CON-21")
def test_other_order_other_batches_and_repeats_give_the_same_invoices(undisturbed, start_route, month_of_records):
    sent = permuted_and_repeated(month_of_records, seed=7)
    route = start_route("permuted", sent)
    route.mediate(batch=1_100)
    route.night()
    route.bill()

    assert [row[1:] for row in issued(route)] == [row[1:] for row in issued(undisturbed)]
    for table in ("invoice_line", "invoice", "billed_usage"):
        assert canonical_digest(route.lake.read(table), table) == canonical_digest(undisturbed.lake.read(table), table)
    received = route.lake.read("raw_cdr").count()
    assert received == len(sent) > len(month_of_records)
