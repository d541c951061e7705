-- Spending caps, minimums and volume tiers: in the catalog, their lines on invoices, their account in the ledger.

CREATE TABLE catalog.spend_limit (
    version      bigint NOT NULL REFERENCES catalog.price_book ON DELETE CASCADE,
    limit_id     text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('cap', 'minimum')),
    plan_id      text NOT NULL,
    name         text NOT NULL,
    scope        text NOT NULL CHECK (scope IN ('line', 'account')),
    service      text NOT NULL CHECK (service IN ('voice', 'sms', 'mms', 'data', '*')),
    amount       numeric(18, 6) NOT NULL CHECK (amount >= 0),
    tax_category text CHECK ((kind = 'minimum') = (tax_category IS NOT NULL)),
    valid        tstzrange NOT NULL CHECK (NOT isempty(valid)),
    PRIMARY KEY (version, limit_id)
);
COMMENT ON TABLE catalog.spend_limit IS 'what usage of a line or account and cycle costs at most, or at least';

ALTER TABLE catalog.tier
    ADD COLUMN mode text NOT NULL DEFAULT 'graduated' CHECK (mode IN ('graduated', 'volume'));
COMMENT ON COLUMN catalog.tier.mode IS 'volume: all units of a cycle cost what the last one does';

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_kind_check,
  ADD CONSTRAINT invoice_line_kind_check CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'volume_tier', 'prior_volume_tier', 'spend_cap', 'prior_spend_cap',
    'minimum_spend', 'prior_minimum_spend', 'discount', 'prior_discount', 'deposit', 'deposit_credit', 'deposit_forfeit', 'invoice_fee', 'prepaid_balance',
    'prepaid_used', 'prepaid_tax', 'top_up', 'prepaid_forfeit', 'prepaid_settlement'));

INSERT INTO billing.ledger_account (ledger_account, side, name) VALUES
  ('revenue_minimum', 'revenue', 'Minimum spends');
