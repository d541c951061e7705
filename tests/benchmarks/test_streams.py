"""What the measurement of waits sends."""

from __future__ import annotations

import time

from benchmarks.streams import _sent_now


def test_a_record_is_stamped_when_it_is_sent_and_not_when_its_month_has_it_arrive():
    made = [(b"key", b"value", 1_790_000_000_000, "truth"), (None, None, 0, "other")]
    before = int(time.time() * 1000)
    sent = list(_sent_now(made))
    assert [(key, value, truth) for key, value, _, truth in sent] == [
        (key, value, truth) for key, value, _, truth in made
    ]
    assert all(before <= arrival <= time.time() * 1000 for *_, arrival, _ in sent)
