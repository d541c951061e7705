"""`tollgate sql` answers questions and changes nothing."""

from __future__ import annotations

import pytest

from tollgate.platform.answers import print_answer
from tollgate.platform.errors import TollgateError


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("DELETE FROM usage_event", "DELETE"),
        ("-- SELECT\n drop table usage_event", "DROP"),
        ("/* SELECT */ update rated_usage SET charge = 0", "UPDATE"),
        ("MERGE INTO invoice USING invoice_line ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("", "nothing"),
    ],
)
def test_a_query_that_would_change_something_is_refused_before_anything_starts(settings, query, found):
    with pytest.raises(TollgateError, match="only questions are answered") as refused:
        print_answer(settings, {}, query, limit=10)
    assert f"found:    {found}" in str(refused.value)
