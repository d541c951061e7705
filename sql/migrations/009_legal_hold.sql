-- What must not leave the lake while a court, a dispute or an investigation may ask for it. Retention reads the rows in
-- force before it takes anything, and keeps every record that one of them reaches whole.

CREATE TABLE ops.legal_hold (
  hold_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id      text REFERENCES crm.account,
  subscription_id text REFERENCES crm.phone_line,
  msisdn          text CHECK (msisdn ~ '^\+[1-9][0-9]{6,14}$'),
  source          text REFERENCES crm.source,
  held_from       timestamptz,
  held_to         timestamptz,
  reason          text NOT NULL CHECK (reason <> ''),
  placed_by       text NOT NULL CHECK (placed_by <> ''),
  placed_at       timestamptz NOT NULL DEFAULT now(),
  released_by     text CHECK (released_by <> ''),
  release_reason  text CHECK (release_reason <> ''),
  released_at     timestamptz,
  CONSTRAINT one_subject CHECK (num_nonnulls(account_id, subscription_id, msisdn, source) <= 1),
  CONSTRAINT everything_needs_both_ends CHECK (
    num_nonnulls(account_id, subscription_id, msisdn, source) = 1 OR num_nonnulls(held_from, held_to) = 2),
  CONSTRAINT from_before_to CHECK (held_from < held_to),
  CONSTRAINT release_is_signed CHECK (num_nulls(released_by, release_reason, released_at) IN (0, 3))
);
COMMENT ON TABLE ops.legal_hold IS 'one row a legal hold; in force until it is released, and never deleted';
COMMENT ON COLUMN ops.legal_hold.account_id IS 'every number of the account, each while the account had it';
COMMENT ON COLUMN ops.legal_hold.subscription_id IS 'every number of the line, each while the line had it';
COMMENT ON COLUMN ops.legal_hold.msisdn IS 'this number, calling or called (pii)';
COMMENT ON COLUMN ops.legal_hold.source IS 'every record of this sending system';
COMMENT ON COLUMN ops.legal_hold.held_from IS 'start or arrival of the event, inclusive; NULL from the beginning';
COMMENT ON COLUMN ops.legal_hold.held_to IS 'start or arrival of the event, exclusive; NULL without an end';

CREATE FUNCTION ops.guard_legal_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'legal hold % cannot be deleted; release it', OLD.hold_id USING ERRCODE = 'TG001';
  END IF;
  IF OLD.released_at IS NOT NULL THEN
    RAISE EXCEPTION 'legal hold % is released and cannot change', OLD.hold_id USING ERRCODE = 'TG001';
  END IF;
  IF to_jsonb(NEW) - '{released_by,release_reason,released_at}'::text[]
     IS DISTINCT FROM to_jsonb(OLD) - '{released_by,release_reason,released_at}'::text[] THEN
    RAISE EXCEPTION 'legal hold % can only be released; place another one', OLD.hold_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER guard_legal_hold BEFORE UPDATE OR DELETE ON ops.legal_hold
  FOR EACH ROW EXECUTE FUNCTION ops.guard_legal_hold();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ops.legal_hold
  FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();
