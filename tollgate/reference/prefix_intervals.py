"""Longest prefix as disjoint number intervals, so that a range join replaces a search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")
WIDTH = 15
HEAD = 3


class Interval(NamedTuple):
    """Numbers [lo, hi), right-padded with 0 to 15 digits, whose longest prefix is `prefix`; all in one bucket, the
    first digits that they share."""

    bucket: str
    lo: int
    hi: int
    prefix: str


def bounds(prefix: str) -> tuple[int, int]:
    """[lo, hi) of the numbers that start with `prefix`, as numbers of 15 digits."""
    width = 10 ** (WIDTH - len(prefix))
    return int(prefix) * width, (int(prefix) + 1) * width


def disjoint_intervals(prefixes: Iterable[str], digits: Mapping[str, int] | None = None) -> list[Interval]:
    """Cut nested prefixes into disjoint intervals, each owned by its longest prefix, split at buckets of 3 digits.

    prefixes: digits that do not start with 0, 1 to 15 of them, without repetition. digits: first three digits to the
    digits of their buckets, where those are more.
    """
    pieces: list[Interval] = []
    enclosing: list[tuple[int, str]] = []
    position = 0

    def emit(until: int) -> None:
        if enclosing and position < until:
            pieces.extend(_by_bucket(position, until, enclosing[-1][1]))

    # A prefix comes after the shorter ones that contain it; what it covers is cut out of them.
    for prefix in sorted(prefixes, key=lambda p: (bounds(p)[0], len(p))):
        lo, hi = bounds(prefix)
        while enclosing and enclosing[-1][0] <= lo:
            emit(enclosing[-1][0])
            position = max(position, enclosing.pop()[0])
        emit(lo)
        position = lo
        enclosing.append((hi, prefix))
    while enclosing:
        emit(enclosing[-1][0])
        position = max(position, enclosing.pop()[0])
    return [piece for one in pieces for piece in cut(one, (digits or {}).get(one.bucket, HEAD))]


def cut(interval: Interval, digits: int) -> Iterator[Interval]:
    """The interval in pieces that lie in one bucket of so many digits each."""
    return _by_bucket(interval.lo, interval.hi, interval.prefix, digits)


def _by_bucket(lo: int, hi: int, prefix: str, digits: int = HEAD) -> Iterator[Interval]:
    size = 10 ** (WIDTH - digits)
    while lo < hi:
        end = min(hi, (lo // size + 1) * size)
        yield Interval(str(lo // size), lo, end, prefix)
        lo = end
