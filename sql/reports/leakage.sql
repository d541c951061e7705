-- Where accepted usage stands, by month and service: awaiting rating, suspended, rated and not billed, billed.
SELECT event_month, service, count(*) AS accepted,
  count_if(standing = 'awaiting_rating') AS awaiting_rating,
  count_if(standing = 'suspended') AS suspended,
  count_if(standing = 'unbilled') AS unbilled,
  count_if(standing = 'billed') AS billed,
  coalesce(sum(charge) FILTER (WHERE standing = 'unbilled'), 0) AS unbilled_charge,
  coalesce(sum(charge) FILTER (WHERE standing = 'billed'), 0) AS billed_list_charge,
  coalesce(sum(net_charge), 0) AS billed_net_charge
FROM usage_standing
GROUP BY event_month, service
ORDER BY event_month, service
