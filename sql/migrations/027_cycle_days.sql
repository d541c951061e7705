-- Bill cycles of so many days, beside those of calendar months.

ALTER TABLE crm.account ADD COLUMN cycle_days integer CHECK (cycle_days BETWEEN 7 AND 366);
COMMENT ON COLUMN crm.account.cycle_days IS 'days of a bill cycle, counted from first_cycle_start; NULL: calendar months from anchor_day';

-- The key of a cycle: the month in which it starts, and its number where an account has several of them in one month.
ALTER TABLE ops.bill_run DROP CONSTRAINT bill_run_cycle_check,
  ADD CONSTRAINT bill_run_cycle_check CHECK (cycle ~ '^[0-9]{4}-(0[1-9]|1[0-2])(\.[2-5])?$');
ALTER TABLE ops.job_run DROP CONSTRAINT job_run_cycle_check,
  ADD CONSTRAINT job_run_cycle_check CHECK (cycle ~ '^[0-9]{4}-(0[1-9]|1[0-2])(\.[2-5])?$');
COMMENT ON COLUMN ops.bill_run.cycle IS 'key of the cycles billed: the month in which they start, YYYY-MM; YYYY-MM.2 the second ones of accounts that have several';

-- Cycles that were billed stay as they are: another rule would bill days twice, or leave days out.
CREATE FUNCTION crm.keep_billed_cycles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM billing.invoice WHERE account_id = OLD.account_id) THEN
    RAISE EXCEPTION 'account %: its cycles cannot change, they have been billed; close it and open another one',
      OLD.account_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_billed_cycles BEFORE UPDATE OF cycle_days, first_cycle_start ON crm.account FOR EACH ROW
  WHEN (OLD.cycle_days IS DISTINCT FROM NEW.cycle_days
        OR (OLD.cycle_days IS NOT NULL AND OLD.first_cycle_start <> NEW.first_cycle_start))
  EXECUTE FUNCTION crm.keep_billed_cycles();
