"""The small price book of the golden vectors: flat bands, no invoice fee, no tax, no discount, no proration."""

from __future__ import annotations

from pathlib import Path

RATE = (
    "rate_id,plan_id,service,zone_id,roaming_zone,rating_group,price,unit,block,increment,connect_fee,minimum,maximum,"
    "band_set,discountable,zero_rated,digits,rounding,tax_category,valid_from,valid_to"
)
CARRIER_RATE = (
    "cost_id,carrier_id,service,call_type,country,price,unit,block,increment,digits,rounding,markup,markup_digits,"
    "valid_from,valid_to"
)
SHEETS = {
    "operator": "key,value\nname,Golden\ncurrency,CAD\ntime_zone,America/Toronto\nholiday_calendar,\n"
    "rating_groups,web\nbands_from,2024-01-01\nbands_to,2032-01-01\n",
    "currency": "currency,minor_digits\nCAD,2\nJPY,0\nTND,3\n",
    "plan": "plan_id,name,contract_type,charge_type,term_months\nterm,Term,term,postpaid,12\n"
    "month_to_month,Month-to-month,month_to_month,postpaid,\n",
    "zone": "zone_id,name,kind\nhome,Home,home\nnational,Canada,national\neurope,Europe,international\n",
    "destination": "prefix,match,zone_id,valid_from,valid_to\n"
    "1,prefix,national,2024-01-01,\n44,prefix,europe,2024-01-01,\n",
    "roaming_zone": "country,roaming_zone\nCA,home\n",
    "own_range": "prefix\n",
    "holiday": "calendar,date,name\n",
    "time_band": "band_set,band_id,priority,weekdays,day_type,from,to,factor\n",
    "discount": "discount_id,name,stage,apply_order,stacks,fact,threshold,plan_id,applies_to,percent,"
    "valid_from,valid_to\n",
    "tax": "tax_id,jurisdiction,tax_category,name,percent,valid_from,valid_to\n",
    "fee": "fee_id,kind,plan_id,name,amount,proration,tax_category,valid_from,valid_to\n"
    "term_fee,recurring,term,Term,20.00,none,standard,2024-01-01,\n"
    "month_to_month_fee,recurring,month_to_month,Month-to-month,50.00,none,standard,2024-01-01,\n"
    "term_deposit,deposit,term,Deposit,300.00,none,none,2024-01-01,\n",
    "allowance": "allowance_id,plan_id,name,service,zone_id,unit,quantity,proration,valid_from,valid_to\n"
    "term_voice,term,100 free minutes,voice,national,second,6000,none,2024-01-01,\n",
    "rate": RATE + "\n"
    "term_voice,term,voice,national,home,none,0.10,second,60,60,,,,,false,false,4,half_up,standard,2024-01-01,\n"
    "mtm_voice,month_to_month,voice,national,home,none,0.05,second,60,60,,,,,false,false,4,half_up,standard,2024-01-01,\n",
    "tier": "rate_id,counts,from_units,price\n",
    "carrier_rate": CARRIER_RATE + "\n"
    "gb,carrier_001,voice,international,GB,0.04,second,60,60,2,half_up,1.5,2,2024-01-01,\n",
}


def write_book(folder: Path, **sheets: str) -> Path:
    """Write the small book into a folder, with some sheets replaced; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**SHEETS, **sheets}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder
