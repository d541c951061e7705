-- Posted invoices by cycle: how many, and their net, tax and total.
-- :cycle STRING = all, key of the billed cycles: month in which they start, YYYY-MM, or YYYY-MM.2
SELECT cycle, currency, count(*) AS invoices, sum(lines) AS lines, sum(net) AS net, sum(tax) AS tax, sum(total) AS total
FROM posted_invoice
WHERE :cycle IN ('all', cycle)
GROUP BY cycle, currency
ORDER BY cycle, currency
