-- Records by disposition.
SELECT disposition, count(*) AS records FROM usage_event GROUP BY disposition ORDER BY disposition
