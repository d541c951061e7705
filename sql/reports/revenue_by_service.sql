-- List charges, carrier costs and margin by service; margin counts only events of which both are known.
SELECT service, rated, zero_rated, suspended, list_charge, cost, margin, cost_unknown
FROM revenue_by_service
ORDER BY service
