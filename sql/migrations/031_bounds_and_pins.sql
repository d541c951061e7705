-- Credit notes give back, and together never more than their invoice; whom a complete run parked stays as it is.

-- The unique key of lines bounds lines and not the sum: without the discount of an invoice its other lines are more.
CREATE FUNCTION billing.check_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  note billing.credit_note;
  invoiced numeric;
  credited numeric;
BEGIN
  -- The lock of `tollgate bill credit`: of two notes of one invoice the second one waits, and then sees the first.
  PERFORM pg_advisory_xact_lock(hashtextextended('credit of invoice', NEW.invoice_no));
  SELECT * INTO STRICT note FROM billing.credit_note WHERE note_id = NEW.note_id;
  IF note.status = 'void' THEN
    RETURN NULL;
  END IF;
  IF note.total >= 0 THEN
    RAISE EXCEPTION 'credit note %: total %, expected one below 0', note.note_id, note.total USING ERRCODE = 'TG005';
  END IF;
  SELECT i.total INTO STRICT invoiced FROM billing.invoice AS i WHERE i.invoice_no = note.invoice_no;
  SELECT -sum(n.total) INTO STRICT credited FROM billing.credit_note AS n
    WHERE n.invoice_no = note.invoice_no AND n.status <> 'void';
  IF credited > invoiced THEN
    RAISE EXCEPTION 'invoice %: its credit notes are % together, expected at most its total %',
      note.invoice_no, credited, invoiced USING ERRCODE = 'TG005';
  END IF;
  RETURN NULL;
END $$;
-- To void a draft is always allowed.
CREATE CONSTRAINT TRIGGER never_more_than_the_invoice AFTER INSERT OR UPDATE ON billing.credit_note
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status <> 'void') EXECUTE FUNCTION billing.check_credit_note();

-- Later drafts and `bill verify` read the parked accounts of posted runs: they are a pin as the totals are.
CREATE FUNCTION ops.guard_bill_account_park() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  of_run text;
  run ops.bill_run;
BEGIN
  IF TG_OP = 'INSERT' THEN
    of_run := NEW.run_id;
  ELSE
    of_run := OLD.run_id;
  END IF;
  -- Locked, so that no row comes in beside the transaction that completes the draft.
  SELECT * INTO run FROM ops.bill_run WHERE run_id = of_run FOR SHARE;
  IF TG_OP = 'UPDATE' OR run.status <> 'draft' OR run.content_hash IS NOT NULL THEN
    RAISE EXCEPTION 'the parked accounts of bill run % cannot change: % refused', of_run, TG_OP USING ERRCODE = 'TG001';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_bill_account_park BEFORE INSERT OR UPDATE OR DELETE ON ops.bill_account_park
  FOR EACH ROW EXECUTE FUNCTION ops.guard_bill_account_park();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ops.bill_account_park
  FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();
