"""What must hold in time_band.csv: one meaning a band, each moment covered, holidays known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from tollgate.reference.charged_steps import is_whole_day, steps
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.time_bands import DAY_S, Band, wall_clock_pieces

# A band is one thing in its set, whichever of its rows holds.
OF_A_BAND = ("factor", "price", "connect_fee", "initial", "increment")
# A call of the last published day runs into the next one, and where the clock springs forward into the one after it.
DAYS_AFTER = 2


def band_findings(book: SourceBook) -> Iterator[Finding]:
    """A finding for every row, moment or year of the time bands that cannot be priced by."""
    rows = book.rows["time_band"]
    for row in rows:
        if row["from"] >= row["to"]:
            yield row.finding("from must be before to; a band over midnight is two rows")
        if row["from_date"] and row["to_date"] and row["from_date"] >= row["to_date"]:
            yield row.finding("from_date must be before to_date")
    first_of: dict[tuple[str, str], SourceRow] = {}
    for row in rows:
        first = first_of.setdefault((row["band_set"], row["band_id"]), row)
        for column in OF_A_BAND:
            if first[column] != row[column]:
                yield row.finding(f"band {row['band_id']} has another {column} in line {first.line}")
    yield from _uncovered(book)
    yield from _steps_of_bands(book, first_of.values())
    yield from _missing_holidays(book, [row for row in rows if row["day_type"] == "holiday"])


def bands_of(rows: Iterable[SourceRow]) -> dict[str, list[Band]]:
    """The bands of each band set."""
    sets: dict[str, list[Band]] = defaultdict(list)
    for row in rows:
        sets[row["band_set"]].append(
            Band(
                row["band_id"], row["priority"], row["weekdays"], row["day_type"] == "holiday",
                row["from"], row["to"], row["factor"], row["from_date"], row["to_date"],
                *(row[column] for column in OF_A_BAND[1:]),
            )
        )  # fmt: skip
    return dict(sets)


def _uncovered(book: SourceBook) -> Iterator[Finding]:
    rows = book.rows["time_band"]
    for band_set, bands in bands_of(rows).items():
        line = next(row for row in rows if row["band_set"] == band_set)
        # Without dates every week is alike, and a holiday may fall on each of its days.
        has_dates = any(band.from_date or band.to_date for band in bands)
        for what, (start, end) in _holes_of_dates(book, bands) if has_dates else _holes_of_a_week(bands):
            yield line.finding(f"band set {band_set} has no band on {what} {_hhmm(start)} to {_hhmm(end)}")


def _holes_of_a_week(bands: Sequence[Band]) -> Iterator[tuple[str, tuple[int, int]]]:
    for weekday in range(1, 8):
        for is_holiday in (False, True):
            day = f"weekday {weekday}" + (" on a holiday" if is_holiday else "")
            yield from ((day, span) for span in wall_clock_pieces(bands, weekday, is_holiday)[1])


def _holes_of_dates(book: SourceBook, bands: Sequence[Band]) -> Iterator[tuple[str, tuple[int, int]]]:
    operator = book.operator
    holidays = {row["date"] for row in book.rows["holiday"] if row["calendar"] == operator.holiday_calendar}
    found: dict[tuple[int, int], list[date]] = defaultdict(list)
    for number in range((operator.bands_to - operator.bands_from).days + DAYS_AFTER):
        on = operator.bands_from + timedelta(days=number)
        holding = [band for band in bands if band.holds_on(on)]
        for span in wall_clock_pieces(holding, on.isoweekday(), on in holidays)[1]:
            found[span].append(on)
    for span, days in found.items():
        yield f"{days[0]}" + (f" and {len(days) - 1} more days" if len(days) > 1 else "") + ",", span


def _steps_of_bands(book: SourceBook, bands: Iterable[SourceRow]) -> Iterator[Finding]:
    """The steps that a band gives a rate must fill a day, as the rate's own must. bands: one row each."""
    for band in (band for band in bands if band["initial"] or band["increment"]):
        rates = [rate for rate in book.rows["rate"] if rate["band_set"] == band["band_set"]]
        amiss = [rate for rate in rates if not is_whole_day(*steps(rate, band))]
        if amiss:
            initial, increment = steps(amiss[0], band)
            more = f" and {len(amiss) - 1} more" if len(amiss) > 1 else ""
            yield band.finding(
                f"with rate {amiss[0]['rate_id']}, line {amiss[0].line}{more}, {DAY_S:,} s less the initial {initial} "
                f"must be whole increments of {increment}"
            )


def _missing_holidays(book: SourceBook, holiday_rows: Sequence[SourceRow]) -> Iterator[Finding]:
    operator = book.operator
    if holiday_rows and operator.holiday_calendar:
        covered = {row["date"].year for row in book.rows["holiday"] if row["calendar"] == operator.holiday_calendar}
        last_year = operator.bands_to.year - (operator.bands_to.month == 1 and operator.bands_to.day == 1)
        for year in sorted(set(range(operator.bands_from.year, last_year + 1)) - covered):
            yield Finding("holiday.csv", 0, f"calendar {operator.holiday_calendar} has no holiday in {year}")
    elif holiday_rows:
        yield holiday_rows[0].finding("day_type holiday needs holiday_calendar in operator.csv")


def _hhmm(seconds: int) -> str:
    return "24:00" if seconds == DAY_S else f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
