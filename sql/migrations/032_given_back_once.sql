-- Usage is given back once, by a correction or by a credit note, and prepaid credit by no note. The currency of an
-- account that was billed stays, and its lines and contracts stay with it.

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

-- Lines that are reckoned from the usage of a cycle, and reckoned again when a correction changes it.
CREATE FUNCTION billing.follows_usage(kind text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT kind IN ('discount', 'prior_discount', 'spend_cap', 'prior_spend_cap', 'volume_tier', 'prior_volume_tier')
$$;

CREATE INDEX corrected_line_of_account ON billing.corrected_line (account_id);

-- Why no credit note takes a line back: prepaid, minimum, corrected or follows; NULL where one may.
CREATE FUNCTION billing.obstacle_to_credit(of_invoice bigint, of_line integer) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN billing.is_of_prepaid_credit(l.kind, l.line_key) THEN 'prepaid'
    WHEN l.kind IN ('minimum_spend', 'prior_minimum_spend') THEN 'minimum'
    WHEN EXISTS (SELECT FROM billing.corrected_line AS c
                 WHERE (c.run_id, c.account_id, c.line_key) = (i.run_id, i.account_id, l.line_key)) THEN 'corrected'
    WHEN billing.follows_usage(l.kind) AND EXISTS (
      SELECT FROM billing.corrected_line AS c
        JOIN billing.invoice AS ci ON (ci.run_id, ci.account_id) = (c.run_id, c.account_id)
        JOIN billing.invoice_line AS cl ON (cl.invoice_no, cl.line_key) = (ci.invoice_no, c.line_key)
      WHERE c.account_id = i.account_id
        AND coalesce(cl.origin_cycle, ci.cycle_start) = coalesce(l.origin_cycle, i.cycle_start)) THEN 'follows'
  END
  FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no)
  WHERE l.invoice_no = of_invoice AND l.line_no = of_line
$$;

CREATE FUNCTION billing.check_credited_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  obstacle text;
BEGIN
  -- A correction that announces its lines waits for this transaction, or this one for it.
  LOCK TABLE billing.corrected_line IN SHARE MODE;
  obstacle := billing.obstacle_to_credit(NEW.invoice_no, NEW.line_no);
  IF obstacle IS NOT NULL THEN
    RAISE EXCEPTION 'invoice %, line %: no credit note takes it back: %', NEW.invoice_no, NEW.line_no,
      CASE obstacle WHEN 'prepaid' THEN 'it is of prepaid credit' WHEN 'minimum' THEN 'late usage lowers it'
        WHEN 'corrected' THEN 'a correction takes usage of it back'
        ELSE 'it follows from usage that a correction takes back' END USING ERRCODE = 'TG005';
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

-- Nor does a contract go over to another account: its deposit and credit are on the bills of the one that it had.
CREATE FUNCTION crm.keep_billed_contract() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  billed text;
BEGIN
  SELECT was.account_id INTO billed FROM crm.contract AS c
    JOIN crm.phone_line AS was ON was.subscription_id = c.subscription_id
    JOIN crm.phone_line AS now ON now.subscription_id = NEW.subscription_id
  WHERE c.contract_id = NEW.contract_id AND was.account_id <> now.account_id
    AND EXISTS (SELECT FROM billing.invoice WHERE account_id = was.account_id) LIMIT 1;
  IF billed IS NOT NULL THEN
    RAISE EXCEPTION 'contract % of account %: the account has been billed, so the contract stays with it; end it and '
      'begin another one', NEW.contract_id, billed USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_billed_contract BEFORE INSERT OR UPDATE OF subscription_id, contract_id ON crm.contract
  FOR EACH ROW EXECUTE FUNCTION crm.keep_billed_contract();
