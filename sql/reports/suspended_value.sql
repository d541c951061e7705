-- Suspended events by reason, valued one by one at the nearest rate of their service and zones: an estimate.
SELECT suspense_reason, service, max(currency) AS currency, count(*) AS events,
  count_if(nearest_rate_id IS NULL) AS without_rate,
  count_if(distance_s > 0) AS by_rate_of_another_time,
  coalesce(sum(estimated_charge), 0) AS estimated_charge
FROM suspended_value
GROUP BY suspense_reason, service
ORDER BY estimated_charge DESC, suspense_reason, service
