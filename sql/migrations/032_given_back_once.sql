-- Usage is given back once, by a correction or by a credit note; credit of a purse by neither note nor cash; and what an
-- account was billed in, and for which lines, stays.

-- Written by `tollgate correct-usage` before its rows of rated_usage, so a correction that died may be named here too.
CREATE TABLE billing.corrected_line (
  run_id       text NOT NULL,
  account_id   text NOT NULL,
  line_key     text NOT NULL,
  rating_no    bigint NOT NULL CHECK (rating_no > 0),
  announced_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run_id, account_id, line_key, rating_no)
);
COMMENT ON TABLE billing.corrected_line IS 'posted lines of which a correction takes usage back; no credit note may do so too';

CREATE UNLOGGED TABLE billing.staging_corrected_line (
  run_id     text NOT NULL,
  account_id text NOT NULL,
  line_key   text NOT NULL,
  rating_no  bigint NOT NULL,
  PRIMARY KEY (run_id, account_id, line_key, rating_no)
);

-- Usage that prepaid credit paid names its contract at the end of its key.
CREATE FUNCTION billing.is_of_prepaid_credit(kind text, line_key text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT kind IN ('prepaid_balance', 'prepaid_used', 'prepaid_tax', 'top_up', 'prepaid_forfeit', 'prepaid_settlement')
    OR kind IN ('usage', 'prior_period', 'usage_reversal', 'usage_correction') AND line_key NOT LIKE '%|'
$$;

CREATE FUNCTION billing.check_credited_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  line record;
BEGIN
  -- A correction that announces its lines waits for this transaction, or this one for it.
  LOCK TABLE billing.corrected_line IN SHARE MODE;
  SELECT i.run_id, i.account_id, l.kind, l.line_key INTO STRICT line
    FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no)
    WHERE l.invoice_no = NEW.invoice_no AND l.line_no = NEW.line_no;
  IF billing.is_of_prepaid_credit(line.kind, line.line_key) THEN
    RAISE EXCEPTION 'invoice %, line %: prepaid credit is given back by no credit note', NEW.invoice_no, NEW.line_no
      USING ERRCODE = 'TG005';
  END IF;
  IF EXISTS (SELECT FROM billing.corrected_line AS c
             WHERE (c.run_id, c.account_id, c.line_key) = (line.run_id, line.account_id, line.line_key)) THEN
    RAISE EXCEPTION 'invoice %, line %: a correction takes usage of it back', NEW.invoice_no, NEW.line_no
      USING ERRCODE = 'TG005';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER given_back_once AFTER INSERT ON billing.credit_note_line
  FOR EACH ROW EXECUTE FUNCTION billing.check_credited_line();

-- Deposits, prepaid credit and minimums of earlier bills are amounts of the account in its currency.
CREATE FUNCTION crm.keep_billed_currency() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM billing.invoice WHERE account_id = OLD.account_id) THEN
    RAISE EXCEPTION 'account %: its currency cannot change, it has been billed in %; close it and open another one',
      OLD.account_id, OLD.currency USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_billed_currency BEFORE UPDATE OF currency ON crm.account
  FOR EACH ROW WHEN (OLD.currency <> NEW.currency) EXECUTE FUNCTION crm.keep_billed_currency();

-- A line's deposits, credit and instalments are on the bills of its account: another owner has a contract of a new line.
CREATE FUNCTION crm.keep_billed_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM billing.invoice WHERE account_id = OLD.account_id) THEN
    RAISE EXCEPTION 'line % of account %: the account has been billed, so the line stays with it; end its contract and '
      'begin one of a new line for the new owner', OLD.subscription_id, OLD.account_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_billed_line BEFORE UPDATE OF account_id ON crm.phone_line
  FOR EACH ROW WHEN (OLD.account_id <> NEW.account_id) EXECUTE FUNCTION crm.keep_billed_line();
