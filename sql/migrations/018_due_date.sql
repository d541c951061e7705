-- When an invoice is to be paid: days after its cycle's end, where the account has a term of payment.

ALTER TABLE crm.account ADD COLUMN payment_term_days integer CHECK (payment_term_days BETWEEN 0 AND 365);
COMMENT ON COLUMN crm.account.payment_term_days IS 'days from the end of a cycle until its invoice is due; NULL: invoices name no day';

ALTER TABLE billing.staging_invoice ADD COLUMN due_on date;
ALTER TABLE billing.invoice ADD COLUMN due_on date CHECK (due_on >= cycle_end);
COMMENT ON COLUMN billing.invoice.due_on IS 'local date by which it is to be paid; NULL where no term is agreed';
CREATE INDEX invoice_due ON billing.invoice (due_on) WHERE due_on IS NOT NULL;

CREATE OR REPLACE VIEW billing.invoice_document AS
SELECT i.invoice_no, i.account_id, i.cycle_start,
  jsonb_build_object(
    'invoice_no', i.invoice_no,
    'invoice_kind', i.invoice_kind,
    'account_id', i.account_id,
    'customer_id', i.customer_id,
    'cycle_start', i.cycle_start,
    'cycle_end', i.cycle_end,
    'currency', i.currency,
    'net', round(i.net, i.minor_digits)::text,
    'tax', round(i.tax, i.minor_digits)::text,
    'total', round(i.total, i.minor_digits)::text,
    'content_hash', i.content_hash,
    'taxes', (
      SELECT coalesce(jsonb_agg(jsonb_build_object(
          'tax_id', t.tax_id,
          'net', round(t.net, i.minor_digits)::text,
          'tax', round(t.tax, i.minor_digits)::text) ORDER BY t.tax_id), '[]')
      FROM (SELECT tax_id, sum(amount) AS net, sum(tax_share) AS tax FROM billing.invoice_line
            WHERE invoice_no = i.invoice_no AND tax_id IS NOT NULL GROUP BY tax_id) AS t),
    'lines', (
      SELECT jsonb_agg(jsonb_build_object(
          'line_no', l.line_no,
          'kind', l.kind,
          'subscription_id', l.subscription_id,
          'service', l.service,
          'zone_id', l.zone_id,
          'roaming_zone', l.roaming_zone,
          'origin_cycle', l.origin_cycle,
          'description', l.description,
          'events', l.events,
          'units', l.units::text,
          'free_units', l.free_units::text,
          'unit', l.unit,
          'amount', round(l.amount, i.minor_digits)::text,
          'tax_category', l.tax_category,
          'tax_id', l.tax_id,
          'tax_share', round(l.tax_share, i.minor_digits)::text) ORDER BY l.line_no)
      FROM billing.invoice_line AS l WHERE l.invoice_no = i.invoice_no)
  ) || CASE WHEN i.due_on IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('due_on', i.due_on) END AS document
FROM billing.invoice AS i;
COMMENT ON VIEW billing.invoice_document IS 'an invoice with its lines as JSON; amounts and units as strings';
