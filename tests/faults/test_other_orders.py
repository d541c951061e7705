"""Another order of arrival, other batches and repeated records give the same invoices."""

from __future__ import annotations

import random

import pytest

from faults.route import canonical_digest, shuffled_keeping_copies
from faults.test_kills import issued


@pytest.mark.covers("MED-11", "GEN-06", "BIL-19", "CON-21")
def test_other_order_other_batches_and_repeats_give_the_same_invoices(undisturbed, start_route, month_of_records):
    draw = random.Random(7)
    permuted = shuffled_keeping_copies(month_of_records, [draw.random() for _ in month_of_records])
    keyed = [record for record in permuted if record[0] is not None]
    repeated = draw.sample(keyed, len(keyed) // 20)
    route = start_route("permuted", permuted + repeated)
    route.mediate(batch=1_100)
    route.night()
    route.bill()

    assert [row[1:] for row in issued(route)] == [row[1:] for row in issued(undisturbed)]
    for table in ("invoice_line", "invoice", "billed_usage"):
        assert canonical_digest(route.lake.read(table), table) == canonical_digest(undisturbed.lake.read(table), table)
    received = route.lake.read("raw_cdr").count()
    assert received == len(month_of_records) + len(repeated)
