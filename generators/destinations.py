"""Called numbers: valid ones of some sixty countries, free and premium ones, short codes, codes that nobody owns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generators.draws import Draws, Ints

KINDS = (
    "on_net", "national", "north_america", "international", "premium", "toll_free", "emergency", "special",
    "satellite", "unassigned",
)  # fmt: skip
ON_NET, NATIONAL = KINDS.index("on_net"), KINDS.index("national")

# Country and stems: any four digits after a stem make a valid number of it (the tests check with phonenumbers). Most
# called first.
_ABROAD = """
    GB 44740012 44121234; IN 91812345 91741041; PH 63905123 6323234; CN 861312345 86101234; JM 1876210 1876523;
    FR 3361234 3312345; PK 92301234 92212345; DE 491512345 493012; IT 39312345 39021234; MX 52222123 52200123;
    MA 21265012 21252012; ES 3461234 3481012; PT 35191234 35121234; LK 9471234 9411234; HK 8525123 8522123;
    IE 35385012 353221; NL 3161234 3110123; BE 3245000 321234; CH 4178123 4121234; AT 4366412 43123456;
    PL 4851234 4812345; SE 4670123 46812; NO 474061 472123; DK 453441 453212; FI 35841234 35813123; IS 354611 354410;
    GR 30691234 30212345; TR 90501234 90212345; UA 38050123 38031123; RO 4071203 4021123; HU 3620123 361234;
    CZ 42060112 42021234; SK 42191212 42122123; BG 3594301 359212; HR 38592123 3851234; SI 3863123 3861234;
    EE 3725123 372321; LV 3712123 3716312; LT 3706123 3703123; LU 35262812 3522712; DZ 21355123 2131234;
    TN 2162012 2163001; EG 20100123 2023456; ZA 2771123 2710123; NG 234802123 234203312; KE 25471212 25420201;
    GH 23323123 23330234; SN 22170123 22130101; CI 225012345 225212345; IL 97250234 9722123; AE 97150123 9712234;
    SA 96651234 96611234; QA 9743312 9744412; BD 880181234 8802711; JP 81901234 8131234; KR 82102000 822212;
    TW 88691234 88622123; SG 658123 656123; MY 6012345 6032385; TH 6681234 662123; VN 8491234 84210123;
    ID 6281234 6221835; AU 6141234 6121234; NZ 6421123 643234; BR 551196123 55112345; AR 549112345 54112345;
    CL 5622123 5660012; CO 57321123 57601234; PE 5191234 511123; DO 1809234; TT 1868291 1868221; BB 1246250 1246412;
    BS 1242359 1242345; CU 535123 537123; HT 5093410 5092245
"""
_NATIONAL = {  # area codes of Canada; the city's own weigh most
    "416": 14, "647": 12, "437": 6, "905": 14, "289": 6, "365": 2, "343": 1, "613": 4, "705": 2, "519": 3, "226": 1,
    "807": 1,
    "514": 4, "438": 2, "450": 2, "418": 1, "604": 4, "778": 2, "250": 1, "403": 3, "587": 1, "780": 2, "306": 1,
    "204": 1,
    "506": 1, "902": 1, "709": 1, "867": 1,
}  # fmt: skip
_STATES = ("212", "646", "917", "718", "305", "312", "415", "213", "202", "617", "713", "206", "702")
_TOLL_FREE = ("800", "888", "877", "866", "855", "844", "833")
_SATELLITE = ("87030123", "88161234")
_UNASSIGNED = (
    "21055501",
    "25955501",
    "38455501",
    "42555501",
    "69555501",
    "80155501",
    "99955501",
)  # codes without an owner
_EMERGENCY = ("911", "911", "911", "112")
_SPECIAL = ("411", "611", "311", "211", "811", "711")
_EXCHANGES = tuple(exchange for exchange in range(300, 1000) if exchange % 100 != 11 and exchange != 555)
_SUFFIX = [f"{number:04d}" for number in range(10_000)] + [""]  # index -1: nothing follows the stem


class NumberPlan:
    """Stems of called numbers by kind; a number is (stem, suffix), the suffix its last four digits or -1 for none.

    own_numbers: the operator's numbers with leading +, as the on-net stems.
    """

    def __init__(self, own_numbers: Sequence[str]) -> None:
        self.stems: list[str] = []
        self._start: dict[str, int] = {}
        self._weights: dict[str, NDArray[np.float64]] = {}
        exchanges = len(_EXCHANGES)
        self._add("national", _exchanged(tuple(_NATIONAL)), np.repeat(list(_NATIONAL.values()), exchanges))
        self._add("north_america", _exchanged(_STATES))
        self._add("international", *_abroad())
        self._add("premium", _exchanged(("900",)))
        self._add("toll_free", _exchanged(_TOLL_FREE))
        self._add("emergency", _EMERGENCY)
        self._add("special", _SPECIAL)
        self._add("satellite", [f"+{stem}" for stem in _SATELLITE])
        self._add("unassigned", [f"+{stem}" for stem in _UNASSIGNED])
        self.on_net = len(self.stems)
        self.stems += own_numbers
        self.is_short = np.array([not stem.startswith("+") for stem in self.stems])
        self.is_north_american = np.array([stem.startswith("+1") for stem in self.stems])
        whole = np.array([len(stem) + 3 for stem in self.stems])  # digits with the suffix
        whole[self.on_net :] -= 4
        # Without a plus, a code that nobody owns cannot be told from a number with a digit too many.
        is_owned = np.ones(len(self.stems), np.bool_)
        is_owned[self._start["unassigned"] : self.on_net] = False
        self.is_long = ~self.is_short & (whole >= 11) & is_owned

    def draw(self, draws: Draws, kinds: Ints) -> tuple[Ints, Ints]:
        """(stem, suffix) for an array of kinds (indexes into KINDS); on-net ones are left at stem -1 for the caller."""
        stem, suffix = np.full(len(kinds), -1), np.full(len(kinds), -1)
        for number, kind in enumerate(KINDS):
            at = np.flatnonzero(kinds == number)
            if kind == "on_net" or not len(at):
                continue
            stem[at] = self._start[kind] + draws.pick(f"called.{kind}", len(at), self._weights[kind])
            if kind not in ("emergency", "special"):
                suffix[at] = draws.below(f"called.{kind}.suffix", len(at), 10_000)
        return stem, suffix

    def text(self, stems: list[int], suffixes: list[int]) -> list[str]:
        """The numbers as dialled: E.164 with leading +, or a short code."""
        return [self.stems[stem] + _SUFFIX[suffix] for stem, suffix in zip(stems, suffixes, strict=True)]

    def _add(self, kind: str, stems: Sequence[str], weights: Sequence[float] | NDArray[Any] | None = None) -> None:
        self._start[kind] = len(self.stems)
        self.stems += stems
        self._weights[kind] = np.ones(len(stems)) if weights is None else np.asarray(weights, np.float64)


def countries_called(numbers: Sequence[str]) -> set[str]:
    """Countries of the table above to which `numbers` belong."""
    owner = {f"+{stem}": country for country, stems in _countries() for stem in stems}
    return {owner[number[:-4]] for number in numbers if number[:-4] in owner}


def _countries() -> list[tuple[str, list[str]]]:
    return [(country, stems) for country, *stems in (entry.split() for entry in _ABROAD.split(";"))]


def _abroad() -> tuple[list[str], list[float]]:
    ranked = [
        (f"+{stem}", 1 / ((rank + 10) * len(stems))) for rank, (_, stems) in enumerate(_countries()) for stem in stems
    ]
    return [stem for stem, _ in ranked], [weight for _, weight in ranked]


def _exchanged(area_codes: Sequence[str]) -> list[str]:
    return [f"+1{area}{exchange}" for area in area_codes for exchange in _EXCHANGES]
