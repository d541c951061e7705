-- Events that wait for a price, oldest first: what to mend before the next night.
SELECT suspense_reason, service, destination_country, count(*) AS events, min(started_at) AS oldest_at
FROM suspended_event
GROUP BY suspense_reason, service, destination_country
ORDER BY oldest_at, suspense_reason, service, destination_country
