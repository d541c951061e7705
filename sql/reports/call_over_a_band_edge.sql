-- The first call, by start and identity, whose rate row priced it in two time bands; `tollgate explain` tells its charge.
SELECT source, event_id
FROM rated_usage
WHERE service = 'voice' AND retail_status = 'rated' AND price_source = 'rate' AND revision = 1
  AND size(array_distinct(piece_band)) > 1 AND array_min(piece_units) > 0
ORDER BY started_at, source, event_id
LIMIT 1
