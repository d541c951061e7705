"""Local time from instants and back, by the IANA database; no clock is read here."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
QUARTER_S = 900  # offsets of time zones in use change on quarters of an hour
NOT_OF_A_PLACE = ("Factory", "localtime", "posixrules")


def epoch_seconds(moment: datetime) -> int:
    """Whole epoch seconds of an aware datetime, rounded down."""
    return (moment - EPOCH) // timedelta(seconds=1)


class LocalClock:
    """One time zone: local dates and wall times of instants (epoch seconds), and instants of local midnights."""

    def __init__(self, zone: str) -> None:
        """ValueError for what is no zone of the IANA database, or one of which the machine decides what it means."""
        if zone in NOT_OF_A_PLACE or zone.partition("/")[0] in ("right", "posix"):
            raise ValueError(f"{zone} is no time zone of a place")
        try:
            self.zone = ZoneInfo(zone)
        except (OSError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"{zone[:64]} is no time zone: {error.__class__.__name__}") from error
        self._offsets: dict[int, int] = {}
        self._midnights: dict[int, int] = {}
        self._instants: dict[str, int] = {}

    def offset_s(self, epoch_s: int) -> int:
        """Seconds east of UTC at an instant."""
        quarter = epoch_s // QUARTER_S
        offset = self._offsets.get(quarter)
        if offset is None:
            moment = (EPOCH + timedelta(seconds=quarter * QUARTER_S)).astimezone(self.zone)
            offset = moment.utcoffset() // timedelta(seconds=1)  # type: ignore[operator]
            self._offsets[quarter] = offset
        return offset

    def local_day(self, epoch_s: int) -> int:
        """Local date of an instant, as days since 1970-01-01."""
        return (epoch_s + self.offset_s(epoch_s)) // 86_400

    def local_date(self, epoch_s: int) -> date:
        """Local date of an instant."""
        return date(1970, 1, 1) + timedelta(days=self.local_day(epoch_s))

    def midnight(self, day: int) -> int:
        """First instant of a local date (days since 1970-01-01), epoch seconds."""
        start = self._midnights.get(day)
        if start is None:
            on = date(1970, 1, 1) + timedelta(days=day)
            start = epoch_seconds(datetime(on.year, on.month, on.day, tzinfo=self.zone))
            self._midnights[day] = start
        return start

    def midnight_of(self, on: date) -> int:
        """First instant of a local date, epoch seconds."""
        return self.midnight((on - date(1970, 1, 1)).days)

    def instant_of(self, text: str) -> int:
        """Epoch seconds of an instant with offset, or of the local midnight of a date; ValueError for another text."""
        found = self._instants.get(text)
        if found is None:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self.zone)
            found = self._instants[text] = epoch_seconds(moment)
        return found

    def instants_of(self, day: int, second: int) -> list[int]:
        """Instants at which the wall clock of a local date shows a second of the day: none in a gap, two in a fold."""
        wall = day * 86_400 + second
        around = {self.offset_s(wall - shift) for shift in (-100_000, -50_000, 0, 50_000, 100_000)}
        return sorted(wall - offset for offset in around if self.offset_s(wall - offset) == offset)

    def changes_of(self, day: int) -> list[int]:
        """Instants inside a local date at which the offset from UTC changes."""
        start, end = self.midnight(day), self.midnight(day + 1)
        if self.offset_s(start) == self.offset_s(end - 1) and end - start == 86_400:
            return []
        quarters = range(start - start % QUARTER_S + QUARTER_S, end, QUARTER_S)
        return [at for at in quarters if self.offset_s(at) != self.offset_s(at - QUARTER_S)]
