-- What was odd in the records of each source, by range of batches: unknown, missing and retyped fields, clocks ahead; alarms first.
-- :from_batch INT = 0, ranges that end at this batch or later
SELECT is_alarm, source, kind, field, records, of_records, CAST(share_ppm / 10000 AS DECIMAL(5,2)) AS percent,
  CAST(usual_ppm / 10000 AS DECIMAL(5,2)) AS usual_percent, from_batch_no, to_batch_no
FROM feed_drift
WHERE kind <> 'records' AND to_batch_no >= :from_batch
ORDER BY is_alarm DESC, to_batch_no DESC, share_ppm DESC, source, kind, field
