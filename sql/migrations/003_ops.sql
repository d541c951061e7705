-- Runs and people's decisions about them. Delta holds what a run computed; a row here says whether it counts.

CREATE SCHEMA IF NOT EXISTS ops;

CREATE TABLE ops.bill_run (
  run_id            text PRIMARY KEY CHECK (run_id <> ''),
  cycle             text NOT NULL CHECK (cycle ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  kind              text NOT NULL CHECK (kind = 'regular'),
  sequence          integer NOT NULL CHECK (sequence > 0),
  as_of             timestamptz NOT NULL,
  status            text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'approved', 'posted', 'void')),
  rating_no         bigint NOT NULL,
  snapshot_id       bigint NOT NULL,
  pricebook_version bigint NOT NULL,
  after_runs        text[] NOT NULL,
  fencing           bigint NOT NULL DEFAULT 0 CHECK (fencing >= 0),
  started_by        text NOT NULL CHECK (started_by <> ''),
  approved_by       text,
  accounts          bigint CHECK (accounts >= 0),
  invoices          bigint CHECK (invoices >= 0),
  lines             bigint CHECK (lines >= 0),
  net               numeric(18,3) CHECK (net <> 'NaN'),
  tax               numeric(18,3) CHECK (tax <> 'NaN'),
  total             numeric(18,3) CHECK (total <> 'NaN'),
  content_hash      text CHECK (content_hash ~ '^[0-9a-f]{64}$'),
  parked            bigint CHECK (parked >= 0),
  not_due           bigint CHECK (not_due >= 0),
  created_at        timestamptz NOT NULL DEFAULT now(),
  approved_at       timestamptz,
  posted_at         timestamptz,
  UNIQUE (cycle, kind, sequence),
  CONSTRAINT totals_add_up CHECK (total = net + tax),
  CONSTRAINT totals_come_together CHECK (
    num_nulls(accounts, invoices, lines, net, tax, total, content_hash, parked, not_due) IN (0, 9)),
  CONSTRAINT totals_before_approval CHECK (status IN ('draft', 'void') OR content_hash IS NOT NULL),
  CONSTRAINT approval_is_signed CHECK (
    CASE status WHEN 'draft' THEN approved_by IS NULL AND approved_at IS NULL
                WHEN 'void' THEN (approved_by IS NULL) = (approved_at IS NULL)
                ELSE approved_by IS NOT NULL AND approved_at IS NOT NULL END),
  CONSTRAINT posting_is_dated CHECK ((status = 'posted') = (posted_at IS NOT NULL))
);
COMMENT ON TABLE ops.bill_run IS 'one row a bill run; its invoices count once it is posted';
COMMENT ON COLUMN ops.bill_run.as_of IS 'cycles that ended by this instant are billed';
COMMENT ON COLUMN ops.bill_run.rating_no IS 'pin: rated usage up to this rating run';
COMMENT ON COLUMN ops.bill_run.after_runs IS 'pin: runs that were posted when this one began';
COMMENT ON COLUMN ops.bill_run.fencing IS 'grows with every process that takes the run over; an older one can no longer finish it';
COMMENT ON COLUMN ops.bill_run.content_hash IS 'SHA-256 over all invoices, without numbers, run and time; NULL until the draft is complete';

CREATE UNIQUE INDEX bill_run_one_open ON ops.bill_run (cycle, kind) WHERE status IN ('draft', 'approved');

CREATE FUNCTION ops.guard_bill_run() RETURNS trigger LANGUAGE plpgsql AS $$
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
  IF (NEW.run_id, NEW.cycle, NEW.kind, NEW.sequence, NEW.as_of, NEW.rating_no, NEW.snapshot_id, NEW.pricebook_version, NEW.after_runs)
     IS DISTINCT FROM
     (OLD.run_id, OLD.cycle, OLD.kind, OLD.sequence, OLD.as_of, OLD.rating_no, OLD.snapshot_id, OLD.pricebook_version, OLD.after_runs) THEN
    RAISE EXCEPTION 'the pins of bill run % cannot change', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  IF OLD.content_hash IS NOT NULL
     AND (NEW.accounts, NEW.invoices, NEW.lines, NEW.net, NEW.tax, NEW.total, NEW.content_hash, NEW.parked, NEW.not_due)
     IS DISTINCT FROM
     (OLD.accounts, OLD.invoices, OLD.lines, OLD.net, OLD.tax, OLD.total, OLD.content_hash, OLD.parked, OLD.not_due) THEN
    RAISE EXCEPTION 'the totals of bill run % cannot change', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  IF NEW.fencing < OLD.fencing THEN
    RAISE EXCEPTION 'the fencing number of bill run % cannot go back', OLD.run_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER guard_bill_run BEFORE INSERT OR UPDATE OR DELETE ON ops.bill_run
  FOR EACH ROW EXECUTE FUNCTION ops.guard_bill_run();

CREATE FUNCTION ops.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% cannot be truncated', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'TG002';
END $$;

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ops.bill_run
  FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();

CREATE TABLE ops.bill_account_park (
  run_id     text NOT NULL REFERENCES ops.bill_run,
  account_id text NOT NULL CHECK (account_id <> ''),
  reason     text NOT NULL CHECK (reason <> ''),
  PRIMARY KEY (run_id, account_id)
);
COMMENT ON TABLE ops.bill_account_park IS 'accounts that a run set aside, and why; a later run of the cycle takes them up';
