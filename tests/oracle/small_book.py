"""The small price book of the golden vectors: flat bands, no invoice fee, no tax, no discount, no proration."""

from __future__ import annotations

from pathlib import Path

# Every sheet's columns, each with the cell that a row has there unless it says otherwise.
LINES = {
    "operator": "key= value=",
    "currency": "currency=CAD minor_digits=2",
    "plan": "plan_id=term name=Term contract_type=term charge_type=postpaid term_months=12",
    "zone": "zone_id=home name=Zone kind=home",
    "destination": "prefix=1 match=prefix zone_id=national valid_from=2024-01-01 valid_to=",
    "roaming_zone": "country=CA roaming_zone=home",
    "own_range": "prefix=",
    "holiday": "calendar= date= name=Holiday",
    "time_band": "band_set=b band_id=all priority=0 weekdays=1234567 day_type=any from_date= to_date= from=00:00 "
    "to=24:00 factor=1 price= connect_fee= initial= increment=",
    "discount": "discount_id=d name=Discount stage=rating apply_order=1 stacks=true fact=everyone threshold=0 "
    "plan_id=* service=* zone_id=* applies_to=usage percent=10 valid_from=2024-01-01 valid_to=",
    "tax": "tax_id=t jurisdiction=CA-ON tax_category=standard name=HST percent=13 valid_from=2024-01-01 valid_to=",
    "fee": "fee_id= kind=recurring plan_id=term name=Term amount= proration=none tax_category=standard "
    "valid_from=2024-01-01 valid_to=",
    "allowance": "allowance_id=term_voice plan_id=term name=100_free_minutes service=voice zone_id=national "
    "unit=second quantity=6000 proration=none valid_from=2024-01-01 valid_to= priority= scope= band= "
    "rollover_cycles= rollover_cap=",
    "rate": "rate_id=v plan_id=term service=voice zone_id=national roaming_zone=home rating_group=none "
    "direction=* technology=* slice=* price=0.10 unit=second block=60 increment=60 initial= "
    "connect_fee= minimum= maximum= band_set= discountable=false zero_rated=false digits=4 "
    "rounding=half_up tax_category=standard split_at_validity=false valid_from=2024-01-01 valid_to=",
    "segment": "rate_id=v from_units= price=",
    "tier": "rate_id=v counts=line from_units= price= mode=",
    "carrier_rate": "cost_id=c carrier_id=carrier_001 service=voice call_type=* country=* prefix=* price=0.04 "
    "unit=second block=60 increment=60 initial= connect_fee= digits=4 rounding=half_up markup= "
    "markup_digits= valid_from=2024-01-01 valid_to=",
}
CELLS = {name: dict(word.split("=") for word in line.split()) for name, line in LINES.items()}


def sheet(name: str, *rows: dict[str, object]) -> str:
    """The text of a sheet: its header, and a line for each row, which says only what is unlike `CELLS`."""
    cells = CELLS[name]
    unknown = {column for row in rows for column in row} - set(cells)
    assert not unknown, f"{name}.csv has no column {unknown}"
    lines = [",".join(str(row.get(column, cell)) for column, cell in cells.items()) for row in rows]
    return "\n".join([",".join(cells), *lines]) + "\n"


OPERATOR = (
    "name=Golden currency=CAD time_zone=America/Toronto holiday_calendar= rating_groups=web+video "
    "bands_from=2024-01-01 bands_to=2032-01-01"
)
GB = {"cost_id": "gb", "call_type": "international", "country": "GB"}
TERM_DEPOSIT = {"fee_id": "term_deposit", "kind": "deposit", "name": "Deposit", "tax_category": "none"}
SHEETS = {
    **{name: sheet(name) for name in ("own_range", "holiday", "time_band", "discount", "tax", "segment", "tier")},
    "operator": sheet(
        "operator",
        *(dict(zip(("key", "value"), word.replace("+", " ").split("="), strict=True)) for word in OPERATOR.split()),
    ),
    "currency": sheet("currency", {}, *({"currency": c, "minor_digits": n} for c, n in (("JPY", 0), ("TND", 3)))),
    "plan": sheet(
        "plan",
        {},
        {"plan_id": "month_to_month", "name": "Monthly", "contract_type": "month_to_month", "term_months": ""},
    ),
    "zone": sheet(
        "zone", {}, {"zone_id": "national", "kind": "national"}, {"zone_id": "europe", "kind": "international"}
    ),
    "destination": sheet("destination", {}, {"prefix": 44, "zone_id": "europe"}),
    "roaming_zone": sheet("roaming_zone", {}),
    "fee": sheet(
        "fee",
        {"fee_id": "term_fee", "amount": "20.00"},
        {"fee_id": "month_to_month_fee", "plan_id": "month_to_month", "name": "Month-to-month", "amount": "50.00"},
        {**TERM_DEPOSIT, "amount": "300.00"},
    ),
    "allowance": sheet("allowance", {}),
    "rate": sheet(
        "rate", {"rate_id": "term_voice"}, {"rate_id": "mtm_voice", "plan_id": "month_to_month", "price": "0.05"}
    ),
    "carrier_rate": sheet(
        "carrier_rate",
        {**GB, "digits": 2, "markup": "1.5", "markup_digits": 2},
    ),
}


def write_book(folder: Path, **sheets: str) -> Path:
    """Write the small book into a folder, with some sheets replaced; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**SHEETS, **sheets}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder
