-- A fee of an account whose cycles are so many days is a fee for a cycle and not for a month.

ALTER TABLE billing.invoice_line
  DROP CONSTRAINT invoice_line_unit_check,
  ADD CONSTRAINT invoice_line_unit_check CHECK (unit IN ('second', 'message', 'byte', 'month', 'cycle'));
