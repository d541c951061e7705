"""The price book of the simulated operator: the demo's, with all that one month leaves to the next."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

from properties.draw_allowances import HEADER
from properties.frames_of_draws import DEMO_BOOK
from properties.test_billing_against_oracle import PRICES_INSIDE

Row = dict[str, str]
LEAP_DAY = "2028-02-29"
ALLOWANCES = (
    HEADER,
    "term_voice,term,Minutes,voice,national,second,1800,days,2024-01-01,,,,,2,1200",
    "term_data,term,Data,data,home,byte,60000000,days,2024-01-01,,,,,,",
    "monthly_sms,month_to_month,Messages,sms,national,message,5,none,2024-01-01,,,account,,1,",
)
# Each of these makes the plan of a bill run larger, and months by the dozen slower.
WHOLE_BOOK = {
    "allowance": ("monthly_money,month_to_month,Money,*,*,currency,4.50,days,2024-01-01,,,account,,,",),
    "spend_limit": (
        "limit_id,kind,plan_id,name,scope,service,amount,tax_category,valid_from,valid_to",
        "cap_data,cap,month_to_month,At most,line,data,0.90,,2024-01-01,",
        "min_voice,minimum,month_to_month,At least,line,voice,3.00,standard,2027-10-15,2028-11-15",
    ),
    "tier": (
        "rate_id,counts,from_units,price,mode",
        "data_month_to_month,account,1,0.012,", "data_month_to_month,account,20000001,0.008,",
    ),
}  # fmt: skip
# The credit of prepaid contracts: topped up as it is used, from the leap day on once at the end of a cycle.
TOP_UPS = (
    "plan_id,opening_credit,below,amount,moment,valid_from,valid_to",
    f"prepaid,10,2,5,event,2024-01-01,{LEAP_DAY}",
    f"prepaid,10,2,5,month_start,{LEAP_DAY},",
)
FEES = (
    "rent,recurring,month_to_month,Line rent,7.77,days,standard,2024-01-01,,true",
    "minimum,late_minimum,*,Minimum,0.50,none,none,2024-01-01,,",
)
DISCOUNTS = ("many,Many calls,billing,2,true,usage_net,3.00,*,*,*,usage,5,2024-01-01,",)


def write_book(folder: Path, *, is_whole: bool) -> Path:
    """The book before any correction: on the leap day month-to-month minutes become dearer, in July after it a tax.

    is_whole: with money, limits and tiers as well.
    """
    shutil.copytree(DEMO_BOOK, folder)
    sheets: dict[str, tuple[str, ...]] = {"allowance": ALLOWANCES, "top_up": TOP_UPS}
    if is_whole:
        sheets |= {name: sheets.get(name, ()) + rows for name, rows in WHOLE_BOOK.items()}
    for name, lines in sheets.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (folder / "discount.csv").open("a", encoding="utf-8") as discounts:
        discounts.write("\n".join(DISCOUNTS) + "\n")
    head, *fees = (folder / "fee.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{head},in_advance", *[f"{fee}," for fee in fees], *FEES]
    (folder / "fee.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for file, cells in PRICES_INSIDE.items():
        _edit(folder / file, lambda row, cells=cells: [row | cells.get(row.get("rate_id") or row["band_id"], {})])
    _edit(folder / "rate.csv", _dearer_from("voice_national_month_to_month", LEAP_DAY, price="0.06"))
    _edit(folder / "tax.csv", _dearer_from("hst_on", "2028-07-01", percent="14"))
    return folder


def _dearer_from(name: str, day: str, **cells: str) -> Callable[[Row], list[Row]]:
    """Ends the row of that name on a day, and lets one of other cells follow."""

    def rows(row: Row) -> list[Row]:
        key = next(iter(row))
        if row[key] != name:
            return [row]
        return [{**row, "valid_to": day}, {**row, key: f"{name}_later", "valid_from": day, "valid_to": "", **cells}]

    return rows


def _edit(file: Path, change: Callable[[Row], list[Row]]) -> None:
    with file.open(encoding="utf-8") as sheet:
        rows = [new for row in csv.DictReader(sheet) for new in change(row)]
    with file.open("w", encoding="utf-8", newline="") as sheet:
        writer = csv.DictWriter(sheet, rows[0])
        writer.writeheader()
        writer.writerows(rows)
