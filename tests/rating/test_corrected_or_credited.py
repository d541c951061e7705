"""Usage of one posted line, which a credit note and a correction would both give back: the second one is refused."""

from __future__ import annotations

import pytest
from answers import ask
from billing.test_credit_notes import INVOICE
from pyspark.sql import functions as F
from reference.places import own_places

from jobs import correct_usage, corrected_lines, credit_notes
from rating.test_correct_usage import BILLED, OCTOBER_5, Corrector, at, furnished
from tollgate.assurance.conservation import balances
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate

__all__ = ["at", "furnished"]


@pytest.mark.covers("BIL-11")
def test_usage_that_a_credit_note_gives_back_is_not_given_back_again(at, lake, services, tmp_path, monkeypatch):
    desk = own_places(services, tmp_path)
    migrate(desk)
    # Its line 2 is the call's: 10.00 of usage.
    ask(desk, INVOICE.replace("'A'", "'a_plain'").replace("'r'", "'posted'").replace("'b|'", "'k|'"))
    at.put("billed_usage", 1, BILLED)
    ask(desk, "SET LOCAL session_replication_role = replica; UPDATE ops.bill_run SET status = 'posted', accounts = 1, "
              "invoices = 1, lines = 5, net = 329, tax = 3.77, total = 332.77, content_hash = repeat('a', 64), "
              "parked = 0, not_due = 0, approved_by = 'bob', approved_at = now(), posted_at = now()")  # fmt: skip
    beside = Corrector(lake, desk)
    credit_notes.draft_credit(desk, 7, [1], "no fee", "ann")
    assert beside.correct(*OCTOBER_5, "--dry-run")["corrected"] == 3
    of_call = credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    with pytest.raises(TollgateError, match="that a credit note takes back") as refused:
        beside.correct(*OCTOBER_5, "--dry-run")
    assert refused.value.found == "such events of a_plain"
    credit_notes.void_credit(desk, of_call["note_id"], "ann", "corrected instead")
    # A correction that died before its rows has named the line already; a night took its number.
    ask(desk, "INSERT INTO billing.corrected_line VALUES ('posted', 'a_plain', 'k|', 1)")
    with pytest.raises(TollgateError, match="no credit note takes these lines back"):
        credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    corrected_lines.forget_unwritten(lake, desk, 2)
    late = credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    holds = {one.equation.name: one.holds for one in balances(*reversed(corrected_lines.given_back_once(lake, desk)))}
    assert holds == {"what credit notes take back no correction does": True}
    # One is drafted after the correction has looked for notes: it writes nothing.
    monkeypatch.setattr(correct_usage, "with_credited", lambda usage, _: usage.withColumn("is_credited", F.lit(False)))
    with pytest.raises(TollgateError, match="a credit note has just taken back a line of this usage"):
        beside.correct(*OCTOBER_5)
    credit_notes.void_credit(desk, late["note_id"], "ann", "corrected instead")
    assert lake.read("control_rating").count() == 1
    assert beside.correct(*OCTOBER_5)["corrected"] == 3
    assert ask(desk, "SELECT run_id, account_id, line_key, rating_no FROM billing.corrected_line") == [
        ("posted", "a_plain", "k|", 2)
    ]
    with pytest.raises(TollgateError, match="no credit note takes these lines back"):
        credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")
    corrected_lines.forget_unwritten(lake, desk, 3)
    # The fee's note stands; one of the call, past every guard, is found by what both stores hold.
    assert [one.holds for one in balances(*reversed(corrected_lines.given_back_once(lake, desk)))] == [True]
    ask(desk, "SET LOCAL session_replication_role = replica; UPDATE billing.credit_note_line SET is_void = false "
              f"WHERE note_id = {late['note_id']}")  # fmt: skip
    (twice,) = balances(*reversed(corrected_lines.given_back_once(lake, desk)))
    assert (twice.left_side, twice.right_side) == (2, 1)
