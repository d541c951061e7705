-- Invoices of a draft that a person should look at before it is approved.

CREATE TABLE ops.bill_outlier (
  run_id        text NOT NULL REFERENCES ops.bill_run,
  account_id    text NOT NULL CHECK (account_id <> ''),
  kind          text NOT NULL CHECK (kind IN (
    'negative', 'zero', 'over_history', 'new_maximum', 'first_bill', 'over_run')),
  currency      text NOT NULL,
  total         numeric(18,3) NOT NULL CHECK (total <> 'NaN'),
  compared_with numeric(18,3) NOT NULL CHECK (compared_with <> 'NaN'),
  limit_percent integer NOT NULL CHECK (limit_percent > 0),
  PRIMARY KEY (run_id, account_id, kind)
);
COMMENT ON TABLE ops.bill_outlier IS 'outliers of a run: the invoice''s total and the amount that it was compared with';
COMMENT ON COLUMN ops.bill_outlier.limit_percent IS 'an outlier is beyond compared_with x limit_percent / 100';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ops.bill_outlier
  FOR EACH ROW EXECUTE FUNCTION billing.refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ops.bill_outlier
  FOR EACH STATEMENT EXECUTE FUNCTION billing.refuse_change();

CREATE UNLOGGED TABLE ops.staging_bill_outlier (
  run_id        text NOT NULL,
  fencing       bigint NOT NULL,
  account_id    text NOT NULL,
  kind          text NOT NULL,
  currency      text NOT NULL,
  total         numeric(18,3) NOT NULL,
  compared_with numeric(18,3) NOT NULL,
  limit_percent integer NOT NULL,
  PRIMARY KEY (run_id, fencing, account_id, kind)
);
