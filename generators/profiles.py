"""Behaviours of traffic: what is used, when, where to, how unevenly."""

from __future__ import annotations

from dataclasses import dataclass

# What the commands take when nothing is said: the population and the month that the demo plays.
SEED, SUBSCRIBERS, EVENTS = 42, 2000, 200_000

SERVICES = ("voice", "sms", "mms", "data")
VOICE, SMS, MMS, DATA = range(4)

_DAY = (2, 1, 1, 1, 1, 3, 10, 25, 45, 55, 58, 60, 64, 60, 57, 58, 62, 70, 72, 66, 55, 42, 25, 9)
_NIGHT = (90, 80, 70, 60, 45, 20, 8, 5, 5, 5, 5, 5, 6, 6, 6, 6, 8, 10, 12, 16, 30, 60, 90, 100)
# Weights follow destinations.KINDS: on-net, national, north_america, international, premium, toll-free, emergency,
# special,
# satellite, unassigned.
_VOICE_TO = (200, 540, 80, 130, 5, 20, 4, 10, 4, 3)
_MESSAGE_TO = (280, 550, 80, 83, 0, 0, 0, 0, 4, 3)


@dataclass(frozen=True)
class Profile:
    """Weights of one behaviour; each tuple sums to what it likes."""

    services: tuple[int, int, int, int] = (50, 18, 2, 30)
    hours: tuple[int, ...] = _DAY
    weekend_percent: int = 75
    roaming: float = 0.04
    at_home_site: float = 0.7
    voice_to: tuple[int, ...] = _VOICE_TO
    message_to: tuple[int, ...] = _MESSAGE_TO
    # A line's weight is 1 / (rank + flatness): the smaller, the more the first ones dominate.
    flatness: float = 4.0
    # Half of the records are those of one line, beside what falls to it like to any other.
    has_heavy_line: bool = False
    # Records for each one that is asked for: the load of a whole network on its worst days.
    rate: int = 1
    video: float = 0.25


PROFILES = {
    "normal": Profile(),
    "peak": Profile(rate=5),
    "night": Profile(hours=_NIGHT, weekend_percent=110, video=0.5),
    "roamer": Profile(roaming=0.6, voice_to=(100, 500, 120, 250, 2, 10, 2, 5, 6, 5)),
    "skewed": Profile(has_heavy_line=True),
    # Machines that dial one national number after the other from one place.
    "simbox": Profile(
        services=(96, 4, 0, 0), weekend_percent=100, roaming=0.0, at_home_site=1.0, flatness=0.05,
        voice_to=(150, 850, 0, 0, 0, 0, 0, 0, 0, 0), message_to=(100, 900, 0, 0, 0, 0, 0, 0, 0, 0),
    ),
}  # fmt: skip
