-- Usage without a price, by stage, reason and service, valued at the average list charge of the service's rated events.
WITH average AS (
  SELECT service, currency, CAST(sum(charge) / count(*) AS DECIMAL(18,6)) AS average_charge
  FROM current_rating
  WHERE retail_status = 'rated'
  GROUP BY service, currency),
held AS (
  SELECT 'suspended' AS stage, suspense_reason AS reason, service, duration_s, volume_bytes FROM suspended_event
  UNION ALL
  SELECT 'quarantined', reason, service, greatest(duration_s, 0), greatest(volume_bytes, 0) FROM quarantined_record)
SELECT stage, reason, service, currency, count(*) AS events,
  coalesce(sum(duration_s), 0) AS duration_s, coalesce(sum(volume_bytes), 0) AS volume_bytes,
  average_charge, count(*) * average_charge AS estimated_charge
FROM held LEFT JOIN average USING (service)
GROUP BY stage, reason, service, currency, average_charge
ORDER BY estimated_charge DESC NULLS LAST, stage, reason, service, currency
