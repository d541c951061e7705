"""Drawn lines of allowance.csv and spend_limit.csv: by service, zone and band, of a line and of an account."""

from __future__ import annotations

from random import Random

HEADER = "allowance_id,plan_id,name,service,zone_id,unit,quantity,proration,valid_from,valid_to,priority,scope,band"
HEADER += ",rollover_cycles,rollover_cap"
# What one allowance covers together, none of it twice: service, zone, band.
COVERS = {
    "second": (
        (("voice", "national", ""),), (("*", "*", ""),), (("voice", "*", "peak"), ("voice", "*", "weekend")),
        (("voice", "national", "off_peak"), ("voice", "europe", "")), (("voice", "europe", ""),),
    ),
    "message": (
        (("sms", "national", ""),), (("*", "*", ""),), (("sms", "*", ""), ("mms", "national", "")),
        (("*", "national", ""), ("sms", "europe", "")),
    ),
    "byte": ((("data", "home", ""),), (("data", "*", ""),)),
    "currency": (
        (("*", "*", ""),), (("voice", "*", ""), ("data", "home", "")), (("*", "national", "peak"),),
        (("sms", "*", ""),),
    ),
}  # fmt: skip
QUANTITIES = {"second": (61, 3600, 20_000, 400_000), "message": (1, 3, 20), "byte": (10**6, 10**9, 1 << 41),
              "currency": ("0.000001", "0.35", "12.345678", "250")}  # fmt: skip


def draw_allowances(random: Random, number: int) -> list[str]:
    """The file: its header and the lines of so many allowances of the demo's plans; some hold in a part of October."""
    lines = [HEADER]
    for place in range(number):
        unit = random.choices(tuple(COVERS), (5, 3, 2, 4))[0]
        name = f"a{random.randrange(100):02}_{place}"
        plan = random.choice(("term", "term", "month_to_month", "prepaid"))
        shared = (
            *(str(random.choice(QUANTITIES[unit])), random.choice(("none", "days"))),
            *random.choice((("2024-01-01", ""), ("2024-01-01", ""), ("2026-10-12", "2026-11-02"))),
            *(random.choice(("", "1", "2", "3")), random.choice(("", "line", "account"))),
        )
        cycles = random.choice(("", "", "1", "2"))
        rolls = (cycles, random.choice(("", str(random.choice(QUANTITIES[unit])))) if cycles else "")
        lines += [
            ",".join((name, plan, f"Allowance {place}", service, zone, unit, *shared, band, *rolls))
            for service, zone, band in random.choice(COVERS[unit])
        ]
    return lines


def draw_spend_limits(random: Random) -> list[str]:
    """Lines of spend_limit.csv: caps by service, minimums by plan, some reached and some not, some not in force."""
    lines = ["limit_id,kind,plan_id,name,scope,service,amount,tax_category,valid_from,valid_to"]
    amounts = ("0", "0.505", "7.50", "60", "400")
    for service in ("voice", "sms", "mms", "data"):
        scope, since = random.choice(("line", "account")), random.choice(("2024-01-01", "2026-10-31", "2026-11-01"))
        plan, amount = random.choice(("*", "*", "term", "prepaid")), random.choice(amounts)
        lines.append(f"cap_{service},cap,{plan},At most,{scope},{service},{amount},,{since},")
    for plan in ("term", "month_to_month"):
        scope, service = random.choice(("line", "account")), random.choice(("*", "voice"))
        lines.append(f"min_{plan},minimum,{plan},At least,{scope},{service},{random.choice(amounts[1:])},standard,"
                     "2024-01-01,")  # fmt: skip
    return lines
