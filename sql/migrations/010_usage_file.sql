-- Files of usage that were published to Kafka by `tollgate publish-usage`: what each held, and how far it has come.

CREATE TABLE ops.usage_file (
  upload_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sha256     text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  topic      text NOT NULL CHECK (topic <> ''),
  name       text NOT NULL CHECK (name <> ''),
  source     text REFERENCES crm.source,
  records    bigint NOT NULL CHECK (records >= 0),
  bytes      bigint NOT NULL CHECK (bytes >= 0),
  sent       bigint NOT NULL DEFAULT 0,
  started_by text NOT NULL CHECK (started_by <> ''),
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at   timestamptz,
  CONSTRAINT no_more_than_it_has CHECK (sent BETWEEN 0 AND records),
  CONSTRAINT an_end_is_whole CHECK (ended_at IS NULL OR sent = records)
);
COMMENT ON TABLE ops.usage_file IS 'one row a file of usage that was published, and one more each time it was published again';
COMMENT ON COLUMN ops.usage_file.upload_id IS 'number of the upload, counted up';
COMMENT ON COLUMN ops.usage_file.sha256 IS 'SHA-256 of the lines, decompressed: by it a file is known under any name';
COMMENT ON COLUMN ops.usage_file.topic IS 'topic that the records went to';
COMMENT ON COLUMN ops.usage_file.name IS 'file name without its folder';
COMMENT ON COLUMN ops.usage_file.source IS 'source of the records that name none; NULL where none was given';
COMMENT ON COLUMN ops.usage_file.records IS 'lines of the file';
COMMENT ON COLUMN ops.usage_file.bytes IS 'size of the lines, decompressed';
COMMENT ON COLUMN ops.usage_file.sent IS 'lines that the brokers have acknowledged; an upload that was cut off goes on after them';
COMMENT ON COLUMN ops.usage_file.started_by IS 'who started the upload';
COMMENT ON COLUMN ops.usage_file.started_at IS 'when, by the clock of the database';
COMMENT ON COLUMN ops.usage_file.ended_at IS 'when all lines were acknowledged; NULL before';

CREATE UNIQUE INDEX usage_file_one_open ON ops.usage_file (sha256, topic) WHERE ended_at IS NULL;

CREATE FUNCTION ops.guard_usage_file() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'upload % cannot be deleted', OLD.upload_id USING ERRCODE = 'TG001';
  END IF;
  IF OLD.ended_at IS NOT NULL THEN
    RAISE EXCEPTION 'upload % has ended and cannot change', OLD.upload_id USING ERRCODE = 'TG001';
  END IF;
  IF to_jsonb(NEW) - '{sent,ended_at}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{sent,ended_at}'::text[]
     OR NEW.sent < OLD.sent THEN
    RAISE EXCEPTION 'upload % can only go on', OLD.upload_id USING ERRCODE = 'TG001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER guard_usage_file BEFORE UPDATE OR DELETE ON ops.usage_file
  FOR EACH ROW EXECUTE FUNCTION ops.guard_usage_file();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ops.usage_file
  FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_truncate();
