-- The rule of an account's cycles stays once it is billed: also its anchor day, its zone and the first day of months.

CREATE OR REPLACE FUNCTION crm.keep_billed_cycles() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  open_run text;
  is_mended boolean;
BEGIN
  -- Asked first: a run that is posted between the two questions has its invoices in the second one.
  SELECT run_id INTO open_run FROM ops.bill_run
  WHERE status IN ('draft', 'approved') AND (only_accounts IS NULL OR OLD.account_id = ANY (only_accounts))
    AND OLD.first_cycle_start < (as_of AT TIME ZONE 'UTC')::date
  ORDER BY run_id LIMIT 1;
  -- A first day that is no start of the account's months, which no snapshot takes, may become that of a billed cycle.
  is_mended := OLD.cycle_days IS NULL
    AND (NEW.anchor_day, NEW.time_zone, NEW.cycle_days) IS NOT DISTINCT FROM (OLD.anchor_day, OLD.time_zone, OLD.cycle_days)
    AND extract(day FROM OLD.first_cycle_start) <> least(OLD.anchor_day,
      extract(day FROM date_trunc('month', OLD.first_cycle_start) + interval '1 month' - interval '1 day'))
    AND EXISTS (SELECT FROM billing.invoice
                WHERE account_id = OLD.account_id AND cycle_start = NEW.first_cycle_start);
  -- Nor does a snapshot take a zone that is none, as an older release did.
  is_mended := is_mended OR (
    (NEW.anchor_day, NEW.first_cycle_start, NEW.cycle_days)
      IS NOT DISTINCT FROM (OLD.anchor_day, OLD.first_cycle_start, OLD.cycle_days)
    AND NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = OLD.time_zone)
    AND EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.time_zone));
  IF NOT is_mended AND EXISTS (SELECT FROM billing.invoice WHERE account_id = OLD.account_id) THEN
    RAISE EXCEPTION 'account %: its cycles cannot change, they have been billed; close it and open another one',
      OLD.account_id USING ERRCODE = 'TG001';
  END IF;
  IF open_run IS NOT NULL THEN
    RAISE EXCEPTION 'account %: its cycles cannot change while bill run % is open; post or void it first',
      OLD.account_id, open_run USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;

DROP TRIGGER keep_billed_cycles ON crm.account;
CREATE TRIGGER keep_billed_cycles BEFORE UPDATE OF anchor_day, time_zone, first_cycle_start, cycle_days ON crm.account
  FOR EACH ROW
  WHEN ((OLD.anchor_day, OLD.time_zone, OLD.first_cycle_start, OLD.cycle_days)
        IS DISTINCT FROM (NEW.anchor_day, NEW.time_zone, NEW.first_cycle_start, NEW.cycle_days))
  EXECUTE FUNCTION crm.keep_billed_cycles();
