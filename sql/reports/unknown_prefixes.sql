-- Called prefixes that the price book cannot price, most frequent first: a missing zone or a missing rate.
-- :rows INT = 20, how many to list
SELECT destination_prefix, destination_country, suspense_reason, zone_id, service, count(*) AS events,
  coalesce(sum(duration_s), 0) AS duration_s, count(DISTINCT destination) AS numbers, min(started_at) AS oldest_at
FROM suspended_event
WHERE suspense_reason IN ('no_zone', 'no_rate') AND destination IS NOT NULL
GROUP BY destination_prefix, destination_country, suspense_reason, zone_id, service
ORDER BY events DESC, destination_prefix, suspense_reason, zone_id, service
LIMIT :rows
