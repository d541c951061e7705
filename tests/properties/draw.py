"""Seeded draws of lines and usage, heavy on the boundaries where two implementations of one rule would part."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from tollgate.oracle.account_rows import Adjustment, Exemption, Jurisdiction
from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import OPEN_END_S, Account, Contract, CustomerFact, Holding, Usage

TORONTO = ZoneInfo("America/Toronto")
OPEN_END_US = OPEN_END_S * 1_000_000
LENGTHS = (0, 1, 59, 60, 61, 119, 120, 121, 317, 600, 3599, 3600, 3601, 14_401, 43_200, 86_399, 86_400)
VOLUMES = (0, 1, 499_999, 500_000, 999_999, 1_000_000, 1_048_576, 12_345_678, 2_000_000_000, 1 << 40)
DESTINATIONS = (
    *(("+14165550100", "CA"), ("+14375550100", "CA"), ("+16045550100", "CA"), ("+14162000009", "CA")),
    *(("+19052999999", "CA"), ("+12125550100", "US"), ("+18765550100", "JM"), ("+442071234567", "GB")),
    *(("+4490012345678", "GB"), ("+33612345678", "FR"), ("+77012345678", "KZ"), ("+74951234567", "RU")),
    *(("+88161234567", "001"), ("+870123456789", "001"), ("+9991234567", None), ("+2101234567", None)),
    *(("+18005550100", "001"), ("+19005550100", "001"), ("+212612345678", "MA"), ("+2111234567", "SS")),
    *(("911", None), ("112", None), ("311", None), ("811", None), ("999", None)),
)
VISITED = ("US", "PR", "FR", "GB", "MA", "JP", "CA", "ZZ", None)
OUTCOMES = ("answered",) * 8 + ("dropped", "busy", "failed", "no_answer", "delivered", None)
MESSAGE_OUTCOMES = ("delivered",) * 5 + ("failed", None)
CARRIERS = ("carrier_001",) * 3 + ("carrier_002", "carrier_003", "carrier_009", None)
# days around a weekend, a holiday, both clock changes, the end of October, a leap day and the ends of the calendar
DAYS = (
    *((2026, 10, 5), (2026, 10, 9), (2026, 10, 11), (2026, 10, 12), (2026, 10, 31), (2026, 11, 1), (2026, 11, 2)),
    *((2026, 3, 7), (2026, 3, 8), (2026, 12, 25), (2026, 12, 28), (2028, 2, 29), (2023, 12, 31), (2024, 1, 1)),
    *((2031, 12, 31), (2032, 1, 1)),
)
WALL_SECONDS = (0, 5400, 7199, 7200, 10_800, 28_799, 28_800, 28_801, 43_200, 71_940, 71_999, 72_000, 86_340, 86_399)


def instant_us(*moment: int, fold: int = 0) -> int:
    """A Toronto wall time as epoch microseconds."""
    return int(datetime(*moment, tzinfo=TORONTO, fold=fold).timestamp()) * 1_000_000


MID_OCTOBER = instant_us(2026, 10, 12, 8)
TENURES = (date(2025, 10, 12), date(2025, 10, 13), date(2024, 2, 29), date(2027, 2, 28), date(2026, 9, 1))


def draw_population(
    lines: int,
    first_cycle: date = date(2023, 1, 1),
    other_currency: str = "EUR",
    change: int = MID_OCTOBER,
    tenures: tuple[date, ...] = TENURES,
    lines_of_account: int = 1,
) -> Facts:
    """Lines on every plan: students, tenures at their boundaries, changes of plan, state and owner at one instant."""
    accounts, holdings, facts, contracts = [], [], [], []
    for number in range(lines):
        name, plan = f"{number:03}", ("term", "month_to_month", "prepaid")[number % 3]
        payer = f"{number - number % lines_of_account:03}"
        if payer == name:
            currency = other_currency if number % 19 == 18 else "CAD"
            terms = (currency, "America/Toronto", 1, first_cycle, None, "CA-ON", number % 7 == 6)
            days = None if number % 3 else number % 5 * 7
            accounts.append(Account(f"A{name}", f"C{name}", *terms, days))
            since = tenures[number % len(tenures)]
            facts.append(CustomerFact(f"C{name}", number % 4 == 0, since, 0, change))
            facts.append(CustomerFact(f"C{name}", number % 4 == 1, since, change, OPEN_END_US))
        before = ("active", f"K{name}", plan)
        after = {
            1: ("suspended", f"K{name}", plan),
            2: ("active", None, None),
            3: ("active", f"L{name}", "term"),
        }.get(number % 11, before)
        for (state, contract, held), start, end in ((before, 0, change), (after, change, OPEN_END_US)):
            holdings.append(Holding(number_of(number), f"S{name}", f"A{payer}", contract, held, state, start, end))
        contracts += _contracts(number, name, plan, payer)
    return Facts(accounts, holdings, facts, contracts)


def draw_usage(random: Random, events: int, lines: int, starts: tuple[int, ...] = ()) -> list[Usage]:
    """Events of those lines, and a few of a number that nobody holds; starts are drawn at boundaries unless given."""
    drawn = []
    for number in range(events):
        service = random.choices(("voice", "sms", "mms", "data"), (5, 2, 1, 2))[0]
        destination, country = (None, None) if service == "data" else random.choice(DESTINATIONS)
        roaming = random.random() < 0.15
        outcome = {"voice": OUTCOMES, "data": (None,)}.get(service, MESSAGE_OUTCOMES)
        drawn.append(
            Usage(
                source=random.choice(("msc", "smsc")),
                event_id=f"e{number:05}",
                service=service,
                started_at=random.choice(starts) if starts else draw_start(random),
                msisdn=number_of(random.randrange(lines)) if random.random() < 0.98 else "+14165550999",
                destination=destination,
                destination_country=country,
                duration_s=random.choice((*LENGTHS, random.randrange(7200))) if service == "voice" else 0,
                volume_bytes=random.choice((*VOLUMES, random.randrange(10**9))) if service == "data" else 0,
                rating_group=random.choice(("web", "video")) if service == "data" else None,
                roaming=roaming,
                roaming_country=random.choice(VISITED) if roaming else None,
                carrier_id=random.choice(CARRIERS),
                call_outcome=random.choice(outcome),
            )
        )
    return drawn


def draw_start(random: Random) -> int:
    """An instant at, just before or just after a boundary of bands, days or clocks."""
    day, second = random.choice(DAYS), random.choice((*WALL_SECONDS, random.randrange(86_400)))
    wall = (second // 3600, second // 60 % 60, second % 60)
    return instant_us(*day, *wall, fold=random.randrange(2)) + random.choice((0, 0, -1, 999_999, 500_000))


def draw_bill_discounts(random: Random, nets: list[int]) -> list[str]:
    """Lines of discount.csv of the billing stage, all in force at the end of some cycle of the autumn.

    nets: usage net of accounts in millionths, so that some thresholds are reached exactly or missed by one millionth.
    """
    ends = ("2026-11-01", "2026-10-31T23:59:59-04:00", "2026-12-01", "")
    drawn = []
    for order in range(1, 9):
        volume = random.random() < 0.5
        threshold = f"{Decimal(random.choice(nets) + random.choice((0, 0, 1))).scaleb(-6):f}" if volume else "0"
        cells = (
            *(f"d{order}", f"Discount {order}", "billing", str(order), random.choice(("true", "true", "false"))),
            *("usage_net" if volume else "everyone", threshold, random.choice(("*", "*", "term", "month_to_month"))),
            *("*", "*"),
            *(random.choice(("usage", "usage", "recurring", "all")), random.choice(("5", "10", "12.5", "33.3", "50"))),
            *(random.choice(("2024-01-01", "2026-10-31", "2026-11-01")), random.choice(ends)),
        )
        if cells[-1] == "" or cells[-2] < cells[-1]:
            drawn.append(",".join(cells))
    return drawn


def draw_tiers(random: Random) -> list[str]:
    """Lines of tier.csv, without its header: messages and bytes, by line and by account, dearer and cheaper, inside and
    between events, graduated and by volume."""
    drawn = []
    for rate_id, units in (("sms_national", (1, 2, 3)), ("sms_europe", (1, 2)), ("mms", (1, 3)),
                           ("data_term", (1, 400_000_001, 10**10)), ("data_month_to_month", (999_999, 3 * 10**9)),
                           ("data_video_month_to_month", (1_000_000, 10**8))):  # fmt: skip
        counts, mode = random.choice(("line", "account")), random.choice(("", "volume", "volume"))
        for from_units in units:
            price = random.choice(("0", "0.004", "0.0075", "0.0333", "0.5"))
            drawn.append(f"{rate_id},{counts},{from_units},{price},{mode}")
    return drawn


def draw_top_ups(random: Random) -> list[str]:
    """Lines of top_up.csv: in October top-ups after each charge, in November one at the end of the cycle."""
    credit, below, amount = random.choice(("5", "20")), random.choice(("0.01", "5", "10")), "2.5"
    return [
        f"prepaid,{credit},{below},{amount},event,2024-01-01,2026-11-15",
        f"prepaid,{credit},10,{random.choice(('5', '25'))},month_start,2026-11-15,",
    ]


def draw_segments(random: Random) -> list[str]:
    """Lines of segment.csv: voice with and without free minutes, data with free volume, cut early and late."""
    drawn = []
    for rate_id, units in (("voice_national_term", (60, 90, 600)), ("voice_national_month_to_month", (60, 3600)),
                           ("voice_europe", (1, 59)), ("data_video_term", (1_000_000, 10**9))):  # fmt: skip
        for from_units in units:
            drawn.append(f"{rate_id},{from_units},{random.choice(('0', '0.01', '0.0333', '0.25'))}")
    return drawn


def draw_adjustments(random: Random, accounts: list[str]) -> list[Adjustment]:
    """One-off charges and credits: at the edges of cycles, late and early, in instalments that do not divide."""
    days = (date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1), date(2026, 12, 1))
    drawn = []
    for number in range(len(accounts) * 2):
        account = random.choice(accounts)
        parts = random.choice((1, 1, 2, 3, 7))
        cents = random.choice((-1, 1)) * random.choice((parts, parts + 1, 100, 9_999, random.randrange(7, 10**6)))
        line = f"S{account[1:]}" if random.random() < 0.5 else None
        category = random.choice(("standard", "standard", "none"))
        drawn.append(Adjustment(f"adj-{number}", account, line, cents * 10_000, category, random.choice(days), parts))
    return drawn


def draw_tax_status(facts: Facts) -> None:
    """Accounts that moved and exemptions, each on the days around the ends of October and November."""
    edges = (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1), date(9999, 12, 31))
    spans = [(start, end) for start in edges for end in edges if start < end]
    for number, account_id in enumerate(facts.accounts):
        start, end = spans[number % len(spans)]
        if number % 2:
            facts.jurisdictions[account_id].append(Jurisdiction(account_id, "GB", start, end))
        if number % 3 == 0:
            category = ("standard", "*")[number % 2]
            facts.exemptions[account_id].append(Exemption(account_id, category, f"reason {number}", start, end))
            facts.exemptions[account_id].append(Exemption(account_id, "none", "never said", start, end))


def number_of(line: int) -> str:
    return f"+1416{2000000 + line}" if line % 2 else f"+1647{2000000 + line}"


def _contracts(number: int, name: str, plan: str, payer: str) -> list[Contract]:
    """Contracts that run through October, start or end in it, or follow one another."""
    started, ends = date(2025, 10, 13), date(2026, 10, 13) if plan == "term" else None
    if number % 11 == 3:
        later = Contract(f"L{name}", f"S{name}", f"A{payer}", "term", date(2026, 10, 12), date(2027, 10, 12), None)
        return [Contract(f"K{name}", f"S{name}", f"A{payer}", plan, started, ends, date(2026, 10, 12)), later]
    cancelled = {2: date(2026, 10, 12), 5: date(2026, 10, 13), 7: date(2026, 11, 1), 8: date(2026, 10, 1)}.get(
        number % 11
    )
    if number % 11 in (4, 9):
        started = date(2026, 10, 1) if number % 11 == 4 else date(2026, 10, 31)
        ends = date(2027, 10, 1) if plan == "term" else None
    return [Contract(f"K{name}", f"S{name}", f"A{payer}", plan, started, ends, cancelled)]
