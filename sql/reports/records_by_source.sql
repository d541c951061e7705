-- What each source sent, what became of it, and how long after their end its events arrived.
-- :from_day DATE = 1900-01-01, first day on which a batch ended, in UTC
-- :to_day DATE = 9999-12-31, last day on which a batch ended, in UTC
SELECT source, sum(records) AS records, sum(accepted) AS accepted, sum(quarantined) AS quarantined,
  sum(duplicate) AS duplicate, sum(late) AS late,
  sum(lateness_s) div nullif(sum(accepted), 0) AS mean_lateness_s, max(max_lateness_s) AS max_lateness_s,
  sum(accepted_duration_s) AS accepted_duration_s, sum(accepted_volume_bytes) AS accepted_volume_bytes
FROM control_source
WHERE balanced AND CAST(recorded_at AS DATE) BETWEEN :from_day AND :to_day
GROUP BY source
ORDER BY source
