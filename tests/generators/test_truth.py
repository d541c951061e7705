"""The side file of truth: the columns agreed, and copies that find their original in this file or an earlier one."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from generators import truth
from generators.dirt import EXACT_COPY, KINDS
from generators.truth import CLEAN_LABELS, SCHEMA, Truth, TruthFile

CLEAN = CLEAN_LABELS[0]


def test_a_copy_points_to_its_original_even_in_an_earlier_file(tmp_path: Path) -> None:
    with TruthFile(tmp_path, "cdr.raw", {0: 0, 1: 0}) as first:
        first.add(0, 0, Truth("a", CLEAN, None))
        first.add(1, 0, Truth("b", KINDS[0], None))
    with TruthFile(tmp_path, "cdr.raw", {0: 1, 1: 1}) as second:
        second.add(0, 1, Truth("c", CLEAN, None))
        second.add(0, 2, Truth("a", EXACT_COPY, "a"))
        second.add(0, 3, Truth("c", EXACT_COPY, "c"))
    rows = [tuple(row.values()) for file in (first, second) for row in pq.read_table(file.path).to_pylist()]
    assert rows == [
        ("cdr.raw", 0, 0, "a", "clean", "", "accepted", "", None, None),
        ("cdr.raw", 1, 0, "b", "missing_field", "event_id", "quarantined", "EVENT_ID_MISSING", None, None),
        ("cdr.raw", 0, 1, "c", "clean", "", "accepted", "", None, None),
        ("cdr.raw", 0, 2, "a", "exact_copy", "copy", "duplicate", "", 0, 0),
        ("cdr.raw", 0, 3, "c", "exact_copy", "copy", "duplicate", "", 0, 1),
    ]
    assert pq.read_schema(first.path).equals(SCHEMA)


@pytest.mark.parametrize("rows_a_flush", [1, 2, 3, 100])
def test_rows_are_the_same_however_many_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_flush: int
) -> None:
    monkeypatch.setattr(truth, "ROWS_A_FLUSH", rows_a_flush)
    sent = [("a", None), ("b", None), ("a", "a"), ("c", None), ("c", "c"), ("b", "b"), ("nowhere", "nowhere")]
    with TruthFile(tmp_path, "cdr.raw", {0: 0}) as file:
        for offset, (event_id, copy_of) in enumerate(sent):
            file.add(0, offset, Truth(event_id, EXACT_COPY if copy_of else CLEAN, copy_of))
    found = pq.read_table(file.path).to_pydict()
    assert found["event_id"] == [event_id for event_id, _ in sent]
    assert found["kafka_offset"] == list(range(len(sent)))
    assert found["copy_of_offset"] == [None, None, 0, None, 3, 1, None]
    assert found["copy_of_partition"] == [None, None, 0, None, 0, 0, None]


def test_a_failed_call_leaves_no_truth(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), TruthFile(tmp_path, "cdr.raw", {0: 0}) as file:
        file.add(0, 0, Truth("a", CLEAN, None))
        raise RuntimeError("the broker went away")
    assert not list(tmp_path.iterdir())
