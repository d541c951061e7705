"""Named streams of random numbers that give the same values on every platform and numpy version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Draws:
    """Uniform draws by name: a stream added or left out never changes another.

    Only PCG64's random() is used, and only exact IEEE operations (+ - * / sqrt) are applied to it: `choice`, `zipf`
    or `log` may
    give other bits in another numpy or on another processor.
    """

    def __init__(self, *scope: object) -> None:
        self._scope = "|".join(str(part) for part in scope)

    def uniform(self, stream: str, size: int) -> Floats:
        """`size` doubles in [0, 1)."""
        digest = hashlib.sha256(f"{self._scope}|{stream}".encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big"))).random(size)

    def below(self, stream: str, size: int, bound: int | Ints) -> Ints:
        """`size` integers in [0, bound); `bound` may differ for each."""
        return (self.uniform(stream, size) * bound).astype(np.int64)

    def pick(self, stream: str, size: int, weights: Sequence[float] | Floats) -> Ints:
        """`size` indexes into `weights`, by weight."""
        return weighted(self.uniform(stream, size), weights)

    def order(self, stream: str, size: int) -> Ints:
        """A permutation of 0..size-1."""
        return np.argsort(self.uniform(stream, size), kind="stable")

    def pareto(self, stream: str, size: int, least: int | Ints, most: int) -> Ints:
        """Integers with a Pareto tail of exponent 4/3 from `least` on (mean about 4 x least), cut off at `most`."""
        root = np.sqrt(1.0 - self.uniform(stream, size))
        return np.minimum(least / (root * np.sqrt(root)), most).astype(np.int64)

    def between(self, stream: str, segments: Sequence[tuple[int, int]], size: int) -> tuple[Ints, Ints]:
        """Integers spread evenly inside segments [low, high) drawn with equal chance; gives (segment, value)."""
        segment = self.below(f"{stream}.segment", size, len(segments))
        low = np.array([low for low, _ in segments], np.int64)[segment]
        width = np.array([high - low for low, high in segments], np.int64)[segment]
        return segment, low + self.below(stream, size, width)


def weighted(uniform: Floats, weights: Sequence[float] | Floats) -> Ints:
    """Indexes into `weights` for doubles in [0, 1). cumsum, unlike sum, adds in one order everywhere."""
    edges = np.cumsum(np.asarray(weights, np.float64))
    return np.searchsorted(edges, uniform * edges[-1], side="right").astype(np.int64)
