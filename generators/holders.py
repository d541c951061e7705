"""Who held which number when: the population as arrays, for drawing callers and called lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.customers import Population, local_midnight_ms
from generators.draws import Draws, Ints, weighted
from generators.profiles import Profile

_EVER = 2**62


class Holders:
    """Lines and numbers by index. The index len(lines), `stranger`, stands for a subscriber nobody knows."""

    def __init__(self, population: Population) -> None:
        lines = population.lines
        index: dict[str, int] = {}
        spans = [
            [(index.setdefault(held.msisdn, len(index)), held.from_ms, _open(held.to_ms)) for held in line.numbers]
            for line in lines
        ]
        self.unheld, self.unheld_count = len(index), len(population.unheld_numbers)
        self.numbers = [*index, *population.unheld_numbers]
        self.stranger = len(lines)
        self.subscription_ids = [*(line.subscription_id for line in lines), "sub-unknown"]
        self.home_site: Ints = np.array([line.home_site for line in lines])
        # A line has one number, or two with the second following the first.
        self._first: Ints = np.array([held[0] for held in spans])
        self._second: Ints = np.array([held[-1] for held in spans])
        self._suspended: Ints = np.array(
            [
                next(((s.from_ms, _open(s.to_ms)) for s in line.states if s.state == "suspended"), (_EVER, _EVER))
                for line in lines
            ]
        )
        ends = [line.contracts[-1].cancelled_on for line in lines]
        self._plan_end: Ints = np.array([_EVER if day is None else local_midnight_ms(day) for day in ends])

    def number_at(self, line: Ints, at_ms: Ints) -> Ints:
        """Index into `numbers` of what each line held at that instant; -1 for none."""
        first, second = self._first[line], self._second[line]
        found = np.where((first[:, 1] <= at_ms) & (at_ms < first[:, 2]), first[:, 0], -1)
        return np.where((found < 0) & (second[:, 1] <= at_ms) & (at_ms < second[:, 2]), second[:, 0], found)

    def is_suspended(self, line: Ints, at_ms: Ints) -> NDArray[np.bool_]:
        """Whether the line was suspended at that instant."""
        span = self._suspended[line]
        return (span[:, 0] <= at_ms) & (at_ms < span[:, 1])

    def has_no_plan(self, line: Ints, at_ms: Ints) -> NDArray[np.bool_]:
        """Whether the line's last contract had ended at that instant."""
        return at_ms >= self._plan_end[line]

    def draw_lines(self, draws: Draws, profile: Profile, at_ms: Ints, lo_ms: int, hi_ms: int) -> Ints:
        """A line for each instant, Zipf-skewed; one without a number then gives way to one in service all month.

        A profile with a heavy line gives every other instant to that one.

        ValueError when no line is there the whole time.
        """
        size, count = len(at_ms), self.stranger
        rank = draws.order("line.rank", count)
        weights = (1.0 / (rank + profile.flatness)).astype(np.float64)
        line = weighted(draws.uniform("line", size), weights)
        steady = np.flatnonzero((self._first[:, 1] <= lo_ms) & (self._second[:, 2] >= hi_ms))
        if not len(steady):
            raise ValueError("population: expected at least one line that is in service all month, found none")
        if profile.has_heavy_line:
            line = np.where(np.arange(size) % 2 == 0, steady[draws.below("line.heavy", 1, len(steady))], line)
        stand_in = steady[draws.below("line.stand_in", size, len(steady))]
        return np.where(self.number_at(line, at_ms) >= 0, line, stand_in)

    def draw_called(self, draws: Draws, line: Ints, at_ms: Ints, caller: Ints) -> Ints:
        """A number of another line for each call, as it stood then; never the caller's own."""
        count = self.stranger
        other = (line + 1 + draws.below("called.on_net", len(line), max(count - 1, 1))) % count
        number = self.number_at(other, at_ms)
        number = np.where(number >= 0, number, self._first[other, 0])
        return np.where(number == caller, self.unheld, number)


def _open(to_ms: int | None) -> int:
    return _EVER if to_ms is None else to_ms
