-- Invoices as issued and the ledger. Rows come from the staging tables in one transaction and never change afterwards.

CREATE SCHEMA IF NOT EXISTS billing;

-- Staging: what a posting run copied out of Delta. Unlogged, for it can be copied again.

CREATE UNLOGGED TABLE billing.staging_invoice (
  run_id       text NOT NULL,
  fencing      bigint NOT NULL,
  account_id   text NOT NULL,
  customer_id  text NOT NULL,
  cycle_start  date NOT NULL,
  cycle_end    date NOT NULL,
  invoice_kind text NOT NULL,
  sequence     integer NOT NULL,
  currency     text NOT NULL,
  minor_digits integer NOT NULL,
  lines        integer NOT NULL,
  net          numeric(18,3) NOT NULL,
  tax          numeric(18,3) NOT NULL,
  total        numeric(18,3) NOT NULL,
  content_hash text NOT NULL,
  PRIMARY KEY (run_id, fencing, account_id)
);

CREATE UNLOGGED TABLE billing.staging_invoice_line (
  run_id          text NOT NULL,
  fencing         bigint NOT NULL,
  account_id      text NOT NULL,
  line_no         integer NOT NULL,
  line_key        text NOT NULL,
  kind            text NOT NULL,
  subscription_id text,
  service         text,
  zone_id         text,
  roaming_zone    text,
  origin_cycle    date,
  description     text NOT NULL,
  events          bigint NOT NULL,
  units           bigint NOT NULL,
  free_units      bigint NOT NULL,
  unit            text,
  exact_total     numeric(38,6) NOT NULL,
  amount          numeric(18,3) NOT NULL,
  tax_category    text NOT NULL,
  tax_id          text,
  tax_share       numeric(18,3) NOT NULL,
  PRIMARY KEY (run_id, fencing, account_id, line_no)
);

CREATE UNLOGGED TABLE billing.staging_posting (
  run_id         text NOT NULL,
  fencing        bigint NOT NULL,
  account_id     text NOT NULL,
  posting_no     integer NOT NULL,
  ledger_account text NOT NULL,
  tax_id         text,
  amount         numeric(18,3) NOT NULL,
  PRIMARY KEY (run_id, fencing, account_id, posting_no)
);

-- Invoices.

CREATE TABLE billing.invoice_counter (
  series  text PRIMARY KEY,
  last_no bigint NOT NULL CHECK (last_no >= 0)
);
COMMENT ON TABLE billing.invoice_counter IS 'last number given; the row is locked while a run posts, so that numbers have no gaps';
INSERT INTO billing.invoice_counter (series, last_no) VALUES ('regular', 0);

CREATE TABLE billing.invoice (
  invoice_no   bigint PRIMARY KEY CHECK (invoice_no > 0),
  run_id       text NOT NULL REFERENCES ops.bill_run,
  account_id   text NOT NULL REFERENCES crm.account (account_id),
  customer_id  text NOT NULL,
  cycle_start  date NOT NULL,
  cycle_end    date NOT NULL,
  invoice_kind text NOT NULL CHECK (invoice_kind = 'regular'),
  sequence     integer NOT NULL CHECK (sequence > 0),
  currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  minor_digits integer NOT NULL CHECK (minor_digits IN (0, 2, 3)),
  lines        integer NOT NULL CHECK (lines > 0),
  net          numeric(18,3) NOT NULL,
  tax          numeric(18,3) NOT NULL,
  total        numeric(18,3) NOT NULL,
  content_hash text NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
  posted_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (account_id, cycle_start, invoice_kind, sequence),
  CHECK (cycle_end > cycle_start),
  CHECK (net <> 'NaN' AND tax <> 'NaN' AND total <> 'NaN'),
  CHECK (total = net + tax),
  CHECK (net = round(net, minor_digits) AND tax = round(tax, minor_digits))
);
CREATE INDEX invoice_of_run ON billing.invoice (run_id);
COMMENT ON TABLE billing.invoice IS 'invoices as issued; append-only';
COMMENT ON COLUMN billing.invoice.cycle_end IS 'local date, exclusive';

CREATE TABLE billing.invoice_line (
  invoice_no      bigint NOT NULL REFERENCES billing.invoice,
  line_no         integer NOT NULL CHECK (line_no > 0),
  line_key        text NOT NULL,
  kind            text NOT NULL CHECK (kind IN (
    'recurring', 'usage', 'prior_period', 'deposit', 'deposit_credit', 'deposit_forfeit', 'invoice_fee')),
  subscription_id text,
  service         text CHECK (service IN ('voice', 'sms', 'mms', 'data')),
  zone_id         text,
  roaming_zone    text,
  origin_cycle    date,
  description     text NOT NULL CHECK (description <> ''),
  events          bigint NOT NULL CHECK (events >= 0),
  units           bigint NOT NULL CHECK (units >= 0),
  free_units      bigint NOT NULL CHECK (free_units BETWEEN 0 AND units),
  unit            text CHECK (unit IN ('second', 'message', 'byte', 'month')),
  exact_total     numeric(38,6) NOT NULL CHECK (exact_total <> 'NaN'),
  amount          numeric(18,3) NOT NULL CHECK (amount <> 'NaN'),
  tax_category    text NOT NULL,
  tax_id          text,
  tax_share       numeric(18,3) NOT NULL CHECK (tax_share <> 'NaN'),
  PRIMARY KEY (invoice_no, line_no),
  UNIQUE (invoice_no, line_key),
  CHECK (tax_id IS NOT NULL OR tax_share = 0),
  CHECK ((kind IN ('usage', 'prior_period')) = (service IS NOT NULL AND origin_cycle IS NOT NULL))
);
COMMENT ON TABLE billing.invoice_line IS 'lines of invoices as issued; append-only';

CREATE FUNCTION billing.check_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  inv billing.invoice;
  found_lines bigint;
  found_net numeric;
  found_tax numeric;
BEGIN
  SELECT * INTO STRICT inv FROM billing.invoice WHERE invoice_no = NEW.invoice_no;
  SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(tax_share), 0) INTO found_lines, found_net, found_tax
    FROM billing.invoice_line WHERE invoice_no = NEW.invoice_no;
  IF (found_lines, found_net, found_tax) IS DISTINCT FROM (inv.lines::bigint, inv.net, inv.tax) THEN
    RAISE EXCEPTION 'invoice %: % lines with net % and tax %, expected % lines with net % and tax %',
      NEW.invoice_no, found_lines, found_net, found_tax, inv.lines, inv.net, inv.tax USING ERRCODE = 'TG003';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT ON billing.invoice
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.check_invoice();
CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT ON billing.invoice_line
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.check_invoice();

-- Ledger: double entry, debit positive and credit negative.

CREATE TABLE billing.ledger_account (
  ledger_account text PRIMARY KEY,
  side           text NOT NULL CHECK (side IN ('asset', 'liability', 'revenue')),
  name           text NOT NULL
);
COMMENT ON TABLE billing.ledger_account IS 'chart of accounts; tax_payable is split by tax rule in posting.tax_id';
INSERT INTO billing.ledger_account (ledger_account, side, name) VALUES
  ('receivable', 'asset', 'Receivable from customers'),
  ('revenue_voice', 'revenue', 'Usage: voice'),
  ('revenue_sms', 'revenue', 'Usage: SMS'),
  ('revenue_mms', 'revenue', 'Usage: MMS'),
  ('revenue_data', 'revenue', 'Usage: data'),
  ('revenue_recurring', 'revenue', 'Monthly fees'),
  ('revenue_fee', 'revenue', 'Invoice fees'),
  ('revenue_deposit_forfeited', 'revenue', 'Deposits forfeited'),
  ('tax_payable', 'liability', 'Tax collected'),
  ('deposit_liability', 'liability', 'Deposits held');

CREATE TABLE billing.journal (
  journal_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invoice_no bigint NOT NULL UNIQUE REFERENCES billing.invoice,
  run_id     text NOT NULL REFERENCES ops.bill_run,
  account_id text NOT NULL,
  currency   text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  posted_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX journal_of_run ON billing.journal (run_id);
COMMENT ON TABLE billing.journal IS 'one journal an invoice; append-only';

CREATE TABLE billing.posting (
  journal_no     bigint NOT NULL REFERENCES billing.journal,
  posting_no     integer NOT NULL CHECK (posting_no > 0),
  ledger_account text NOT NULL REFERENCES billing.ledger_account,
  tax_id         text,
  amount         numeric(18,3) NOT NULL CHECK (amount <> 'NaN' AND amount <> 0),
  PRIMARY KEY (journal_no, posting_no),
  CHECK ((ledger_account = 'tax_payable') = (tax_id IS NOT NULL))
);
COMMENT ON COLUMN billing.posting.amount IS 'debit positive, credit negative, in the journal''s currency';

CREATE FUNCTION billing.check_journal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  balance numeric;
BEGIN
  SELECT coalesce(sum(amount), 0) INTO balance FROM billing.posting WHERE journal_no = NEW.journal_no;
  IF balance <> 0 THEN
    RAISE EXCEPTION 'journal % does not balance: its postings sum to %, expected 0', NEW.journal_no, balance USING ERRCODE = 'TG004';
  END IF;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER journal_balances AFTER INSERT ON billing.posting
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.check_journal();

-- Posted means append-only.

CREATE FUNCTION billing.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % refused; correct by adding', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'TG002';
END $$;

DO $$
DECLARE
  posted text;
BEGIN
  FOREACH posted IN ARRAY ARRAY['invoice', 'invoice_line', 'journal', 'posting'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON billing.%I '
                   'FOR EACH ROW EXECUTE FUNCTION billing.refuse_change()', posted);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON billing.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()', posted);
  END LOOP;
END $$;

-- The invoice as one JSON document. Amounts are strings, so that no reader turns them into floats.

CREATE VIEW billing.invoice_document AS
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
  ) AS document
FROM billing.invoice AS i;
COMMENT ON VIEW billing.invoice_document IS 'an invoice with its lines as JSON; amounts and units as strings';
