-- Late usage of an account that has had its last bill: an invoice of its own kind, from an amount of the price book on.

ALTER TABLE billing.invoice
  DROP CONSTRAINT invoice_invoice_kind_check,
  ADD CONSTRAINT invoice_invoice_kind_check CHECK (invoice_kind IN ('regular', 'supplementary'));

ALTER TABLE catalog.fee
  DROP CONSTRAINT fee_kind_check,
  ADD CONSTRAINT fee_kind_check CHECK (kind IN ('recurring', 'deposit', 'invoice', 'late_minimum'));
COMMENT ON COLUMN catalog.fee.kind IS 'late_minimum is no fee: net charges below it are not invoiced to a closed account';
