-- Records that came again, by source and service: equal copies (duplicate) and other content under a used id (conflict).
-- :from_day DATE = 1900-01-01, first day of arrival in UTC
-- :to_day DATE = 9999-12-31, last day of arrival in UTC
SELECT source, service, CASE disposition WHEN 'duplicate' THEN 'duplicate' ELSE 'conflict' END AS kind,
  count(*) AS records, count(DISTINCT event_id) AS ids, max(batch_no - first_batch_no) AS most_batches_apart,
  min(arrived_at) AS first_at, max(arrived_at) AS last_at
FROM usage_event
WHERE (disposition = 'duplicate' OR disposition = 'quarantined' AND array_contains(reasons, 'ID_CONFLICT'))
  AND batch_no <= (SELECT to_no FROM published_to)
  AND CAST(arrived_at AS DATE) BETWEEN :from_day AND :to_day
GROUP BY ALL
ORDER BY source, service, kind
