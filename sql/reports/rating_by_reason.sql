-- Accepted events by the rating that stands: rated, zero-rated, or suspended and why.
SELECT retail_status, coalesce(suspense_reason, '') AS suspense_reason, count(*) AS events
FROM current_rating
GROUP BY retail_status, suspense_reason
ORDER BY retail_status, suspense_reason
