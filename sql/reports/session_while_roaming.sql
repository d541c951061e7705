-- The first charged data session abroad, by start and identity; `tollgate explain` tells its charge.
SELECT source, event_id
FROM rated_usage
WHERE service = 'data' AND retail_status = 'rated' AND price_source = 'rate' AND revision = 1
  AND roaming_zone <> 'home' AND charge > 0
ORDER BY started_at, source, event_id
LIMIT 1
