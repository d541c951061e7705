-- The first call, by start and identity, that is priced in two time bands.
SELECT source, event_id
FROM rated_usage
WHERE service = 'voice' AND retail_status = 'rated' AND revision = 1
  AND size(array_distinct(transform(filter(arrays_zip(piece_units, piece_band), p -> p.piece_units > 0), p -> p.piece_band))) > 1
ORDER BY started_at, source, event_id
LIMIT 1
