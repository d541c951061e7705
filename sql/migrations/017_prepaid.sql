-- Prepaid contracts: the lines of their statements, and their accounts in the ledger.

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_kind_check,
  ADD CONSTRAINT invoice_line_kind_check CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'discount', 'prior_discount', 'deposit', 'deposit_credit', 'deposit_forfeit',
    'invoice_fee', 'prepaid_balance', 'prepaid_used', 'prepaid_tax', 'top_up', 'prepaid_forfeit',
    'prepaid_settlement'));

INSERT INTO billing.ledger_account (ledger_account, side, name) VALUES
  ('prepaid_liability', 'liability', 'Credit of prepaid contracts'),
  ('prepaid_credit_given', 'revenue', 'Credit that prepaid contracts open with, given to the customer'),
  ('revenue_prepaid_forfeited', 'revenue', 'Prepaid credit forfeited'),
  ('revenue_tax_included', 'revenue', 'Tax inside the price of prepaid usage');
