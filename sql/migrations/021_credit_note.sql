-- Credit notes: lines of a posted invoice taken back, by a document of its own. The invoice stays as it was issued.

INSERT INTO billing.invoice_counter (series, last_no) VALUES ('credit_note', 0);

CREATE TABLE billing.credit_note (
  note_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invoice_no  bigint NOT NULL REFERENCES billing.invoice,
  account_id  text NOT NULL REFERENCES crm.account (account_id),
  cycle_start date NOT NULL,
  currency    text NOT NULL,
  status      text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'issued', 'void')),
  credit_no   bigint UNIQUE CHECK (credit_no > 0),
  sequence    integer CHECK (sequence > 0),
  net         numeric(18,3) NOT NULL DEFAULT 0,
  tax         numeric(18,3) NOT NULL DEFAULT 0,
  total       numeric(18,3) NOT NULL DEFAULT 0,
  reason      text NOT NULL CHECK (reason <> ''),
  drafted_by  text NOT NULL CHECK (drafted_by <> ''),
  drafted_at  timestamptz NOT NULL DEFAULT now(),
  decided_by  text,
  decided_at  timestamptz,
  void_reason text,
  UNIQUE (account_id, cycle_start, sequence),
  CHECK (total = net + tax),
  CONSTRAINT number_when_issued CHECK (num_nulls(credit_no, sequence) = CASE WHEN status = 'issued' THEN 0 ELSE 2 END),
  CONSTRAINT person_when_decided CHECK (num_nulls(decided_by, decided_at) = CASE WHEN status = 'draft' THEN 2 ELSE 0 END)
);
CREATE INDEX credit_note_of_invoice ON billing.credit_note (invoice_no);
COMMENT ON TABLE billing.credit_note IS 'credit notes against posted invoices; amounts are those of the lines with the sign turned';
COMMENT ON COLUMN billing.credit_note.sequence IS '1, 2, ... of the account and cycle; with kind credit_note it stands beside the regular invoice';

CREATE TABLE billing.credit_note_line (
  note_id    bigint NOT NULL REFERENCES billing.credit_note,
  invoice_no bigint NOT NULL,
  line_no    integer NOT NULL,
  amount     numeric(18,3) NOT NULL,
  tax_id     text,
  tax_share  numeric(18,3) NOT NULL,
  is_void    boolean NOT NULL DEFAULT false,
  PRIMARY KEY (note_id, line_no),
  FOREIGN KEY (invoice_no, line_no) REFERENCES billing.invoice_line
);
-- A line is taken back once, so that notes together are never more than their invoice.
CREATE UNIQUE INDEX line_credited_once ON billing.credit_note_line (invoice_no, line_no) WHERE NOT is_void;

CREATE FUNCTION billing.fill_credit_note_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  note billing.credit_note;
BEGIN
  SELECT * INTO STRICT note FROM billing.credit_note WHERE note_id = NEW.note_id FOR UPDATE;
  IF note.status <> 'draft' THEN
    RAISE EXCEPTION 'credit note %: status %, so no line can be added', NEW.note_id, note.status USING ERRCODE = 'TG002';
  END IF;
  SELECT note.invoice_no, -amount, tax_id, -tax_share INTO STRICT NEW.invoice_no, NEW.amount, NEW.tax_id, NEW.tax_share
    FROM billing.invoice_line WHERE invoice_no = note.invoice_no AND line_no = NEW.line_no;
  UPDATE billing.credit_note SET net = net + NEW.amount, tax = tax + NEW.tax_share,
    total = total + NEW.amount + NEW.tax_share WHERE note_id = NEW.note_id;
  RETURN NEW;
END $$;
CREATE TRIGGER amounts_of_the_invoice BEFORE INSERT ON billing.credit_note_line
  FOR EACH ROW EXECUTE FUNCTION billing.fill_credit_note_line();

CREATE FUNCTION billing.guard_credit_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.status <> 'draft' OR NEW.note_id <> OLD.note_id OR NEW.invoice_no <> OLD.invoice_no THEN
    RAISE EXCEPTION 'credit note % is %: % refused; correct by adding', OLD.note_id, OLD.status, TG_OP USING ERRCODE = 'TG002';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE OR DELETE ON billing.credit_note
  FOR EACH ROW EXECUTE FUNCTION billing.guard_credit_note();

CREATE FUNCTION billing.guard_credit_note_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NOT OLD.is_void AND NEW.is_void
     AND (NEW.note_id, NEW.invoice_no, NEW.line_no, NEW.amount, NEW.tax_share, NEW.tax_id)
         IS NOT DISTINCT FROM (OLD.note_id, OLD.invoice_no, OLD.line_no, OLD.amount, OLD.tax_share, OLD.tax_id)
     AND EXISTS (SELECT FROM billing.credit_note WHERE note_id = OLD.note_id AND status = 'void') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'lines of credit notes are append-only: % refused; void the draft', TG_OP USING ERRCODE = 'TG002';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON billing.credit_note_line
  FOR EACH ROW EXECUTE FUNCTION billing.guard_credit_note_line();

DO $$
DECLARE
  posted text;
BEGIN
  FOREACH posted IN ARRAY ARRAY['credit_note', 'credit_note_line'] LOOP
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON billing.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change()', posted);
  END LOOP;
END $$;

-- A journal belongs to an invoice and its run, or to a credit note.
ALTER TABLE billing.journal
  ALTER COLUMN invoice_no DROP NOT NULL,
  ALTER COLUMN run_id DROP NOT NULL,
  ADD COLUMN note_id bigint UNIQUE REFERENCES billing.credit_note,
  ADD CONSTRAINT journal_of_one_document CHECK (num_nulls(invoice_no, note_id) = 1 AND num_nulls(run_id, note_id) = 1);
COMMENT ON TABLE billing.journal IS 'one journal an invoice or credit note; append-only';

CREATE VIEW billing.credit_note_document AS
SELECT n.credit_no, n.account_id, n.cycle_start,
  jsonb_build_object(
    'credit_no', n.credit_no,
    'invoice_kind', 'credit_note',
    'sequence', n.sequence,
    'invoice_no', n.invoice_no,
    'account_id', n.account_id,
    'customer_id', i.customer_id,
    'cycle_start', i.cycle_start,
    'cycle_end', i.cycle_end,
    'currency', n.currency,
    'reason', n.reason,
    'net', round(n.net, i.minor_digits)::text,
    'tax', round(n.tax, i.minor_digits)::text,
    'total', round(n.total, i.minor_digits)::text,
    'lines', (
      SELECT jsonb_agg(jsonb_build_object(
          'line_no', c.line_no,
          'kind', l.kind,
          'description', l.description,
          'amount', round(c.amount, i.minor_digits)::text,
          'tax_id', c.tax_id,
          'tax_share', round(c.tax_share, i.minor_digits)::text) ORDER BY c.line_no)
      FROM billing.credit_note_line AS c JOIN billing.invoice_line AS l USING (invoice_no, line_no)
      WHERE c.note_id = n.note_id)
  ) AS document
FROM billing.credit_note AS n JOIN billing.invoice AS i USING (invoice_no)
WHERE n.status = 'issued';
COMMENT ON VIEW billing.credit_note_document IS 'an issued credit note with its lines as JSON; amounts as strings';
