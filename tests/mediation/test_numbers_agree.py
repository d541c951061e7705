"""What mediation makes of thousands of numbers against phonenumbers; docs/numbers.md tells every difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import phonenumbers
import pytest
from frames import table
from mediation.dialled_numbers import COUNTRIES, Dialled, Verdict, decided, dialled, said_by_phonenumbers
from mediation.records import number_plans
from phonenumbers import NumberParseException, ValidationResult

from tollgate.mediation.numbers import with_numbers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "numbers.md"


class Difference(NamedTuple):
    """One string of which the two say something else."""

    dialled: Dialled
    theirs: Verdict
    ours: Verdict


def _reason(dialled: Dialled) -> int | None:
    try:
        return phonenumbers.is_possible_number_with_reason(phonenumbers.parse(dialled.text, dialled.country))
    except NumberParseException:
        return None


def _has_unknown_code(dialled: Dialled) -> bool:
    try:
        phonenumbers.parse(dialled.text, dialled.country)
    except NumberParseException as error:
        return error.error_type == NumberParseException.INVALID_COUNTRY_CODE
    return False


# Name, when it is the cause, why Tollgate says something else. The first that holds counts.
CAUSES: tuple[tuple[str, Callable[[Difference], bool], str], ...] = (
    ("over 15 digits", lambda it: it.ours.number is None and len(it.theirs.number or "") > 16,
     "E.164 ends at 15 digits; MED-28"),
    ("local", lambda it: it.ours.number is None and _reason(it.dialled) == ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
     "without its area code only its neighbours can dial it: it has no E.164 form to bill by"),
    ("unowned code", lambda it: it.ours.kind == "unassigned" and _has_unknown_code(it.dialled),
     "accepted with the flag COUNTRY_UNKNOWN: the code may be younger than the table"),
    ("other country", lambda it: it.theirs.number is None and it.ours.number == "+" + it.dialled.text,
     "impossible in the country of the source, valid with a plus in front: switches leave it out"),
    ("carrier's code", lambda it: it.theirs.kind == "unassigned" and it.ours.kind not in (None, "unassigned"),
     "phonenumbers takes the first digits for a carrier's code and is left with no number; without it there is one"),
)  # fmt: skip


def by_spark(spark, numbers: Sequence[Dialled]) -> list[Verdict]:
    """What mediation's own expressions say of them, as called numbers."""
    received = table(
        spark,
        "msisdn_received STRING, destination_received STRING, service STRING, source_country STRING, no INT",
        *(("+14165550100", it.text, "voice", it.country, number) for number, it in enumerate(numbers)),
    )
    found = with_numbers(received, *number_plans(spark)).select("no", "destination", "destination_kind").collect()
    verdicts = {row.no: Verdict(row.destination, row.destination_kind) for row in found}
    return [verdicts[number] for number in range(len(numbers))]


def told(differences: Sequence[Difference], numbers: Sequence[Dialled]) -> str:
    """The table of docs/numbers.md: every difference with its cause."""
    share = 100 * (len(numbers) - len(differences)) / len(numbers)
    lines = [
        f"{len(numbers):,} strings of {len(COUNTRIES)} countries, {len(numbers) - len(differences):,} alike:"
        f" {share:.2f} %. By form:",
        "",
        "| form | strings | different |",
        "|---|---|---|",
    ]
    forms, different = Counter(it.form for it in numbers), Counter(it.dialled.form for it in differences)
    lines += [f"| {form} | {count} | {different[form]} |" for form, count in sorted(forms.items())]
    lines += ["", "| received | from | phonenumbers | Tollgate | cause |", "|---|---|---|---|---|"]
    lines += [
        f"| `{it.dialled.text}` | {it.dialled.country} | {_shown(it.theirs)} | {_shown(it.ours)} | {cause(it)} |"
        for it in sorted(differences, key=lambda it: (str(cause(it)), it.dialled))
    ]
    causes = {cause(it) for it in differences}
    lines += ["", "| cause | why |", "|---|---|"]
    lines += [f"| {name} | {why} |" for name, _, why in CAUSES if name in causes]
    return "\n".join(lines) + "\n"


def decisions_told() -> str:
    """The table of docs/numbers.md: forms that are read in another way on purpose."""
    lines = ["| form | strings | phonenumbers says the same | Tollgate |", "|---|---|---|---|"]
    for name, cases in decided().items():
        same = sum(said_by_phonenumbers(it) == verdict for it, verdict in cases)
        verdict = "refuses" if all(verdict.number is None for _, verdict in cases) else "accepts"
        lines.append(f"| {name} | {len(cases)} | {same} | {verdict} |")
    return "\n".join(lines) + "\n"


def cause(it: Difference) -> str | None:
    """The name of the first cause that holds, None without one."""
    return next((name for name, holds, _ in CAUSES if holds(it)), None)


def _shown(verdict: Verdict) -> str:
    return "impossible" if verdict.number is None else f"{verdict.number} {verdict.kind}"


@pytest.mark.no_cover
@pytest.mark.covers("MED-03", "MED-28")
def test_numbers_of_sixty_countries_are_read_as_phonenumbers_reads_them(spark):
    numbers = dialled()
    assert len(numbers) >= 2_000 and len({it.country for it in numbers}) >= 60
    pairs = zip(numbers, map(said_by_phonenumbers, numbers), by_spark(spark, numbers), strict=True)
    compared = [Difference(*each) for each in pairs]
    kinds = Counter(it.theirs.kind for it in compared)
    assert min(kinds[kind] for kind in (None, "unassigned", "short", "emergency", "toll_free", "premium")) >= 40
    differences = [it for it in compared if it.ours != it.theirs]
    assert len(differences) <= 0.005 * len(numbers), Counter(map(cause, differences))
    assert [it for it in differences if cause(it) is None] == []
    page = PAGE.read_text(encoding="utf-8")
    assert told(differences, numbers) in page, "put the text of told() into docs/numbers.md"


@pytest.mark.covers("MED-03", "MED-28")
def test_what_is_read_in_another_way_on_purpose_is_read_so(spark):
    cases = [case for of_form in decided().values() for case in of_form]
    found = by_spark(spark, [it for it, _ in cases])
    assert [(it, verdict) for (it, verdict), ours in zip(cases, found, strict=True) if ours != verdict] == []
    assert decisions_told() in PAGE.read_text(encoding="utf-8"), "put the text of decisions_told() into docs/numbers.md"
