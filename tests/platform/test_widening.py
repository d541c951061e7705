"""A lake that is older than its contracts: a new column is added, anything else is refused."""

from __future__ import annotations

import pytest
from frames import assert_rows
from pyspark.sql.types import StructType

from tollgate.platform import lake as lakes
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

OLD = "source STRING NOT NULL COMMENT 'a', ends_on DATE COMMENT 'b'"


def _contract(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    now = StructType.fromDDL(columns)
    monkeypatch.setattr(lakes, "contract", lambda _table: now)


def test_a_new_column_is_null_in_old_rows_and_kept_in_new_ones(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _contract(monkeypatch, OLD)
    lake.append(lake.frame([("mno", None)], "control_snapshot"), "control_snapshot", "job/1", 1)
    _contract(
        monkeypatch,
        "source STRING NOT NULL COMMENT 'a', limit_s BIGINT COMMENT 'the network''s limit', ends_on DATE COMMENT 'b'",
    )
    assert_rows(lake.read("control_snapshot"), ("mno", None, None))
    lake.append(lake.frame([("mvno", 7, None)], "control_snapshot"), "control_snapshot", "job/1", 2)
    # The same once more: the columns are there, and the version has been written.
    lake.append(lake.frame([("mvno", 7, None)], "control_snapshot"), "control_snapshot", "job/1", 2)
    found = lake.read("control_snapshot")
    assert found.columns == ["source", "limit_s", "ends_on"]
    assert_rows(found, ("mno", None, None), ("mvno", 7, None))
    assert found.schema["limit_s"].metadata == {"comment": "the network's limit"}, found.schema
    assert lake.last_version("control_snapshot", "job/1") == 2


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("source STRING NOT NULL COMMENT 'a'", "does not know: it was written by a newer program"),
        ("source STRING NOT NULL, ends_on TIMESTAMP, more INT", "columns of another type than the contract"),
        ("source STRING NOT NULL, ends_on DATE, more INT NOT NULL", "that the contract makes NOT NULL"),
    ],
)
def test_any_other_change_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch, now: str, said: str) -> None:
    _contract(monkeypatch, OLD)
    lake.append(lake.frame([("mno", None)], "control_snapshot"), "control_snapshot", "job/1", 1)
    _contract(monkeypatch, now)
    with pytest.raises(TollgateError, match=said):
        lake.read("control_snapshot")
    assert lake.spark.read.format("delta").load(lake.path("control_snapshot")).columns == ["source", "ends_on"]
