-- Runs of named accounts; who did what to a run; what a draft leaves beside its totals, and the staging it comes from.

ALTER TABLE ops.bill_run
  ADD COLUMN only_accounts text[] CHECK (cardinality(only_accounts) > 0 AND array_position(only_accounts, NULL) IS NULL),
  ADD COLUMN outliers bigint CHECK (outliers >= 0);
COMMENT ON COLUMN ops.bill_run.only_accounts IS 'pin: the accounts that the run was asked for; NULL: every account of the cycle';
COMMENT ON COLUMN ops.bill_run.outliers IS 'rows of ops.bill_outlier; NULL: the draft is not complete, or older than the search for them';

CREATE OR REPLACE FUNCTION ops.guard_bill_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'bill run % cannot be deleted; void it', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'draft' THEN
      RAISE EXCEPTION 'bill run % begins as %, expected draft', NEW.run_id, NEW.status USING ERRCODE = 'TG001';
    END IF;
    RETURN NEW;
  END IF;
  IF OLD.status IN ('posted', 'void') THEN
    RAISE EXCEPTION 'bill run % is % and cannot change', OLD.run_id, OLD.status USING ERRCODE = 'TG001';
  END IF;
  IF (OLD.status, NEW.status) NOT IN (
      ('draft', 'draft'), ('draft', 'approved'), ('draft', 'void'),
      ('approved', 'approved'), ('approved', 'posted'), ('approved', 'void')) THEN
    RAISE EXCEPTION 'bill run % cannot go from % to %', OLD.run_id, OLD.status, NEW.status USING ERRCODE = 'TG001';
  END IF;
  IF (NEW.run_id, NEW.cycle, NEW.kind, NEW.sequence, NEW.as_of, NEW.rating_no, NEW.snapshot_id, NEW.pricebook_version,
      NEW.after_runs, NEW.only_accounts, NEW.started_by)
     IS DISTINCT FROM
     (OLD.run_id, OLD.cycle, OLD.kind, OLD.sequence, OLD.as_of, OLD.rating_no, OLD.snapshot_id, OLD.pricebook_version,
      OLD.after_runs, OLD.only_accounts, OLD.started_by) THEN
    RAISE EXCEPTION 'the pins of bill run % cannot change', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  IF OLD.content_hash IS NOT NULL
     AND (NEW.accounts, NEW.invoices, NEW.lines, NEW.net, NEW.tax, NEW.total, NEW.content_hash, NEW.parked, NEW.not_due,
          NEW.outliers)
     IS DISTINCT FROM
     (OLD.accounts, OLD.invoices, OLD.lines, OLD.net, OLD.tax, OLD.total, OLD.content_hash, OLD.parked, OLD.not_due,
      OLD.outliers) THEN
    RAISE EXCEPTION 'the totals of bill run % cannot change', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  IF NEW.fencing < OLD.fencing THEN
    RAISE EXCEPTION 'the fencing number of bill run % cannot go back', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;

CREATE TABLE ops.bill_run_step (
  step_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id  text NOT NULL REFERENCES ops.bill_run,
  action  text NOT NULL CHECK (action IN ('begun', 'taken over', 'drafted', 'approved', 'posted', 'voided')),
  person  text NOT NULL CHECK (person <> ''),
  note    text NOT NULL DEFAULT '',
  done_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX bill_run_step_of_run ON ops.bill_run_step (run_id, step_no);
COMMENT ON TABLE ops.bill_run_step IS 'who did what to a bill run, and when; append-only';

-- What the rows of older runs say of themselves.
INSERT INTO ops.bill_run_step (run_id, action, person, done_at)
SELECT run_id, action, person, done_at FROM (
  SELECT run_id, 'begun' AS action, started_by AS person, created_at AS done_at FROM ops.bill_run
  UNION ALL SELECT run_id, 'approved', approved_by, approved_at FROM ops.bill_run WHERE approved_at IS NOT NULL
  UNION ALL SELECT run_id, 'posted', 'not recorded', posted_at FROM ops.bill_run WHERE posted_at IS NOT NULL
) AS known ORDER BY done_at, run_id;

CREATE TABLE ops.bill_run_kind (
  run_id text NOT NULL REFERENCES ops.bill_run,
  kind   text NOT NULL,
  lines  bigint NOT NULL CHECK (lines > 0),
  events bigint NOT NULL CHECK (events >= 0),
  amount numeric(18,3) NOT NULL CHECK (amount <> 'NaN'),
  tax    numeric(18,3) NOT NULL CHECK (tax <> 'NaN'),
  PRIMARY KEY (run_id, kind)
);
COMMENT ON TABLE ops.bill_run_kind IS 'lines of a run by their kind, as the draft counted them';

DO $$
DECLARE
  kept text;
BEGIN
  FOREACH kept IN ARRAY ARRAY['bill_run_step', 'bill_run_kind'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ops.%I '
                   'FOR EACH ROW EXECUTE FUNCTION billing.refuse_change()', kept);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ops.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()', kept);
  END LOOP;
END $$;

-- A process writes here under its own fencing number; one transaction moves what the last one wrote.
CREATE UNLOGGED TABLE ops.staging_bill_account_park (
  run_id     text NOT NULL,
  fencing    bigint NOT NULL,
  account_id text NOT NULL,
  reason     text NOT NULL,
  PRIMARY KEY (run_id, fencing, account_id)
);
