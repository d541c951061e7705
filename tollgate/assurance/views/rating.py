"""Views of the rating that stands, and of revenue and margin at list charges.

A reversal takes back to the last digit, so that sums over the current rows are those over all row versions.
"""

from __future__ import annotations

from tollgate.assurance.views.view import View

# An id that comes back in another month is a second event, suspended as id_conflict: the month belongs to the key.
# A reversal only takes back: what holds in its place is the correction after it.
CURRENT_RATING = """
SELECT * EXCEPT (recency) FROM (
  SELECT *, row_number() OVER (
    PARTITION BY source, event_id, event_month
    ORDER BY retail_status = 'suspended', revision DESC, rating_no DESC) AS recency
  FROM rated_usage
  WHERE kind <> 'reversal')
WHERE recency = 1
"""

SUSPENDED_EVENT = """
SELECT current_rating.* FROM current_rating WHERE retail_status = 'suspended'
"""

REVENUE_BY_SERVICE = """
SELECT service,
  count_if(retail_status = 'rated') AS rated,
  count_if(retail_status = 'zero_rated') AS zero_rated,
  count_if(retail_status = 'suspended') AS suspended,
  coalesce(sum(charge), 0) AS list_charge,
  coalesce(sum(cost), 0) AS cost,
  coalesce(sum(margin), 0) AS margin,
  count_if(retail_status = 'rated' AND wholesale_status = 'no_carrier_rate') AS cost_unknown
FROM current_rating
GROUP BY service
"""

REVENUE_BY_DAY = """
SELECT CAST(started_at AS DATE) AS day, service, zone_id, carrier_id, currency,
  count_if(retail_status = 'rated') AS rated,
  count_if(retail_status = 'zero_rated') AS zero_rated,
  count_if(retail_status = 'suspended') AS suspended,
  CAST(coalesce(sum(charge), 0) AS DECIMAL(38,6)) AS list_charge,
  CAST(coalesce(sum(cost), 0) AS DECIMAL(38,6)) AS cost,
  CAST(coalesce(sum(margin), 0) AS DECIMAL(38,6)) AS margin,
  count_if(retail_status = 'rated' AND wholesale_status = 'no_carrier_rate') AS cost_unknown,
  CAST(coalesce(sum(charge) FILTER (WHERE wholesale_status = 'no_carrier_rate'), 0) AS DECIMAL(38,6))
    AS charge_cost_unknown,
  count_if(retail_status = 'rated' AND wholesale_status = 'not_applicable') AS no_carrier,
  CAST(coalesce(sum(charge) FILTER (WHERE wholesale_status = 'not_applicable'), 0) AS DECIMAL(38,6))
    AS charge_no_carrier
FROM current_rating
GROUP BY ALL
"""

_COUNTS = """
rated BIGINT COMMENT 'events with a charge',
zero_rated BIGINT COMMENT 'events charged 0 on purpose',
suspended BIGINT COMMENT 'events without a price yet',
"""

VIEWS = {
    "current_rating": View(
        "one row an event: its last correction, else its rated row, else its last suspended one",
        "(source, event_id, event_month)", CURRENT_RATING, takes="rated_usage",
    ),
    "suspended_event": View(
        "one row an event that waits for a price, with its last reason", "(source, event_id, event_month)",
        SUSPENDED_EVENT, takes="rated_usage",
    ),
    "revenue_by_service": View(
        "list charges, carrier costs and margin of a service", "service",
        REVENUE_BY_SERVICE,
        columns=f"""
service STRING COMMENT 'voice, sms, mms or data',
{_COUNTS}
list_charge DECIMAL(28,6) COMMENT 'sum of list charges',
cost DECIMAL(28,6) COMMENT 'sum of the carrier costs that are known',
margin DECIMAL(28,6) COMMENT 'charge - cost over the events of which both are known',
cost_unknown BIGINT COMMENT 'rated events left out of margin because no carrier rate says what they cost'
""",
    ),
    "revenue_by_day": View(
        "list charges, carrier costs and margin of a day, service, zone and carrier",
        "(day, service, zone_id, carrier_id, currency)",
        REVENUE_BY_DAY,
        columns=f"""
day DATE COMMENT 'day in UTC on which the events started',
service STRING COMMENT 'voice, sms, mms or data',
zone_id STRING COMMENT 'destination zone; NULL where it is not known',
carrier_id STRING COMMENT 'interconnect carrier; NULL where the record names none',
currency STRING COMMENT 'currency of charge and cost; NULL for suspended events that have neither',
{_COUNTS}
list_charge DECIMAL(38,6) COMMENT 'sum of list charges: before allowances, without fees and tax',
cost DECIMAL(38,6) COMMENT 'sum of the carrier costs that are known, also of suspended events',
margin DECIMAL(38,6) COMMENT 'charge - cost over the events of which both are known',
cost_unknown BIGINT COMMENT 'rated events left out of margin because no carrier rate says what they cost',
charge_cost_unknown DECIMAL(38,6) COMMENT 'list charges of those events',
no_carrier BIGINT COMMENT 'rated events left out of margin because no carrier is paid: on-net, special numbers',
charge_no_carrier DECIMAL(38,6) COMMENT 'list charges of those events'
""",
    ),
}  # fmt: skip
