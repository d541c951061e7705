from __future__ import annotations

import pytest

from benchmarks.rows import Row, told


@pytest.mark.covers("QUA-05")
def test_a_row_holds_its_bar_in_its_own_direction_and_is_plain_json():
    rate = Row("rating.rate", 123_456.789, bar=100_000, aim=250_000, unit="events/s")
    slow = Row("billing.month_seconds", 91.0, bar=90, aim=20, unit="s", better="lower")
    assert [rate.ok, slow.ok] == [True, False]
    assert rate.as_dict() == {
        "name": "rating.rate", "value": 123_500.0, "bar": 100_000, "aim": 250_000, "unit": "events/s",
        "better": "higher",
        "ours": None, "baseline": None, "ok": True,
    }  # fmt: skip
    assert "NO" in told([rate, slow]).splitlines()[-1]
