-- Accepted usage that arrived over a day after it ended, by the month in which it started and the month of arrival.
SELECT usage.event_month, date_format(usage.arrived_at, 'yyyy-MM') AS arrival_month, usage.service,
  count(*) AS events, max(usage.lateness_s) AS longest_lateness_s,
  count_if(rating.retail_status = 'rated') AS rated, coalesce(sum(rating.charge), 0) AS list_charge
FROM accepted_usage AS usage
LEFT JOIN current_rating AS rating
  ON rating.source = usage.source AND rating.event_id = usage.event_id AND rating.event_month = usage.event_month
WHERE array_contains(usage.flags, 'LATE')
GROUP BY ALL
ORDER BY event_month, arrival_month, service
