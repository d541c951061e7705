-- Records by disposition and by what mediation found: the first quarantine reason, each repair and each flag of accepted ones.
SELECT disposition, kind, code, count(*) AS records
FROM (
  SELECT disposition, 'reason' AS kind, reasons[0] AS code FROM usage_event WHERE disposition = 'quarantined'
  UNION ALL
  SELECT disposition, 'repair', explode(repairs) FROM usage_event WHERE disposition = 'accepted'
  UNION ALL
  SELECT disposition, 'flag', explode(flags) FROM usage_event WHERE disposition = 'accepted')
GROUP BY disposition, kind, code
ORDER BY disposition, kind, code
