"""Regular expressions over digits as tables of states, to see what a prefix can still become.

`re` answers for a whole number only; a plan of ranges needs the answer for all numbers under a prefix at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

DIGITS = "0123456789"
DEAD, START = 0, 1


class DigitPattern(NamedTuple):
    """A pattern in states. following[state][digit] is the next one; is_whole[state]: the digits so far match it.

    No number matches from DEAD on.
    """

    following: tuple[tuple[int, ...], ...]
    is_whole: tuple[bool, ...]


class Choice(NamedTuple):
    """One digit out of `digits`."""

    digits: str


class Branches(NamedTuple):
    """One of the sequences of parts."""

    ways: tuple[tuple[Part, ...], ...]


class Repeat(NamedTuple):
    """The part at least `least` and at most `most` times."""

    part: Part
    least: int
    most: int


Part = Choice | Branches | Repeat
Parts = tuple[Part, ...]


@functools.cache
def digit_pattern(text: str) -> DigitPattern:
    r"""The pattern compiled. text: digits, \d, [...], (...), (?:...), |, ?, {m}, {m,n} and nothing else.

    Raises ValueError for any other syntax: a part that is not understood must not be guessed.
    """
    reader = _Reader(text)
    whole = reader.branches()
    if reader.at < len(text):
        raise reader.error()
    # A state is what may still follow: a set of sequences of parts.
    begin: frozenset[Parts] = frozenset({(whole,)})
    numbers: dict[frozenset[Parts], int] = {frozenset(): DEAD, begin: START}
    states, following, is_whole = [frozenset(), begin], [], []
    for state in states:
        ways = [way for parts in state for way in _ways(parts)]
        is_whole.append(any(not digits for digits, _ in ways))
        row = []
        for digit in DIGITS:
            after = frozenset(rest for digits, rest in ways if digit in digits)
            if after not in numbers:
                numbers[after] = len(states)
                states.append(after)
            row.append(numbers[after])
        following.append(tuple(row))
    return DigitPattern(tuple(following), tuple(is_whole))


def _ways(parts: Parts) -> Iterator[tuple[str, Parts]]:
    """Each choice of digits that can come next with what follows it; ("", ()) when the sequence may end here."""
    if not parts:
        yield "", ()
        return
    part, rest = parts[0], parts[1:]
    if isinstance(part, Choice):
        yield part.digits, rest
    elif isinstance(part, Branches):
        for way in part.ways:
            yield from _ways(way + rest)
    else:
        if part.most:
            once_less = Repeat(part.part, max(part.least - 1, 0), part.most - 1)
            yield from _ways((part.part, once_less, *rest))
        if not part.least:
            yield from _ways(rest)


class _Reader:
    """A recursive descent over the text of a pattern."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def error(self) -> ValueError:
        return ValueError(f"digit pattern {self.text!r}: not understood from character {self.at} on")

    def branches(self) -> Branches:
        ways = [self._parts()]
        while self._takes("|"):
            ways.append(self._parts())
        return Branches(tuple(ways))

    def _parts(self) -> Parts:
        parts: list[Part] = []
        while (part := self._part()) is not None:
            parts.append(self._repeated(part))
        return tuple(parts)

    def _part(self) -> Part | None:
        if self._takes("(?:") or self._takes("("):
            inner = self.branches()
            if not self._takes(")"):
                raise self.error()
            return inner
        if self._takes("["):
            return Choice(self._listed(self._until("]")))
        if self._takes("\\d"):
            return Choice(DIGITS)
        if self.at < len(self.text) and self.text[self.at] in DIGITS:
            self.at += 1
            return Choice(self.text[self.at - 1])
        return None

    def _repeated(self, part: Part) -> Part:
        if self._takes("?"):
            return Repeat(part, 0, 1)
        if not self._takes("{"):
            return part
        least, _, most = self._until("}").partition(",")
        return Repeat(part, int(least), int(most or least))

    def _listed(self, text: str) -> str:
        """The digits of a class such as 2-57."""
        digits, at = "", 0
        while at < len(text):
            last = text[at + 2] if text[at + 1 : at + 2] == "-" else text[at]
            if text[at] not in DIGITS or last not in DIGITS:
                raise self.error()
            digits += DIGITS[int(text[at]) : int(last) + 1]
            at += 3 if text[at + 1 : at + 2] == "-" else 1
        return digits

    def _until(self, end: str) -> str:
        at = self.text.find(end, self.at)
        if at < 0:
            raise self.error()
        inner, self.at = self.text[self.at : at], at + 1
        return inner

    def _takes(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True
