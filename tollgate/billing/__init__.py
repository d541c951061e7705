"""A cycle's rated usage and contracts -> allowances, lines, tax, invoices, ledger postings. See docs/billing.md."""
