"""A correction and a credit note of one posted line that meet, or of which one died: the second one is refused."""

from __future__ import annotations

import pytest
from answers import ask
from pyspark.sql import functions as F
from reference.places import own_places

from jobs import correct_usage, corrected_lines, credit_notes
from rating.posted_call import post_the_call
from rating.test_correct_usage import OCTOBER_5, Corrector, at, furnished
from tollgate.assurance.conservation import balances
from tollgate.platform.errors import TollgateError

pytestmark = pytest.mark.long
__all__ = ["at", "furnished"]
NAMED = "SELECT run_id, account_id, line_key, rating_no FROM billing.corrected_line"


@pytest.fixture
def desk(at, services, tmp_path):
    made = own_places(services, tmp_path)
    post_the_call(at, made)
    return made


def credit(desk):
    return credit_notes.draft_credit(desk, 7, [2], "wrong rate", "ann")


@pytest.mark.covers("BIL-11", "BIL-19", "OPS-01")
def test_a_correction_that_died_before_its_rows_keeps_its_lines_until_a_night_takes_its_number(
    at, lake, desk, monkeypatch
):
    beside = Corrector(lake, desk)
    with monkeypatch.context() as dies:
        dies.setattr(correct_usage, "append_run", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            beside.correct(*OCTOBER_5)
    named = [("posted", "a_plain", "k|", 2)]
    assert ask(desk, NAMED) == named and not at.rows("event_id", "revision > 1")
    with pytest.raises(TollgateError, match="no credit note takes these lines back"):
        credit(desk)
    assert beside.night()["rated"] == 0
    corrected_lines.forget_unwritten(lake, desk, 3)
    assert ask(desk, NAMED) == []
    assert credit(desk)["status"] == "draft"


@pytest.mark.covers("BIL-11", "BIL-19")
def test_a_note_that_is_drafted_while_a_correction_works_stops_it(at, lake, desk, monkeypatch):
    beside = Corrector(lake, desk)
    late = credit(desk)
    with monkeypatch.context() as before:
        before.setattr(correct_usage, "with_credited", lambda usage, _: usage.withColumn("is_credited", F.lit(False)))
        with pytest.raises(TollgateError, match="a credit note has just taken back a line of this usage"):
            beside.correct(*OCTOBER_5)
    assert lake.read("control_rating").count() == 1 and ask(desk, NAMED) == []
    credit_notes.void_credit(desk, late["note_id"], "ann", "corrected instead")
    assert beside.correct(*OCTOBER_5)["corrected"] == 3
    assert ask(desk, NAMED) == [("posted", "a_plain", "k|", 2)]
    corrected_lines.forget_unwritten(lake, desk, 3)
    assert ask(desk, NAMED) == [("posted", "a_plain", "k|", 2)]
    # Past every guard the note is there again: found by what both stores hold.
    ask(desk, "SET LOCAL session_replication_role = replica; UPDATE billing.credit_note_line SET is_void = false "
              f"WHERE note_id = {late['note_id']}")  # fmt: skip
    (twice,) = balances(*reversed(corrected_lines.given_back_once(lake, desk)))
    assert (twice.left_side, twice.right_side) == (1, 0)
