"""A cycle's rated usage and contracts -> allowances, lines, tax, invoices, ledger postings. Set-wise and pure; see docs/billing.md."""
