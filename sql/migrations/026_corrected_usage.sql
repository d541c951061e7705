-- Corrected usage: what is taken back of a posted invoice, and what is charged in its place, on lines of their own.

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_kind_check,
  ADD CONSTRAINT invoice_line_kind_check CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'usage_reversal', 'usage_correction', 'volume_tier', 'prior_volume_tier',
    'spend_cap', 'prior_spend_cap', 'minimum_spend', 'prior_minimum_spend', 'discount', 'prior_discount', 'one_off',
    'one_off_credit', 'deposit', 'deposit_credit', 'deposit_forfeit', 'invoice_fee', 'prepaid_balance', 'prepaid_used',
    'prepaid_tax', 'top_up', 'prepaid_forfeit', 'prepaid_settlement'));

-- A line of usage has a service and a cycle; volume tiers have both too, which the first form of this check refused.
DO $$
DECLARE
  named text;
BEGIN
  SELECT conname INTO STRICT named FROM pg_constraint
  WHERE conrelid = 'billing.invoice_line'::regclass AND contype = 'c'
    AND pg_get_constraintdef(oid) LIKE '%origin_cycle IS NOT NULL%';
  EXECUTE format('ALTER TABLE billing.invoice_line DROP CONSTRAINT %I', named);
END $$;
ALTER TABLE billing.invoice_line ADD CONSTRAINT invoice_line_of_usage CHECK (
  (kind IN ('usage', 'prior_period', 'usage_reversal', 'usage_correction', 'volume_tier', 'prior_volume_tier'))
    = (service IS NOT NULL AND origin_cycle IS NOT NULL));
