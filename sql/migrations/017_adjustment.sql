-- One-off charges and credits: entered in crm, billed once each, in one instalment or several.

CREATE TABLE crm.adjustment (
    adjustment_id   text PRIMARY KEY CHECK (adjustment_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'),
    account_id      text NOT NULL REFERENCES crm.account,
    subscription_id text REFERENCES crm.phone_line,
    description     text NOT NULL CHECK (description <> ''),
    amount          numeric(18,3) NOT NULL,
    minor_digits    integer NOT NULL CHECK (minor_digits IN (0, 2, 3)),
    tax_category    text NOT NULL CHECK (tax_category ~ '^[a-z][a-z0-9_]*$'),
    effective_on    date NOT NULL CHECK (effective_on BETWEEN '2000-01-01' AND '2199-12-31'),
    instalments     integer NOT NULL DEFAULT 1 CHECK (instalments BETWEEN 1 AND 60),
    source_file     text NOT NULL,
    source_line     integer NOT NULL CHECK (source_line > 0),
    entered_by      text NOT NULL CHECK (entered_by <> ''),
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT adjustment_in_minor_units CHECK (amount <> 'NaN' AND amount = round(amount, minor_digits)),
    -- An instalment of 0 would be a line that asks for nothing.
    CONSTRAINT adjustment_fills_its_instalments CHECK (abs(amount) * power(10::numeric, minor_digits) >= instalments)
);
CREATE INDEX adjustment_account ON crm.adjustment (account_id);
COMMENT ON TABLE crm.adjustment IS 'one-off charges and credits; append-only, a wrong one is taken back by its opposite';
COMMENT ON COLUMN crm.adjustment.amount IS 'net, in the account''s currency: above 0 a charge, below 0 a credit';
COMMENT ON COLUMN crm.adjustment.effective_on IS 'local date: the cycle that contains it bills the first instalment, each later one the next';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON crm.adjustment
  FOR EACH ROW EXECUTE FUNCTION billing.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON crm.adjustment
  FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_kind_check,
  ADD CONSTRAINT invoice_line_kind_check CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'discount', 'prior_discount', 'one_off', 'one_off_credit', 'deposit',
    'deposit_credit', 'deposit_forfeit', 'invoice_fee'));
-- The key ends in the adjustment and its instalment: whatever runs do, each is on one invoice.
CREATE UNIQUE INDEX one_off_billed_once ON billing.invoice_line (line_key) WHERE kind IN ('one_off', 'one_off_credit');

INSERT INTO billing.ledger_account (ledger_account, side, name) VALUES
  ('revenue_one_off', 'revenue', 'One-off charges and credits');
