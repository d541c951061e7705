"""How finely the destinations of a book are divided: by three digits of the number, by more where many prefixes lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tollgate.reference.prefix_intervals import HEAD, Interval, cut, disjoint_intervals

# A number is compared with the intervals of its bucket one by one.
MOST_MET = 12
# No number of E.164 that can be dialled is shorter.
MOST_DIGITS = 7
HEADS = 10**HEAD


def bucket_digits(prefixes: Iterable[str]) -> dict[str, int]:
    """First three digits of a number to the digits of its bucket, 4 to 7; those that stay with three are left out.

    The fewest with which a number meets MOST_MET intervals on average, over numbers that are spread as the intervals.
    """
    by_head: dict[str, list[Interval]] = {}
    for interval in disjoint_intervals(prefixes):
        by_head.setdefault(interval.bucket, []).append(interval)
    return {head: _fewest(intervals) for head, intervals in by_head.items() if len(intervals) > MOST_MET}


def as_list(digits: Mapping[str, int]) -> list[int] | None:
    """Digits of the bucket by the number that the first three make, as price_version keeps it; None if all are 3."""
    return [digits.get(f"{head:0{HEAD}}", HEAD) for head in range(HEADS)] if digits else None


def _fewest(intervals: list[Interval]) -> int:
    for digits in range(HEAD + 1, MOST_DIGITS):
        sizes = Counter(piece.bucket for one in intervals for piece in cut(one, digits)).values()
        if sum(size * size for size in sizes) <= MOST_MET * sum(sizes):
            return digits
    return MOST_DIGITS
