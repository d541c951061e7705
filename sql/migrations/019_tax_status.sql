-- Where an account is taxed and what of it is exempt, over time.

CREATE TABLE crm.account_jurisdiction (
    account_id       text NOT NULL REFERENCES crm.account,
    tax_jurisdiction text NOT NULL CHECK (tax_jurisdiction <> ''),
    valid            daterange NOT NULL CHECK (NOT isempty(valid)),
    recorded_at      timestamptz NOT NULL DEFAULT now(),
    superseded_at    timestamptz CHECK (superseded_at >= recorded_at),
    CONSTRAINT account_jurisdiction_one EXCLUDE USING gist
        (crm.key_range(account_id, account_id, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL)
);
COMMENT ON TABLE crm.account_jurisdiction IS 'jurisdictions of accounts that moved; on other days crm.account.tax_jurisdiction holds';

CREATE TABLE crm.tax_exemption (
    account_id    text NOT NULL REFERENCES crm.account,
    tax_category  text NOT NULL CHECK (tax_category ~ '^([a-z][a-z0-9_]*|[*])$'),
    reason        text NOT NULL CHECK (reason <> ''),
    valid         daterange NOT NULL CHECK (NOT isempty(valid)),
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz CHECK (superseded_at >= recorded_at),
    CONSTRAINT tax_exemption_one EXCLUDE USING gist
        (crm.key_range(account_id, account_id, '[]') WITH &&,
         crm.key_range(tax_category, tax_category, '[]') WITH &&, valid WITH &&) WHERE (superseded_at IS NULL)
);
COMMENT ON TABLE crm.tax_exemption IS 'what of an account is exempt, and why; the reason stands on the invoice';
COMMENT ON COLUMN crm.tax_exemption.tax_category IS 'tax category, or * for all';

ALTER TABLE billing.staging_invoice_line ADD COLUMN exempt_reason text;
ALTER TABLE billing.invoice_line ADD COLUMN exempt_reason text,
  ADD CONSTRAINT exempt_is_untaxed CHECK (exempt_reason IS NULL OR (exempt_reason <> '' AND tax_id IS NULL));
COMMENT ON COLUMN billing.invoice_line.exempt_reason IS 'why a line of a taxed category bears no tax; NULL otherwise';

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
          'tax_share', round(l.tax_share, i.minor_digits)::text)
          || CASE WHEN l.exempt_reason IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('exempt_reason', l.exempt_reason) END
        ORDER BY l.line_no)
      FROM billing.invoice_line AS l WHERE l.invoice_no = i.invoice_no)
  ) || CASE WHEN i.due_on IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('due_on', i.due_on) END AS document
FROM billing.invoice AS i;
COMMENT ON VIEW billing.invoice_document IS 'an invoice with its lines as JSON; amounts and units as strings';
