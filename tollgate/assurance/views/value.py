"""What suspended events may be worth: each priced by the nearest rate that the newest price book has for it."""

from __future__ import annotations

from tollgate.assurance.views.view import View
from tollgate.money import EXACT, rounded_amount
from tollgate.rating.outcome import ZERO_BY_OUTCOME
from tollgate.rating.units import started_steps, used_units

_UNITS = started_steps("used", "first_step", "increment_units")
_SUM = f"CAST({_UNITS} AS {EXACT}) * unit_price_micros + CAST(connect_fee_micros AS {EXACT}) * block_units"
_BOUNDED = (
    f"least(greatest({_SUM}, coalesce(minimum_micros, 0) * CAST(block_units AS {EXACT})),"
    f" coalesce(maximum_micros * CAST(block_units AS {EXACT}), {_SUM}))"
)
_CHARGE = rounded_amount(f"CAST({_BOUNDED} AS {EXACT})", f"CAST(block_units AS {EXACT})", "digits", "rounding")
_KEY = ["source", "event_id", "event_month", "revision"]
_EVENT = [*_KEY, "suspense_reason", "service", "plan_id", "zone_id", "roaming_zone", "started_at"]
# The rate rows that fit an event in all but plan and time; `*` stands for what no row of the service names.
_FITS = """
  rate.service = event.service AND rate.zone_id = event.zone_id AND rate.roaming_zone = event.roaming_zone
  AND rate.rating_group = event.rate_group
  AND coalesce(rate.direction, '*') IN ('*', event.way) AND coalesce(rate.technology, '*') IN ('*', event.radio)
  AND coalesce(rate.slice_id, '*') IN ('*', event.slice)
"""

SUSPENDED_VALUE = f"""
WITH newest AS (
  SELECT max_by(struct(pricebook_version, currency), pricebook_version) AS book FROM price_version),
rate AS (
  SELECT price_rate_key.*, book.currency FROM price_rate_key JOIN newest ON pricebook_version = book.pricebook_version),
event AS (
  SELECT {", ".join(_EVENT)}, duration_s, volume_bytes, {ZERO_BY_OUTCOME} AS is_nothing,
    CASE WHEN service = 'data' THEN rating_group ELSE 'none' END AS rate_group,
    CASE WHEN service = 'data' THEN 'out' ELSE coalesce(direction, 'out') END AS way,
    coalesce(technology, '*') AS radio, coalesce(slice_id, '*') AS slice
  FROM suspended_event),
fitting AS (
  SELECT {", ".join(f"event.{name}" for name in _EVENT)}, is_nothing, rate.* EXCEPT (service, plan_id, zone_id,
      roaming_zone), rate.plan_id AS rate_plan_id, {used_units("rate.unit")} AS used,
    coalesce(rate.initial_units, rate.increment_units) AS first_step,
    CASE WHEN rate.rate_id IS NULL THEN NULL
         WHEN event.started_at < rate.valid_from
         THEN unix_seconds(rate.valid_from) - unix_seconds(event.started_at)
         WHEN event.started_at >= rate.valid_to
         THEN unix_seconds(event.started_at) - unix_seconds(rate.valid_to) + 1 ELSE 0 END AS distance_s,
    if(rate.direction = event.way, 4, 0) + if(rate.technology = event.radio, 2, 0)
      + if(rate.slice_id = event.slice, 1, 0) AS literals
  FROM event LEFT JOIN rate ON {_FITS}),
estimated AS (
  SELECT *, CASE WHEN rate_id IS NULL THEN NULL WHEN is_nothing OR is_zero_rated THEN CAST(0 AS DECIMAL(18,6))
            ELSE {_CHARGE} END AS estimated_charge
  FROM fitting)
SELECT {", ".join(_EVENT)}, nearest.rate_id AS nearest_rate_id, nearest.rate_plan_id AS nearest_plan_id,
  nearest.distance_s, nearest.estimated_charge, nearest.currency
FROM (
  SELECT {", ".join(_EVENT)}, max_by(
      struct(rate_id, rate_plan_id, distance_s, estimated_charge, currency),
      struct(coalesce(rate_plan_id = plan_id, false), -distance_s, literals, coalesce(estimated_charge, 0), rate_id)
    ) AS nearest
  FROM estimated GROUP BY {", ".join(_EVENT)})
"""

VIEWS = {
    "suspended_value": View(
        "one row an event that waits for a price, with what it would cost by the nearest rate: an estimate",
        "(source, event_id, event_month)",
        SUSPENDED_VALUE,
        columns="""
source STRING COMMENT 'identity of the event, with event_id',
event_id STRING COMMENT 'identity of the event, with source',
event_month STRING COMMENT 'YYYY-MM of started_at in UTC',
revision INT COMMENT '1 for the original',
suspense_reason STRING COMMENT 'why it waits',
service STRING COMMENT 'voice, sms, mms or data',
plan_id STRING COMMENT 'plan in force at the start; NULL where nobody or no plan is known',
zone_id STRING COMMENT 'destination zone; NULL where it is not known',
roaming_zone STRING COMMENT 'zone of the visited country; home when not roaming',
started_at TIMESTAMP COMMENT 'start of the event, UTC',
nearest_rate_id STRING COMMENT 'rate row of the newest price book: of its service and zones, its own plan first, then the nearest in time, then the dearest; NULL where no row has its service and zones',
nearest_plan_id STRING COMMENT 'plan of that key',
distance_s BIGINT COMMENT 'seconds between the start and the time in which the rate is valid; 0 when it is valid',
estimated_charge DECIMAL(18,6) COMMENT 'usage by that rate with its steps, connect fee and bounds, rounded as it says; without time bands, prices inside the event, discounts and tiers; NULL without a rate',
currency STRING COMMENT 'currency of the newest price book; NULL without a rate'
""",  # noqa: E501
    ),
}
