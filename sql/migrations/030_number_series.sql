-- Numbers of documents go up, and the last one given is one that a document has.

CREATE FUNCTION billing.guard_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.series = OLD.series AND NEW.last_no >= OLD.last_no THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'series % stands at number %: % refused; numbers only go up', OLD.series, OLD.last_no, TG_OP USING ERRCODE = 'TG002';
END $$;
CREATE TRIGGER only_goes_up BEFORE UPDATE OR DELETE ON billing.invoice_counter
  FOR EACH ROW EXECUTE FUNCTION billing.guard_counter();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON billing.invoice_counter
  FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

-- At commit, since the counter of a note goes up before the note has its number.
CREATE FUNCTION billing.check_counter() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  given bigint;
  highest bigint;
BEGIN
  SELECT last_no INTO STRICT given FROM billing.invoice_counter WHERE series = NEW.series;
  IF NEW.series = 'regular' THEN
    SELECT coalesce(max(invoice_no), 0) INTO highest FROM billing.invoice;
  ELSIF NEW.series = 'credit_note' THEN
    SELECT coalesce(max(credit_no), 0) INTO highest FROM billing.credit_note;
  ELSE
    RETURN NULL;
  END IF;
  IF given <> highest THEN
    RAISE EXCEPTION 'series %: the counter says %, expected %, the highest number of a document', NEW.series, given, highest
      USING ERRCODE = 'TG003';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER last_no_is_given AFTER UPDATE ON billing.invoice_counter
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.check_counter();

COMMENT ON TABLE billing.invoice_counter IS 'last number given; the row is locked while a run posts, so that numbers have no gaps; it goes up with the documents that it numbers';
