-- Records by disposition and by what mediation found: the first quarantine reason, each repair and each flag of accepted ones.
SELECT disposition, found.kind, found.code, count(*) AS records
FROM (
  SELECT disposition, explode(
    CASE disposition
      WHEN 'quarantined' THEN array(named_struct('kind', 'reason', 'code', reasons[0]))
      WHEN 'accepted' THEN concat(
        transform(repairs, code -> named_struct('kind', 'repair', 'code', code)),
        transform(flags, code -> named_struct('kind', 'flag', 'code', code)))
    END) AS found
  FROM usage_event)
GROUP BY disposition, found.kind, found.code
ORDER BY disposition, kind, code
