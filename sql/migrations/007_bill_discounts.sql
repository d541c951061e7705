-- Discounts of the billing stage: their columns in the catalog, their lines on invoices, their account in the ledger.

ALTER TABLE catalog.discount
  ADD COLUMN name text NOT NULL DEFAULT '',
  ADD COLUMN plan_id text NOT NULL DEFAULT '*',
  ADD COLUMN applies_to text NOT NULL DEFAULT 'usage' CHECK (applies_to IN ('usage', 'recurring', 'all')),
  ALTER COLUMN threshold TYPE numeric,
  DROP CONSTRAINT discount_fact_check,
  ADD CONSTRAINT discount_fact_check CHECK (fact IN ('student', 'tenure_months', 'everyone', 'usage_net'));
COMMENT ON COLUMN catalog.discount.threshold IS 'months of tenure, or net charges of the cycle''s usage in the currency';

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_kind_check,
  ADD CONSTRAINT invoice_line_kind_check CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'discount', 'prior_discount', 'deposit', 'deposit_credit', 'deposit_forfeit',
    'invoice_fee'));

INSERT INTO billing.ledger_account (ledger_account, side, name) VALUES
  ('revenue_discount', 'revenue', 'Discounts on bills');
