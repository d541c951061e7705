-- List charges, carrier costs and margin by day and service; margin leaves out cost_unknown events, worth charge_cost_unknown.
-- :from_day DATE = 1900-01-01, first day in UTC
-- :to_day DATE = 9999-12-31, last day in UTC
SELECT day, service, currency, sum(rated) AS rated, sum(zero_rated) AS zero_rated, sum(suspended) AS suspended,
  sum(list_charge) AS list_charge, sum(cost) AS cost, sum(margin) AS margin,
  sum(cost_unknown) AS cost_unknown, sum(charge_cost_unknown) AS charge_cost_unknown
FROM revenue_by_day
WHERE day BETWEEN :from_day AND :to_day
GROUP BY day, service, currency
ORDER BY day, service, currency
