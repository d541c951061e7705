-- Quarantined records by first reason, source and service, most frequent first, each with one to look at.
-- :from_day DATE = 1900-01-01, first day of arrival in UTC
-- :to_day DATE = 9999-12-31, last day of arrival in UTC
SELECT reason, source, service, count(*) AS records, min(arrived_at) AS first_at, max(arrived_at) AS last_at,
  min_by(concat(topic, '-', kafka_partition, '@', kafka_offset), struct(arrived_at, kafka_partition, kafka_offset))
    AS example
FROM quarantined_record
WHERE CAST(arrived_at AS DATE) BETWEEN :from_day AND :to_day
GROUP BY reason, source, service
ORDER BY records DESC, reason, source, service
