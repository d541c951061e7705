"""Every range of the world's numbering plans as intervals of dialled digits, from the phonenumbers package."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

from tollgate.reference.digit_patterns import DEAD, DIGITS, START, DigitPattern, digit_pattern
from tollgate.reference.numbering import WORLD, country_prefixes
from tollgate.reference.prefix_intervals import disjoint_intervals

# The dialled digits are a number of 17: what E.164 allows, and a trunk prefix of two that does not belong to it.
WIDTH, SHORTEST, LONGEST = 17, 7, 15
# First digits that make a bucket. With three of them India's mobile ranges would all be in one.
BUCKET_DIGITS = 4
UNASSIGNED, ORDINARY = "unassigned", "ordinary"
# Kind to the package's types of number, in the order in which the package asks; the first that matches counts.
KINDS = {
    "premium": ("premium_rate",),
    "toll_free": ("toll_free",),
    "shared_cost": ("shared_cost",),
    ORDINARY: ("voip", "personal_number", "pager", "uan", "voicemail", "fixed_line", "mobile"),
}

# Number of a tuple of states, one for each pattern of a plan; NOTHING is the one in which all are dead.
States = int
NOTHING = 0


class NumberRange(NamedTuple):
    """Numbers of `digits` digits from lo up to, not including, hi, right-padded with 0 to 17; all in one bucket.

    country_code is None under a code that nobody owns. trunk_digits: how many after the code are no part of the number.
    """

    bucket: int
    lo: int
    hi: int
    digits: int
    country_code: str | None
    country: str | None
    kind: str
    trunk_digits: int


class Reading(NamedTuple):
    """What a number is; None in its place where it cannot be one."""

    kind: str
    trunk_digits: int


class _Region(NamedTuple):
    """One country of a calling code. An integer is the place of a pattern among the plan's."""

    leading: int | None
    general: int
    types: tuple[tuple[str, int, tuple[int, ...]], ...]


def number_ranges(codes: tuple[str, ...] | None = None) -> list[NumberRange]:
    """The ranges of these calling codes, by default of all, and of the codes that nobody owns; disjoint, in order."""
    known = [str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    ranges = [found for code in known if codes is None or code in codes for found in _of_code(code)]
    return sorted([*ranges, *_unowned(known)], key=lambda found: (found.digits, found.lo))


@functools.cache
def _of_code(code: str) -> tuple[NumberRange, ...]:
    plan, owners = _Plan(code), _owners(code)
    found: list[NumberRange] = []
    for length in range(2, WIDTH + 1 - len(code)):
        for lo, hi, reading in plan.intervals(length):
            digits = len(code) + length
            if SHORTEST <= digits - reading.trunk_digits <= LONGEST:
                for start, end, country in _cut(lo, hi, owners):
                    found += _by_bucket(start, end, digits, code, country, *reading)
    return tuple(found)


class _Plan:
    """The patterns of one calling code, walked together digit by digit."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.patterns: list[DigitPattern] = []
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
        metadata = [_metadata(region, code) for region in regions]
        self.regions = [self._region(found) for found in metadata]
        self.states: list[tuple[int, ...]] = []
        self.numbers: dict[tuple[int, ...], States] = {}
        self._number((DEAD,) * len(self.patterns))
        self.begin = self._number((START,) * len(self.patterns))
        self.lengths = frozenset(metadata[0].general_desc.possible_length)
        # Behind code 1 its trunk prefix, also 1, would hide a prefix that stands there twice.
        self.trunk = "" if metadata[0].national_prefix in (None, code) else metadata[0].national_prefix
        self._after = functools.cache(self._after)  # type: ignore[method-assign]
        self._tree = functools.cache(self._tree)  # type: ignore[method-assign]

    def intervals(self, length: int) -> Iterator[tuple[int, int, Reading]]:
        """[lo, hi) of the dialled digits whose part after the code has `length`; neighbours differ."""
        last: tuple[int, int, Reading] | None = None
        for prefix, reading in _leaves(self._tree(self.begin, None, self.trunk, length, length), self.code):
            width = 10 ** (WIDTH - len(prefix))
            lo = int(prefix) * width
            if last and last[1] == lo and last[2] == reading:
                lo = last[0]
            elif last:
                yield last
            last = lo, (int(prefix) + 1) * width, reading
        if last:
            yield last

    def _region(self, metadata: Any) -> _Region:
        def place(text: str) -> int:
            self.patterns.append(digit_pattern(text))
            return len(self.patterns) - 1

        leading = metadata.leading_digits and place(rf"(?:{metadata.leading_digits})\d{{0,{WIDTH}}}")
        general = place(metadata.general_desc.national_number_pattern)
        types = []
        for kind, names in KINDS.items():
            for described in (getattr(metadata, name) for name in names):
                if described is not None and described.national_number_pattern:
                    place_of = place(described.national_number_pattern)
                    types.append((kind, place_of, tuple(described.possible_length)))
        return _Region(leading, general, tuple(types))

    def _number(self, states: tuple[int, ...]) -> States:
        if states not in self.numbers:
            self.numbers[states] = len(self.states)
            self.states.append(states)
        return self.numbers[states]

    def _after(self, states: States) -> tuple[States, ...]:
        """What each digit makes of the states."""
        rows = [pattern.following[state] for pattern, state in zip(self.patterns, self.states[states], strict=True)]
        return tuple(self._number(after) for after in zip(*rows, strict=True))

    def _is_whole(self, place: int, states: States) -> bool:
        return self.patterns[place].is_whole[self.states[states][place]]

    def _tree(self, whole: States, behind: States | None, trunk: str | None, rest: int, length: int) -> Any:
        """What `rest` more digits make of a number: one Reading or None for all of them, or ten subtrees.

        whole: states of the number as it stands; behind: of what is behind the trunk prefix, None where there is none;
        trunk: what is still missing of that prefix, None where it does not stand there.
        """
        if not rest:
            return self._reading(whole, behind, length)
        is_settled = whole == NOTHING and (behind == NOTHING or (behind is None and not trunk))
        if is_settled:
            return self._reading(whole, behind, length)
        trees = []
        after = self._after(whole)
        after_trunk = None if behind is None else self._after(behind)
        for digit in range(10):
            missing, then = trunk, None
            if after_trunk:
                then = after_trunk[digit]
            elif trunk and trunk[0] == DIGITS[digit]:
                missing = trunk[1:]
                then = None if missing else self.begin
            else:
                missing = None
            trees.append(self._tree(after[digit], then, missing, rest - 1, length))
        return trees[0] if not isinstance(trees[0], list) and trees.count(trees[0]) == len(trees) else trees

    def _reading(self, whole: States, behind: States | None, length: int) -> Reading | None:
        if behind is not None and self.trunk:
            shorter = length - len(self.trunk)
            fits = shorter in self.lengths or shorter > max(self.lengths)
            if fits and not (self._is_viable(whole) and not self._is_viable(behind)):
                kind = self._kind(behind, shorter)
                return Reading(kind, len(self.trunk)) if kind else None
        kind = self._kind(whole, length)
        return Reading(kind, 0) if kind else None

    def _is_viable(self, states: States) -> bool:
        return self._is_whole(self.regions[0].general, states)

    def _kind(self, states: States, length: int) -> str | None:
        """The kind of a valid number, else unassigned where the length is possible, else None."""
        for region in self.regions:
            if region.leading is not None and not self._is_whole(region.leading, states):
                continue
            kind = self._type(region, states, length)
            if kind:
                return kind
            if region.leading is not None:
                break  # the country is known, and it is none of its numbers
        return UNASSIGNED if length in self.lengths else None

    def _type(self, region: _Region, states: States, length: int) -> str | None:
        if self._is_whole(region.general, states):
            for kind, place, lengths in region.types:
                if self._is_whole(place, states) and (not lengths or length in lengths):
                    return kind
        return None


def _leaves(tree: Any, prefix: str) -> Iterator[tuple[str, Reading]]:
    if isinstance(tree, list):
        for digit, subtree in zip(DIGITS, tree, strict=True):
            yield from _leaves(subtree, prefix + digit)
    elif tree is not None:
        yield prefix, tree


def _metadata(region: str, code: str) -> Any:
    if region == WORLD:
        return PhoneMetadata.metadata_for_nongeo_region(int(code))
    return PhoneMetadata.metadata_for_region(region)


def _owners(code: str) -> list[tuple[int, int, str]]:
    """[lo, hi) and country of the prefixes under a calling code, in order."""
    prefixes = {prefix: country for prefix, country in country_prefixes().items() if prefix.startswith(code)}
    return [
        (piece.lo * 100, piece.hi * 100, prefixes[piece.prefix])
        for piece in sorted(disjoint_intervals(prefixes), key=lambda piece: piece.lo)
    ]


def _cut(lo: int, hi: int, owners: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """[lo, hi) in pieces of one country each."""
    start, country = lo, None
    for since, until, owner in owners:
        if since >= hi or until <= lo:
            continue
        if country is not None and owner != country:
            yield start, since, country
            start = since
        country = owner
    if country is not None:
        yield start, hi, country


def _unowned(known: list[str]) -> Iterator[NumberRange]:
    """Codes of three digits under no calling code: a number there may be one that was assigned since."""
    free = [code for code in range(100, 1000) if not str(code).startswith(tuple(known))]
    width = 10 ** (WIDTH - 3)
    for digits in range(SHORTEST, LONGEST + 1):
        for code in free:
            yield from _by_bucket(code * width, (code + 1) * width, digits, None, None, UNASSIGNED, 0)


def _by_bucket(
    lo: int, hi: int, digits: int, country_code: str | None, country: str | None, kind: str, trunk_digits: int
) -> Iterator[NumberRange]:
    width = 10 ** (WIDTH - BUCKET_DIGITS)
    while lo < hi:
        first = lo // width
        end = min(hi, (first + 1) * width)
        bucket = digits * 10**BUCKET_DIGITS + first
        yield NumberRange(bucket, lo, end, digits, country_code, country, kind, trunk_digits)
        lo = end
