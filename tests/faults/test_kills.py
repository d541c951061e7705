"""Each writing job is killed between its writes, started again, and leaves the tables of an undisturbed route."""

from __future__ import annotations

import pytest

from faults.route import AS_OF, CYCLE, Route
from tollgate.platform.postgres import connect

TABLES = ("raw_cdr", "usage_event", "rated_usage", "billed_usage", "invoice_line", "invoice")


@pytest.fixture(scope="module")
def disturbed(start_route, dirty_month) -> Route:
    """The same records; stream, night and month die by SIGKILL between two writes and start again."""
    route = start_route("disturbed", dirty_month)
    route.killed("mediate.after_raw:2", "mediate_usage", "--once")
    route.mediate()
    route.check()
    route.killed("rate.after_rated", "rate_usage")
    route.rate()
    route.killed("bill.after_lines", "bill_accounts", "--cycle", CYCLE, "--as-of", AS_OF, "--action", "run")
    run_id = route.draft_and_approve()
    route.post(run_id)
    return route


def issued(route: Route) -> list[tuple]:
    """Invoices as PostgreSQL issued them."""
    connection = connect(route.settings)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT invoice_no, account_id, cycle_start, net, tax, total, content_hash "
                "FROM billing.invoice ORDER BY 1"
            )
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29", "RAT-01", "BIL-19", "OPS-01", "OPS-17")
def test_a_killed_route_leaves_the_same_tables(undisturbed, disturbed):
    assert disturbed.digest(*TABLES) == undisturbed.digest(*TABLES)


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_a_killed_route_issues_the_same_invoices_under_the_same_numbers(undisturbed, disturbed):
    assert len(issued(undisturbed)) > 50
    assert issued(disturbed) == issued(undisturbed)


@pytest.mark.covers("BIL-19")
def test_a_posted_cycle_is_not_billed_again(undisturbed):
    before = issued(undisturbed)
    again = undisturbed.draft()
    assert again["note"].startswith("this cycle is posted")
    assert issued(undisturbed) == before


@pytest.mark.covers("MED-24", "MED-01")
def test_a_stream_started_again_on_the_same_topic_writes_nothing(undisturbed):
    before = undisturbed.digest("raw_cdr", "usage_event")
    undisturbed.mediate()
    assert undisturbed.digest("raw_cdr", "usage_event") == before
